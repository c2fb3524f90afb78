//! Reads one connection to a model API: what was asked, which tools the model asked for, what it answered. Pure.
//!
//! The connection's bytes are read by [`super::wire`], the bodies by the parsers of this stage. A request that is no call of a
//! model is passed over; a call that cannot be read is told with what is known of it, and why.

mod call;
mod http;
mod socket;

use std::collections::BTreeMap;

use super::Api;
use super::wire::{Claim, Fingerprint, Limits, Memory, Protocol, Reader, Seen, Side};
use super::{History, MESSAGE_MAX_BYTES};

pub use call::{Asked, At, Call, Told, Tool};

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

/// Longest answer that is read: readers of bodies keep less at once and say so, but a stream of events may be long. Of a request
/// nothing is kept behind [`MESSAGE_MAX_BYTES`], so nothing is decoded there either.
const ANSWER_MAX_BYTES: usize = 32 << 20;

/// One connection to a model API.
pub struct Exchanges {
    reader: Reader,
    about: About,
    open: BTreeMap<u64, Open>,
    /// What they hold.
    held: Claim,
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
            held: memory.claim(),
            about: About {
                name,
                host,
                process: None,
            },
            open: BTreeMap::new(),
        }
    }

    /// Says which process has the connection, with its start in nanoseconds since boot.
    #[must_use]
    pub fn of_process(mut self, pid: u32, start_ns: Option<i64>) -> Self {
        self.about.process = Some((pid, start_ns));
        self
    }

    /// Takes the next bytes of one side.
    pub fn feed(
        &mut self,
        side: Side,
        bytes: &[u8],
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        let Self {
            reader,
            about,
            open,
            held,
        } = self;
        let mut seen = |seen: Seen| take(about, (open, held), seen, at, history, told);
        match side {
            Side::Client => reader.client(bytes, &mut seen),
            Side::Server => reader.server(bytes, &mut seen),
        }
        give_back(open, held);
    }

    /// Says that one side sends nothing more.
    pub fn ended(&mut self, side: Side, at: At, history: &mut History, told: &mut Vec<Told>) {
        let Self {
            reader,
            about,
            open,
            held,
        } = self;
        reader.ended(side, &mut |seen| {
            take(about, (open, held), seen, at, history, told)
        });
        give_back(open, held);
    }

    /// Ends the connection: what is still open is told as far as it came. `why` says it where its copies were lost.
    pub fn finish(self, why: Option<&str>, at: At, history: &mut History, told: &mut Vec<Told>) {
        for (_, open) in self.open {
            match open {
                Open::Http(exchange) => {
                    exchange.broken(why.unwrap_or("unfinished"), at, history, told)
                }
                Open::Socket(sockets) => sockets.finish(why, at, history, told),
            }
        }
    }
}

fn take(
    about: &About,
    (open, held): (&mut BTreeMap<u64, Open>, &mut Claim),
    seen: Seen,
    at: At,
    history: &mut History,
    told: &mut Vec<Told>,
) {
    match seen {
        Seen::Request(request) => {
            let stream = request.stream;
            let api = Api::find(&request.method, &request.path);
            let begun = match (api, Api::of_web_socket(&request.path)) {
                (Some(api), _) => Open::Http(Box::new(Exchange::new(about, api, &request, at))),
                // One that is answered by no WebSocket has no messages.
                (None, Some(_)) => Open::Socket(Box::new(Sockets::new(about, &request))),
                (None, None) => return,
            };
            if open.len() < OPEN_MAX {
                open.insert(stream, begun);
                return;
            }
            match begun {
                Open::Http(exchange) => exchange.broken(NO_ROOM, at, history, told),
                Open::Socket(sockets) => sockets.finish(Some(NO_ROOM), at, history, told),
            }
        }
        Seen::RequestBody { stream, bytes } => {
            if let Some(Open::Http(exchange)) = open.get_mut(&stream) {
                exchange.asking(&bytes);
            }
            make_room((open, held), stream, at, history, told);
        }
        Seen::RequestEnd { stream } => {
            if let Some(Open::Http(exchange)) = open.get_mut(&stream) {
                exchange.asked(at, history, told);
            }
        }
        Seen::Answer(answer) => {
            if let Some(Open::Http(exchange)) = open.get_mut(&answer.stream) {
                exchange.answers(&answer, at);
            }
        }
        Seen::AnswerBody { stream, bytes } => {
            if let Some(Open::Http(exchange)) = open.get_mut(&stream) {
                exchange.answering(&bytes, at, told);
            }
            make_room((open, held), stream, at, history, told);
        }
        Seen::AnswerEnd { stream } => match open.remove(&stream) {
            Some(Open::Http(exchange)) => exchange.answered(at, history, told),
            Some(Open::Socket(sockets)) => sockets.finish(None, at, history, told),
            None => {}
        },
        Seen::Message(message) => {
            if let Some(Open::Socket(sockets)) = open.get_mut(&message.stream) {
                sockets.take(message.from, &message.bytes, at, history, told);
            }
            make_room((open, held), message.stream, at, history, told);
        }
        // Each side's own; the other may still speak, and the connection's end ends both.
        Seen::Closed { .. } => {}
        Seen::Cut { stream, from } => {
            if let Some(Open::Http(exchange)) = open.get_mut(&stream) {
                exchange.cut(from);
            }
        }
        Seen::Rest { stream, from, .. } => match (from, open.remove(&stream)) {
            (Side::Client, Some(Open::Http(mut exchange))) => {
                exchange.asked(at, history, told);
                open.insert(stream, Open::Http(exchange));
            }
            (Side::Server, Some(Open::Http(exchange))) => exchange.answered(at, history, told),
            // A message of which nothing is told.
            (Side::Client | Side::Server, Some(Open::Socket(sockets))) => {
                open.insert(stream, Open::Socket(sockets));
            }
            (Side::Client | Side::Server, None) => {}
        },
        Seen::Broken {
            stream,
            from,
            reason,
        } => {
            let why = format!("unreadable: {reason}");
            let broken: Vec<u64> = match stream {
                Some(stream) => vec![stream],
                None => open.keys().copied().collect(),
            };
            for stream in broken {
                match (open.remove(&stream), from) {
                    // The answer may still be read.
                    (Some(Open::Http(mut exchange)), Side::Client) => {
                        exchange.unasked(&why);
                        open.insert(stream, Open::Http(exchange));
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
    }
}

/// Gives up the call that has just grown, if all of them hold too much, of the connection or of what it shares with others.
fn make_room(
    (open, held): (&mut BTreeMap<u64, Open>, &mut Claim),
    grown: u64,
    at: At,
    history: &mut History,
    told: &mut Vec<Told>,
) {
    let bytes = held_bytes(open);
    if bytes <= HELD_MAX_BYTES && held.resize(bytes).is_ok() {
        return;
    }
    match open.remove(&grown) {
        Some(Open::Http(exchange)) => exchange.broken(NO_ROOM, at, history, told),
        Some(Open::Socket(sockets)) => sockets.finish(Some(NO_ROOM), at, history, told),
        None => {}
    }
}

/// Gives back what calls held that are over.
fn give_back(open: &BTreeMap<u64, Open>, held: &mut Claim) {
    // What they hold more was claimed when it came.
    let _less = held.resize(held_bytes(open));
}

fn held_bytes(open: &BTreeMap<u64, Open>) -> usize {
    let held = |open: &Open| match open {
        Open::Http(exchange) => exchange.held_bytes(),
        Open::Socket(sockets) => sockets.held_bytes(),
    };
    open.values().map(held).sum()
}

#[cfg(test)]
mod tests;
