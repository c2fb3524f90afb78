//! The Responses API over a WebSocket: one event a message, many answers on one connection.
//!
//! The client sends `response.create`, whose members are those of a request's body; the provider sends the events of a
//! stream. Where streams share the connection each message names its own by `stream_id`.
//! Source: developers.openai.com, "WebSocket mode", "WebSocket events".

use std::collections::BTreeMap;

use super::answer::Parts;
use super::api::Api;
use super::call::{Answer, Request, ToolCall};
use super::history::History;
use super::ids::{Head, id};
use super::json::Members;
use super::kept::{MESSAGE_MAX_BYTES, Seen};
use super::openai::responses::answer::Items;
use super::request::RequestReader;
use super::status::{Notes, ParseStatus};
use super::telling::Telling;

/// Most answers that are open at once on one connection.
const OPEN_MAX: usize = 64;

/// One WebSocket's requests and answers.
pub struct ResponsesSocket {
    target: String,
    headers: Vec<(String, String)>,
    open: BTreeMap<String, Open>,
}

/// An answer that is open.
struct Open {
    seen: Seen,
    items: Items,
    telling: Telling,
}

/// A request, and the stream that carries it: empty where the connection has one.
#[derive(Debug, PartialEq, Eq)]
pub struct Sent {
    /// The stream.
    pub stream: String,
    /// The request.
    pub request: Request,
}

/// What a message of the provider's made whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The stream.
    pub stream: String,
    /// Tool calls.
    pub calls: Vec<ToolCall>,
    /// The answer, if it is over.
    pub answer: Option<Answer>,
    /// Whether the message was not looked at: too many answers are open.
    pub dropped: bool,
}

impl ResponsesSocket {
    /// Begins with the request that opens the socket, whose ids are those of every request on it.
    #[must_use]
    pub fn new(head: &Head<'_>) -> Self {
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            target: head.target.to_owned(),
            headers: headers.collect(),
            open: BTreeMap::new(),
        }
    }

    /// Takes a message of the client's; `None` if it asks for no answer.
    pub fn sent(&self, message: &[u8], history: &mut History) -> Option<Sent> {
        let stream = match std::str::from_utf8(message).ok().map(Members::read) {
            Some(Ok(event)) if event.text("type").as_deref() == Some("response.create") => {
                stream(&event)
            }
            Some(Ok(_)) => return None,
            // What cannot be read may be one.
            Some(Err(_)) | None => String::new(),
        };
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let head = Head {
            target: &self.target,
            headers: &headers,
        };
        let mut reader = RequestReader::new(Api::Responses, &head);
        reader.feed(message);
        Some(Sent {
            stream,
            request: reader.finish(history),
        })
    }

    /// Takes a message of the provider's.
    pub fn received(&mut self, message: &[u8]) -> Received {
        let event = std::str::from_utf8(message)
            .ok()
            .and_then(|text| Members::read(text).ok());
        let stream = event.as_ref().map(stream).unwrap_or_default();
        let opens =
            event.is_some_and(|event| event.text("type").as_deref() == Some("response.created"));
        let mut received = Received {
            stream: stream.clone(),
            ..Received::default()
        };
        if opens
            && self
                .open
                .get(&stream)
                .is_some_and(|open| open.telling.answer.response_id.is_some())
        {
            // The one before never told its end.
            let (calls, answer) = self.close(&stream).unwrap_or_default();
            received = Received {
                stream: stream.clone(),
                calls,
                answer: Some(answer),
                dropped: false,
            };
        }
        if !self.open.contains_key(&stream) && self.open.len() >= OPEN_MAX {
            received.dropped = true;
            return received;
        }
        let open = self.open.entry(stream.clone()).or_insert_with(|| Open {
            seen: Seen::new(),
            items: Items::default(),
            telling: Telling::default(),
        });
        open.seen.push(message);
        if message.len() > MESSAGE_MAX_BYTES {
            Notes::count(&mut open.telling.answer.notes.dropped);
            open.telling.answer.status.worsen(ParseStatus::Cut);
        } else if let Ok(text) = std::str::from_utf8(message) {
            open.items.event(text, &mut open.telling);
        } else {
            open.telling.unreadable();
        }
        received.calls.extend(open.telling.take());
        if open.telling.ended
            && let Some((calls, answer)) = self.close(&stream)
        {
            received.calls.extend(calls);
            received.answer = Some(answer);
        }
        received
    }

    /// Tells how many bytes it may hold of answers that are not over.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let open = self.open.values();
        open.map(|open| open.seen.bytes().min(MESSAGE_MAX_BYTES))
            .sum()
    }

    /// Ends the connection; gives what was still open.
    #[must_use]
    pub fn finish(mut self) -> Vec<Received> {
        let streams: Vec<String> = self.open.keys().cloned().collect();
        let closed = streams.into_iter().filter_map(|stream| {
            let (calls, answer) = self.close(&stream)?;
            Some(Received {
                stream,
                calls,
                answer: Some(answer),
                dropped: false,
            })
        });
        closed.collect()
    }

    fn close(&mut self, stream: &str) -> Option<(Vec<ToolCall>, Answer)> {
        let Open {
            seen,
            items,
            telling,
        } = self.open.remove(stream)?;
        let (calls, mut answer) = Parts::Responses(items).end(telling);
        (answer.bytes, answer.sha256) = seen.finish();
        Some((calls, answer))
    }
}

fn stream(event: &Members<'_>) -> String {
    event
        .text("stream_id")
        .and_then(|text| id(&text))
        .unwrap_or_default()
}
