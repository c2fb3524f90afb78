//! Ids from headers and bodies, as clients send them.

use super::*;

fn of(headers: &[(&str, &str)]) -> Ids {
    Ids::of_headers(headers)
}

#[test]
fn a_traceparent_is_read_as_the_standard_has_it() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let read = Trace::read(good).unwrap();
    assert_eq!(read.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(read.span_id, "b7ad6b7169203331");
    assert!(Trace::read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later").is_some());
    for bad in [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
    ] {
        assert_eq!(Trace::read(bad), None, "{bad}");
    }
}

#[test]
fn both_forms_of_a_user_id_name_the_session() {
    for user in [
        r#"{"device_id":"d","account_uuid":"","session_id":"e8b9"}"#,
        "user_0123abcd_account__session_e8b9",
        "user_0123abcd_account_77_session_e8b9",
    ] {
        let mut ids = Ids::default();
        ids.anthropic_user(user);
        assert_eq!(ids.session.as_deref(), Some("e8b9"), "{user}");
    }
    for other in ["", "me", "{", "{\"session_id\":7}"] {
        let mut ids = Ids::default();
        ids.anthropic_user(other);
        assert_eq!(ids, Ids::default(), "{other}");
    }
}

#[test]
fn a_geminis_prompt_names_its_session() {
    let mut ids = Ids::default();
    ids.gemini(&Members::read(r#"{"user_prompt_id":"e8b9########3"}"#).unwrap());
    assert_eq!(ids.session.as_deref(), Some("e8b9"));
    assert_eq!(ids.turn.as_deref(), Some("e8b9########3"));
    ids.gemini(&Members::read(r#"{"session_id":"other"}"#).unwrap());
    assert!(ids.disagree);
}

#[test]
fn headers_are_found_however_they_are_cased_and_the_first_counts() {
    let mut ids = of(&[
        ("X-Claude-Code-Session-Id", "a"),
        ("x-claude-code-agent-id", "b"),
        ("X-CLAUDE-CODE-PARENT-AGENT-ID", "c"),
        ("x-client-request-id", "d"),
    ]);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        (ids.session.clone(), ids.agent.clone()),
        (some("a"), some("b"))
    );
    assert_eq!(
        (ids.parent_agent.clone(), ids.client_request.clone()),
        (some("c"), some("d"))
    );
    assert!(!ids.disagree);
    ids.anthropic_user("user_x_account__session_a");
    assert!(!ids.disagree);
    ids.anthropic_user("user_x_account__session_z");
    assert_eq!((ids.session, ids.disagree), (some("a"), true));
    assert!(of(&[("session-id", "a"), ("session-id", "b")]).disagree);
}

#[test]
fn what_is_no_id_is_not_kept() {
    for value in ["", "  ", "a b", "a\nb", "ä", &"x".repeat(257)] {
        assert_eq!(of(&[("x-session-id", value)]), Ids::default(), "{value:?}");
    }
    assert_eq!(
        of(&[("x-session-id", " ses_1 ")]).session.as_deref(),
        Some("ses_1")
    );
}

#[test]
fn a_web_sockets_metadata_stands_for_headers() {
    let mut ids = Ids::default();
    let metadata = Members::read(
        r#"{"session_id":"s","thread_id":"t","x-codex-parent-thread-id":"p","x-codex-turn-metadata":"{\"turn_id\":\"u\",\"root_turn_id\":\"r\",\"session_id\":\"s\"}","ws_request_header_traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#,
    );
    ids.client_metadata(&metadata.unwrap());
    let text = |id: &Option<String>| id.clone().unwrap_or_default();
    assert_eq!(
        [
            text(&ids.session),
            text(&ids.agent),
            text(&ids.parent_agent)
        ],
        ["s", "t", "p"]
    );
    assert_eq!([text(&ids.turn), text(&ids.root_turn)], ["u", "r"]);
    assert!(ids.trace.is_some() && !ids.disagree);
}
