//! One stream of HTTP/2: a request and its answer, or both directions of a WebSocket.

use super::super::Reason;
use super::super::body::Body;
use super::super::seen::{At, Seen, Side, Sink};
use super::super::websocket::Socket;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// An answer.
    Answer,
    /// A WebSocket. Source: RFC 8441 section 5.
    WebSocket,
    /// A tunnel, or a protocol that is not read; its name.
    Unread(String),
}

/// One direction of a stream.
#[derive(Debug)]
pub(super) enum Half {
    /// Its head did not come.
    Awaited,
    Body(Box<Body>),
    /// Sent before the server agreed to a WebSocket, and whether that was all.
    Held(Vec<u8>, bool),
    Socket(Box<Socket>),
    Done,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) asked: Asked,
    pub(super) client: Half,
    pub(super) server: Half,
}

impl Stream {
    pub(super) fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub(super) fn at(&self, from: Side) -> At {
        At {
            stream: u64::from(self.id),
            from,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!((&self.client, &self.server), (Half::Done, Half::Done))
    }

    /// Takes content of a direction.
    pub(super) fn content(
        &mut self,
        side: Side,
        bytes: &[u8],
        held_bytes: usize,
        seen: &mut Sink<'_>,
    ) {
        match self.half(side) {
            Half::Awaited if !bytes.is_empty() => {
                self.lose(side, Reason::Framing("content before a head"), seen)
            }
            Half::Body(body) => body.feed(bytes, seen),
            Half::Held(held, false) => {
                held.extend_from_slice(bytes);
                if held.len() > held_bytes {
                    let reason =
                        Reason::Framing("too much was sent before a protocol was agreed upon");
                    self.lose(side, reason, seen);
                }
            }
            Half::Socket(socket) => socket.feed(bytes, seen),
            Half::Awaited | Half::Held(_, true) | Half::Done => {}
        }
    }

    /// Ends a direction.
    pub(super) fn end(&mut self, side: Side, seen: &mut Sink<'_>) {
        let half = self.half(side);
        match std::mem::replace(half, Half::Done) {
            Half::Awaited => seen(
                self.at(side)
                    .broken(Reason::Framing("an end before a head")),
            ),
            Half::Body(body) => body.end(seen),
            Half::Held(held, _) => *half = Half::Held(held, true),
            Half::Socket(mut socket) => socket.ended(seen),
            Half::Done => {}
        }
    }

    /// Gives a direction up, if it is not at its end.
    pub(super) fn lose(&mut self, side: Side, reason: Reason, seen: &mut Sink<'_>) {
        match std::mem::replace(self.half(side), Half::Done) {
            Half::Awaited | Half::Held(..) => seen(self.at(side).broken(reason)),
            Half::Body(mut body) => body.lose(reason, seen),
            Half::Socket(mut socket) => socket.lose(reason, seen),
            Half::Done => {}
        }
    }

    /// Gives both directions up.
    pub(super) fn lose_both(&mut self, reason: &Reason, seen: &mut Sink<'_>) {
        self.lose(Side::Client, reason.clone(), seen);
        self.lose(Side::Server, reason.clone(), seen);
    }

    /// Both directions are a WebSocket from here on.
    pub(super) fn switch(&mut self, client: Socket, server: Socket, seen: &mut Sink<'_>) {
        self.server = Half::Socket(Box::new(server));
        let held = std::mem::replace(&mut self.client, Half::Socket(Box::new(client)));
        if let Half::Held(bytes, ended) = held {
            self.content(Side::Client, &bytes, 0, seen);
            if ended {
                self.end(Side::Client, seen);
            }
        }
    }

    /// The request has no body, for it asks for another protocol.
    pub(super) fn hold(&mut self, seen: &mut Sink<'_>) {
        self.client = Half::Held(Vec::new(), false);
        seen(Seen::RequestEnd {
            stream: u64::from(self.id),
        });
    }
}
