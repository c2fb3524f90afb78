//! Each provider's answers, read.

use super::*;

/// Shows calls: id, name, server, who runs it, status, arguments.
fn shown(calls: &[ToolCall]) -> Vec<String> {
    let one = |call: &ToolCall| {
        let at = match call.runs {
            Runs::Agent => "",
            Runs::Provider => "elsewhere ",
        };
        format!(
            "{} {}{} {at}{} {}",
            call.id.as_deref().unwrap_or("-"),
            call.name,
            call.mcp_server
                .as_ref()
                .map(|server| format!("@{server}"))
                .unwrap_or_default(),
            call.args_status.word(),
            String::from_utf8_lossy(&call.args)
        )
    };
    calls.iter().map(one).collect()
}

#[track_caller]
fn check(name: &str, calls: &[&str], facts: &str) {
    let (_, api, kind, body) = ANSWERS.iter().find(|(given, ..)| *given == name).unwrap();
    let (found, answer) = answered(*api, Some(kind), &[body]);
    assert_eq!(shown(&found), calls, "{name}");
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let told = format!(
        "{} {} {} {}/{}/{} {}{}",
        text(&answer.response_id),
        text(&answer.model),
        text(&answer.stop_reason),
        number(answer.tokens.input),
        number(answer.tokens.output),
        number(answer.tokens.cache_read),
        answer.status,
        if answer.notes.any() {
            format!(" {:?}", answer.notes)
        } else {
            String::new()
        }
    );
    assert_eq!(told, facts, "{name}");
    assert_eq!(
        (answer.tool_calls as usize, answer.bytes),
        (calls.len(), body.len() as u64)
    );
}

const CLAUDE: [&str; 4] = [
    r#"toolu_01 Bash json {"command": "snow sql -q 'select \"größe\" from orders'"}"#,
    "toolu_02 mcp__snow__query@snow json {}",
    r#"srvtoolu_03 web_search elsewhere json {"query":"x"}"#,
    r#"toolu_04 Write cut {"file_path": "/w/a.sql", "content": "sel"#,
];

#[test]
fn anthropics_answers_are_read() {
    check(
        "messages",
        &CLAUDE,
        "msg_01 claude-opus-4-8 max_tokens 120/95/100 whole",
    );
    check(
        "messages, CRLF",
        &CLAUDE[..1],
        "msg_01 claude-opus-4-8 max_tokens 120/95/100 whole",
    );
    let whole = [
        r#"toolu_11 Bash json {"command":"echo 1"}"#,
        r#"mcptoolu_12 q@snow elsewhere json {"a":1}"#,
    ];
    check(
        "messages, whole",
        &whole,
        "msg_02 claude-opus-4-8 tool_use 5/6/0 whole",
    );
}

#[test]
fn openais_answers_are_read() {
    let calls = [
        r#"call_1 exec_command json {"cmd":"echo größe"}"#,
        "call_2 apply_patch text *** Begin Patch\n+select 1\n",
        r#"call_3 local_shell json {"type": "exec", "command": ["bash", "-lc", "echo 1"]}"#,
        r#"mcp_4 query@snow elsewhere json {"q":1}"#,
    ];
    check(
        "responses",
        &calls,
        "resp_01 gpt-5-2026-01-01 completed 200/30/150 whole",
    );
    let cut = [calls[0], r#"call_5 exec_command cut {"cmd":"ec"#];
    check(
        "responses, whole",
        &cut,
        "resp_01 gpt-5 max_output_tokens 2/3/- whole",
    );
    let chat = [
        r#"call_a bash json {"command":"echo ☃"}"#,
        "call_b read json {}",
    ];
    check("chat", &chat, "chatcmpl-1 gpt-5 tool_calls 9/8/4 whole");
    let chat = [
        r#"call_c bash json {"command":1}"#,
        "call_d patch text select 1",
    ];
    check(
        "chat, whole",
        &chat,
        "chatcmpl-2 gpt-5 tool_calls 1/2/- whole",
    );
}

#[test]
fn bedrocks_answers_are_read() {
    check(
        "invoke",
        &CLAUDE[..1],
        "msg_01 claude-opus-4-8 max_tokens 120/95/100 whole",
    );
    let calls = [
        r#"tooluse_1 bash json {"command":"echo größe"}"#,
        "tooluse_2 now json {}",
    ];
    check("converse", &calls, "- - tool_use 7/8/3 whole");
    check("invoke, Nova", &calls, "- - tool_use 7/8/3 whole");
    let whole = [r#"tooluse_3 bash json {"command":"echo 1"}"#];
    check("converse, whole", &whole, "- - tool_use 1/2/- whole");
    check("invoke, Nova, whole", &whole, "- - tool_use 1/2/- whole");
}

#[test]
fn googles_answers_are_read() {
    let calls = [
        r#"- run_shell_command json {"command": "echo größe"}"#,
        "fn2 mcp__snow__q@snow json {}",
    ];
    check("gemini", &calls, "rGx gemini-3-pro STOP 5/8/1 whole");
    check("code assist", &calls, "rGx gemini-3-pro STOP 5/8/1 whole");
    // Arguments are as they stand, spaces and all; of the array each object is read as it comes.
    let body = include_str!("../../testdata/gemini.json");
    let args = |call: &ToolCall| body.contains(std::str::from_utf8(&call.args).unwrap());
    let (front, _) = body.split_at(body.find("finishReason").unwrap());
    let mut reader = AnswerReader::new(Api::Gemini, Some(JSON));
    let found = reader.feed(front.as_bytes());
    assert!(found.len() == 2 && found.iter().all(args));
    let whole = answered(Api::Gemini, None, &[body.as_bytes()]);
    assert_eq!((whole.0, whole.1.status), (found, ParseStatus::Whole));
}

#[test]
fn a_call_is_given_as_soon_as_its_block_is_whole() {
    let body = include_bytes!("../../testdata/messages.sse").as_slice();
    let mut reader = AnswerReader::new(Api::Messages, Some(EVENTS));
    let mut at = Vec::new();
    for (number, byte) in body.iter().enumerate() {
        for call in reader.feed(std::slice::from_ref(byte)) {
            at.push((call.id.unwrap(), number));
        }
    }
    let text = std::str::from_utf8(body).unwrap();
    let expected: Vec<(String, usize)> = [
        ("toolu_01", 2),
        ("toolu_02", 3),
        ("srvtoolu_03", 4),
        ("toolu_04", 6),
    ]
    .iter()
    .map(|(id, index)| {
        let stop = format!("{{\"type\": \"content_block_stop\", \"index\": {index}}}\n\n");
        ((*id).to_owned(), text.find(&stop).unwrap() + stop.len() - 1)
    })
    .collect();
    assert_eq!(at, expected);
}
