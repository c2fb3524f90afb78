//! Answers that are broken, out of order or too large: bounds hold, and what was odd is told.

use super::*;
use crate::prompt::body::status::Unreadable;

const STOP: &str = r#"{"type":"message_stop"}"#;

fn start(index: usize, id: &str) -> String {
    format!(
        r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"tool_use","id":"{id}","name":"n","input":{{}}}}}}"#
    )
}

fn part(index: usize, json: &str) -> String {
    let json = serde_json::to_string(json).unwrap();
    format!(
        r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"input_json_delta","partial_json":{json}}}}}"#
    )
}

fn stop(index: usize) -> String {
    format!(r#"{{"type":"content_block_stop","index":{index}}}"#)
}

#[test]
fn blocks_out_of_order_are_borne_and_told() {
    let (calls, answer) = events(
        Api::Messages,
        &[
            &part(7, "lost"),
            &start(1, "a"),
            &start(0, "b"),
            &part(0, "{\"x\":"),
            &part(1, "[]"),
            &part(0, "1}"),
            &stop(1),
            &stop(0),
            &stop(0),
            &start(2, "a"),
            &start(2, "c"),
            "not json",
            r#"{"type":"something_new"}"#,
            STOP,
        ],
    );
    let expected = [
        ("[]", ArgsStatus::Json),
        (r#"{"x":1}"#, ArgsStatus::Json),
        ("", ArgsStatus::Unfinished),
        ("", ArgsStatus::Unfinished),
    ];
    assert_eq!(args(&calls), expected);
    let notes = answer.notes;
    assert_eq!(
        (
            notes.duplicate_ids,
            notes.out_of_order,
            notes.unreadable,
            notes.unknown
        ),
        (1, 2, 1, 1)
    );
    assert_eq!(answer.status, ParseStatus::Whole);
}

#[test]
fn an_escape_that_is_no_letter_makes_arguments_invalid() {
    let broken = r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\ud800"}}"#;
    let (calls, answer) = events(
        Api::Messages,
        &[&start(0, "a"), &part(0, "{}"), broken, &stop(0), STOP],
    );
    assert_eq!(args(&calls), [("{}", ArgsStatus::Invalid)]);
    assert_eq!(answer.notes.unreadable, 1);
}

#[test]
fn tools_beyond_the_most_are_dropped_and_told() {
    let mut all: Vec<String> = (0..CALLS_MAX + 5)
        .flat_map(|index| [start(index, &format!("t{index}")), stop(index)])
        .collect();
    all.push(STOP.to_owned());
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (calls, answer) = events(Api::Messages, &all);
    assert_eq!(
        (
            calls.len(),
            answer.tool_calls as usize,
            answer.notes.dropped
        ),
        (CALLS_MAX, CALLS_MAX, 5)
    );
    assert_eq!(answer.status, ParseStatus::Cut);
}

#[test]
fn blocks_that_are_never_closed_are_bounded() {
    let all: Vec<String> = (0..500)
        .map(|index| start(index, &format!("t{index}")))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (calls, answer) = events(Api::Messages, &all);
    assert_eq!(calls.len(), 500);
    assert_eq!(
        (answer.notes.dropped, answer.status),
        (436, ParseStatus::Unfinished)
    );
}

#[test]
fn arguments_beyond_the_bound_are_counted_and_hashed() {
    let piece = "x".repeat(1 << 20);
    let mut all = vec![start(0, "a"), start(1, "b")];
    all.extend((0..5).flat_map(|_| [part(0, &piece), part(1, &piece)]));
    all.extend([stop(0), stop(1), STOP.to_owned()]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (calls, answer) = events(Api::Messages, &all);
    let kept: usize = calls.iter().map(|call| call.args.len()).sum();
    assert_eq!(kept, MESSAGE_MAX_BYTES);
    assert!(
        calls
            .iter()
            .all(|call| call.args_bytes == 5 << 20 && call.args_status == ArgsStatus::TooLong)
    );
    assert_eq!(calls[0].args_sha256, calls[1].args_sha256);
    assert_eq!(answer.status, ParseStatus::Cut);
}

#[test]
fn a_whole_that_differs_from_its_parts_counts_and_is_told() {
    let item = |args: &str| {
        format!(
            r#"{{"type":"function_call","id":"f","call_id":"c","name":"n","arguments":"{args}"}}"#
        )
    };
    let delta =
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":1}"}"#;
    let (calls, answer) = events(
        Api::Responses,
        &[
            &format!(
                r#"{{"type":"response.output_item.added","output_index":0,"item":{}}}"#,
                item("")
            ),
            delta,
            &format!(
                r#"{{"type":"response.output_item.done","output_index":0,"item":{}}}"#,
                item("[2]")
            ),
            &format!(
                r#"{{"type":"response.completed","response":{{"id":"r","status":"completed","output":[{},{{"type":"function_call","call_id":"late","name":"n","arguments":"3"}}]}}}}"#,
                item("[2]")
            ),
        ],
    );
    assert_eq!(
        args(&calls),
        [("[2]", ArgsStatus::Json), ("3", ArgsStatus::Json)]
    );
    assert_eq!(
        (answer.notes.contradictions, answer.notes.out_of_order),
        (1, 1)
    );
    // Broken off before the whole: the parts are told, as unfinished.
    let (calls, answer) = events(
        Api::Responses,
        &[
            &format!(
                r#"{{"type":"response.output_item.added","output_index":0,"item":{}}}"#,
                item("")
            ),
            delta,
        ],
    );
    assert_eq!(args(&calls), [(r#"{"a":1}"#, ArgsStatus::Unfinished)]);
    assert_eq!(answer.status, ParseStatus::Unfinished);
}

#[test]
fn a_call_without_arguments_is_no_cut_one() {
    let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"n","arguments":""}}]},"finish_reason":"tool_calls"}]}"#;
    let (calls, answer) = events(Api::Chat, &[call, "[DONE]"]);
    assert_eq!(args(&calls), [("", ArgsStatus::Empty)]);
    assert_eq!(answer.status, ParseStatus::Whole);
}

#[test]
fn chat_calls_without_an_index_are_told_apart_by_their_ids() {
    let chunk = |calls: &str| {
        format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{calls}]}}}}]}}"#)
    };
    let (calls, answer) = events(
        Api::Chat,
        &[
            &chunk(r#"{"id":"a","function":{"name":"n","arguments":"{\"x\""}}"#),
            &chunk(r#"{"function":{"arguments":":1}"}}"#),
            &chunk(r#"{"id":"b","function":{"name":"n","arguments":{"y":2}}}"#),
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            &chunk(r#"{"index":9,"id":"late","function":{"name":"n","arguments":"{}"}}"#),
            "[DONE]",
        ],
    );
    let expected = [
        (r#"{"x":1}"#, ArgsStatus::Json),
        (r#"{"y":2}"#, ArgsStatus::Json),
        ("{}", ArgsStatus::Unfinished),
    ];
    assert_eq!(args(&calls), expected);
    assert_eq!(
        (answer.notes.out_of_order, answer.status),
        (1, ParseStatus::Whole)
    );
}

#[test]
fn a_body_in_another_form_is_said() {
    let told = |api, kind, body: &[u8]| {
        let mut reader = AnswerReader::new(api, kind);
        reader.feed(body);
        reader.finish().1.status
    };
    let html = told(Api::Messages, Some("text/html"), b"<html>");
    assert_eq!(html, ParseStatus::Unreadable(Unreadable::ContentType));
    let frames = told(
        Api::Messages,
        Some("application/vnd.amazon.eventstream"),
        include_bytes!("../../testdata/invoke.bin"),
    );
    assert_eq!(frames, ParseStatus::Unreadable(Unreadable::ContentType));
    assert_eq!(told(Api::Messages, None, b""), ParseStatus::Unfinished);
    assert_eq!(
        told(Api::Chat, Some("application/json"), b"{\"choices\":["),
        ParseStatus::Unfinished
    );
    assert!(matches!(
        told(Api::Chat, Some("application/json"), b"nope"),
        ParseStatus::Unreadable(Unreadable::Json { .. })
    ));
    let mut bad = include_bytes!("../../testdata/converse.bin").to_vec();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    let broken = told(
        Api::BedrockConverse,
        Some("application/vnd.amazon.eventstream"),
        &bad,
    );
    assert_eq!(broken, ParseStatus::Unreadable(Unreadable::Frame));
}
