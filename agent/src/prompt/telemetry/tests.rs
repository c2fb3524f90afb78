//! What agents tell, in both forms, and any bytes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::prompt::linking::evidence::Says;

/// A record as Claude Code 2.1.197 sends it, shortened.
fn claude(id: &str, command: &str) -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let parameters = json!({"bash_command": "echo", "full_command": command}).to_string();
    json!({
        "timeUnixNano": "1", "observedTimeUnixNano": "1",
        "body": {"stringValue": "claude_code.tool_result"},
        "attributes": [
            text("session.id", "s"), text("event.name", "tool_result"), text("prompt.id", "p"),
            {"key": "event.sequence", "value": {"intValue": 3}},
            text("tool_name", "Bash"), text("tool_use_id", id), text("success", "true"),
            text("tool_parameters", &parameters),
        ],
    })
}

fn logs(records: &[Value]) -> Vec<u8> {
    let scopes =
        json!([{"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": records}]);
    json!({"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": scopes}]})
        .to_string()
        .into()
}

/// Writes a field of protobuf that has a length below 2^14.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let low = u8::try_from(length & 127).unwrap();
    let mut all = vec![(number << 3) | 2];
    if length > 127 {
        all.extend([low | 128, u8::try_from(length >> 7).unwrap()]);
    } else {
        all.push(low);
    }
    [all, bytes.to_vec()].concat()
}

/// Writes what [`logs`] says in protobuf.
fn logs_protobuf(records: &[Value]) -> Vec<u8> {
    let any = |text: &str| field(1, text.as_bytes());
    let record = |one: &Value| {
        // `time_unix_nano` is a fixed64, `severity_number` a varint.
        let mut bytes = [&[0x09][..], &[1; 8], &[0x10, 9]].concat();
        bytes.extend(field(5, &any(one["body"]["stringValue"].as_str().unwrap())));
        for attribute in one["attributes"].as_array().unwrap() {
            let key = field(1, attribute["key"].as_str().unwrap().as_bytes());
            let value = match attribute["value"]["stringValue"].as_str() {
                Some(text) => any(text),
                None => vec![0x18, 3],
            };
            bytes.extend(field(6, &[key, field(2, &value)].concat()));
        }
        field(2, &bytes)
    };
    let records: Vec<u8> = records.iter().flat_map(record).collect();
    field(
        1,
        &field(2, &[field(1, &field(1, b"scope")), records].concat()),
    )
}

fn report(id: &str, command: &str) -> Report {
    Report {
        tool_call_id: id.to_owned(),
        command: Some(command.to_owned()),
    }
}

#[test]
fn a_tools_result_is_told_alike_in_both_forms() {
    let records = [claude("toolu_1", "echo 42"), claude("toolu_2", "sleep 1")];
    let expected = Telemetry {
        reports: vec![report("toolu_1", "echo 42"), report("toolu_2", "sleep 1")],
        records: 2,
        rejected: 0,
    };
    let read_json = read(Signal::Logs, Form::Json, &logs(&records));
    assert_eq!(read_json.as_ref(), Ok(&expected));
    let bytes = logs_protobuf(&records);
    assert_eq!(read(Signal::Logs, Form::Protobuf, &bytes), Ok(expected));
}

#[test]
fn codexs_results_and_claudes_spans_are_read_and_other_records_are_not() {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let record = |name: &str, rest: Vec<Value>| {
        let attributes = [vec![text("event.name", name)], rest].concat();
        json!({ "attributes": attributes })
    };
    let arguments = text("arguments", r#"{"cmd":"ls -l"}"#);
    let body = logs(&[
        record(
            "codex.tool_result",
            vec![text("call_id", "call_1"), arguments.clone()],
        ),
        record(
            "codex.tool_decision",
            vec![text("call_id", "call_2"), arguments],
        ),
        record(
            "user_prompt",
            vec![text("prompt", "a secret"), text("tool_use_id", "toolu_3")],
        ),
        record("tool_result", vec![]),
    ]);
    let told = read(Signal::Logs, Form::Json, &body).unwrap();
    assert_eq!(
        (told.reports, told.records),
        (vec![report("call_1", "ls -l")], 4)
    );
    let span = json!({"name": "claude_code.tool", "attributes": [text("tool_use_id", "toolu_4"), text("full_command", "ls")]});
    let other =
        json!({"name": "claude_code.interaction", "attributes": [text("user_prompt", "x")]});
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span, other]}]}]}).to_string();
    let told = read(Signal::Traces, Form::Json, body.as_bytes()).unwrap();
    assert_eq!(
        (told.reports, told.records),
        (vec![report("toolu_4", "ls")], 2)
    );
}

#[test]
fn no_more_records_are_read_than_fit_and_no_more_of_a_command_than_is_compared() {
    let long = "é".repeat(COMMAND_MAX_BYTES);
    let mut records = vec![claude("toolu_1", &long)];
    records.extend(vec![json!({}); RECORDS_MAX + 2]);
    let told = read(Signal::Logs, Form::Json, &logs(&records)).unwrap();
    assert_eq!((told.records, told.rejected), (RECORDS_MAX, 3));
    assert_eq!(
        told.reports[0].command.as_ref().unwrap().len(),
        COMMAND_MAX_BYTES
    );
    let records = vec![claude("toolu_1", "ls"); REPORTS_MAX + 1];
    let told = read(Signal::Logs, Form::Json, &logs(&records)).unwrap();
    assert_eq!((told.reports.len(), told.rejected), (REPORTS_MAX, 1));
    let records = [
        claude(&"x".repeat(ID_MAX_BYTES + 1), "ls"),
        claude("", "ls"),
    ];
    let told = read(Signal::Logs, Form::Json, &logs(&records)).unwrap();
    assert_eq!(told.reports, []);
}

#[test]
fn a_body_that_is_cut_anywhere_is_no_json_and_never_says_more() {
    let records = [claude("toolu_1", "echo 42"), claude("toolu_2", "sleep 1")];
    let (whole, bytes) = (logs(&records), logs_protobuf(&records));
    for end in 0..whole.len() {
        assert!(
            read(Signal::Logs, Form::Json, &whole[..end]).is_err(),
            "{end}"
        );
    }
    for end in 1..bytes.len() {
        assert!(
            read(Signal::Logs, Form::Protobuf, &bytes[..end]).is_err(),
            "{end}"
        );
    }
}

const OWNER: u64 = 7;

fn says(outcome: &Outcome) -> Option<Says> {
    match outcome {
        Outcome::Counts(told) => Some(told.says()),
        Outcome::Stranger | Outcome::Waits => None,
    }
}

#[test]
fn the_word_of_the_process_that_called_the_model_counts_alone() {
    let mut heard = Heard::default();
    let arguments = br#"{"command":"echo 42","description":"Counts"}"#;
    assert_eq!(heard.asked("toolu_1", Some(OWNER), arguments), []);
    assert_eq!(heard.asked("toolu_2", None, arguments), []);
    let mut told = |id: &str, command: &str, sender| heard.told(report(id, command), sender);
    assert_eq!(says(&told("toolu_1", "echo 42", OWNER)), Some(Says::Same));
    // A program may cut what it tells.
    assert_eq!(says(&told("toolu_1", "echo", OWNER)), Some(Says::Same));
    assert_eq!(says(&told("toolu_1", "echo 43", OWNER)), Some(Says::Other));
    for sender in [0, OWNER + 1] {
        assert_eq!(told("toolu_1", "echo 42", sender), Outcome::Stranger);
        assert_eq!(told("toolu_1", "rm -r /", sender), Outcome::Stranger);
    }
    // A model over plain HTTP: the session may be both ends.
    assert_eq!(told("toolu_2", "echo 42", OWNER), Outcome::Stranger);
    assert_eq!(told("toolu_3", "echo 42", OWNER), Outcome::Waits);
}

#[test]
fn a_word_that_comes_before_its_use_is_read_waits_and_is_weighed_the_same() {
    let mut heard = Heard::default();
    for sender in [OWNER, OWNER + 1] {
        assert_eq!(heard.told(report("toolu_1", "ls"), sender), Outcome::Waits);
    }
    let counts = heard.asked("toolu_1", Some(OWNER), br#"{"command":"ls"}"#);
    assert_eq!(counts.len(), 1);
    assert!(counts[0].is_about("toolu_1", Some(OWNER)));
    assert_eq!(heard.asked("toolu_1", Some(OWNER), b"{}"), []);
    // Those that never come make room.
    for number in 0..2 * USES {
        heard.told(report(&number.to_string(), "ls"), OWNER);
    }
    assert_eq!(heard.asked("0", Some(OWNER), b"{}"), []);
    let last = (2 * USES - 1).to_string();
    assert_eq!(heard.asked(&last, Some(OWNER), b"{}").len(), 1);
}

/// More words than wait.
const USES: usize = 1024;

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        for signal in [Signal::Logs, Signal::Traces] {
            for form in [Form::Json, Form::Protobuf] {
                if let Ok(told) = read(signal, form, &bytes) {
                    prop_assert!(told.reports.len() <= told.records);
                }
            }
        }
    }

    #[test]
    fn one_changed_byte_panics_nowhere(at in 0_usize..400, byte in any::<u8>()) {
        let mut bytes = logs_protobuf(&[claude("toolu_1", "echo 42")]);
        let length = bytes.len();
        bytes[at % length] = byte;
        drop(read(Signal::Logs, Form::Protobuf, &bytes));
        let mut bytes = logs(&[claude("toolu_1", "echo 42")]);
        let length = bytes.len();
        bytes[at % length] = byte;
        drop(read(Signal::Logs, Form::Json, &bytes));
    }
}
