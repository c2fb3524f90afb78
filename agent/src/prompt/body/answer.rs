//! Reads an answer's body: tool calls as soon as each is whole, and at the end what the answer was.

use super::api::Api;
use super::call::{Answer, ToolCall};
use super::eventstream::EventStream;
use super::gemini::array::Objects;
use super::json::Members;
use super::kept::{Kept, MESSAGE_MAX_BYTES, Seen};
use super::sse::Sse;
use super::status::{ParseStatus, Unreadable};
use super::telling::Telling;
use super::{anthropic, bedrock, gemini, openai};

/// Reads one answer's body in pieces.
pub struct AnswerReader {
    api: Api,
    seen: Seen,
    form: Form,
    parts: Parts,
    telling: Telling,
}

/// How the body is framed.
enum Form {
    /// No header says it, and no byte came that does.
    Unknown,
    /// Server-sent events.
    Events(Sse),
    /// An event stream of Amazon's.
    Frames(EventStream),
    /// One JSON text.
    Whole(Kept),
    /// JSON objects of which each is read as it comes.
    Objects(Objects),
    /// Nothing that is read.
    Other,
}

/// What is open of the answer, in its API's form.
pub(super) enum Parts {
    Messages(anthropic::answer::Blocks),
    Responses(openai::responses::answer::Items),
    Chat(openai::chat::answer::Choices),
    Invoked(bedrock::answer::Blocks),
    Conversed(bedrock::answer::Blocks),
    Gemini,
}

impl AnswerReader {
    /// Begins with what the answer's head says of its body.
    #[must_use]
    pub fn new(api: Api, content_type: Option<&str>) -> Self {
        let kind = content_type
            .and_then(|given| given.split(';').next())
            .unwrap_or_default();
        let form = match kind.trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Form::Events(Sse::default()),
            "application/vnd.amazon.eventstream" => Form::Frames(EventStream::default()),
            "application/json" => json(api),
            "" | "text/plain" | "application/octet-stream" => Form::Unknown,
            _ => Form::Other,
        };
        let parts = match api {
            Api::Messages => Parts::Messages(anthropic::answer::Blocks::default()),
            Api::Responses => Parts::Responses(openai::responses::answer::Items::default()),
            Api::Chat => Parts::Chat(openai::chat::answer::Choices::default()),
            Api::BedrockInvoke => Parts::Invoked(bedrock::answer::Blocks::default()),
            Api::BedrockConverse => Parts::Conversed(bedrock::answer::Blocks::default()),
            Api::Gemini => Parts::Gemini,
        };
        Self {
            api,
            seen: Seen::new(),
            form,
            parts,
            telling: Telling::default(),
        }
    }

    /// Takes a piece of the body, decoded; gives the tool calls that it makes whole.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<ToolCall> {
        self.seen.push(piece);
        let piece = self.framed(piece);
        let Self {
            form,
            parts,
            telling,
            ..
        } = self;
        match form {
            Form::Events(sse) => sse.feed(piece, &mut |_, data| parts.event(data, telling)),
            Form::Frames(frames) => frames.feed(piece, &mut |message| match parts {
                Parts::Invoked(blocks) => blocks.invoked(&message, telling),
                Parts::Conversed(blocks) => blocks.conversed(&message, telling),
                Parts::Messages(_) | Parts::Responses(_) | Parts::Chat(_) | Parts::Gemini => {
                    telling.gives_up(Unreadable::ContentType);
                }
            }),
            Form::Whole(kept) => {
                kept.push(piece);
            }
            Form::Objects(objects) => {
                objects.feed(piece, &mut |object| parts.event(object, telling))
            }
            Form::Unknown | Form::Other => {}
        }
        self.telling.take()
    }

    /// Says that more of the body came and is not given here.
    pub fn cut(&mut self) {
        self.telling.answer.status.worsen(ParseStatus::Cut);
    }

    /// Finds the form by the first byte that is no space, if no header said it; gives the piece from there on.
    fn framed<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let Form::Unknown = self.form else {
            return piece;
        };
        // A message's length begins with 0: it is below 16 MiB.
        let piece = piece.trim_ascii_start();
        match piece.first() {
            None => {}
            Some(b'{' | b'[') => self.form = json(self.api),
            Some(0) => self.form = Form::Frames(EventStream::default()),
            Some(_) => self.form = Form::Events(Sse::default()),
        }
        piece
    }

    /// Ends the body; gives the tool calls that were still open, and the answer.
    #[must_use]
    pub fn finish(self) -> (Vec<ToolCall>, Answer) {
        let Self {
            seen,
            form,
            mut parts,
            mut telling,
            ..
        } = self;
        match form {
            Form::Events(mut sse) => {
                sse.finish(&mut |_, data| parts.event(data, &mut telling));
                telling.dropped(sse.dropped);
            }
            Form::Frames(frames) => {
                telling.dropped(frames.dropped);
                if frames.broken {
                    telling.gives_up(Unreadable::Frame);
                } else if frames.is_open() && telling.answer.status != ParseStatus::Cut {
                    telling.answer.status.worsen(ParseStatus::Unfinished);
                }
            }
            Form::Objects(objects) => {
                telling.dropped(objects.dropped);
                if objects.broken {
                    telling.gives_up(Unreadable::Json { line: 1, column: 1 });
                } else if objects.is_open() && telling.answer.status != ParseStatus::Cut {
                    telling.answer.status.worsen(ParseStatus::Unfinished);
                }
            }
            Form::Whole(kept) if kept.is_cut() => telling.answer.status.worsen(ParseStatus::Cut),
            Form::Whole(kept) => match std::str::from_utf8(kept.bytes()) {
                Ok(text) => parts.whole(text, &mut telling),
                Err(_) => telling.gives_up(Unreadable::Utf8),
            },
            Form::Other => telling.gives_up(Unreadable::ContentType),
            Form::Unknown => {}
        }
        let (calls, mut answer) = parts.end(telling);
        (answer.bytes, answer.sha256) = seen.finish();
        (calls, answer)
    }
}

impl Parts {
    /// Takes one event's data.
    pub(super) fn event(&mut self, data: &[u8], telling: &mut Telling) {
        let Ok(data) = std::str::from_utf8(data) else {
            telling.unreadable();
            return;
        };
        match self {
            Self::Messages(blocks) => blocks.event(data, telling),
            Self::Responses(items) => items.event(data, telling),
            Self::Chat(choices) => choices.event(data, telling),
            Self::Gemini => gemini::answer::event(data, telling),
            Self::Invoked(_) | Self::Conversed(_) => telling.gives_up(Unreadable::ContentType),
        }
    }

    /// Takes an answer that is not streamed.
    fn whole(&mut self, text: &str, telling: &mut Telling) {
        let members = match Members::read(text) {
            Ok(members) => members,
            // The connection broke off.
            Err(_) if text_stops(text) => return,
            Err(why) => {
                telling.gives_up(why);
                return;
            }
        };
        match self {
            Self::Messages(_) => anthropic::answer::whole(&members, telling),
            Self::Responses(_) => openai::responses::answer::whole(&members, telling),
            Self::Chat(_) => openai::chat::answer::whole(text, telling),
            Self::Invoked(_) => bedrock::answer::whole_invoked(&members, telling),
            Self::Conversed(_) => bedrock::answer::whole_conversed(&members, telling),
            Self::Gemini => {}
        }
    }

    /// Ends the answer; gives the tool calls that were still open.
    pub(super) fn end(self, mut telling: Telling) -> (Vec<ToolCall>, Answer) {
        match self {
            Self::Messages(blocks) => blocks.end(&mut telling),
            Self::Responses(items) => items.end(&mut telling),
            Self::Chat(choices) => choices.end(&mut telling),
            Self::Invoked(blocks) | Self::Conversed(blocks) => blocks.end(&mut telling),
            Self::Gemini => {}
        }
        if !telling.ended && telling.answer.status != ParseStatus::Cut {
            telling.answer.status.worsen(ParseStatus::Unfinished);
        }
        (telling.take(), telling.answer)
    }
}

/// Gives the form of an API's JSON.
fn json(api: Api) -> Form {
    match api {
        Api::Gemini => Form::Objects(Objects::new()),
        Api::Messages | Api::Responses | Api::Chat | Api::BedrockInvoke | Api::BedrockConverse => {
            Form::Whole(Kept::new(MESSAGE_MAX_BYTES))
        }
    }
}

/// Tells whether a JSON text stops before its end.
fn text_stops(text: &str) -> bool {
    let read = serde_json::from_str::<serde::de::IgnoredAny>(text);
    read.is_err_and(|error| error.is_eof())
}
