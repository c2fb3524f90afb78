//! Any bytes are an answer of a model, in pieces as at once, with no more calls and arguments than are kept.

#![no_main]

#[path = "../body.rs"]
mod body;

use icecore::prompt::{Answer, AnswerReader, Api, CALLS_MAX, MESSAGE_MAX_BYTES, ToolCall};
use libfuzzer_sys::fuzz_target;

const KINDS: [Option<&str>; 4] = [
    None,
    Some("text/event-stream"),
    Some("application/vnd.amazon.eventstream"),
    Some("application/json"),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((api, choice, body, cuts)) = body::of(bytes) else {
        return;
    };
    let kind = KINDS[choice % KINDS.len()];
    let whole = read(api, kind, &[body]);
    for pieces in cuts {
        assert_eq!(read(api, kind, &pieces), whole);
    }
    let (calls, answer) = whole;
    assert_eq!(calls.len(), answer.tool_calls as usize);
    assert!(calls.len() <= CALLS_MAX);
    assert!(calls.iter().map(|call| call.args.len()).sum::<usize>() <= MESSAGE_MAX_BYTES);
    assert_eq!(answer.bytes, body.len() as u64);
});

fn read(api: Api, kind: Option<&str>, pieces: &[&[u8]]) -> (Vec<ToolCall>, Answer) {
    let mut reader = AnswerReader::new(api, kind);
    let mut calls: Vec<ToolCall> = pieces.iter().flat_map(|piece| reader.feed(piece)).collect();
    let (last, answer) = reader.finish();
    calls.extend(last);
    (calls, answer)
}
