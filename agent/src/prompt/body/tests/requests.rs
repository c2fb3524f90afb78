//! Requests of agents and of each API: whose they are, and what is new in them.

use super::*;

/// The five requests of one run: the main agent's three, and two of the sub-agent that it started in between.
#[test]
fn claude_codes_requests_tell_what_is_new_in_each() {
    let mut history = History::new("s");
    let mut read = |head: &[u8], body: &[u8]| {
        let head = String::from_utf8_lossy(head).into_owned();
        requested(Api::Messages, &head, &[body], &mut history)
    };
    let all = [
        read(
            include_bytes!("../../testdata/claude_code_1.head"),
            include_bytes!("../../testdata/claude_code_1.json"),
        ),
        read(
            include_bytes!("../../testdata/claude_code_2.head"),
            include_bytes!("../../testdata/claude_code_2.json"),
        ),
        read(
            include_bytes!("../../testdata/claude_code_3.head"),
            include_bytes!("../../testdata/claude_code_3.json"),
        ),
        read(
            include_bytes!("../../testdata/claude_code_4.head"),
            include_bytes!("../../testdata/claude_code_4.json"),
        ),
        read(
            include_bytes!("../../testdata/claude_code_5.head"),
            include_bytes!("../../testdata/claude_code_5.json"),
        ),
    ];
    let told: Vec<_> = all
        .iter()
        .map(|request| (request.known, request.messages))
        .collect();
    assert_eq!(told, [(0, 2), (2, 4), (0, 2), (2, 5), (4, 6)]);
    let turns: Vec<Vec<&str>> = all
        .iter()
        .map(|request| {
            request
                .turns
                .iter()
                .map(|turn| turn.text.as_str())
                .collect()
        })
        .collect();
    let none: Vec<&str> = Vec::new();
    let main = vec!["how many rows in orders?"];
    assert_eq!(
        turns,
        [
            main,
            none.clone(),
            vec!["count the rows"],
            none.clone(),
            none
        ]
    );
    let results: Vec<Vec<(&str, &str)>> = all
        .iter()
        .map(|request| {
            let results = request.results.iter();
            results
                .map(|result| (result.call_id.as_deref().unwrap(), result.text.as_str()))
                .collect()
        })
        .collect();
    assert_eq!(
        results[1],
        [("toolu_main_1", "select count(*) from orders")]
    );
    assert_eq!(results[3], [("toolu_sub_1", "sub")]);
    assert_eq!(
        (results[0].len(), results[2].len(), results[4].len()),
        (0, 0, 1)
    );
    // Each goes back to its own agent's turn.
    let prompts: Vec<_> = all
        .iter()
        .map(|request| request.prompt.clone().unwrap())
        .collect();
    assert_eq!((&prompts[1], &prompts[4]), (&prompts[0], &prompts[0]));
    assert_eq!(prompts[3], prompts[2]);
    assert_ne!(prompts[2], prompts[0]);
    for (request, agent) in all.iter().zip([
        None,
        None,
        Some("af0e0643c50f795dc"),
        Some("af0e0643c50f795dc"),
        None,
    ]) {
        assert_eq!(
            request.ids.session.as_deref(),
            Some("e8b98213-c283-4ee0-a3f1-a9f6d07a1668")
        );
        assert_eq!(request.ids.agent.as_deref(), agent);
        assert_eq!(request.model.as_deref(), Some("claude-opus-4-8"));
        assert!(request.system_sha256.is_some() && !request.ids.disagree && !request.notes.any());
    }
}

#[test]
fn codexs_requests_tell_what_is_new_in_each() {
    let mut history = History::new("s");
    let mut read = |head: &[u8], body: &[u8]| {
        let head = String::from_utf8_lossy(head).into_owned();
        requested(Api::Responses, &head, &[body], &mut history)
    };
    let first = read(
        include_bytes!("../../testdata/codex_1.head"),
        include_bytes!("../../testdata/codex_1.json"),
    );
    let second = read(
        include_bytes!("../../testdata/codex_2.head"),
        include_bytes!("../../testdata/codex_2.json"),
    );
    let thread = Some("01a21ef0-940b-7c11-9533-acd7a34a4f22");
    assert_eq!(
        (first.known, first.messages, second.known, second.messages),
        (0, 4, 4, 6)
    );
    assert_eq!(first.turns.len(), 1);
    assert_eq!(first.turns[0].text, "how many rows in orders?");
    assert_eq!((second.turns.len(), second.results.len()), (0, 1));
    assert_eq!(second.results[0].call_id.as_deref(), Some("call_fake_1"));
    assert!(second.results[0].text.ends_with("Output:\n42\n"));
    assert_eq!(second.prompt, first.prompt);
    assert_eq!(second.system_sha256, first.system_sha256);
    assert!(second.system_sha256.is_some());
    assert_eq!(second.ids.session.as_deref(), thread);
    assert_eq!(second.ids.agent.as_deref(), thread);
    assert_eq!(
        second.ids.turn.as_deref(),
        Some("01a21ef0-9420-74c2-8c14-8dbf982a33f9")
    );
    assert_eq!(second.ids.root_turn, second.ids.turn);
    assert!(
        !second.ids.disagree && !second.notes.any(),
        "{:?}",
        second.notes
    );
}

#[test]
fn requests_of_other_apis_are_read() {
    let read = |api, target: &str, body: &[u8]| {
        requested(
            api,
            &format!("POST {target}"),
            &[body],
            &mut History::new("s"),
        )
    };
    let chat = read(
        Api::Chat,
        "/v1/chat/completions",
        include_bytes!("../../testdata/chat_request.json"),
    );
    let turns: Vec<(&str, u32)> = chat
        .turns
        .iter()
        .map(|turn| (turn.text.as_str(), turn.name.index))
        .collect();
    assert_eq!(turns, [("how many rows?", 0), ("and now?", 1)]);
    assert_eq!(
        (chat.left_out.images, chat.results[0].text.as_str()),
        (1, "42")
    );
    let converse = read(
        Api::BedrockConverse,
        "/model/a%3A0/converse",
        include_bytes!("../../testdata/converse_request.json"),
    );
    assert_eq!(converse.model.as_deref(), Some("a:0"));
    assert_eq!(converse.results[0].is_error, Some(true));
    assert_eq!(
        (
            converse.results[0].text.as_str(),
            converse.left_out.thinking
        ),
        ("boom\n{\"a\":1}", 1)
    );
    for (target, body, session, turn) in [
        (
            "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
            include_bytes!("../../testdata/gemini_request.json").as_slice(),
            None,
            None,
        ),
        (
            "/v1internal:generateContent",
            include_bytes!("../../testdata/code_assist_request.json").as_slice(),
            Some("s-1"),
            Some("s-1########3"),
        ),
    ] {
        let request = read(Api::Gemini, target, body);
        assert_eq!(request.model.as_deref(), Some("gemini-3-pro"));
        assert_eq!(
            (request.ids.session.as_deref(), request.ids.turn.as_deref()),
            (session, turn)
        );
        assert_eq!(request.turns.len(), 1);
        assert_eq!((request.messages, request.left_out.thinking), (4, 1));
        let results: Vec<_> = request
            .results
            .iter()
            .map(|one| (one.call_id.as_deref(), one.text.as_str(), one.is_error))
            .collect();
        assert_eq!(
            results,
            [(None, "42", Some(false)), (Some("fn2"), "boom", Some(true))]
        );
    }
    for request in [chat, converse] {
        assert!(
            request.system_sha256.is_some() && !request.notes.any(),
            "{:?}",
            request.notes
        );
    }
}

#[test]
fn a_request_that_goes_on_from_an_answer_keeps_its_turn() {
    let mut history = History::new("s");
    let first = request(Api::Responses, br#"{"input":"how many?"}"#, &mut history);
    history.answered("resp_1", first.prompt.as_ref());
    let result = br#"{"previous_response_id":"resp_1","input":[{"type":"function_call_output","call_id":"c","output":"42"}]}"#;
    let second = request(Api::Responses, result, &mut history);
    assert_eq!(
        (second.prompt, second.results.len()),
        (first.prompt.clone(), 1)
    );
    assert_eq!(
        request(Api::Responses, result, &mut history).results.len(),
        0,
        "a repeat tells nothing anew"
    );
    let third = request(
        Api::Responses,
        br#"{"previous_response_id":"resp_1","input":"and now?"}"#,
        &mut history,
    );
    assert_eq!(third.turns[0].name.index, 1);
    let unknown = request(
        Api::Responses,
        br#"{"previous_response_id":"resp_9","input":[]}"#,
        &mut history,
    );
    assert_eq!(unknown.prompt, None);
}

#[test]
fn gemini_clis_requests_tell_what_is_new_in_each() {
    let mut history = History::new("s");
    let head = include_str!("../../testdata/gemini_cli.head");
    let mut read = |body: &[u8]| requested(Api::Gemini, head, &[body], &mut history);
    let first = read(include_bytes!("../../testdata/gemini_cli_1.json"));
    let second = read(include_bytes!("../../testdata/gemini_cli_2.json"));
    assert_eq!(first.model.as_deref(), Some("gemini-3-pro"));
    assert_eq!(
        first
            .turns
            .iter()
            .map(|turn| turn.text.as_str())
            .collect::<Vec<_>>(),
        ["how many rows in orders?"]
    );
    assert_eq!(
        (second.known, second.messages, second.turns.len()),
        (1, 3, 0)
    );
    assert_eq!(second.prompt, first.prompt);
    let result = &second.results[0];
    assert_eq!(result.tool.as_deref(), Some("run_shell_command"));
    assert!(result.text.contains("Output: 42") && result.is_error == Some(false));
    // An id of the client's own: the model gave none.
    assert_eq!(
        result.call_id.as_deref(),
        Some("run_shell_command_1795816987175_0")
    );
    assert!(!second.notes.any());
}

/// A request for a title, and two of the conversation.
#[test]
fn opencodes_requests_tell_what_is_new_in_each() {
    let mut history = History::new("s");
    let head = include_str!("../../testdata/opencode.head");
    let mut read = |body: &[u8]| requested(Api::Chat, head, &[body], &mut history);
    let title = read(include_bytes!("../../testdata/opencode_1.json"));
    let first = read(include_bytes!("../../testdata/opencode_2.json"));
    let second = read(include_bytes!("../../testdata/opencode_3.json"));
    for request in [&title, &first] {
        assert_eq!(request.turns.len(), 1);
        assert_eq!(request.turns[0].text, "\"how many rows in orders?\"");
    }
    assert_eq!(
        (second.known, second.messages, second.turns.len()),
        (2, 4, 0)
    );
    assert_eq!(second.prompt, first.prompt);
    assert_eq!(title.prompt, first.prompt);
    assert_eq!(second.results[0].call_id.as_deref(), Some("call_o1"));
    assert_eq!(second.results[0].text, "42\n");
    assert_eq!(
        second.ids.session.as_deref(),
        Some("ses_de0f7f032ffeApxw7ZLDbc5Tr5")
    );
    assert!(!second.notes.any());
}
