//! Answers of the Responses API.
//!
//! A call is whole at `response.output_item.done`. What `response.completed` repeats is given where it was not told before.
//! Source: developers.openai.com, API reference, "Responses", "Streaming events"; there is no `[DONE]`.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::prompt::body::json::Members;
use crate::prompt::body::status::Notes;
use crate::prompt::body::telling::{Open, Telling};

/// Most items that are open at once.
const OPEN_MAX: usize = 64;

/// Items that are open, by their place in the output.
#[derive(Default)]
pub(in crate::prompt::body) struct Items(BTreeMap<i64, Open>);

impl Items {
    /// Takes one event's data, or one message of a WebSocket.
    pub(in crate::prompt::body) fn event(&mut self, data: &str, telling: &mut Telling) {
        // Some that copy the API end as Chat does.
        if data.trim() == "[DONE]" {
            return;
        }
        let Some(event) = telling.members(data) else {
            return;
        };
        let kind = event.text("type").unwrap_or_default();
        match kind.as_ref() {
            "response.created" | "response.in_progress" | "response.queued" => {
                if let Some(response) = event.object("response") {
                    head(&response, telling);
                }
            }
            "response.output_item.added" => self.added(&event, telling),
            "response.function_call_arguments.delta"
            | "response.custom_tool_call_input.delta"
            | "response.mcp_call_arguments.delta" => self.delta(&event, telling),
            "response.output_item.done" => self.done(&event, telling),
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => {
                self.last(&event, telling);
            }
            "error" => {
                // The error's fields stand in the event, over WebSocket in an object of it.
                let within = event.object("error");
                let code = within
                    .as_ref()
                    .and_then(|error| error.text("code").or(error.text("type")));
                telling.error(code.or(event.text("code")).as_deref());
                telling.ended = true;
            }
            known if is_passed_over(known) => {}
            _ => telling.unknown(),
        }
    }

    fn added(&mut self, event: &Members<'_>, telling: &mut Telling) {
        let (Some(place), Some(item)) = (event.number("output_index"), event.object("item")) else {
            telling.unreadable();
            return;
        };
        if let Some(open) = self.0.remove(&place) {
            telling.out_of_order();
            telling.give_unfinished(open);
        }
        // Counted once, when it is done.
        let Some((call, _)) = call(&item) else { return };
        if self.0.len() >= OPEN_MAX {
            Notes::count(&mut telling.answer.notes.dropped);
            return;
        }
        self.0.insert(place, call);
    }

    fn delta(&mut self, event: &Members<'_>, telling: &mut Telling) {
        let place = event.number("output_index");
        let Some(open) = place.and_then(|place| self.0.get_mut(&place)) else {
            telling.out_of_order();
            return;
        };
        match event.text("delta") {
            Some(part) => telling.add(open, part.as_bytes()),
            None => {
                telling.unreadable();
                open.breaks();
            }
        }
    }

    fn done(&mut self, event: &Members<'_>, telling: &mut Telling) {
        let open = event
            .number("output_index")
            .and_then(|place| self.0.remove(&place));
        let Some(item) = event.object("item") else {
            telling.unreadable();
            if let Some(open) = open {
                telling.give_unfinished(open);
            }
            return;
        };
        give(&item, open, telling);
    }

    fn last(&mut self, event: &Members<'_>, telling: &mut Telling) {
        telling.ended = true;
        let Some(response) = event.object("response") else {
            telling.unreadable();
            return;
        };
        finished(&response, telling);
        // What was told item by item stands here again.
        for item in response.items("output") {
            repeated(item, telling);
        }
        self.0.retain(|_, open| !telling.gave(open.id.as_deref()));
    }

    /// Ends the stream: gives what is still open.
    pub(in crate::prompt::body) fn end(self, telling: &mut Telling) {
        for open in self.0.into_values() {
            telling.give_unfinished(open);
        }
    }
}

/// Takes a whole answer, not streamed.
pub(in crate::prompt::body) fn whole(response: &Members<'_>, telling: &mut Telling) {
    telling.ended = true;
    if response.raw("output").is_none()
        && let Some(error) = response.object("error")
    {
        telling.error(error.text("code").or(error.text("type")).as_deref());
        return;
    }
    finished(response, telling);
    for item in response.items("output") {
        match Members::of(item) {
            Some(item) => give(&item, None, telling),
            None => telling.unreadable(),
        }
    }
}

fn head(response: &Members<'_>, telling: &mut Telling) {
    telling.response_id(response, "id");
    telling.model(response, "model");
}

fn finished(response: &Members<'_>, telling: &mut Telling) {
    head(response, telling);
    let details = response.object("incomplete_details");
    let reason = details.and_then(|details| details.text("reason"));
    telling.stop_reason(reason.or(response.text("status")).as_deref());
    if let Some(error) = response.object("error") {
        telling.error(error.text("code").as_deref());
    }
    if let Some(usage) = response.object("usage") {
        let tokens = &mut telling.answer.tokens;
        tokens.input = usage.number("input_tokens");
        tokens.output = usage.number("output_tokens");
        let details = usage.object("input_tokens_details");
        tokens.cache_read = details.and_then(|details| details.number("cached_tokens"));
    }
}

fn repeated(item: &RawValue, telling: &mut Telling) {
    let Some(item) = Members::of(item) else {
        telling.unreadable();
        return;
    };
    if let Some((call, _)) = call(&item)
        && !telling.gave(call.id.as_deref())
    {
        telling.out_of_order();
        give(&item, None, telling);
    }
}

/// Gives the call that an item is; what its parts said before must be what it says.
fn give(item: &Members<'_>, open: Option<Open>, telling: &mut Telling) {
    let Some((mut call, args)) = call(item) else {
        count(item, telling);
        if let Some(open) = open {
            telling.out_of_order();
            telling.give_unfinished(open);
        }
        return;
    };
    let Some(args) = args else {
        // The whole says no arguments: its parts' stand.
        let mut open = open.unwrap_or(call);
        if open.is_empty() {
            open.breaks();
        }
        telling.give(open);
        return;
    };
    if let Some(open) = open {
        if open.agrees(&args) && open.id == call.id && open.name == call.name && !open.is_empty() {
            telling.give(open);
            return;
        }
        if !open.is_empty() || open.id != call.id || open.name != call.name {
            Notes::count(&mut telling.answer.notes.contradictions);
        }
    }
    telling.add(&mut call, &args);
    telling.give(call);
}

/// Gives the call that an item is, with its arguments as far as they stand there.
fn call(item: &Members<'_>) -> Option<(Open, Option<Vec<u8>>)> {
    let call_id = item.text("call_id").or(item.text("id"));
    let named = |name: &str| Open::new(call_id.as_deref(), name);
    let told = item.text("name").unwrap_or_default();
    let text = |name: &str| item.text(name).map(|text| text.into_owned().into_bytes());
    let raw = |name: &str| item.raw(name).map(|raw| raw.get().as_bytes().to_vec());
    let kind = item.text("type")?;
    Some(match kind.as_ref() {
        "function_call" => (named(&told), text("arguments")),
        "custom_tool_call" => (named(&told).taking_text(), text("input")),
        // Tools of the API's own that the agent runs.
        "local_shell_call" | "shell_call" | "computer_call" => (
            named(kind.trim_end_matches("_call")),
            raw("action").or(raw("actions")),
        ),
        "apply_patch_call" => (named("apply_patch"), raw("operation")),
        "mcp_call" => {
            let server = item.text("server_label");
            (named(&told).elsewhere(server.as_deref()), text("arguments"))
        }
        "code_interpreter_call" => (
            named("code_interpreter").elsewhere(None).taking_text(),
            text("code"),
        ),
        _ => return None,
    })
}

/// Counts an item that is no call.
fn count(item: &Members<'_>, telling: &mut Telling) {
    match item.text("type").as_deref() {
        Some("reasoning") => Notes::count(&mut telling.answer.left_out.thinking),
        Some("image_generation_call") => Notes::count(&mut telling.answer.left_out.images),
        // The model's words, searches of the provider's own, what its tools gave.
        Some("message" | "compaction" | "mcp_list_tools" | "mcp_approval_request") => {}
        Some(kind) if kind.ends_with("_call") || kind.ends_with("_output") => {}
        _ => telling.unknown(),
    }
}

/// Tells whether an event holds nothing that is kept.
fn is_passed_over(kind: &str) -> bool {
    // The last parts of arguments stand again in the item.
    let inner = kind.strip_prefix("response.").unwrap_or(kind);
    let fronts = [
        "output_text.",
        "content_part.",
        "refusal.",
        "reasoning",
        "function_call_arguments.done",
        "custom_tool_call_input.done",
        "mcp_call",
        "mcp_list_tools",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "audio.",
        "codex.",
        "metadata",
        "ping",
        "keepalive",
        "rate_limits",
    ];
    fronts.iter().any(|front| inner.starts_with(front)) || kind.starts_with("codex.")
}
