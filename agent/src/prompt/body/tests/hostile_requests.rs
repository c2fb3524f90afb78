//! Requests that are cut, deep, broad or ambiguous: bounds hold, and nothing private is told.

use super::*;
use crate::prompt::body::status::Unreadable;

#[test]
fn a_request_beyond_the_bound_tells_what_stood_whole_before_it() {
    let turn = |text: &str| format!(r#"{{"role":"user","content":"{text}"}}"#);
    let body = format!(
        r#"{{"model":"m","messages":[{},{}]}}"#,
        turn("first"),
        turn(&"ä".repeat(MESSAGE_MAX_BYTES / 2))
    );
    let told = alone(Api::Messages, &body);
    assert_eq!(told.status, ParseStatus::Cut);
    assert_eq!(
        (told.model.as_deref(), told.messages, told.bytes),
        (Some("m"), 1, body.len() as u64)
    );
    assert_eq!(
        told.turns
            .iter()
            .map(|turn| turn.text.as_str())
            .collect::<Vec<_>>(),
        ["first"]
    );
    assert_eq!(told.sha256, kept::sha256_of(body.as_bytes()));
}

#[test]
fn a_request_of_another_api_hides_no_turn() {
    let message = r#"{"role":"user","content":"hello"}"#;
    for (first, before, second, then) in [
        (
            Api::Gemini,
            "{\"contents\":[X]}",
            Api::Messages,
            "{\"messages\":[X]}",
        ),
        (
            Api::BedrockInvoke,
            "{\"schemaVersion\":\"messages-v1\",\"messages\":[X]}",
            Api::BedrockInvoke,
            "{\"anthropic_version\":\"bedrock-2023-05-31\",\"messages\":[X]}",
        ),
    ] {
        let mut history = History::new("s");
        let body = |text: &str| text.replace('X', message).into_bytes();
        let hidden = request(first, &body(before), &mut history);
        assert_eq!((hidden.messages, hidden.turns.len()), (1, 0));
        let told = request(second, &body(then), &mut history);
        assert_eq!((told.known, told.turns.len()), (0, 1));
        assert!(told.prompt.is_some());
    }
}

#[test]
fn a_body_that_was_cut_before_it_came_here_is_no_broken_one() {
    let mut reader = RequestReader::new(
        Api::Chat,
        &Head {
            target: "/",
            headers: &[],
        },
    );
    reader.feed(br#"{"messages":[{"role":"user","content":"x"},{"role":"us"#);
    reader.cut();
    let told = reader.finish(&mut History::new("s"));
    assert_eq!((told.status, told.turns.len()), (ParseStatus::Cut, 1));
    let mut reader = AnswerReader::new(Api::Chat, Some(JSON));
    drop(reader.feed(br#"{"choices":["#));
    reader.cut();
    assert_eq!(reader.finish().1.status, ParseStatus::Cut);
}

#[test]
fn what_is_no_request_says_why_and_quotes_nothing() {
    for (body, why) in [
        (b"{\"messages\":\"\xff\"}".as_slice(), Unreadable::Utf8),
        (b"", Unreadable::Json { line: 1, column: 0 }),
        (
            b"{\"messages\":[canary]}",
            Unreadable::Json {
                line: 1,
                column: 14,
            },
        ),
        (
            b"{\"messages\":7}",
            Unreadable::Json {
                line: 1,
                column: 13,
            },
        ),
        (b"[\"canary\"]", Unreadable::Json { line: 1, column: 0 }),
        (b"{}{}", Unreadable::Json { line: 1, column: 3 }),
    ] {
        let told = request(Api::Messages, body, &mut History::new("s"));
        assert_eq!(told.status, ParseStatus::Unreadable(why));
        assert!(!told.status.to_string().contains("canary") && told.turns.is_empty());
    }
    let told = alone(Api::BedrockInvoke, r#"{"prompt":"x","messages":[]}"#);
    assert_eq!(told.status, ParseStatus::Unreadable(Unreadable::Model));
}

#[test]
fn a_key_that_stands_twice_is_told() {
    let twice = r#"{"messages":[],"messages":[{"role":"user","content":"x"}]}"#;
    let told = alone(Api::Messages, twice);
    assert_eq!((told.notes.duplicate_keys, told.turns.len()), (1, 1));
    assert_eq!(
        alone(Api::Messages, r#"{"model":"a","model":"b","messages":[]}"#)
            .notes
            .duplicate_keys,
        1
    );
}

#[test]
fn depth_and_breadth_cost_no_stack_and_no_square() {
    let deep = "[".repeat(2_000_000);
    let told = alone(
        Api::Messages,
        &format!(r#"{{"messages":[{{"role":"user","content":{deep}"#),
    );
    assert!(matches!(
        told.status,
        ParseStatus::Unreadable(Unreadable::Json { .. })
    ));
    let closed = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let told = alone(
        Api::Messages,
        &format!(r#"{{"messages":[{{"role":"user","content":{closed}}}]}}"#),
    );
    assert_eq!((told.status, told.messages), (ParseStatus::Whole, 1));
    let many = format!(r#"{{"messages":[{}0]}}"#, "0,".repeat(2_000_000));
    let told = alone(Api::Messages, &many);
    assert_eq!(
        (told.messages, told.notes.unreadable, told.status),
        (100_000, 100_000, ParseStatus::Cut)
    );
    let members: String = (0..300_000)
        .map(|number| format!("\"k{number}\":0,"))
        .collect();
    let told = alone(
        Api::Messages,
        &format!(r#"{{{members}"messages":[{{"role":"user","content":"x"}}]}}"#),
    );
    assert_eq!((told.turns.len(), told.status), (1, ParseStatus::Cut));
    let turns: Vec<String> = (0..90_000)
        .map(|_| r#"{"role":"user","content":"<b>"}"#.to_owned())
        .collect();
    let told = alone(
        Api::Messages,
        &format!(r#"{{"messages":[{}]}}"#, turns.join(",")),
    );
    assert_eq!(
        (told.turns.len(), told.turns[0].name.index),
        (TOLD_MAX, 90_000 - 4096)
    );
    let (_, answer) = events(
        Api::Messages,
        &[&deep, &closed, r#"{"type":"message_stop"}"#],
    );
    assert_eq!(
        (answer.notes.unreadable, answer.status),
        (2, ParseStatus::Whole)
    );
}

#[test]
fn what_is_not_to_be_kept_is_in_nothing_that_is_told() {
    let mut told = String::new();
    for (api, body) in [
        (
            Api::Messages,
            r#"{"system":"CANARY","messages":[{"role":"system","content":"CANARY"},{"role":"assistant","content":[{"type":"thinking","thinking":"CANARY"},{"type":"text","text":"CANARY"}]},{"role":"user","content":[{"type":"image","source":{"data":"CANARY"}},{"type":"text","text":"<system-reminder>CANARY</system-reminder>"},{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"data":"CANARY"}}]}]}]}"#,
        ),
        (
            Api::Responses,
            r#"{"instructions":"CANARY","input":[{"role":"developer","content":"CANARY"},{"type":"reasoning","encrypted_content":"CANARY"},{"role":"user","content":[{"type":"input_image","image_url":"CANARY"}]}]}"#,
        ),
        (
            Api::Gemini,
            r#"{"system_instruction":{"parts":[{"text":"CANARY"}]},"contents":[{"role":"model","parts":[{"text":"CANARY"}]},{"parts":[{"inlineData":{"data":"CANARY"}},{"text":"CANARY","thought":true}]}]}"#,
        ),
    ] {
        let request = alone(api, body);
        assert!(request.system_sha256.is_some());
        told += &format!("{request:?}");
    }
    let (calls, answer) = events(
        Api::Messages,
        &[
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"CANARY"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"CANARY"}}"#,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"CANARY"}}"#,
        ],
    );
    assert_eq!(answer.error.as_deref(), Some("overloaded_error"));
    let mut reader = RequestReader::new(
        Api::Chat,
        &Head {
            target: "/",
            headers: &[("authorization", "CANARY"), ("x-api-key", "CANARY")],
        },
    );
    reader.feed(b"{\"messages\":[]}");
    told += &format!(
        "{calls:?}{answer:?}{:?}",
        reader.finish(&mut History::new("s"))
    );
    assert!(!told.contains("CANARY"), "{told}");
}

#[test]
fn of_the_words_of_one_request_the_newest_mebibyte_is_told() {
    let turn = |number: u32| {
        let text = format!("{number} {}", "passwordä ".repeat(20_000));
        format!(r#"{{"role":"user","content":"{text}"}}"#)
    };
    let turns: Vec<String> = (0..31).map(turn).collect();
    let told = alone(
        Api::Messages,
        &format!(r#"{{"messages":[{}]}}"#, turns.join(",")),
    );
    let bytes: usize = told.turns.iter().map(|turn| turn.text.len()).sum();
    assert!((512 << 10..=1 << 20).contains(&bytes), "{bytes}");
    assert!(told.turns.last().unwrap().text.starts_with("30 "));
    assert_eq!((told.status, told.messages), (ParseStatus::Cut, 31));
    assert_eq!(told.prompt, told.turns.last().map(|turn| turn.name.clone()));
}
