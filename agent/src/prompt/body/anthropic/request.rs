//! Messages of an Anthropic request.
//!
//! Source: platform.claude.com, API reference, "Messages": a message's content is a text or blocks; results of tools stand in
//! a user's message.

use serde_json::value::RawValue;

use crate::prompt::body::json::{self, Members};
use crate::prompt::body::said::{Said, joined};
use crate::prompt::body::status::Notes;

/// Reads a message.
pub(in crate::prompt::body) fn said(message: &RawValue) -> Said {
    let Some(message) = Members::of(message) else {
        return Said::unreadable();
    };
    let mut said = Said::default();
    let is_user = match message.text("role").as_deref() {
        Some("user") => true,
        // A note of the operator's within the conversation.
        Some("assistant" | "system") => false,
        _ => {
            said.unknown();
            false
        }
    };
    let Some(content) = message.raw("content") else {
        return said;
    };
    if let Some(text) = json::text(content) {
        if is_user {
            said.block(&text);
        }
        return said;
    }
    for block in json::items(content) {
        match Members::of(block) {
            Some(block) if is_user => users(&block, &mut said),
            Some(block) => models(&block, &mut said),
            None => Notes::count(&mut said.notes.unreadable),
        }
    }
    said
}

fn users(block: &Members<'_>, said: &mut Said) {
    match block.text("type").as_deref() {
        Some("text") => said.block(&block.text("text").unwrap_or_default()),
        Some("tool_result") => result(block, said),
        Some("image") => Notes::count(&mut said.left_out.images),
        Some("document" | "search_result" | "container_upload") => {
            Notes::count(&mut said.left_out.documents);
        }
        _ => said.unknown(),
    }
}

fn models(block: &Members<'_>, said: &mut Said) {
    if let Some("thinking" | "redacted_thinking") = block.text("type").as_deref() {
        Notes::count(&mut said.left_out.thinking);
    }
}

fn result(block: &Members<'_>, said: &mut Said) {
    let call_id = block.text("tool_use_id");
    let text = match block.raw("content") {
        None => String::new(),
        Some(content) => match json::text(content) {
            Some(text) => text.into_owned(),
            None => blocks(&json::items(content), said),
        },
    };
    // Without the word it is none.
    let is_error = block.flag("is_error").unwrap_or(false);
    said.result(call_id.as_deref(), None, &text, Some(is_error));
}

fn blocks(blocks: &[&RawValue], said: &mut Said) -> String {
    let mut texts = Vec::new();
    for block in blocks {
        let Some(block) = Members::of(block) else {
            Notes::count(&mut said.notes.unreadable);
            continue;
        };
        match block.text("type").as_deref() {
            Some("text") => texts.extend(block.text("text")),
            Some("image") => Notes::count(&mut said.left_out.images),
            Some("document" | "search_result") => Notes::count(&mut said.left_out.documents),
            // The name of a tool that a search of tools found.
            Some("tool_reference") => {}
            _ => said.unknown(),
        }
    }
    joined(texts.into_iter())
}
