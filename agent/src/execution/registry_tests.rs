//! What leads to an execution, for whom, and for how long.

use super::*;
use crate::id::StatementId;
use crate::statement::Kind;

fn execution(session: SessionId, login: LoginId, request_id: &str, digest: u8) -> Execution {
    Execution::new(
        session,
        login,
        request_id.to_owned(),
        [digest; 32],
        Form::V1,
    )
}

fn known(login: LoginId, query_id: QueryId) -> Known {
    Known {
        login,
        earlier: Earlier {
            statement: StatementId::new(),
            kind: Kind::Query,
            parts: Arc::from([]),
        },
        query_id,
        form: Form::V1,
    }
}

#[test]
fn a_withheld_answer_stays_withheld_until_its_session_ends() {
    let registry = Registry::default();
    let (session, id) = (SessionId::new(), QueryId::mint());
    let outcome = Outcome {
        withheld: Some("reason".to_owned()),
        compared: Some(id),
        ..Outcome::default()
    };
    assert!(!registry.is_withheld(session, id));
    registry.note_compared(session, id, &outcome);
    assert!(registry.is_withheld(session, id) && !registry.is_compared(session, id));
    assert!(!registry.is_withheld(SessionId::new(), id));
    registry.forget_session(session);
    assert!(!registry.is_withheld(session, id));
}

#[test]
fn what_was_compared_is_known_in_its_session_until_that_ends() {
    let registry = Registry::default();
    let (session, id) = (SessionId::new(), QueryId::mint());
    let outcome = Outcome {
        compared: Some(id),
        ..Outcome::default()
    };
    registry.note_compared(session, QueryId::mint(), &Outcome::default());
    assert!(!registry.is_compared(session, id));
    registry.note_compared(session, id, &outcome);
    assert!(registry.is_compared(session, id) && !registry.is_withheld(session, id));
    assert!(!registry.is_compared(SessionId::new(), id));
    registry.forget_session(session);
    assert!(!registry.is_compared(session, id));
}

#[test]
fn a_replay_joins_and_another_text_differs() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let Joined::New(first) = registry.start_or_join(execution(session, login, "r", 1)) else {
        panic!()
    };
    let Joined::Replay(second) = registry.start_or_join(execution(session, login, "r", 1)) else {
        panic!()
    };
    assert_eq!(first.id(), second.id());
    assert!(matches!(
        registry.start_or_join(execution(session, login, "r", 2)),
        Joined::Differs
    ));
    assert!(matches!(
        registry.start_or_join(execution(session, LoginId::new(), "r", 2)),
        Joined::New(_)
    ));
}

#[test]
fn a_query_id_leads_nowhere_from_another_session() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let Joined::New(first) = registry.start_or_join(execution(session, login, "r", 1)) else {
        panic!()
    };
    let query_id = QueryId::mint();
    let known = known(login, query_id);
    registry.name(&first, query_id, known.clone());
    assert!(matches!(
        registry.find_query(session, query_id),
        Some(Sent::Held(_))
    ));
    assert!(registry.find_query(SessionId::new(), query_id).is_none());
    assert!(
        registry
            .find_query(SessionId::new(), first.own_query_id())
            .is_none()
    );
    registry.forget(&first);
    assert!(
        matches!(registry.find_query(session, query_id), Some(Sent::Known(held)) if held == known)
    );
    assert!(
        matches!(registry.find_query(session, first.own_query_id()), Some(Sent::Known(held)) if held == known)
    );
    registry.forget_session(session);
    assert!(registry.find_query(session, query_id).is_none());
}

#[test]
fn a_request_id_stays_spent_after_its_reply_is_let_go() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let start = |request_id: &str, digest| {
        registry.start_or_join(execution(session, login, request_id, digest))
    };
    let (Joined::New(sent), Joined::New(refused)) = (start("sent", 1), start("refused", 1)) else {
        panic!()
    };
    let known = known(login, QueryId::mint());
    registry.name(&sent, known.query_id, known.clone());
    registry.forget(&sent);
    registry.forget(&refused);
    assert!(matches!(start("sent", 1), Joined::Spent(Some(held)) if held == known));
    assert!(matches!(start("refused", 1), Joined::Spent(None)));
    assert!(matches!(start("sent", 2), Joined::Differs));
    assert!(matches!(start("refused", 2), Joined::Differs));
    registry.forget_session(session);
    assert!(matches!(start("sent", 2), Joined::New(_)));
}

#[test]
fn a_withdrawn_statement_may_not_be_sent() {
    let execution = execution(SessionId::new(), LoginId::new(), "r", 1);
    assert!(execution.withdraw());
    assert!(!execution.submit());
}

#[test]
fn a_reply_is_kept_for_two_minutes_and_its_request_id_stays_spent() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let started = || registry.start_or_join(execution(session, login, "r", 1));
    let Joined::New(first) = started() else {
        panic!()
    };
    registry.keep(first, 0);
    registry.sweep(119_000_000_000);
    assert!(matches!(started(), Joined::Replay(_)));
    registry.sweep(120_000_000_000);
    assert!(matches!(started(), Joined::Spent(None)));
}

#[test]
fn what_does_not_fit_goes_before_its_time_the_oldest_first() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let started = |id: &str| registry.start_or_join(execution(session, login, id, 1));
    let count = 150_000;
    for number in 0..count {
        let Joined::New(one) = started(&number.to_string()) else {
            panic!()
        };
        registry.keep(one, 0);
    }
    assert!(matches!(started("0"), Joined::Spent(None)));
    assert!(matches!(
        started(&(count - 1).to_string()),
        Joined::Replay(_)
    ));
    let held = registry.tables().by_request.len();
    assert!(held < count && held > 100_000, "{held}");
}
