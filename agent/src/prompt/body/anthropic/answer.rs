//! Answers of the Messages API.
//!
//! Sources: platform.claude.com, "Streaming Messages", "Fine-grained tool streaming" (arguments may be invalid JSON, or cut).

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::prompt::body::json::Members;
use crate::prompt::body::status::Notes;
use crate::prompt::body::telling::{Open, Telling};

/// Blocks that are open, by their index.
#[derive(Default)]
pub(in crate::prompt::body) struct Blocks(BTreeMap<i64, Block>);

/// A block that is open.
struct Block {
    call: Open,
    /// Whether its arguments are those that it began with, which parts take the place of.
    began_with: bool,
}

impl Block {
    /// Gives the call with what parts told of its arguments.
    fn told(mut self, telling: &mut Telling) -> Open {
        if self.began_with {
            telling.forget(&mut self.call);
        }
        self.call
    }
}

/// Most blocks that are open at once; providers tell one at a time.
const OPEN_MAX: usize = 64;

impl Blocks {
    /// Takes one event's data.
    pub(in crate::prompt::body) fn event(&mut self, data: &str, telling: &mut Telling) {
        let Some(event) = telling.members(data) else {
            return;
        };
        match event.text("type").as_deref() {
            Some("message_start") => {
                if let Some(message) = event.object("message") {
                    head(&message, telling);
                }
            }
            Some("content_block_start") => self.start(&event, telling),
            Some("content_block_delta") => self.delta(&event, telling),
            Some("content_block_stop") => {
                let open = event
                    .number("index")
                    .and_then(|index| self.0.remove(&index));
                if let Some(block) = open {
                    telling.give(block.call);
                }
            }
            Some("message_delta") => {
                if let Some(delta) = event.object("delta") {
                    telling.stop_reason(delta.text("stop_reason").as_deref());
                }
                usage(&event, telling);
            }
            Some("message_stop") => telling.ended = true,
            Some("ping") => {}
            Some("error") => {
                error(&event, telling);
                telling.ended = true;
            }
            _ => telling.unknown(),
        }
    }

    fn start(&mut self, event: &Members<'_>, telling: &mut Telling) {
        let (Some(index), Some(block)) = (event.number("index"), event.object("content_block"))
        else {
            telling.unreadable();
            return;
        };
        if let Some(open) = self.0.remove(&index) {
            telling.out_of_order();
            let call = open.told(telling);
            telling.give_unfinished(call);
        }
        let Some(mut call) = call(&block, telling) else {
            return;
        };
        if self.0.len() >= OPEN_MAX {
            Notes::count(&mut telling.answer.notes.dropped);
            telling.give_unfinished(call);
            return;
        }
        let input = block.raw("input").map_or("", RawValue::get);
        telling.add(&mut call, input.as_bytes());
        let began_with = true;
        self.0.insert(index, Block { call, began_with });
    }

    fn delta(&mut self, event: &Members<'_>, telling: &mut Telling) {
        let Some(delta) = event.object("delta") else {
            telling.unreadable();
            return;
        };
        if delta.text("type").as_deref() != Some("input_json_delta") {
            // Text, thinking, signatures, citations: not kept.
            return;
        }
        let index = event.number("index");
        let Some(block) = index.and_then(|index| self.0.get_mut(&index)) else {
            telling.out_of_order();
            return;
        };
        match delta.text("partial_json") {
            // Providers begin with an empty part.
            Some(part) if part.is_empty() => {}
            Some(part) => {
                if std::mem::take(&mut block.began_with) {
                    telling.forget(&mut block.call);
                }
                telling.add(&mut block.call, part.as_bytes());
            }
            None => {
                telling.unreadable();
                block.call.breaks();
            }
        }
    }

    /// Ends the stream: gives what is still open.
    pub(in crate::prompt::body) fn end(self, telling: &mut Telling) {
        for block in self.0.into_values() {
            let call = block.told(telling);
            telling.give_unfinished(call);
        }
    }
}

/// Takes a whole answer, not streamed.
pub(in crate::prompt::body) fn whole(answer: &Members<'_>, telling: &mut Telling) {
    telling.ended = true;
    if answer.text("type").as_deref() == Some("error") {
        error(answer, telling);
        return;
    }
    head(answer, telling);
    telling.stop_reason(answer.text("stop_reason").as_deref());
    for block in answer.items("content") {
        whole_block(block, telling);
    }
}

fn whole_block(block: &RawValue, telling: &mut Telling) {
    let Some(block) = Members::of(block) else {
        telling.unreadable();
        return;
    };
    let Some(mut call) = call(&block, telling) else {
        return;
    };
    let input = block.raw("input").map_or("", RawValue::get);
    telling.add(&mut call, input.as_bytes());
    telling.give(call);
}

/// Gives the call that a block begins; `None` for blocks that are none, which are counted.
fn call(block: &Members<'_>, telling: &mut Telling) -> Option<Open> {
    let (id, name) = (block.text("id"), block.text("name").unwrap_or_default());
    let open = || Open::new(id.as_deref(), &name);
    match block.text("type").as_deref() {
        Some("tool_use") => Some(open()),
        Some("server_tool_use") => Some(open().elsewhere(None)),
        Some("mcp_tool_use") => Some(open().elsewhere(block.text("server_name").as_deref())),
        Some("thinking" | "redacted_thinking") => {
            Notes::count(&mut telling.answer.left_out.thinking);
            None
        }
        Some("text") => None,
        // What the provider's own tools gave: `web_search_tool_result` and its kin.
        Some(kind) if kind.ends_with("_tool_result") => None,
        _ => {
            telling.unknown();
            None
        }
    }
}

fn head(message: &Members<'_>, telling: &mut Telling) {
    telling.response_id(message, "id");
    telling.model(message, "model");
    usage(message, telling);
}

/// Notes tokens; a later count takes an earlier one's place.
fn usage(holder: &Members<'_>, telling: &mut Telling) {
    let Some(usage) = holder.object("usage") else {
        return;
    };
    let tokens = &mut telling.answer.tokens;
    tokens.input = usage.number("input_tokens").or(tokens.input);
    tokens.output = usage.number("output_tokens").or(tokens.output);
    tokens.cache_read = usage
        .number("cache_read_input_tokens")
        .or(tokens.cache_read);
}

fn error(holder: &Members<'_>, telling: &mut Telling) {
    let error = holder.object("error");
    telling.error(error.and_then(|error| error.text("type")).as_deref());
}
