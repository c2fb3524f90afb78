//! One body of a request or an answer: decoded as it comes, cut at a limit, hashed as it was sent.

use ring::digest::{self, SHA256};

use super::Reason;
use super::coding::{Coding, Decoders, Stop, codings};
use super::fields::Fields;
use super::limits::{Limits, Memory};
use super::seen::{At, Seen, Side, Sink};

/// What became of a body so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
    /// `Broken` was told.
    Lost,
}

/// One body.
#[derive(Debug)]
pub(super) struct Body {
    at: At,
    codings: Vec<Coding>,
    /// Made when the first byte comes.
    decoders: Option<Decoders>,
    memory: Memory,
    room_bytes: usize,
    state: State,
    sent: Sent,
}

impl Body {
    /// Begins the body that a head announces.
    pub(super) fn new(
        at: At,
        fields: &Fields,
        limits: &Limits,
        memory: &Memory,
        seen: &mut Sink<'_>,
    ) -> Self {
        let mut body = Self {
            at,
            codings: Vec::new(),
            decoders: None,
            memory: memory.clone(),
            room_bytes: match at.from {
                Side::Client => limits.message_bytes.min(limits.request_bytes),
                Side::Server => limits.message_bytes,
            },
            state: State::Whole,
            sent: Sent::new(),
        };
        match codings(fields.content_encoding.as_deref()) {
            Ok(codings) => body.codings = codings,
            Err(reason) => body.lose(reason, seen),
        }
        body
    }

    /// Takes the next bytes, without transfer coding.
    pub(super) fn feed(&mut self, bytes: &[u8], seen: &mut Sink<'_>) {
        if bytes.is_empty() || self.state == State::Lost {
            return;
        }
        self.sent.add(bytes);
        if self.state == State::Whole {
            match self.decode(bytes, seen) {
                Ok(()) => {}
                Err(Ended::Stop(Stop::Full)) => {
                    self.state = State::Cut;
                    self.decoders = None;
                    seen(self.at.cut());
                }
                Err(Ended::Stop(Stop::Damaged(what))) => self.lose(Reason::Coding(what), seen),
                Err(Ended::Stop(Stop::Memory(reason)) | Ended::Reason(reason)) => {
                    self.lose(reason, seen)
                }
            }
        }
    }

    /// Ends the body where its framing ends.
    pub(super) fn end(mut self, seen: &mut Sink<'_>) {
        if self.state == State::Whole
            && let Some(Err(reason)) = self.decoders.as_ref().map(Decoders::finish)
        {
            self.lose(reason, seen);
        }
        match self.state {
            State::Whole => {}
            State::Cut => seen(self.sent.rest(self.at)),
            State::Lost => return,
        }
        seen(self.at.end());
    }

    /// Gives the body up: what follows cannot be read.
    pub(super) fn lose(&mut self, reason: Reason, seen: &mut Sink<'_>) {
        if self.state != State::Lost {
            self.state = State::Lost;
            self.decoders = None;
            seen(self.at.broken(reason));
        }
    }

    fn decode(&mut self, bytes: &[u8], seen: &mut Sink<'_>) -> Result<(), Ended> {
        let decoders = match &mut self.decoders {
            Some(decoders) => decoders,
            none @ None => {
                let decoders =
                    Decoders::new(&self.codings, self.memory.claim()).map_err(Ended::Reason)?;
                none.insert(decoders)
            }
        };
        let (at, room_bytes) = (self.at, &mut self.room_bytes);
        let mut take = |plain: &[u8]| {
            let (fits, over) = plain.split_at_checked(*room_bytes).unwrap_or((plain, &[]));
            *room_bytes = room_bytes.saturating_sub(fits.len());
            if !fits.is_empty() {
                seen(at.body(fits));
            }
            if over.is_empty() {
                Ok(())
            } else {
                Err(Stop::Full)
            }
        };
        decoders.feed(bytes, &mut take).map_err(Ended::Stop)
    }
}

enum Ended {
    Stop(Stop),
    Reason(Reason),
}

/// Bytes as they were sent: how many, and their digest.
pub(super) struct Sent {
    bytes: u64,
    digest: digest::Context,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sent({} bytes)", self.bytes)
    }
}

impl Sent {
    pub(super) fn new() -> Self {
        Self {
            bytes: 0,
            digest: digest::Context::new(&SHA256),
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.digest.update(bytes);
    }

    pub(super) fn rest(&self, at: At) -> Seen {
        let mut sha256 = [0; 32];
        let digest = self.digest.clone().finish();
        for (place, byte) in sha256.iter_mut().zip(digest.as_ref()) {
            *place = *byte;
        }
        Seen::Rest {
            stream: at.stream,
            from: at.from,
            coded_bytes: self.bytes,
            sha256,
        }
    }
}
