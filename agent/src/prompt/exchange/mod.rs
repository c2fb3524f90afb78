//! Reads one connection to a model API: what was asked, which tools the model asked for, what it answered. Pure.
//!
//! The connection's bytes are read by [`super::wire`], the bodies by the parsers of this stage. A request that is no call of a
//! model is passed over; a call that cannot be read is told with what is known of it, and why.

mod call;
mod http;
mod socket;

use std::collections::BTreeMap;

use super::Api;
use super::wire::{Claim, Fingerprint, Limits, Memory, Protocol, Reader, Reason, Seen, Side};
use super::{History, MESSAGE_MAX_BYTES};

pub use call::{Asked, At, Call, Lost, Told, Tool};

use http::Exchange;
use socket::Sockets;

/// Most calls that are open at once on a connection; agents have a handful.
const OPEN_MAX: usize = 64;

/// Most bytes of bodies that all open calls of a connection hold, and most that decoders use: a zstd window of 8 MiB, or
/// brotli's 16 MiB with its tables.
const HELD_MAX_BYTES: usize = 32 << 20;
const DECODING_MAX_BYTES: usize = 24 << 20;

/// Said of a call for which there was no room.
const NO_ROOM: &str = "unreadable: more at once than is held";

/// Said of a message of a WebSocket.
const TOO_LONG: &str = "unreadable: a message is longer than is read";

/// Longest answer that is read: readers of bodies keep less at once and say so, but a stream of events may be long. Of a request
/// nothing is kept behind [`MESSAGE_MAX_BYTES`], so nothing is decoded there either.
const ANSWER_MAX_BYTES: usize = 32 << 20;

/// One connection to a model API.
pub struct Exchanges {
    reader: Reader,
    about: About,
    calls: Calls,
}

/// The calls of a connection.
struct Calls {
    open: BTreeMap<u64, Open>,
    /// What they hold.
    held: Claim,
    /// The last request, of a call or not.
    last: u64,
    /// Whether [`Told::Lost`] was told.
    is_lost: bool,
}

/// What all calls of a connection share.
struct About {
    /// Names the connection: what its calls are named after.
    name: String,
    /// The host that the client connected to.
    host: String,
    /// The process that has it.
    process: Option<(u32, Option<i64>)>,
}

/// A request under way.
enum Open {
    Http(Box<Exchange>),
    Socket(Box<Sockets>),
}

impl Exchanges {
    /// Begins a connection; `name` must be no other connection's.
    #[must_use]
    pub fn new(
        name: String,
        host: String,
        protocol: Protocol,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        Self::within(&Memory::new(usize::MAX), name, host, protocol, fingerprint)
    }

    /// Begins a connection that may hold no more than is left of some memory: what needs more is told as unreadable.
    #[must_use]
    pub fn within(
        memory: &Memory,
        name: String,
        host: String,
        protocol: Protocol,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let limits = Limits {
            message_bytes: ANSWER_MAX_BYTES,
            request_bytes: MESSAGE_MAX_BYTES,
            memory_bytes: DECODING_MAX_BYTES,
            streams: OPEN_MAX,
            ..Limits::default()
        };
        Self {
            reader: Reader::within(memory, protocol, limits, fingerprint),
            about: About {
                name,
                host,
                process: None,
            },
            calls: Calls {
                open: BTreeMap::new(),
                held: memory.claim(),
                last: 0,
                is_lost: false,
            },
        }
    }

    /// Says which process has the connection, with its start in nanoseconds since boot.
    #[must_use]
    pub fn of_process(mut self, pid: u32, start_ns: Option<i64>) -> Self {
        self.about.process = Some((pid, start_ns));
        self
    }

    /// Takes the next part of what one side sent, one message at most; gives how many of the bytes that were. While
    /// [`is_behind`](Self::is_behind) it may be none of them.
    pub fn step(
        &mut self,
        side: Side,
        bytes: &[u8],
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) -> usize {
        let Self {
            reader,
            about,
            calls,
        } = self;
        let mut seen = |seen: Seen| calls.take(about, seen, at, history, told);
        let taken = reader.step(side, bytes, &mut seen);
        calls.give_back();
        taken
    }

    /// Tells whether something is left to be told of what came, without more bytes of this side.
    #[must_use]
    pub fn is_behind(&self, side: Side) -> bool {
        self.reader.is_behind(side)
    }

    /// Takes the next bytes of one side, all of them.
    pub fn feed(
        &mut self,
        side: Side,
        bytes: &[u8],
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        let mut rest = bytes;
        while !rest.is_empty() || self.is_behind(side) {
            let taken = self.step(side, rest, at, history, told);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Says that one side sends nothing more.
    pub fn ended(&mut self, side: Side, at: At, history: &mut History, told: &mut Vec<Told>) {
        let Self {
            reader,
            about,
            calls,
        } = self;
        reader.ended(side, &mut |seen| calls.take(about, seen, at, history, told));
        calls.give_back();
    }

    /// Ends the connection: what is still open is told as far as it came. `why` says it where its copies were lost.
    pub fn finish(self, why: Option<&str>, at: At, history: &mut History, told: &mut Vec<Told>) {
        for (_, open) in self.calls.open {
            match open {
                Open::Http(exchange) => {
                    exchange.broken(why.unwrap_or("unfinished"), at, history, told)
                }
                Open::Socket(sockets) => sockets.finish(why, at, history, told),
            }
        }
    }
}

impl Calls {
    fn take(
        &mut self,
        about: &About,
        seen: Seen,
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        match seen {
            Seen::Request(request) => {
                self.last = request.stream;
                let api = Api::find(&request.method, &request.path);
                let begun = match (api, Api::of_web_socket(&request.path)) {
                    (Some(api), _) => Open::Http(Box::new(Exchange::new(about, api, &request, at))),
                    // One that is answered by no WebSocket has no messages.
                    (None, Some(_)) => Open::Socket(Box::new(Sockets::new(about, &request))),
                    (None, None) => return,
                };
                if self.open.len() < OPEN_MAX {
                    self.open.insert(request.stream, begun);
                } else {
                    self.give_up(begun, NO_ROOM, at, history, told);
                }
            }
            Seen::RequestBody { stream, bytes } => {
                if let Some(Open::Http(exchange)) = self.open.get_mut(&stream) {
                    exchange.asking(&bytes);
                }
                self.make_room(stream, at, history, told);
            }
            Seen::RequestEnd { stream } => {
                if let Some(Open::Http(exchange)) = self.open.get_mut(&stream) {
                    exchange.asked(at, history, told);
                }
            }
            Seen::Answer(answer) => {
                if let Some(Open::Http(exchange)) = self.open.get_mut(&answer.stream) {
                    exchange.answers(&answer, at);
                }
            }
            Seen::AnswerBody { stream, bytes } => {
                if let Some(Open::Http(exchange)) = self.open.get_mut(&stream) {
                    exchange.answering(&bytes, at, told);
                }
                self.make_room(stream, at, history, told);
            }
            Seen::AnswerEnd { stream } => match self.open.remove(&stream) {
                Some(Open::Http(exchange)) => exchange.answered(at, history, told),
                Some(Open::Socket(sockets)) => sockets.finish(None, at, history, told),
                None => {}
            },
            Seen::Message(message) => {
                if let Some(Open::Socket(sockets)) = self.open.get_mut(&message.stream) {
                    sockets.take(message.from, &message.bytes, at, history, told);
                }
                self.make_room(message.stream, at, history, told);
            }
            // Each side's own; the other may still speak, and the connection's end ends both.
            Seen::Closed { .. } => {}
            Seen::Cut { stream, from } => match self.open.get_mut(&stream) {
                Some(Open::Http(exchange)) => exchange.cut(from),
                Some(Open::Socket(_)) => self.lose(TOO_LONG, at, told),
                None => {}
            },
            Seen::Rest { stream, from, .. } => match (from, self.open.remove(&stream)) {
                (Side::Client, Some(Open::Http(mut exchange))) => {
                    exchange.asked(at, history, told);
                    self.open.insert(stream, Open::Http(exchange));
                }
                (Side::Server, Some(Open::Http(exchange))) => exchange.answered(at, history, told),
                // A message of which nothing more is told.
                (Side::Client | Side::Server, Some(Open::Socket(sockets))) => {
                    self.open.insert(stream, Open::Socket(sockets));
                }
                (Side::Client | Side::Server, None) => {}
            },
            Seen::Broken {
                stream,
                from,
                reason,
            } => self.broken(stream, (from, &reason), at, history, told),
        }
    }

    fn broken(
        &mut self,
        stream: Option<u64>,
        (from, reason): (Side, &Reason),
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        let why = format!("unreadable: {reason}");
        if self.hides_calls(stream, reason) {
            self.lose(&why, at, told);
        }
        let broken: Vec<u64> = match stream {
            Some(stream) => vec![stream],
            None => self.open.keys().copied().collect(),
        };
        for stream in broken {
            match (self.open.remove(&stream), from) {
                // The answer may still be read.
                (Some(Open::Http(mut exchange)), Side::Client) => {
                    exchange.unasked(&why);
                    self.open.insert(stream, Open::Http(exchange));
                }
                (Some(Open::Http(exchange)), Side::Server) => {
                    exchange.broken(&why, at, history, told)
                }
                (Some(Open::Socket(sockets)), Side::Client | Side::Server) => {
                    sockets.finish(Some(&why), at, history, told);
                }
                (None, _) => {}
            }
        }
    }

    /// Tells whether calls may go by unread behind something that cannot be read: not where a request that is known is alone lost by it,
    /// nor where the other end did not get the whole of it either.
    fn hides_calls(&self, stream: Option<u64>, reason: &Reason) -> bool {
        let Some(stream) = stream else {
            return !matches!(reason, Reason::CutOff);
        };
        let is_over = matches!(
            reason,
            Reason::CutOff | Reason::Reset { .. } | Reason::Unprocessed { .. } | Reason::Pushed
        );
        let is_socket = matches!(self.open.get(&stream), Some(Open::Socket(_)));
        let is_of_another = matches!(reason, Reason::Protocol(_));
        !is_over && (is_socket || is_of_another || stream > self.last)
    }

    /// Tells once that calls may go by unread.
    fn lose(&mut self, why: &str, at: At, told: &mut Vec<Told>) {
        if !std::mem::replace(&mut self.is_lost, true) {
            let why = why.to_owned();
            told.push(Told::Lost(Box::new(Lost { why, at })));
        }
    }

    fn give_up(
        &mut self,
        open: Open,
        why: &str,
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        match open {
            Open::Http(exchange) => exchange.broken(why, at, history, told),
            Open::Socket(sockets) => {
                sockets.finish(Some(why), at, history, told);
                // What else comes on it is read by nobody.
                self.lose(why, at, told);
            }
        }
    }

    /// Gives up the call that has just grown, if all of them hold too much, of the connection or of what it shares with others.
    fn make_room(&mut self, grown: u64, at: At, history: &mut History, told: &mut Vec<Told>) {
        let bytes = self.held_bytes();
        if bytes <= HELD_MAX_BYTES && self.held.resize(bytes).is_ok() {
            return;
        }
        if let Some(open) = self.open.remove(&grown) {
            self.give_up(open, NO_ROOM, at, history, told);
        }
    }

    /// Gives back what calls held that are over.
    fn give_back(&mut self) {
        // What they hold more was claimed when it came.
        let _less = self.held.resize(self.held_bytes());
    }

    fn held_bytes(&self) -> usize {
        let held = |open: &Open| match open {
            Open::Http(exchange) => exchange.held_bytes(),
            Open::Socket(sockets) => sockets.held_bytes(),
        };
        self.open.values().map(held).sum()
    }
}

#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod tests;
