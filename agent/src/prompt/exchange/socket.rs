//! Calls over a WebSocket: many on one request.

use std::collections::BTreeMap;

use super::call::{Asked, At, Call, Told, Tool};
use super::{About, NO_ROOM, OPEN_MAX};
use crate::prompt::wire::{self, Side};
use crate::prompt::{Answer, Api, Head, History, ParseStatus, Received, Request, ResponsesSocket};

/// A WebSocket to the Responses API.
pub(super) struct Sockets {
    name: String,
    host: String,
    process: Option<(u32, Option<i64>)>,
    credentials: Vec<[u8; 32]>,
    socket: ResponsesSocket,
    /// Calls so far: names them.
    calls: u32,
    /// By stream; no more than [`OPEN_MAX`].
    open: BTreeMap<String, Open>,
}

/// A call that is open.
struct Open {
    call: Call,
    /// Which of the connection's calls it is, from 1.
    number: u32,
    tools: u32,
    asked: ParseStatus,
}

impl Sockets {
    /// Begins with the request that opens it.
    pub(super) fn new(about: &About, request: &wire::Request) -> Self {
        let headers: Vec<(&str, &str)> = request.headers.iter().collect();
        let head = Head {
            target: &request.path,
            headers: &headers,
        };
        Self {
            name: format!("{}-{}", about.name, request.stream),
            host: about.host.clone(),
            process: about.process,
            credentials: request.credentials.clone(),
            socket: ResponsesSocket::new(&head),
            calls: 0,
            open: BTreeMap::new(),
        }
    }

    /// Takes a message.
    pub(super) fn take(
        &mut self,
        from: Side,
        message: &[u8],
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        match from {
            Side::Client => {
                let Some(sent) = self.socket.sent(message, history) else {
                    return;
                };
                // The one before on this stream never told its end.
                self.over(&sent.stream, None, Some("unfinished"), at, history, told);
                self.make_room(at, history, told);
                self.asked(sent.stream, sent.request, at, told);
            }
            Side::Server => {
                let received = self.socket.received(message);
                self.received(received, None, at, history, told);
            }
        }
    }

    /// Tells how many bytes it may hold.
    pub(super) fn held_bytes(&self) -> usize {
        self.socket.held_bytes()
    }

    /// Gives up the oldest call, if there is no room for another: a client may name streams without end.
    fn make_room(&mut self, at: At, history: &mut History, told: &mut Vec<Told>) {
        if self.open.len() < OPEN_MAX {
            return;
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.number);
        if let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) {
            self.over(&oldest, None, Some(NO_ROOM), at, history, told);
        }
    }

    fn asked(&mut self, stream: String, request: Request, at: At, told: &mut Vec<Told>) {
        self.calls += 1;
        let api = Api::Responses;
        let call = Call {
            id: format!("{}.{}", self.name, self.calls),
            api,
            provider: api.provider(&self.host),
            host: self.host.clone(),
            model: request.model.clone(),
            ids: request.ids.clone(),
            prompt: request.prompt.clone(),
            credentials: self.credentials.clone(),
            started: at,
            first_byte: None,
            completed: None,
            http_status: None,
            request_id: None,
            answer: None,
            process: self.process,
            status: String::new(),
        };
        told.push(Told::Asked(Box::new(Asked {
            call: call.id.clone(),
            provider: call.provider,
            at,
            request: request.clone(),
        })));
        let open = Open {
            call,
            number: self.calls,
            tools: 0,
            asked: request.status,
        };
        self.open.insert(stream, open);
    }

    fn received(
        &mut self,
        received: Received,
        why: Option<&str>,
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        let Received {
            stream,
            calls,
            answer,
            dropped: _,
        } = received;
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        open.call.first_byte.get_or_insert(at);
        for tool in calls {
            told.push(Told::Tool(Box::new(Tool {
                call: open.call.id.clone(),
                number: open.tools,
                tool,
                prompt: open.call.prompt.clone(),
                ids: open.call.ids.clone(),
                at,
            })));
            open.tools += 1;
        }
        if let Some(answer) = answer {
            self.over(&stream, Some(answer), why, at, history, told);
        }
    }

    fn over(
        &mut self,
        stream: &str,
        answer: Option<Answer>,
        why: Option<&str>,
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        let Some(Open {
            mut call, asked, ..
        }) = self.open.remove(stream)
        else {
            return;
        };
        let id = answer
            .as_ref()
            .and_then(|answer| answer.response_id.as_deref());
        if let Some(id) = id {
            super::http::answered(history, id, call.prompt.as_ref());
        }
        let status = answer.as_ref().map(|answer| answer.status);
        let status = status
            .filter(|status| *status != ParseStatus::Whole)
            .map(|status| status.to_string());
        if why.is_none() {
            call.completed = Some(at);
        }
        let asked = (asked != ParseStatus::Whole).then(|| format!("request {asked}"));
        let answered = why
            .map(str::to_owned)
            .or(status)
            .map(|status| format!("answer {status}"));
        let parts: Vec<String> = asked.into_iter().chain(answered).collect();
        call.status = match parts.as_slice() {
            [] => "whole".to_owned(),
            some => some.join("; "),
        };
        call.answer = answer;
        told.push(Told::Over(Box::new(call)));
    }

    /// Ends the connection.
    pub(super) fn finish(
        mut self,
        why: Option<&str>,
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        let why = why.unwrap_or("unfinished");
        let head = Head {
            target: "",
            headers: &[],
        };
        let socket = std::mem::replace(&mut self.socket, ResponsesSocket::new(&head));
        for received in socket.finish() {
            self.received(received, Some(why), at, history, told);
        }
        let open: Vec<String> = self.open.keys().cloned().collect();
        for stream in open {
            self.over(&stream, None, Some(why), at, history, told);
        }
    }
}
