//! Answers of InvokeModel and Converse, streamed and whole.
//!
//! Sources: docs.aws.amazon.com, Bedrock API reference: `InvokeModelWithResponseStream`, `PayloadPart` (`{"bytes": base64}`, with
//! `p` to hide its length), `ConverseStreamOutput`, `ConverseStreamMetadataEvent`, `TokenUsage`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::prompt::body::anthropic;
use crate::prompt::body::eventstream::Message;
use crate::prompt::body::json::Members;
use crate::prompt::body::status::{Notes, Unreadable};
use crate::prompt::body::telling::{Open, Telling};

/// Most blocks that are open at once.
const OPEN_MAX: usize = 64;

/// What is open of an answer, in the forms that may be within.
#[derive(Default)]
pub(in crate::prompt::body) struct Blocks {
    anthropic: anthropic::answer::Blocks,
    converse: BTreeMap<i64, Open>,
}

impl Blocks {
    /// Takes a message of InvokeModel's stream: each holds one event of the model's own API.
    pub(in crate::prompt::body) fn invoked(
        &mut self,
        message: &Message<'_>,
        telling: &mut Telling,
    ) {
        if fails(message, telling) {
            return;
        }
        let text = std::str::from_utf8(message.payload).ok();
        let part = text.and_then(|text| telling.members(text));
        let bytes = part.and_then(|part| STANDARD.decode(part.text("bytes")?.as_bytes()).ok());
        let Some(event) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            telling.unreadable();
            return;
        };
        self.event(&event, telling);
    }

    fn event(&mut self, event: &str, telling: &mut Telling) {
        let Some(members) = telling.members(event) else {
            return;
        };
        if members.raw("type").is_some() {
            self.anthropic.event(event, telling);
        } else if let Some(name) = EVENTS.iter().find(|name| members.raw(name).is_some()) {
            // Amazon's own models: Converse's events, each under its name.
            match members.object(name) {
                Some(event) => self.converse_event(name, &event, telling),
                None => telling.unreadable(),
            }
        } else {
            telling.gives_up(Unreadable::Model);
        }
    }

    /// Takes a message of Converse's stream.
    pub(in crate::prompt::body) fn conversed(
        &mut self,
        message: &Message<'_>,
        telling: &mut Telling,
    ) {
        if fails(message, telling) {
            return;
        }
        let text = std::str::from_utf8(message.payload).unwrap_or_default();
        if let Some(event) = telling.members(text) {
            self.converse_event(message.name, &event, telling);
        }
    }

    fn converse_event(&mut self, name: &str, event: &Members<'_>, telling: &mut Telling) {
        let place = event.number("contentBlockIndex");
        match name {
            "messageStart" => {}
            "contentBlockStart" => self.start(place, event, telling),
            "contentBlockDelta" => self.delta(place, event, telling),
            "contentBlockStop" => {
                if let Some(call) = place.and_then(|place| self.converse.remove(&place)) {
                    give(call, telling);
                }
            }
            "messageStop" => {
                telling.stop_reason(event.text("stopReason").as_deref());
                telling.ended = true;
            }
            "metadata" => usage(event, telling),
            _ => telling.unknown(),
        }
    }

    fn start(&mut self, place: Option<i64>, event: &Members<'_>, telling: &mut Telling) {
        let tool = event
            .object("start")
            .and_then(|start| start.object("toolUse"));
        let (Some(place), Some(tool)) = (place, tool) else {
            return;
        };
        if let Some(open) = self.converse.remove(&place) {
            telling.out_of_order();
            telling.give_unfinished(open);
        }
        let open = called(&tool);
        if self.converse.len() >= OPEN_MAX {
            Notes::count(&mut telling.answer.notes.dropped);
            telling.give_unfinished(open);
            return;
        }
        self.converse.insert(place, open);
    }

    fn delta(&mut self, place: Option<i64>, event: &Members<'_>, telling: &mut Telling) {
        let Some(delta) = event.object("delta") else {
            telling.unreadable();
            return;
        };
        let Some(tool) = delta.object("toolUse") else {
            if delta.raw("reasoningContent").is_some() {
                telling.answer.left_out.thinking = telling.answer.left_out.thinking.max(1);
            }
            return;
        };
        let Some(open) = place.and_then(|place| self.converse.get_mut(&place)) else {
            telling.out_of_order();
            return;
        };
        match tool.text("input") {
            Some(part) => telling.add(open, part.as_bytes()),
            None => {
                telling.unreadable();
                open.breaks();
            }
        }
    }

    /// Ends the stream: gives what is still open.
    pub(in crate::prompt::body) fn end(self, telling: &mut Telling) {
        self.anthropic.end(telling);
        for call in self.converse.into_values() {
            telling.give_unfinished(call);
        }
    }
}

/// Converse's events.
const EVENTS: [&str; 6] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
];

/// Takes InvokeModel's whole answer: a model's own.
pub(in crate::prompt::body) fn whole_invoked(answer: &Members<'_>, telling: &mut Telling) {
    if answer.raw("type").is_some() {
        anthropic::answer::whole(answer, telling);
    } else if answer.object("output").is_some() {
        whole_conversed(answer, telling);
    } else if answer.raw("message").is_some() {
        fault(answer, telling);
    } else {
        telling.gives_up(Unreadable::Model);
    }
}

/// Takes Converse's whole answer.
pub(in crate::prompt::body) fn whole_conversed(answer: &Members<'_>, telling: &mut Telling) {
    let message = answer
        .object("output")
        .and_then(|output| output.object("message"));
    let Some(message) = message else {
        fault(answer, telling);
        return;
    };
    telling.ended = true;
    for block in message.items("content") {
        let Some(block) = Members::of(block) else {
            telling.unreadable();
            continue;
        };
        if block.raw("reasoningContent").is_some() {
            Notes::count(&mut telling.answer.left_out.thinking);
        }
        if let Some(tool) = block.object("toolUse") {
            let mut open = called(&tool);
            if let Some(input) = tool.raw("input") {
                telling.add(&mut open, input.get().as_bytes());
            }
            give(open, telling);
        }
    }
    telling.stop_reason(answer.text("stopReason").as_deref());
    usage(answer, telling);
}

fn called(tool: &Members<'_>) -> Open {
    let name = tool.text("name").unwrap_or_default();
    let open = Open::new(tool.text("toolUseId").as_deref(), &name);
    match tool.text("type").as_deref() {
        Some("server_tool_use") => open.elsewhere(None),
        _ => open,
    }
}

/// Gives a call; one without parts takes no arguments.
fn give(mut open: Open, telling: &mut Telling) {
    if open.is_empty() {
        telling.add(&mut open, b"{}");
    }
    telling.give(open);
}

/// Notes a message that is an exception or an error; nothing comes behind.
fn fails(message: &Message<'_>, telling: &mut Telling) -> bool {
    let fails = message.kind != "event";
    if fails {
        telling.error(Some(message.name));
        telling.ended = true;
    }
    fails
}

/// Notes an error's answer: its word is in a header, its body holds a message alone.
fn fault(answer: &Members<'_>, telling: &mut Telling) {
    telling.error(answer.text("__type").as_deref());
    telling.ended = true;
}

fn usage(holder: &Members<'_>, telling: &mut Telling) {
    let Some(usage) = holder.object("usage") else {
        return;
    };
    let tokens = &mut telling.answer.tokens;
    tokens.input = usage.number("inputTokens").or(tokens.input);
    tokens.output = usage.number("outputTokens").or(tokens.output);
    tokens.cache_read = usage.number("cacheReadInputTokens").or(tokens.cache_read);
}
