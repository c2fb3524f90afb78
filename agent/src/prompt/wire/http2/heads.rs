//! What a section of fields begins or ends: requests, answers, trailers.

use super::super::Reason;
use super::super::body::Body;
use super::super::seen::{Answer, At, Request, Seen, Side, Sink};
use super::super::target::{Target, shown_authority};
use super::super::websocket::{Socket, agreed};
use super::Http2;
use super::section::Section;
use super::stream::{Asked, Half, Stream};

impl Http2 {
    pub(super) fn section(
        &mut self,
        side: Side,
        id: u32,
        section: Section,
        ends_stream: bool,
        seen: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        match self.streams.get_mut(&id).map(|stream| stream.half(side)) {
            None if side == Side::Client => return self.request(id, section, ends_stream, seen),
            None | Some(Half::Done) => return Ok(()),
            Some(Half::Awaited) => self.answer(id, section, seen),
            Some(Half::Body(_)) if ends_stream => {}
            Some(Half::Body(_) | Half::Held(..) | Half::Socket(_)) => {
                let reason =
                    Reason::Framing("a second head, or trailers that do not end the stream");
                self.lose(side, id, reason, seen);
            }
        }
        if ends_stream {
            self.end(side, id, seen);
        }
        self.forget_if_done(id);
        Ok(())
    }

    fn request(
        &mut self,
        id: u32,
        section: Section,
        ends_stream: bool,
        seen: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        if id.is_multiple_of(2) {
            return Err(Reason::Framing(
                "a client opened a stream of an even number",
            ));
        }
        if id <= self.last {
            // A closed stream's trailers have no method. Source: RFC 9113 sections 5.1.1 and 8.1.
            return match section.method {
                None => Ok(()),
                Some(_) => Err(Reason::Framing(
                    "a request on a stream that was there before",
                )),
            };
        }
        self.last = id;
        let limit = self.shared.limits.streams;
        let at = At {
            stream: u64::from(id),
            from: Side::Client,
        };
        let (request, asked, section) = match self.read(at, section) {
            Ok(read) => read,
            Err(reason) => {
                unread(id, &reason, seen);
                return Ok(());
            }
        };
        seen(Seen::Request(request));
        if self.streams.len() >= limit {
            // It is told all the same: it may be a call.
            unread(id, &Reason::TooMany { limit }, seen);
            return Ok(());
        }
        let mut stream = Stream {
            id,
            asked,
            client: Half::Done,
            server: Half::Awaited,
        };
        if stream.asked == Asked::Answer {
            let limits = &self.shared.limits;
            let body = Body::new(at, &section.fields, limits, &self.shared.memory, seen);
            stream.client = Half::Body(Box::new(body));
        } else {
            stream.hold(seen);
        }
        if ends_stream {
            stream.end(Side::Client, seen);
        }
        self.streams.insert(id, stream);
        Ok(())
    }

    fn read(&self, at: At, mut section: Section) -> Result<(Request, Asked, Section), Reason> {
        section.check()?;
        let method = section
            .method
            .take()
            .ok_or(Reason::Head("a request has no method"))?;
        let path = section.path.take();
        let asked = match section.protocol.take() {
            Some(protocol) if protocol.eq_ignore_ascii_case("websocket") && method == "CONNECT" => {
                Asked::WebSocket
            }
            Some(protocol) => Asked::Unread(protocol.chars().take(32).collect()),
            None if method == "CONNECT" => Asked::Unread("connect".to_owned()),
            None if path.is_none() => return Err(Reason::Head("a request has no path")),
            None => Asked::Answer,
        };
        let path = path.unwrap_or_default();
        let target = Target::read(&path);
        section
            .fields
            .take_query(&target, self.shared.fingerprint.as_ref());
        let authority = section.authority.take().or(section.fields.host.take());
        let request = Request {
            stream: at.stream,
            method,
            authority: shown_authority(&authority.unwrap_or_default()),
            path: target.shown(),
            headers: std::mem::take(&mut section.fields.headers),
            credentials: std::mem::take(&mut section.fields.credentials),
        };
        Ok((request, asked, section))
    }

    fn answer(&mut self, id: u32, section: Section, seen: &mut Sink<'_>) {
        let status = match section.check().and_then(|()| section.status()) {
            // Interim: the final one follows. Source: RFC 9113 section 8.1.
            Ok(100..200) => return,
            Ok(status) => status,
            Err(reason) => return self.lose(Side::Server, id, reason, seen),
        };
        let (limits, memory) = (&self.shared.limits, &self.shared.memory);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let at = stream.at(Side::Server);
        seen(Seen::Answer(Answer {
            stream: at.stream,
            status,
            headers: section.fields.headers.clone(),
        }));
        let switches = (200..300).contains(&status);
        match &stream.asked {
            Asked::Unread(protocol) if switches => {
                let reason = Reason::Protocol(protocol.clone());
                stream.lose_both(&reason, seen);
            }
            Asked::WebSocket if switches => match agreed(section.fields.extensions.as_deref()) {
                Ok(agreed) => {
                    let client = Socket::new(stream.at(Side::Client), agreed, limits, memory);
                    let server = Socket::new(at, agreed, limits, memory);
                    stream.switch(client, server, seen);
                }
                Err(reason) => stream.lose_both(&reason, seen),
            },
            Asked::Answer | Asked::WebSocket | Asked::Unread(_) => {
                // A refused protocol: what the client sent for it is nobody's.
                if matches!(stream.client, Half::Held(..)) {
                    stream.client = Half::Done;
                }
                let body = Body::new(at, &section.fields, limits, memory, seen);
                stream.server = Half::Body(Box::new(body));
            }
        }
    }

    fn lose(&mut self, side: Side, id: u32, reason: Reason, seen: &mut Sink<'_>) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.lose(side, reason, seen);
        }
    }
}

/// Neither the request nor its answer is read.
fn unread(id: u32, reason: &Reason, seen: &mut Sink<'_>) {
    for from in [Side::Client, Side::Server] {
        let stream = u64::from(id);
        seen(At { stream, from }.broken(reason.clone()));
    }
}
