//! What one proxy leaves of statements that wait, and what the next one finds.

use serde_json::json;

use super::*;
use crate::id::ApprovalId;

fn host(byte: u8) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
}

fn hold(login: LoginId) -> KeptHold {
    let (session, statement) = (SessionId::new(), StatementId::new());
    let request = json!({
        "format_version": 1, "id": ApprovalId::new(), "org": "o", "chain": "c", "host_id": "h",
        "session_id": session, "statement_id": statement,
        "requested_at": "2026-11-27T08:00:00Z", "expires_at": "2026-11-27T09:00:00Z",
        "asks": [], "needs": [],
        "requester": {"principal": "ci", "issuer": null, "subject": "ci", "groups": [], "facts": {}},
        "meaning": {
            "account": "ACME", "user": "SVC", "role": null, "secondary_roles": [], "warehouse": null,
            "database": null, "schema": null, "sql": "insert into t values (?)", "kinds": ["insert"],
            "members": {"bindings": "{}"}, "parameters": {}, "variables": {}, "objects": [], "columns": [],
            "policies_sha256": "00",
        },
        "claimed": {"reason": null, "labels": {}, "prompt": null},
        "plan": {"bytes": null, "partitions": null, "partitions_total": null, "unknown": "x"},
        "earlier": [],
    });
    KeptHold {
        version: VERSION,
        statement,
        login,
        request_id: "r".to_owned(),
        meaning: [3; 32],
        own_query_id: QueryId::mint(),
        host: "acme.snowflakecomputing.com".to_owned(),
        address: None,
        is_left_open: false,
        body: r#"{"sqlText":"insert into t values (?)","bindings":{}}"#.to_owned(),
        headers: vec![("user-agent".to_owned(), "x".to_owned())],
        sender: Sender::default(),
        started_at: "2026-11-27T08:00:00Z".parse().unwrap(),
        own: Some(BTreeSet::from([Path::from(vec![
            "DB".to_owned(),
            "S".to_owned(),
            "T".to_owned(),
        ])])),
        request: serde_json::from_value(request).unwrap(),
    }
}

fn keep(holds: &Holds, session: SessionId, hold: &KeptHold) {
    holds.expect(session, (hold.login, hold.statement)).unwrap();
    holds.keep(session, hold).unwrap();
}

fn files(folder: &FilePath) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn the_next_proxy_finds_what_waits_of_a_login_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let holds = || Holds::new(folder.path().to_owned(), host(1));
    let (session, login, other) = (SessionId::new(), LoginId::new(), LoginId::new());
    let (one, of_other, over) = (hold(login), hold(other), hold(login));
    let before = holds();
    for hold in [&one, &of_other, &over] {
        keep(&before, session, hold);
    }
    before.forget(over.statement);
    let sealed = fs::read(before.of(session).join(one.statement.to_string())).unwrap();
    assert!(!sealed.windows(6).any(|bytes| bytes == b"insert"));
    assert_eq!(holds().take(session, login), [one]);
    assert_eq!(holds().take(SessionId::new(), login), []);
    let next = holds();
    assert_eq!(next.take(session, other), [of_other]);
    next.forget_session(session);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn what_is_about_to_run_is_found_by_no_other_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let holds = || Holds::new(folder.path().to_owned(), host(1));
    let (session, login) = (SessionId::new(), LoginId::new());
    let (first, second) = (hold(login), hold(login));
    let waiting = second.statement;
    let before = holds();
    keep(&before, session, &first);
    keep(&before, session, &second);
    before.give_up(first.statement).unwrap();
    let next = holds();
    assert_eq!(next.take(session, login), [second]);
    next.give_up(waiting).unwrap();
    assert_eq!(holds().take(session, login), []);
    // It is gone whoever took it away, and its folder with it.
    next.forget_session(session);
    next.give_up(waiting).unwrap();
}

#[test]
fn what_another_host_sealed_or_somebody_changed_is_not_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let (session, login) = (SessionId::new(), LoginId::new());
    for change in 0..3 {
        let (holds, hold) = (Holds::new(folder.path().to_owned(), host(1)), hold(login));
        keep(&holds, session, &hold);
        let path = holds.of(session).join(hold.statement.to_string());
        let mut bytes = fs::read(&path).unwrap();
        match change {
            0 => bytes[40] ^= 1,
            1 => bytes.truncate(9),
            _ => {
                // Another statement's name.
                let other = holds.of(session).join(StatementId::new().to_string());
                fs::rename(&path, &other).unwrap();
                assert_eq!(holds.take(session, login), []);
                continue;
            }
        }
        fs::write(&path, bytes).unwrap();
        assert_eq!(holds.take(session, login), []);
        assert!(!path.exists());
    }
    let (holds, hold) = (Holds::new(folder.path().to_owned(), host(1)), hold(login));
    keep(&holds, session, &hold);
    assert_eq!(
        Holds::new(folder.path().to_owned(), host(2)).take(session, login),
        []
    );
}

#[test]
fn what_a_login_makes_for_itself_while_it_waits_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let holds = Holds::new(folder.path().to_owned(), host(1));
    let (session, login) = (SessionId::new(), LoginId::new());
    let makes = Effect {
        makes_unnamed: true,
        ..Effect::default()
    };
    let begin = |login, effect: &Effect| {
        holds.begin((login, StatementId::new()), effect, Kind::Query);
    };
    // Nothing waits yet.
    begin(login, &makes);
    keep(&holds, session, &hold(login));
    let own = |holds: &Holds| holds.take(session, login).pop().unwrap().own;
    begin(login, &Effect::default());
    begin(LoginId::new(), &makes);
    assert!(own(&holds).is_some());
    begin(login, &makes);
    assert_eq!(own(&holds), None);
}

#[test]
fn what_may_still_change_a_login_is_told_until_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let holds = Holds::new(folder.path().to_owned(), host(1));
    let (session, login) = (SessionId::new(), LoginId::new());
    let hold = hold(login);
    let none = Effect::default();
    let sent = || (login, StatementId::new());
    keep(&holds, session, &hold);
    let is_open = |holds: &Holds| holds.take(session, login).pop().unwrap().is_left_open;
    holds.begin(sent(), &none, Kind::Query);
    holds.begin((LoginId::new(), StatementId::new()), &none, Kind::Session);
    assert!(!is_open(&holds));
    let (over, open) = (sent(), sent());
    holds.begin(over, &none, Kind::Session);
    holds.begin(open, &none, Kind::Call);
    holds.end(over);
    assert!(is_open(&holds));
    holds.end(open);
    assert!(!is_open(&holds));
}

/// What is sent between the look at a login and the file is in the file or beside it.
#[test]
fn what_a_login_does_while_a_statement_is_being_kept_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let holds = Holds::new(folder.path().to_owned(), host(1));
    let (session, login) = (SessionId::new(), LoginId::new());
    let hold = hold(login);
    let makes = Effect {
        makes_unnamed: true,
        ..Effect::default()
    };
    holds.expect(session, (login, hold.statement)).unwrap();
    holds.begin((login, StatementId::new()), &makes, Kind::Create);
    holds.keep(session, &hold).unwrap();
    let found = holds.take(session, login).pop().unwrap();
    assert_eq!((found.own, found.is_left_open), (None, true));
    // What cannot be noted, or is over, leaves nothing for the next proxy.
    holds.expect(session, (login, hold.statement)).unwrap();
    fs::remove_dir_all(holds.of(session)).unwrap();
    assert!(holds.keep(session, &hold).is_err());
    assert_eq!(holds.take(session, login), []);
}

fn waiting() -> Execution {
    let realm = super::super::Realm::new("ACME", None);
    Execution::new(
        SessionId::new(),
        LoginId::new(),
        realm,
        "r".to_owned(),
        [0; 32],
        crate::snowflake::answer::Form::V1,
    )
}

#[tokio::test]
async fn who_asked_for_no_more_than_an_id_is_told_so_as_soon_as_a_statement_waits() {
    use super::super::{ANSWER_WITHIN, Answer, Patience};
    let execution = waiting();
    let id = execution.own_query_id();
    execution.advance(State::Held);
    let told = execution.answer(ANSWER_WITHIN, Patience::UntilHeld).await;
    assert!(
        matches!(told, Answer::Later(found) if found == id),
        "{told:?}"
    );
    // Whoever wants the rows polls on.
    let told = execution
        .answer(std::time::Duration::from_millis(5), Patience::Whole)
        .await;
    assert!(
        matches!(told, Answer::Running(found) if found == id),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_waits_is_withdrawn_at_once_and_not_sent() {
    use super::super::State;
    let execution = waiting();
    execution.advance(State::Held);
    let told = tokio::join!(execution.withdrawn(), async { execution.withdraw() });
    assert!(told.1 && !execution.submit());
}
