//! Bodies of each provider, whole and in pieces split at every byte; bodies that somebody made to mislead or to exhaust.
//!
//! Requests and heads named `claude_code`, `codex`, `gemini_cli` and `opencode` are real: Claude Code 2.1.197, Codex 0.169.0,
//! Gemini CLI 0.61.0 and opencode 1.18.33 sent them to a model of ours on loopback, long texts cut short since. Every answer,
//! and the requests of other APIs, are written after the providers' documentation, which each parser names.

mod answers;
mod hostile_answers;
mod hostile_requests;
mod requests;
mod socket;
mod splits;

use super::*;

/// An answer: its file, API, content type and bytes.
pub(super) type Answered = (&'static str, Api, &'static str, &'static [u8]);

pub(super) const EVENTS: &str = "text/event-stream; charset=utf-8";
pub(super) const FRAMES: &str = "application/vnd.amazon.eventstream";
pub(super) const JSON: &str = "application/json";

pub(super) const ANSWERS: [Answered; 23] = [
    (
        "messages",
        Api::Messages,
        EVENTS,
        include_bytes!("../../testdata/messages.sse"),
    ),
    (
        "messages, CRLF",
        Api::Messages,
        EVENTS,
        include_bytes!("../../testdata/messages_crlf.sse"),
    ),
    (
        "messages, whole",
        Api::Messages,
        JSON,
        include_bytes!("../../testdata/messages.json"),
    ),
    (
        "responses",
        Api::Responses,
        EVENTS,
        include_bytes!("../../testdata/responses.sse"),
    ),
    (
        "responses, whole",
        Api::Responses,
        JSON,
        include_bytes!("../../testdata/responses.json"),
    ),
    (
        "chat",
        Api::Chat,
        EVENTS,
        include_bytes!("../../testdata/chat.sse"),
    ),
    (
        "chat, whole",
        Api::Chat,
        JSON,
        include_bytes!("../../testdata/chat.json"),
    ),
    (
        "invoke",
        Api::BedrockInvoke,
        FRAMES,
        include_bytes!("../../testdata/invoke.bin"),
    ),
    (
        "invoke, Nova",
        Api::BedrockInvoke,
        FRAMES,
        include_bytes!("../../testdata/invoke_nova.bin"),
    ),
    (
        "invoke, whole",
        Api::BedrockInvoke,
        JSON,
        include_bytes!("../../testdata/messages.json"),
    ),
    (
        "invoke, Nova, whole",
        Api::BedrockInvoke,
        JSON,
        include_bytes!("../../testdata/converse.json"),
    ),
    (
        "converse",
        Api::BedrockConverse,
        FRAMES,
        include_bytes!("../../testdata/converse.bin"),
    ),
    (
        "converse, whole",
        Api::BedrockConverse,
        JSON,
        include_bytes!("../../testdata/converse.json"),
    ),
    (
        "gemini",
        Api::Gemini,
        EVENTS,
        include_bytes!("../../testdata/gemini.sse"),
    ),
    (
        "gemini, whole",
        Api::Gemini,
        JSON,
        include_bytes!("../../testdata/gemini.json"),
    ),
    (
        "code assist",
        Api::Gemini,
        EVENTS,
        include_bytes!("../../testdata/code_assist.sse"),
    ),
    (
        "claude code 1",
        Api::Messages,
        EVENTS,
        include_bytes!("../../testdata/claude_code_1.sse"),
    ),
    (
        "claude code 2",
        Api::Messages,
        EVENTS,
        include_bytes!("../../testdata/claude_code_2.sse"),
    ),
    (
        "claude code 3",
        Api::Messages,
        EVENTS,
        include_bytes!("../../testdata/claude_code_3.sse"),
    ),
    (
        "claude code 4",
        Api::Messages,
        EVENTS,
        include_bytes!("../../testdata/claude_code_4.sse"),
    ),
    (
        "claude code 5",
        Api::Messages,
        EVENTS,
        include_bytes!("../../testdata/claude_code_5.sse"),
    ),
    (
        "codex 1",
        Api::Responses,
        EVENTS,
        include_bytes!("../../testdata/codex_1.sse"),
    ),
    (
        "codex 2",
        Api::Responses,
        EVENTS,
        include_bytes!("../../testdata/codex_2.sse"),
    ),
];

/// Requests: file, API and bytes.
pub(super) const REQUESTS: [(&str, Api, &[u8]); 16] = [
    (
        "claude code 1",
        Api::Messages,
        include_bytes!("../../testdata/claude_code_1.json"),
    ),
    (
        "claude code 2",
        Api::Messages,
        include_bytes!("../../testdata/claude_code_2.json"),
    ),
    (
        "claude code 3",
        Api::Messages,
        include_bytes!("../../testdata/claude_code_3.json"),
    ),
    (
        "claude code 4",
        Api::Messages,
        include_bytes!("../../testdata/claude_code_4.json"),
    ),
    (
        "claude code 5",
        Api::Messages,
        include_bytes!("../../testdata/claude_code_5.json"),
    ),
    (
        "codex 1",
        Api::Responses,
        include_bytes!("../../testdata/codex_1.json"),
    ),
    (
        "codex 2",
        Api::Responses,
        include_bytes!("../../testdata/codex_2.json"),
    ),
    (
        "chat",
        Api::Chat,
        include_bytes!("../../testdata/chat_request.json"),
    ),
    (
        "converse",
        Api::BedrockConverse,
        include_bytes!("../../testdata/converse_request.json"),
    ),
    (
        "gemini",
        Api::Gemini,
        include_bytes!("../../testdata/gemini_request.json"),
    ),
    (
        "code assist",
        Api::Gemini,
        include_bytes!("../../testdata/code_assist_request.json"),
    ),
    (
        "gemini cli 1",
        Api::Gemini,
        include_bytes!("../../testdata/gemini_cli_1.json"),
    ),
    (
        "gemini cli 2",
        Api::Gemini,
        include_bytes!("../../testdata/gemini_cli_2.json"),
    ),
    (
        "opencode 1",
        Api::Chat,
        include_bytes!("../../testdata/opencode_1.json"),
    ),
    (
        "opencode 2",
        Api::Chat,
        include_bytes!("../../testdata/opencode_2.json"),
    ),
    (
        "opencode 3",
        Api::Chat,
        include_bytes!("../../testdata/opencode_3.json"),
    ),
];

pub(super) fn answered(
    api: Api,
    content_type: Option<&str>,
    pieces: &[&[u8]],
) -> (Vec<ToolCall>, Answer) {
    let mut reader = AnswerReader::new(api, content_type);
    let mut calls: Vec<ToolCall> = pieces.iter().flat_map(|piece| reader.feed(piece)).collect();
    let (last, answer) = reader.finish();
    calls.extend(last);
    (calls, answer)
}

/// Reads a request with the head that stands beside it.
pub(super) fn requested(api: Api, head: &str, pieces: &[&[u8]], history: &mut History) -> Request {
    let mut lines = head.lines();
    let target = lines
        .next()
        .and_then(|line| line.split_once(' '))
        .map_or("/", |(_, target)| target);
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let mut reader = RequestReader::new(
        api,
        &Head {
            target,
            headers: &headers,
        },
    );
    pieces.iter().for_each(|piece| reader.feed(piece));
    reader.finish(history)
}

/// Reads an answer that is a stream of these events.
pub(super) fn events(api: Api, events: &[&str]) -> (Vec<ToolCall>, Answer) {
    let mut reader = AnswerReader::new(api, Some(EVENTS));
    let mut calls = Vec::new();
    for event in events {
        calls.extend(reader.feed(format!("data: {event}\n\n").as_bytes()));
    }
    let (last, answer) = reader.finish();
    calls.extend(last);
    (calls, answer)
}

/// Reads a request without a head.
pub(super) fn request(api: Api, body: &[u8], history: &mut History) -> Request {
    let mut reader = RequestReader::new(
        api,
        &Head {
            target: "/",
            headers: &[],
        },
    );
    reader.feed(body);
    reader.finish(history)
}

pub(super) fn alone(api: Api, body: &str) -> Request {
    request(api, body.as_bytes(), &mut History::new("s"))
}

/// Gives calls' arguments and what they are.
pub(super) fn args(calls: &[ToolCall]) -> Vec<(&str, ArgsStatus)> {
    let one = |call: &ToolCall| {
        (
            std::str::from_utf8(&call.args).unwrap().to_owned(),
            call.args_status,
        )
    };
    calls
        .iter()
        .map(one)
        .map(|(text, status)| (&*text.leak(), status))
        .collect()
}
