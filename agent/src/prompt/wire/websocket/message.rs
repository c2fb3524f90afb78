//! A WebSocket's messages: put together from frames' payloads, inflated on the way.

use bytes::Bytes;

use super::super::body::Sent;
use super::super::coding::{Inflate, Stop};
use super::super::limits::Claim;
use super::super::seen::{At, Message, Seen, Sink};
use super::super::{Kind, Reason};
use super::agreed::Context;

/// What ends each compressed message and is not sent. Source: RFC 7692 section 7.2.2.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Most blocks of one message that are marked as last: each costs a new window.
const ENDS: usize = 16;

/// The first claim for a message's bytes.
const STEP_BYTES: usize = 16 << 10;

/// The messages of one direction.
#[derive(Debug)]
pub(super) struct Messages {
    at: At,
    context: Context,
    inflate: Option<Inflate>,
    /// A cut message was not inflated to its end, and later ones may refer to it.
    context_lost: bool,
    open: Option<Open>,
    limit_bytes: usize,
    claim: Claim,
    claimed: usize,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    compressed: bool,
    bytes: Vec<u8>,
    sent: Sent,
    cut: bool,
    /// Last blocks within it.
    ends: usize,
}

impl Messages {
    pub(super) fn new(at: At, context: Context, limit_bytes: usize, claim: Claim) -> Self {
        Self {
            at,
            context,
            inflate: None,
            context_lost: false,
            open: None,
            limit_bytes,
            claim,
            claimed: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Begins a message with its first frame.
    pub(super) fn begin(&mut self, kind: Kind, compressed: bool) -> Result<(), Reason> {
        if self.open.is_some() {
            return Err(Reason::WebSocket("a message begins within another"));
        }
        if compressed && self.context_lost {
            return Err(Reason::WebSocket(
                "a compressed message may refer to one that was cut",
            ));
        }
        if compressed && self.inflate.is_none() {
            self.claim.grow(Inflate::MEMORY_BYTES)?;
            self.inflate = Some(Inflate::bare());
        }
        self.open = Some(Open {
            kind,
            compressed,
            bytes: Vec::new(),
            sent: Sent::new(),
            cut: false,
            ends: 0,
        });
        Ok(())
    }

    /// Goes on with a further frame.
    pub(super) fn go_on(&self) -> Result<(), Reason> {
        match self.open {
            Some(_) => Ok(()),
            None => Err(Reason::WebSocket("a frame goes on with no message")),
        }
    }

    /// Takes payload.
    pub(super) fn add(&mut self, bytes: &[u8], seen: &mut Sink<'_>) -> Result<(), Reason> {
        if let Some(open) = &mut self.open {
            open.sent.add(bytes);
        }
        self.take(bytes, seen)
    }

    /// Ends the message with its last frame.
    pub(super) fn end(&mut self, seen: &mut Sink<'_>) -> Result<(), Reason> {
        if self.open.as_ref().is_some_and(|open| open.compressed) {
            self.take(&TAIL, seen)?;
            if self.context == Context::EachMessage {
                self.inflate.iter_mut().for_each(Inflate::reset);
            }
        }
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        self.claim.shrink(std::mem::take(&mut self.claimed));
        if open.cut {
            seen(open.sent.rest(self.at));
            return Ok(());
        }
        if open.kind == Kind::Text && str::from_utf8(&open.bytes).is_err() {
            return Err(Reason::WebSocket("a text is not UTF-8"));
        }
        seen(Seen::Message(Message {
            stream: self.at.stream,
            from: self.at.from,
            kind: open.kind,
            bytes: Bytes::from(open.bytes),
        }));
        Ok(())
    }

    /// Gives back all memory.
    pub(super) fn drop_all(&mut self) {
        self.open = None;
        self.inflate = None;
        self.claimed = 0;
        self.claim.release();
    }

    fn take(&mut self, bytes: &[u8], seen: &mut Sink<'_>) -> Result<(), Reason> {
        let Some(open) = self.open.as_mut().filter(|open| !open.cut) else {
            return Ok(());
        };
        let mut grown = Growing {
            bytes: &mut open.bytes,
            claim: &mut self.claim,
            claimed: &mut self.claimed,
            limit_bytes: self.limit_bytes,
        };
        let taken = match self.inflate.as_mut().filter(|_| open.compressed) {
            Some(inflate) => inflate_all(inflate, bytes, &mut open.ends, &mut grown),
            None => grown.take(bytes),
        };
        match taken {
            Ok(()) => Ok(()),
            Err(Stop::Damaged(what)) => Err(Reason::Coding(what)),
            Err(Stop::Memory(reason)) => Err(reason),
            Err(Stop::Full) => {
                open.cut = true;
                open.bytes = Vec::new();
                self.context_lost |= open.compressed && self.context == Context::Kept;
                self.claim.shrink(std::mem::take(&mut self.claimed));
                seen(self.at.cut());
                Ok(())
            }
        }
    }
}

/// A block marked as last ends the stream; what follows within or after the message begins a stream anew. Source: RFC
/// 7692 section 7.2.3.4.
fn inflate_all(
    inflate: &mut Inflate,
    bytes: &[u8],
    ends: &mut usize,
    grown: &mut Growing<'_>,
) -> Result<(), Stop> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = inflate.feed(rest, &mut |plain| grown.take(plain))?;
        rest = rest.get(taken..).unwrap_or_default();
        if inflate.is_ended() {
            if *ends >= ENDS {
                return Err(Stop::Damaged(
                    "deflate: more than 16 streams in one message",
                ));
            }
            *ends = ends.saturating_add(1);
            inflate.reset();
        }
    }
    Ok(())
}

/// A message's bytes under its own limit and the connection's.
struct Growing<'a> {
    bytes: &'a mut Vec<u8>,
    claim: &'a mut Claim,
    claimed: &'a mut usize,
    limit_bytes: usize,
}

impl Growing<'_> {
    fn take(&mut self, plain: &[u8]) -> Result<(), Stop> {
        let needed = self.bytes.len().saturating_add(plain.len());
        if needed > self.limit_bytes {
            return Err(Stop::Full);
        }
        if needed > *self.claimed {
            // Twice what is needed, as the vector grows.
            let more = needed
                .saturating_sub(*self.claimed)
                .max(*self.claimed)
                .max(STEP_BYTES);
            self.claim.grow(more).map_err(Stop::Memory)?;
            *self.claimed = self.claimed.saturating_add(more);
        }
        self.bytes.extend_from_slice(plain);
        Ok(())
    }
}
