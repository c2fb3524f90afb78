//! Items of a Responses request's input.
//!
//! Source: developers.openai.com, API reference, "Responses", `input`; which items Codex sends: openai/codex,
//! `codex-rs/protocol/src/models.rs`.

use serde_json::value::RawValue;

use crate::prompt::body::json::{self, Members};
use crate::prompt::body::said::{Said, joined};
use crate::prompt::body::status::Notes;

/// Reads an item.
pub(in crate::prompt::body) fn said(item: &RawValue) -> Said {
    let Some(item) = Members::of(item) else {
        return Said::unreadable();
    };
    let mut said = Said::default();
    match item.text("type").as_deref() {
        None | Some("message") => message(&item, &mut said),
        Some("reasoning") => Notes::count(&mut said.left_out.thinking),
        Some(kind) if kind.ends_with("_call_output") => result(&item, &mut said),
        // What the model said and did, told again; a note that stands for what was left away.
        Some("item_reference" | "compaction" | "compaction_summary" | "mcp_list_tools") => {}
        Some("mcp_approval_request" | "mcp_approval_response") => {}
        Some(kind) if kind.ends_with("_call") => {}
        _ => said.unknown(),
    }
    said
}

/// Tells whether an item is part of the system prompt.
pub(in crate::prompt::body) fn is_system(item: &RawValue) -> bool {
    let role = Members::of(item).and_then(|item| item.text("role"));
    matches!(role.as_deref(), Some("system" | "developer"))
}

fn message(item: &Members<'_>, said: &mut Said) {
    match item.text("role").as_deref() {
        Some("user") => {}
        Some("assistant" | "system" | "developer") => return,
        _ => {
            said.unknown();
            return;
        }
    }
    let Some(content) = item.raw("content") else {
        return;
    };
    if let Some(text) = json::text(content) {
        said.block(&text);
        return;
    }
    for part in json::items(content) {
        let Some(part) = Members::of(part) else {
            Notes::count(&mut said.notes.unreadable);
            continue;
        };
        match part.text("type").as_deref() {
            Some("input_text" | "text") => said.block(&part.text("text").unwrap_or_default()),
            Some("input_image" | "input_audio") => Notes::count(&mut said.left_out.images),
            Some("input_file") => Notes::count(&mut said.left_out.documents),
            _ => said.unknown(),
        }
    }
}

fn result(item: &Members<'_>, said: &mut Said) {
    let call_id = item.text("call_id").or(item.text("id"));
    let text = item.raw("output").map(|output| output_text(output, said));
    said.result(call_id.as_deref(), None, &text.unwrap_or_default(), None);
}

/// Gives the text of an output: a text, parts with text, or an object as it stands.
fn output_text(output: &RawValue, said: &mut Said) -> String {
    if let Some(text) = json::text(output) {
        return text.into_owned();
    }
    if !output.get().starts_with('[') {
        return output.get().to_owned();
    }
    let mut texts = Vec::new();
    for part in json::items(output) {
        let Some(part) = Members::of(part) else {
            Notes::count(&mut said.notes.unreadable);
            continue;
        };
        match part.text("type").as_deref() {
            Some("input_image") => Notes::count(&mut said.left_out.images),
            Some("input_file") => Notes::count(&mut said.left_out.documents),
            // A shell's output stands in two members.
            _ => {
                let all = [part.text("text"), part.text("stdout"), part.text("stderr")];
                texts.extend(all.into_iter().flatten());
            }
        }
    }
    joined(texts.into_iter())
}
