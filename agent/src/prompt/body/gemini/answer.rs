//! Answers of generateContent.
//!
//! A `functionCall` is whole in one part. Source: ai.google.dev, API reference, "GenerateContentResponse", "FunctionCall".

use serde_json::value::RawValue;

use crate::prompt::body::json::Members;
use crate::prompt::body::status::Notes;
use crate::prompt::body::telling::{Open, Telling};

/// Takes one event's data, a whole answer, or one object of the array that a stream without `alt=sse` is.
pub(in crate::prompt::body) fn event(data: &str, telling: &mut Telling) {
    let Some(outer) = telling.members(data) else {
        return;
    };
    if let Some(error) = outer.object("error") {
        telling.error(error.text("status").as_deref());
        telling.ended = true;
        return;
    }
    let answer = outer.object("response").unwrap_or(outer);
    telling.response_id(&answer, "responseId");
    telling.model(&answer, "modelVersion");
    for candidate in answer.items("candidates") {
        let Some(candidate) = Members::of(candidate) else {
            telling.unreadable();
            continue;
        };
        let content = candidate.object("content");
        for part in content
            .map(|content| content.items("parts"))
            .unwrap_or_default()
        {
            self::part(part, telling);
        }
        if let Some(reason) = candidate.text("finishReason") {
            telling.stop_reason(Some(&reason));
            telling.ended = true;
        }
    }
    if let Some(feedback) = answer.object("promptFeedback")
        && let Some(reason) = feedback.text("blockReason")
    {
        telling.stop_reason(Some(&reason));
        telling.ended = true;
    }
    if let Some(usage) = answer.object("usageMetadata") {
        let tokens = &mut telling.answer.tokens;
        tokens.input = usage.number("promptTokenCount").or(tokens.input);
        // The thoughts are counted apart.
        let output = usage.number("candidatesTokenCount");
        let thoughts = usage.number("thoughtsTokenCount").unwrap_or(0);
        tokens.output = output
            .map(|output| output.saturating_add(thoughts))
            .or(tokens.output);
        tokens.cache_read = usage
            .number("cachedContentTokenCount")
            .or(tokens.cache_read);
    }
}

fn part(part: &RawValue, telling: &mut Telling) {
    let Some(part) = Members::of(part) else {
        telling.unreadable();
        return;
    };
    if let Some(call) = part.object("functionCall") {
        function(&call, telling);
    } else if let Some(code) = part.object("executableCode") {
        let mut open = Open::new(code.text("id").as_deref(), "code_execution")
            .elsewhere(None)
            .taking_text();
        telling.add(&mut open, code.text("code").unwrap_or_default().as_bytes());
        telling.give(open);
    } else if part.flag("thought") == Some(true) {
        Notes::count(&mut telling.answer.left_out.thinking);
    } else if part.raw("inlineData").is_some() {
        Notes::count(&mut telling.answer.left_out.images);
    } else if part.raw("text").is_none()
        && part.raw("codeExecutionResult").is_none()
        && part.raw("thoughtSignature").is_none()
    {
        telling.unknown();
    }
}

fn function(call: &Members<'_>, telling: &mut Telling) {
    let name = call.text("name").unwrap_or_default();
    let mut open = Open::new(call.text("id").as_deref(), &name);
    // Vertex can tell arguments in parts, each with the path that it stands at: they are kept as they came, not joined.
    if let Some(parts) = call.raw("partialArgs") {
        telling.add(&mut open, parts.get().as_bytes());
        telling.give_unfinished(open);
        return;
    }
    let args = call.raw("args").map_or("{}", RawValue::get);
    telling.add(&mut open, args.as_bytes());
    telling.give(open);
}
