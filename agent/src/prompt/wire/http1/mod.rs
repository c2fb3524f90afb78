//! HTTP/1.1 (RFC 9112): requests and answers of one connection, paired by their order.

mod chunks;
mod flow;
mod framing;
mod head;

use std::collections::VecDeque;

use self::flow::{Flow, Transfer};
use self::framing::{Framing, of_answer, of_request};
use self::head::Head;
use super::Reason;
use super::body::Body;
use super::fields::Fields;
use super::reader::{Shared, slice};
use super::seen::{Answer, At, Seen, Side, Sink};
use super::websocket::{Agreed, Socket, agreed};

/// One connection.
#[derive(Debug)]
pub(super) struct Http1 {
    shared: Shared,
    client: Flow,
    server: Flow,
    /// Requests without their answer, the oldest first.
    pending: VecDeque<Pending>,
    last: u64,
    /// What the client sent behind a request for another protocol, once it is known in which it is to be read.
    held: Vec<u8>,
}

/// A request without its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    stream: u64,
    asked: Asked,
    /// It waits for `100 Continue`.
    expects: bool,
}

/// What of a request its answer's reading depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Head,
    /// A tunnel.
    Connect,
    /// Another protocol for the rest of the connection.
    Upgrade,
    Other,
}

impl Http1 {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            client: Flow::Head(Head::new()),
            server: Flow::Head(Head::new()),
            pending: VecDeque::new(),
            last: 0,
            held: Vec::new(),
            shared,
        }
    }

    #[cfg(test)]
    pub(super) fn memory_used(&self) -> usize {
        self.shared.memory.used()
    }

    /// Takes the next part of what a side sent, one message at most; gives how many bytes that were. What was held until now comes
    /// first.
    pub(super) fn step(&mut self, side: Side, bytes: &[u8], seen: &mut Sink<'_>) -> usize {
        if self.is_behind() {
            let held = std::mem::take(&mut self.held);
            let mut rest = held.as_slice();
            self.client(&mut rest, seen);
            self.held = rest.to_vec();
            return 0;
        }
        let mut rest = bytes;
        match side {
            Side::Client => self.client(&mut rest, seen),
            Side::Server => self.server(&mut rest, seen),
        }
        bytes.len().saturating_sub(rest.len())
    }

    /// Tells whether something was held that can be read now.
    pub(super) fn is_behind(&self) -> bool {
        !self.held.is_empty()
    }

    fn client(&mut self, rest: &mut &[u8], seen: &mut Sink<'_>) {
        let limits = &self.shared.limits;
        match &mut self.client {
            Flow::Head(head) => match head.feed(rest, limits.head_bytes) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    if let Err(reason) = self.request(&text, seen) {
                        self.broken(Side::Client, reason, seen);
                    }
                }
                Err(reason) => self.broken(Side::Client, reason, seen),
            },
            Flow::Body(transfer) => match transfer.step(rest, seen) {
                Ok(false) => {}
                Ok(true) => self.client = self.next_request(),
                Err(reason) => self.broken(Side::Client, reason, seen),
            },
            Flow::Waiting(held) => {
                held.extend_from_slice(std::mem::take(rest));
                if held.len() > limits.held_bytes {
                    let reason =
                        Reason::Framing("too much was sent before a protocol was agreed upon");
                    self.broken(Side::Client, reason, seen);
                }
            }
            Flow::Socket(socket) => socket.feed(slice(rest), seen),
            Flow::Over => *rest = &[],
        }
    }

    fn server(&mut self, rest: &mut &[u8], seen: &mut Sink<'_>) {
        match &mut self.server {
            Flow::Head(head) => match head.feed(rest, self.shared.limits.head_bytes) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    if let Err(reason) = self.answer(&text, seen) {
                        self.broken(Side::Server, reason, seen);
                    }
                }
                Err(reason) => self.broken(Side::Server, reason, seen),
            },
            Flow::Body(transfer) => match transfer.step(rest, seen) {
                Ok(false) => {}
                Ok(true) => self.server = Flow::Head(Head::new()),
                Err(reason) => self.broken(Side::Server, reason, seen),
            },
            Flow::Socket(socket) => socket.feed(slice(rest), seen),
            Flow::Waiting(_) | Flow::Over => *rest = &[],
        }
    }

    /// One side sends nothing more.
    pub(super) fn ended(&mut self, side: Side, seen: &mut Sink<'_>) {
        match std::mem::replace(self.flow(side), Flow::Over) {
            Flow::Head(head) if head.is_begun() => {
                seen(Seen::Broken {
                    stream: None,
                    from: side,
                    reason: Reason::CutOff,
                });
            }
            Flow::Body(transfer) => transfer.ended(seen),
            Flow::Socket(mut socket) => socket.ended(seen),
            Flow::Waiting(held) if !held.is_empty() => {
                let reason = Reason::Framing("it ended before a protocol was agreed upon");
                seen(Seen::Broken {
                    stream: None,
                    from: side,
                    reason,
                });
            }
            Flow::Head(_) | Flow::Waiting(_) | Flow::Over => {}
        }
        if side == Side::Server {
            for Pending { stream, .. } in self.pending.drain(..) {
                seen(At { stream, from: side }.broken(Reason::CutOff));
            }
        }
    }

    fn request(&mut self, text: &[u8], seen: &mut Sink<'_>) -> Result<(), Reason> {
        let limit = self.shared.limits.streams;
        if self.pending.len() >= limit {
            return Err(Reason::TooMany { limit });
        }
        let stream = self.last.saturating_add(1);
        let read = head::request(text, stream, self.shared.fingerprint.as_ref())?;
        let framing = of_request(&read.fields, read.version)?;
        self.last = stream;
        let asked = match read.request.method.as_str() {
            "HEAD" => Asked::Head,
            "CONNECT" => Asked::Connect,
            _ if read.fields.upgrade.is_some() => Asked::Upgrade,
            _ => Asked::Other,
        };
        let expects = read.fields.expects;
        self.pending.push_back(Pending {
            stream,
            asked,
            expects,
        });
        let at = At {
            stream,
            from: Side::Client,
        };
        seen(Seen::Request(read.request));
        let body = Body::new(
            at,
            &read.fields,
            &self.shared.limits,
            &self.shared.memory,
            seen,
        );
        self.client = if framing == Framing::Length(0) {
            body.end(seen);
            self.next_request()
        } else {
            Flow::Body(Box::new(Transfer::new(framing, body)))
        };
        Ok(())
    }

    /// What the client sends after a request: another one, or whatever the answer says.
    fn next_request(&self) -> Flow {
        match self.pending.back().map(|pending| pending.asked) {
            Some(Asked::Upgrade | Asked::Connect) => Flow::Waiting(Vec::new()),
            Some(Asked::Head | Asked::Other) | None => Flow::Head(Head::new()),
        }
    }

    fn answer(&mut self, text: &[u8], seen: &mut Sink<'_>) -> Result<(), Reason> {
        let read = head::answer(text)?;
        let Some(pending) = self.pending.front().copied() else {
            return Err(Reason::Unasked);
        };
        self.server = Flow::Head(Head::new());
        if (100..200).contains(&read.status) && read.status != 101 {
            if let Some(front) = self.pending.front_mut() {
                front.expects &= read.status != 100;
            }
            return Ok(());
        }
        self.pending.pop_front();
        let framing = of_answer(&read.fields, read.version, read.status, pending.asked)?;
        let at = At {
            stream: pending.stream,
            from: Side::Server,
        };
        seen(Seen::Answer(Answer {
            stream: at.stream,
            status: read.status,
            headers: read.fields.headers.clone(),
        }));
        self.continued(pending, seen);
        if read.status == 101 {
            return self.switched(pending, &read.fields, seen);
        }
        if pending.asked == Asked::Connect && (200..300).contains(&read.status) {
            return self.unread("connect", seen);
        }
        let body = Body::new(
            at,
            &read.fields,
            &self.shared.limits,
            &self.shared.memory,
            seen,
        );
        if framing == Framing::Length(0) {
            body.end(seen);
        } else {
            self.server = Flow::Body(Box::new(Transfer::new(framing, body)));
        }
        self.go_on();
        Ok(())
    }

    /// A client that waited for `100 Continue` and got a final answer may send its body or another request: which of both
    /// comes cannot be told. Source: RFC 9110 section 10.1.1.
    fn continued(&mut self, pending: Pending, seen: &mut Sink<'_>) {
        let waits = matches!(&self.client, Flow::Body(transfer) if !transfer.is_begun());
        if pending.expects && waits && pending.stream == self.last {
            let reason = Reason::Framing(
                "a body may follow an answer that came before it was asked for, or may not",
            );
            self.broken(Side::Client, reason, seen);
        }
    }

    /// The client stays with HTTP if its other protocol was not agreed to.
    fn go_on(&mut self) {
        if !self.pending.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.client, Flow::Over) {
            Flow::Waiting(held) => {
                self.client = Flow::Head(Head::new());
                self.held = held;
            }
            flow @ (Flow::Head(_) | Flow::Body(_) | Flow::Socket(_) | Flow::Over) => {
                self.client = flow
            }
        }
    }

    /// The rest of the connection has another protocol. Source: RFC 9110 section 15.2.2, RFC 6455 section 4.2.2.
    fn switched(
        &mut self,
        pending: Pending,
        fields: &Fields,
        seen: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        let protocol = fields.upgrade.as_deref().unwrap_or_default();
        if pending.asked != Asked::Upgrade || !protocol.trim().eq_ignore_ascii_case("websocket") {
            return self.unread(protocol, seen);
        }
        let agreed = agreed(fields.extensions.as_deref())?;
        let Flow::Waiting(held) = std::mem::replace(&mut self.client, Flow::Over) else {
            return Err(Reason::Framing(
                "the protocol was switched within a request",
            ));
        };
        let socket = |from| self.socket(pending.stream, from, agreed);
        let (client, server) = (socket(Side::Client), socket(Side::Server));
        self.client = Flow::Socket(Box::new(client));
        self.server = Flow::Socket(Box::new(server));
        self.held = held;
        Ok(())
    }

    fn socket(&self, stream: u64, from: Side, agreed: Agreed) -> Socket {
        Socket::new(
            At { stream, from },
            agreed,
            &self.shared.limits,
            &self.shared.memory,
        )
    }

    /// Nothing more is read of either side.
    fn unread(&mut self, protocol: &str, seen: &mut Sink<'_>) -> Result<(), Reason> {
        let protocol: String = protocol.chars().take(32).collect();
        self.broken(Side::Client, Reason::Protocol(protocol.clone()), seen);
        Err(Reason::Protocol(protocol))
    }

    /// Nothing more is read of that side. A body that was under way says so itself.
    fn broken(&mut self, side: Side, reason: Reason, seen: &mut Sink<'_>) {
        match std::mem::replace(self.flow(side), Flow::Over) {
            Flow::Body(mut transfer) => transfer.lose(reason.clone(), seen),
            Flow::Head(_) | Flow::Waiting(_) | Flow::Socket(_) | Flow::Over => {}
        }
        seen(Seen::Broken {
            stream: None,
            from: side,
            reason,
        });
    }

    fn flow(&mut self, side: Side) -> &mut Flow {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
