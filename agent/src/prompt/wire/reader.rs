//! The reader of one connection: what it is given, and where it goes.

use std::fmt;

use super::http1::Http1;
use super::http2::Http2;
use super::limits::{Limits, Memory};
use super::seen::{Seen, Side};

/// Makes a fingerprint of a credential's bytes, which it alone sees. It should be keyed: a credential may be guessed.
pub type Fingerprint = Box<dyn Fn(&[u8]) -> [u8; 32] + Send>;

/// The protocol that both sides agreed upon by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or 1.0, RFC 9112.
    Http1,
    /// HTTP/2, RFC 9113.
    Http2,
}

/// Reads a copy of one connection's plain bytes.
///
/// Bytes may be cut anywhere and must come in the order in which they were forwarded, that is, a request's before its
/// answer's. What is seen is told at once, in pieces of bounded size, and not kept. How bytes are
/// cut changes nothing of it, but for how much of a damaged body is given before its damage is found.
#[derive(Debug)]
pub struct Reader {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

impl Reader {
    /// Begins a connection with the limits that [`Limits::default`] has, without fingerprints.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self::limited(protocol, Limits::default(), None)
    }

    /// Begins a connection.
    #[must_use]
    pub fn limited(protocol: Protocol, limits: Limits, fingerprint: Option<Fingerprint>) -> Self {
        Self::within(&Memory::new(usize::MAX), protocol, limits, fingerprint)
    }

    /// Begins a connection whose memory is a part of another.
    #[must_use]
    pub fn within(
        outer: &Memory,
        protocol: Protocol,
        limits: Limits,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let shared = Shared {
            memory: Memory::within(limits.memory_bytes, outer),
            limits,
            fingerprint,
        };
        let inner = match protocol {
            Protocol::Http1 => Inner::Http1(Box::new(Http1::new(shared))),
            Protocol::Http2 => Inner::Http2(Box::new(Http2::new(shared))),
        };
        Self { inner }
    }

    /// Takes the next part of what a side sent, one message at most, so that whoever reads for many may do something else before the
    /// next; gives how many of the bytes that were. While [`is_behind`](Self::is_behind) it may be none of them.
    pub fn step(&mut self, side: Side, bytes: &[u8], seen: &mut dyn FnMut(Seen)) -> usize {
        match &mut self.inner {
            Inner::Http1(http1) => http1.step(side, bytes, seen),
            Inner::Http2(http2) => http2.step(side, bytes, seen),
        }
    }

    /// Tells whether something is left to be told of what came, without more bytes of this side.
    #[must_use]
    pub fn is_behind(&self, side: Side) -> bool {
        match &self.inner {
            Inner::Http1(http1) => http1.is_behind(),
            Inner::Http2(http2) => http2.is_behind(side),
        }
    }

    /// Takes the next bytes that the client sent.
    pub fn client(&mut self, bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        self.all(Side::Client, bytes, seen);
    }

    /// Takes the next bytes that the server sent.
    pub fn server(&mut self, bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        self.all(Side::Server, bytes, seen);
    }

    fn all(&mut self, side: Side, bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        let mut rest = bytes;
        while !rest.is_empty() || self.is_behind(side) {
            let taken = self.step(side, rest, seen);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// One side sends nothing more: what it left unfinished is told.
    pub fn ended(&mut self, side: Side, seen: &mut dyn FnMut(Seen)) {
        match &mut self.inner {
            Inner::Http1(http1) => http1.ended(side, seen),
            Inner::Http2(http2) => http2.ended(side, seen),
        }
    }

    #[cfg(test)]
    pub(super) fn memory_used(&self) -> usize {
        match &self.inner {
            Inner::Http1(http1) => http1.memory_used(),
            Inner::Http2(http2) => http2.memory_used(),
        }
    }
}

/// Most bytes of a body or of a WebSocket that are read in one step: what they hold may be a thousand times as much.
pub(super) const SLICE_BYTES: usize = 1 << 10;

/// Takes as much of the bytes as is read in one step.
pub(super) fn slice<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (slice, behind) = rest.split_at_checked(SLICE_BYTES).unwrap_or((rest, &[]));
    *rest = behind;
    slice
}

/// What all of a connection share.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) memory: Memory,
    pub(super) fingerprint: Option<Fingerprint>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("limits", &self.limits)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}
