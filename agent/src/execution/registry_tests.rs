//! Where request ids and query ids lead, from a statement's start until its session ends.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::execution::Effect;
use crate::execution::query::{Realm, Standing};
use crate::execution::table::Table;
use crate::id::StatementId;
use crate::identity::Principal;
use crate::mask::{Masked, mask_for};
use crate::policy::Plan;
use crate::record::Part;
use crate::snowflake::answer::Form;
use crate::statement::Kind;
use crate::upstream::Unmasked;

static ACME: LazyLock<Realm> = LazyLock::new(|| Realm::new("ACME", None));
const ROWS: &str = r#""total":1,"statementTypeId":4096,"rowset":[["1"]]"#;
const OTHER_KIND: &str = r#""total":1,"statementTypeId":12544,"rowset":[["1"]]"#;

fn execution(session: SessionId, login: LoginId, request_id: &str, meaning: u8) -> Execution {
    let request_id = request_id.to_owned();
    let realm = ACME.clone();
    Execution::new(session, login, realm, request_id, [meaning; 32], Form::V1)
}

fn query(session: SessionId, query_id: QueryId) -> QueryRef<'static> {
    QueryRef {
        session,
        realm: &ACME,
        query_id,
    }
}

fn earlier() -> Earlier {
    Earlier {
        statement: StatementId::new(),
        kind: Kind::Query,
        plan: Plan::Open,
        types: None,
        parts: Arc::default(),
    }
}

/// An answer with rows to a query, as `mask` leaves it.
fn answer(query_id: QueryId, members: &str) -> Masked {
    answered(query_id, members, "")
}

fn answered(query_id: QueryId, members: &str, envelope: &str) -> Masked {
    let body =
        format!(r#"{{"data":{{"queryId":"{query_id}",{members}}},{envelope}"success":true}}"#);
    let unmasked = Unmasked::of_answer(Kind::Query, body.leak());
    mask_for(unmasked, query_id, Form::V1, "h")
}

#[track_caller]
fn started(joined: Joined) -> Arc<Execution> {
    let Joined::New(execution) = joined else {
        panic!("{joined:?}")
    };
    execution
}

/// One query that Snowflake has named, and its registry.
struct Named {
    registry: Registry,
    execution: Arc<Execution>,
    query_id: QueryId,
}

impl Named {
    fn new() -> Self {
        let registry = Registry::default();
        let one = execution(SessionId::new(), LoginId::new(), "r", 1);
        let execution = started(registry.start_or_join(one));
        let query_id = QueryId::mint();
        registry.name(&execution, query_id, earlier());
        Self {
            registry,
            execution,
            query_id,
        }
    }

    fn conclude(&self, members: &str) {
        self.conclude_with(&answer(self.query_id, members));
    }

    fn conclude_with(&self, masked: &Masked) {
        let conclusion = Conclusion::of(masked, self.query_id);
        let session = self.execution.session();
        self.registry
            .conclude(query(session, self.query_id), &conclusion);
    }

    fn standing(&self, query_id: QueryId) -> Option<Standing> {
        let sent = self
            .registry
            .find(query(self.execution.session(), query_id));
        sent.map(|sent| sent.standing)
    }

    fn ids(&self) -> [QueryId; 2] {
        [self.execution.own_query_id(), self.query_id]
    }
}

#[test]
fn a_replay_joins_and_another_text_differs() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let start = |login, meaning| registry.start_or_join(execution(session, login, "r", meaning));
    let first = started(start(login, 1));
    let Joined::Replay(second) = start(login, 1) else {
        panic!()
    };
    assert_eq!(first.id(), second.id());
    assert!(matches!(start(login, 2), Joined::Differs));
    assert!(matches!(start(LoginId::new(), 2), Joined::New(_)));
}

#[test]
fn a_query_id_leads_nowhere_from_another_session_account_or_party() {
    let named = Named::new();
    let elsewhere = Realm::new("OTHER", None);
    let shown = Principal::host_user("ada".to_owned(), 1);
    let of_party = Realm::new("ACME", Some(&shown));
    for id in named.ids() {
        let own = query(named.execution.session(), id);
        for other in [
            query(SessionId::new(), id),
            QueryRef {
                realm: &elsewhere,
                ..own
            },
            QueryRef {
                realm: &of_party,
                ..own
            },
        ] {
            assert!(named.registry.find(other).is_none(), "{other:?}");
        }
        let sent = named.registry.find(own).unwrap();
        assert!(sent.held.is_some());
        assert_eq!(sent.named(), Some(named.query_id));
    }
    named.registry.forget(vec![Arc::clone(&named.execution)]);
    for id in named.ids() {
        let own = query(named.execution.session(), id);
        let sent = named.registry.find(own).unwrap();
        assert!(sent.held.is_none());
        assert_eq!(sent.named(), Some(named.query_id));
    }
    named.registry.forget_session(named.execution.session());
    assert!(named.standing(named.query_id).is_none());
}

#[test]
fn a_request_id_stays_spent_after_its_reply_is_let_go() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let start = |id: &str, meaning| registry.start_or_join(execution(session, login, id, meaning));
    let (sent, refused) = (started(start("sent", 1)), started(start("refused", 1)));
    let query_id = QueryId::mint();
    registry.name(&sent, query_id, earlier());
    registry.forget(vec![sent, refused]);
    assert!(matches!(start("sent", 1), Joined::Spent(Some(held)) if held == query_id));
    assert!(matches!(start("refused", 1), Joined::Spent(None)));
    assert!(matches!(start("sent", 2), Joined::Differs));
    assert!(matches!(start("refused", 2), Joined::Differs));
    registry.forget_session(session);
    assert!(matches!(start("sent", 2), Joined::New(_)));
}

#[test]
fn a_query_is_uncompared_until_an_answer_tells_its_kind() {
    let named = Named::new();
    let uncompared = |id| matches!(named.standing(id), Some(Standing::Uncompared(_)));
    assert!(named.ids().into_iter().all(uncompared));
    named.conclude_with(&answered(
        named.query_id,
        r#""progressDesc":null"#,
        r#""code":"333333","#,
    ));
    assert!(named.ids().into_iter().all(uncompared));
    named.conclude(ROWS);
    for id in named.ids() {
        assert!(matches!(named.standing(id), Some(Standing::Compared(_))));
    }
}

#[test]
fn a_withheld_answer_stays_withheld_by_every_name_until_its_session_ends() {
    let named = Named::new();
    named.conclude(ROWS);
    named.conclude(OTHER_KIND);
    named.conclude(ROWS);
    let again = execution(named.execution.session(), LoginId::new(), "other", 1);
    let again = started(named.registry.start_or_join(again));
    named.registry.name(&again, named.query_id, earlier());
    named.registry.forget(vec![Arc::clone(&named.execution)]);
    for id in named.ids() {
        assert!(matches!(named.standing(id), Some(Standing::Withheld)));
    }
    named.registry.forget_session(named.execution.session());
    assert!(named.standing(named.query_id).is_none());
}

#[test]
fn an_answer_that_is_withheld_at_once_names_its_query_withheld() {
    let registry = Registry::default();
    let session = SessionId::new();
    let started = started(registry.start_or_join(execution(session, LoginId::new(), "r", 1)));
    let query_id = QueryId::mint();
    let conclusion = Conclusion::of(&answer(query_id, OTHER_KIND), started.own_query_id());
    registry.conclude(query(session, started.own_query_id()), &conclusion);
    for id in [started.own_query_id(), query_id] {
        let sent = registry.find(query(session, id)).unwrap();
        assert!(matches!(sent.standing, Standing::Withheld), "{sent:?}");
        assert_eq!(sent.named(), Some(query_id));
    }
}

#[test]
fn a_reply_is_kept_for_two_minutes_and_its_request_id_stays_spent() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let start = || registry.start_or_join(execution(session, login, "r", 1));
    registry.keep(started(start()), 0);
    registry.sweep(119_000_000_000);
    assert!(matches!(start(), Joined::Replay(_)));
    registry.sweep(120_000_000_000);
    assert!(matches!(start(), Joined::Spent(None)));
}

#[test]
fn what_does_not_fit_goes_before_its_time_the_oldest_first() {
    let registry = Registry::default();
    let (session, login) = (SessionId::new(), LoginId::new());
    let start = |id: &str| registry.start_or_join(execution(session, login, id, 1));
    let count = 40_000;
    for number in 0..count {
        registry.keep(started(start(&number.to_string())), 0);
    }
    assert!(matches!(start("0"), Joined::Spent(None)));
    assert!(matches!(start(&(count - 1).to_string()), Joined::Replay(_)));
    let spent = (0..count).filter(|number| matches!(start(&number.to_string()), Joined::Spent(_)));
    let held = count - spent.count();
    assert!(held < count && held > 25_000, "{held}");
}

#[test]
fn a_session_that_has_sent_too_much_is_refused_and_forgets_nothing() {
    let mut table = Table::of_size(3);
    let (session, login) = (SessionId::new(), LoginId::new());
    let execution = |id: &str, meaning| execution(session, login, id, meaning);
    for number in 0..3 {
        let one = started(table.start_or_join(execution(&number.to_string(), 1)));
        table.forget(&one);
    }
    assert!(matches!(
        table.start_or_join(execution("3", 1)),
        Joined::Full
    ));
    assert!(matches!(
        table.start_or_join(execution("0", 1)),
        Joined::Spent(None)
    ));
    assert!(matches!(
        table.start_or_join(execution("0", 2)),
        Joined::Differs
    ));
}

#[test]
fn a_withdrawn_statement_may_not_be_sent() {
    let execution = execution(SessionId::new(), LoginId::new(), "r", 1);
    assert!(execution.withdraw());
    assert!(!execution.submit());
}

/// What can happen to a query that Snowflake has named.
#[derive(Clone, Copy, Debug)]
enum Act {
    Rows,
    OtherKind,
    Name,
    LetGo,
}

proptest! {
    #[test]
    fn nothing_leads_back_from_withheld(
        acts in prop::collection::vec(
            prop::sample::select(vec![Act::Rows, Act::OtherKind, Act::Name, Act::LetGo]), 0..8,
        ),
    ) {
        let named = Named::new();
        let mut is_withheld = false;
        for act in acts {
            match act {
                Act::Rows => named.conclude(ROWS),
                Act::OtherKind => named.conclude(OTHER_KIND),
                Act::Name => named.registry.name(&named.execution, named.query_id, earlier()),
                Act::LetGo => named.registry.forget(vec![Arc::clone(&named.execution)]),
            }
            is_withheld |= matches!(act, Act::OtherKind);
            for id in named.ids() {
                let found = matches!(named.standing(id), Some(Standing::Withheld));
                prop_assert_eq!(found, is_withheld);
            }
        }
    }
}

/// A query of a batch of three, named and judged.
fn batch() -> Earlier {
    let part = || Part {
        statement: StatementId::new(),
        kind: Kind::Query,
        plan: Plan::Open,
    };
    Earlier {
        parts: Arc::from([part(), part(), part()]),
        ..earlier()
    }
}

#[test]
fn the_parts_of_a_batch_count_from_its_start_until_it_fails() {
    let mut table = Table::of_size(6);
    let session = SessionId::new();
    let mut start = |id: &str| {
        let execution = execution(session, LoginId::new(), id, 1);
        started(table.start_or_join(execution))
    };
    let (one, other) = (start("one"), start("other"));
    let named = QueryId::mint();
    let queries = table.at_mut(&ACME).unwrap();
    queries.name(one.own_query_id(), named, batch());
    assert_eq!(queries.parts(), 3);
    queries.name(other.own_query_id(), QueryId::mint(), batch());
    assert_eq!(queries.parts(), 6);
    let again = || execution(session, LoginId::new(), "again", 1);
    assert!(matches!(table.start_or_join(again()), Joined::Full));

    let failed = format!(
        r#"{{"data":{{"queryId":"{named}"}},"code":"002003","message":"no","success":false}}"#
    );
    let failed = Unmasked::of_answer(Kind::Query, failed.leak());
    let failed = mask_for(failed, named, Form::V1, "h");
    let queries = table.at_mut(&ACME).unwrap();
    queries.conclude(named, &Conclusion::of(&failed, named));
    assert_eq!(queries.parts(), 3);
    let Some(Standing::Uncompared(known)) = queries.find(named).map(|sent| sent.standing) else {
        panic!()
    };
    assert!(known.earlier.parts.is_empty());
    assert!(matches!(table.start_or_join(again()), Joined::New(_)));
}

#[test]
fn a_batch_that_was_compared_counts_each_part_once() {
    let named = Named::new();
    let parts = batch();
    let one = execution(named.execution.session(), LoginId::new(), "batch", 1);
    let one = started(named.registry.start_or_join(one));
    let query_id = QueryId::mint();
    named.registry.name(&one, query_id, parts);
    let ids: Vec<String> = (0..3).map(|_| QueryId::mint().to_string()).collect();
    let members = format!(
        r#""statementTypeId":40960,"resultIds":"{}","resultTypes":"4096,4096,4096""#,
        ids.join(",")
    );
    let body = format!(r#"{{"data":{{"queryId":"{query_id}",{members}}},"success":true}}"#);
    let answer = Unmasked::of_answer(Kind::Query, body.leak()).made_several(&[Kind::Query; 3]);
    let masked = mask_for(answer, query_id, Form::V1, "h");
    let conclusion = Conclusion::of(&masked, query_id);
    let of = query(one.session(), query_id);
    for _ in 0..2 {
        named.registry.conclude(of, &conclusion);
        let tables = named.registry.tables();
        assert_eq!(tables[&one.session()].at(&ACME).unwrap().parts(), 3);
    }
    for id in ids {
        let id = query(one.session(), QueryId::parse(&id).unwrap());
        let sent = named.registry.find(id).unwrap();
        assert!(matches!(sent.standing, Standing::Compared(_)), "{sent:?}");
    }
}

/// Has the next proxy take up what a registry kept of a session.
fn next(folder: &Path, session: SessionId) -> Registry {
    let registry = Registry::default();
    registry.keep_results(folder, session);
    registry
}

fn kept() -> (TempDir, Named) {
    let (folder, named) = (TempDir::new().unwrap(), Named::new());
    let session = named.execution.session();
    named.registry.keep_results(folder.path(), session);
    (folder, named)
}

#[test]
fn what_takes_belief_back_is_kept_before_it_is_told() {
    let (folder, named) = kept();
    let of = query(named.execution.session(), named.query_id);
    let standing = || {
        let sent = next(folder.path(), of.session).find(of);
        sent.map(|sent| sent.standing)
    };
    assert!(standing().is_none());
    named.conclude(ROWS);
    named.registry.recalled().written();
    assert!(matches!(standing(), Some(Standing::Compared(_))));

    let is_waited_for = |act: &dyn Fn()| {
        let is_done = Arc::new(AtomicBool::new(false));
        let ahead = Arc::clone(&is_done);
        let _told = named.registry.recalled().writer().put(move || {
            (0..10_000).for_each(|_| std::thread::yield_now());
            ahead.store(true, Ordering::SeqCst);
        });
        act();
        is_done.load(Ordering::SeqCst)
    };
    let all = Effect {
        makes_unnamed: true,
        ..Effect::default()
    };
    assert!(is_waited_for(&|| named.registry.define("ACME", &all)));
    assert!(is_waited_for(&|| named.conclude(OTHER_KIND)));
    assert!(matches!(standing(), Some(Standing::Withheld)));
}

#[test]
fn where_too_many_wait_a_result_is_unknown_to_the_next_proxy_and_nobody_waits() {
    let (folder, named) = kept();
    let of = query(named.execution.session(), named.query_id);
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let writer = named.registry.recalled().writer();
    let (begin, begun) = std::sync::mpsc::channel::<()>();
    let _told = writer.put(move || {
        begin.send(()).unwrap();
        wait.recv().unwrap();
    });
    // Else it would leave its own place free.
    begun.recv().unwrap();
    while writer.offer(|| {}) {}
    named.conclude(ROWS);
    go_on.send(()).unwrap();
    named.registry.recalled().written();
    assert!(next(folder.path(), of.session).find(of).is_none());
    // It was not kept, so there is nothing to take back; another answer tells of it again.
    named.conclude(ROWS);
    named.registry.recalled().written();
    let sent = next(folder.path(), of.session).find(of).unwrap();
    assert!(matches!(sent.standing, Standing::Compared(_)));
}
