//! Messages of a Chat Completions request.
//!
//! Source: developers.openai.com, API reference, "Chat Completions", `messages`.

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
    let content = message.raw("content");
    match message.text("role").as_deref() {
        Some("user") => {
            for text in content
                .map(|content| texts(content, &mut said))
                .unwrap_or_default()
            {
                said.block(&text);
            }
        }
        Some("tool" | "function") => {
            let text = content.map(|content| joined(texts(content, &mut said).into_iter()));
            let (id, tool) = (message.text("tool_call_id"), message.text("name"));
            said.result(
                id.as_deref(),
                tool.as_deref(),
                &text.unwrap_or_default(),
                None,
            );
        }
        Some("assistant") => {
            if message.raw("reasoning_content").is_some() {
                Notes::count(&mut said.left_out.thinking);
            }
        }
        Some("system" | "developer") => {}
        _ => said.unknown(),
    }
    said
}

/// Gives a content's texts; counts what is not kept.
fn texts<'a>(content: &'a RawValue, said: &mut Said) -> Vec<std::borrow::Cow<'a, str>> {
    if let Some(text) = json::text(content) {
        return vec![text];
    }
    let mut found = Vec::new();
    for part in json::items(content) {
        let Some(part) = Members::of(part) else {
            Notes::count(&mut said.notes.unreadable);
            continue;
        };
        match part.text("type").as_deref() {
            Some("text") => found.extend(part.text("text")),
            Some("image_url" | "input_audio" | "video_url") => {
                Notes::count(&mut said.left_out.images);
            }
            Some("file") => Notes::count(&mut said.left_out.documents),
            _ => said.unknown(),
        }
    }
    found
}
