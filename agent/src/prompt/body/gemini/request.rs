//! Contents of a generateContent request.
//!
//! Source: ai.google.dev, API reference, "Content", "Part", "FunctionResponse" (`output` and `error` are the names that models
//! are taught); names may also be written with underscores.

use serde_json::value::RawValue;

use crate::prompt::body::json::Members;
use crate::prompt::body::said::Said;
use crate::prompt::body::status::Notes;

/// Reads a content.
pub(in crate::prompt::body) fn said(content: &RawValue) -> Said {
    let Some(content) = Members::of(content) else {
        return Said::unreadable();
    };
    let mut said = Said::default();
    // A content without a role is a person's.
    let is_user = !matches!(content.text("role").as_deref(), Some("model"));
    for part in content.items("parts") {
        let Some(part) = Members::of(part) else {
            Notes::count(&mut said.notes.unreadable);
            continue;
        };
        let response = part
            .object("functionResponse")
            .or(part.object("function_response"));
        if part.flag("thought") == Some(true) {
            Notes::count(&mut said.left_out.thinking);
        } else if let Some(response) = response {
            result(&response, &mut said);
        } else if !is_user {
            // What the model said and did, told again.
        } else if let Some(text) = part.text("text") {
            said.block(&text);
        } else if part.raw("inlineData").or(part.raw("inline_data")).is_some() {
            Notes::count(&mut said.left_out.images);
        } else if part.raw("fileData").or(part.raw("file_data")).is_some() {
            Notes::count(&mut said.left_out.documents);
        } else {
            said.unknown();
        }
    }
    said
}

fn result(response: &Members<'_>, said: &mut Said) {
    let within = response.object("response");
    let member = |name: &str| within.as_ref().and_then(|within| within.text(name));
    let error = member("error");
    let is_error = within
        .as_ref()
        .is_some_and(|within| within.raw("error").is_some());
    let raw = response.raw("response").map_or("", RawValue::get);
    let text = error.or(member("output")).unwrap_or(raw.into());
    let (id, name) = (response.text("id"), response.text("name"));
    said.result(id.as_deref(), name.as_deref(), &text, Some(is_error));
}
