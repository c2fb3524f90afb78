//! Messages of a Converse request, which Amazon's own models also take through InvokeModel.
//!
//! Source: docs.aws.amazon.com, Bedrock API reference, `Message`, `ContentBlock`, `ToolResultBlock`: a block is named by its
//! one member.

use serde_json::value::RawValue;

use crate::prompt::body::json::Members;
use crate::prompt::body::said::{Said, joined};
use crate::prompt::body::status::Notes;

/// Reads a message.
pub(in crate::prompt::body) fn said(message: &RawValue) -> Said {
    let Some(message) = Members::of(message) else {
        return Said::unreadable();
    };
    let mut said = Said::default();
    let is_user = message.text("role").as_deref() == Some("user");
    for block in message.items("content") {
        let Some(block) = Members::of(block) else {
            Notes::count(&mut said.notes.unreadable);
            continue;
        };
        let has = |name: &str| block.raw(name).is_some();
        if has("reasoningContent") {
            Notes::count(&mut said.left_out.thinking);
        } else if !is_user {
            // What the model said and did, told again.
        } else if let Some(text) = block.text("text") {
            said.block(&text);
        } else if let Some(tool) = block.object("toolResult") {
            result(&tool, &mut said);
        } else if has("image") || has("video") || has("audio") {
            Notes::count(&mut said.left_out.images);
        } else if has("document") || has("searchResult") {
            Notes::count(&mut said.left_out.documents);
        } else if !has("cachePoint") {
            said.unknown();
        }
    }
    said
}

fn result(tool: &Members<'_>, said: &mut Said) {
    let mut texts = Vec::new();
    for part in tool.items("content") {
        let Some(part) = Members::of(part) else {
            Notes::count(&mut said.notes.unreadable);
            continue;
        };
        if let Some(text) = part.text("text") {
            texts.push(text);
        } else if let Some(json) = part.raw("json") {
            texts.push(json.get().into());
        } else if part.raw("image").is_some() || part.raw("video").is_some() {
            Notes::count(&mut said.left_out.images);
        } else {
            Notes::count(&mut said.left_out.documents);
        }
    }
    let is_error = tool.text("status").as_deref() == Some("error");
    let call_id = tool.text("toolUseId");
    said.result(
        call_id.as_deref(),
        None,
        &joined(texts.into_iter()),
        Some(is_error),
    );
}
