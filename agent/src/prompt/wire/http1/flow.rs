//! What one side of an HTTP/1.1 connection is sending.

use super::super::Reason;
use super::super::body::Body;
use super::super::reader::slice;
use super::super::seen::Sink;
use super::super::websocket::Socket;
use super::framing::{Framing, Step};
use super::head::Head;

/// What one side is sending.
#[derive(Debug)]
pub(super) enum Flow {
    Head(Head),
    Body(Box<Transfer>),
    /// The client asked for another protocol; what it sent since, unread until the answer comes.
    Waiting(Vec<u8>),
    Socket(Box<Socket>),
    /// Nothing more is read.
    Over,
}

/// A body under way, in its framing.
#[derive(Debug)]
pub(super) struct Transfer {
    framing: Framing,
    body: Option<Body>,
    begun: bool,
}

impl Transfer {
    pub(super) fn new(framing: Framing, body: Body) -> Self {
        Self {
            framing,
            body: Some(body),
            begun: false,
        }
    }

    /// Tells whether anything of it came.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// Takes as many bytes as are read in one step, or fewer; true once the body ended: what is left belongs to what follows.
    pub(super) fn step(&mut self, rest: &mut &[u8], seen: &mut Sink<'_>) -> Result<bool, Reason> {
        let mut behind = *rest;
        let part = slice(&mut behind);
        let mut left = part;
        let is_ended = self.feed(&mut left, seen);
        let taken = part.len().saturating_sub(left.len());
        *rest = rest.get(taken..).unwrap_or_default();
        is_ended
    }

    fn feed(&mut self, rest: &mut &[u8], seen: &mut Sink<'_>) -> Result<bool, Reason> {
        self.begun |= !rest.is_empty();
        loop {
            match self.framing.step(rest)? {
                Step::Bytes(bytes) => {
                    if let Some(body) = &mut self.body {
                        body.feed(bytes, seen);
                    }
                    if self.framing == Framing::Length(0) {
                        self.end(seen);
                        return Ok(true);
                    }
                }
                Step::End => {
                    self.end(seen);
                    return Ok(true);
                }
                Step::More => return Ok(false),
            }
        }
    }

    /// The side sends nothing more.
    pub(super) fn ended(mut self, seen: &mut Sink<'_>) {
        if self.framing == Framing::Close {
            self.end(seen);
        } else {
            self.lose(Reason::CutOff, seen);
        }
    }

    pub(super) fn lose(&mut self, reason: Reason, seen: &mut Sink<'_>) {
        if let Some(mut body) = self.body.take() {
            body.lose(reason, seen);
        }
    }

    fn end(&mut self, seen: &mut Sink<'_>) {
        if let Some(body) = self.body.take() {
            body.end(seen);
        }
    }
}
