//! Budgets hold for statements at once, for sessions at once, and across proxies; what cannot be read is not nothing.

use std::fs;

use tempfile::TempDir;
use tokio::runtime::Builder;

use super::*;
use crate::config::Mode;
use crate::identity::Users;
use crate::policy::{Bundle, Names, Source, UNKNOWN_USE_RULE, decide};
use crate::statement::{Catalogue, Scope, Statement};

const TEN_STATEMENTS: &str = r#"@id("all") permit (principal, action, resource);
    @id("ten") forbid (principal, action, resource) when { context.used.SCOPE.statements >= 10 };"#;

fn bundle(scope: &str) -> Bundle {
    let source = Source {
        file: "test.cedar".to_owned(),
        text: TEN_STATEMENTS.replace("SCOPE", scope),
    };
    let names = Names {
        accounts: None,
        users: &Users::default(),
        issuers: None,
        approvers: None,
    };
    Bundle::load(&[source], &names).unwrap()
}

/// 2026-11-26.
fn at(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_651_200 + hour * 3_600, 0).unwrap()
}

fn open(folder: &TempDir, hour: i64) -> Arc<Usages> {
    let path = folder.path();
    Arc::new(Usages::open(path, path, at(hour)))
}

fn ci() -> Principal {
    Principal::host_user("ci".to_owned(), 1001)
}

fn begin(usages: &Arc<Usages>) -> Meter {
    let session = SessionId::new();
    usages.begin(session);
    usages.meter(session, &ci())
}

fn judge(meter: &Meter, bundle: &Bundle, hour: i64) -> Result<(), Vec<String>> {
    let statement = Statement::read("select 1", &Scope::new(&|_| false));
    let catalogue = Catalogue::default();
    let judging = meter.judge(at(hour), |usage| {
        let decision = decide(
            bundle,
            Mode::Enforce,
            &ci(),
            "ACME",
            &catalogue,
            usage,
            statement,
        );
        // Whoever may come between judging and counting does.
        (0..64).for_each(|_| std::thread::yield_now());
        decision
    });
    let runtime = Builder::new_current_thread().build().unwrap();
    let decision = runtime.block_on(judging);
    match decision {
        Decision::Allow(_) => Ok(()),
        Decision::Forbid(refusal) => Err(refusal.reason().rules().to_vec()),
        Decision::Hold(held) => panic!("{:?}", held.holds()),
    }
}

fn let_go(meter: &Meter, bundle: &Bundle, times: usize) -> usize {
    let judged = (0..times).map(|_| judge(meter, bundle, 0));
    judged.filter(Result::is_ok).count()
}

/// What a session and its principal have used.
fn used(meter: &Meter) -> (Used, Used) {
    let held = meter.usages.held();
    let session = held.of_session(meter.session).unwrap().clone();
    (
        session,
        held.of_principal(&meter.principal).unwrap().clone(),
    )
}

/// Judges 256 statements at once by eight meters; tells how many were let go.
fn let_go_at_once(meters: &[Meter], bundle: &Bundle) -> usize {
    std::thread::scope(|scope| {
        let threads: Vec<_> = meters
            .iter()
            .map(|meter| scope.spawn(|| let_go(meter, bundle, 32)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

#[test]
fn of_statements_at_once_no_more_are_let_go_than_the_budget_has() {
    let folder = TempDir::new().unwrap();
    let usages = open(&folder, 0);
    let one = begin(&usages);
    let user = |number: u32| Principal::host_user(format!("user{number}"), number);
    let of_session: Vec<Meter> = (0..8)
        .map(|number| usages.meter(one.session, &user(number)))
        .collect();
    assert_eq!(let_go_at_once(&of_session, &bundle("session")), 10);
    assert_eq!(used(&one).0.failures, 246);
    let of_principal: Vec<Meter> = (0..8).map(|_| begin(&usages)).collect();
    assert_eq!(let_go_at_once(&of_principal, &bundle("today")), 10);
    assert_eq!(used(&one).1.failures, 246);
}

#[test]
fn a_day_is_shared_by_the_sessions_of_a_principal_and_ends_at_midnight() {
    let folder = TempDir::new().unwrap();
    let usages = open(&folder, 0);
    let (one, other) = (begin(&usages), begin(&usages));
    let today = bundle("today");
    assert_eq!(let_go(&one, &today, 7) + let_go(&other, &today, 7), 10);
    let stranger = Principal::host_user("dev".to_owned(), 1002);
    let stranger = usages.meter(one.session, &stranger);
    assert_eq!(let_go(&stranger, &today, 1), 1);
    assert_eq!(judge(&one, &today, 23), Err(vec!["ten".to_owned()]));
    assert_eq!(judge(&one, &today, 24), Ok(()));
    // A clock that is put back does not give a day twice.
    assert_eq!(let_go(&one, &today, 12), 9);
}

#[test]
fn the_next_proxy_goes_on_with_what_was_used() {
    let folder = TempDir::new().unwrap();
    let usages = open(&folder, 0);
    let meter = begin(&usages);
    let session = bundle("session");
    assert_eq!(let_go(&meter, &session, 6), 6);
    meter.delivered(at(0), 5, 700);
    meter.ended(at(0), Ended::Failed);
    meter.ended(at(0), Ended::Refused);
    usages.save(at(0));
    let before = used(&meter);
    let next = open(&folder, 1);
    next.resume(meter.session);
    let resumed = next.meter(meter.session, &ci());
    assert_eq!(used(&resumed), before);
    assert_eq!(let_go(&resumed, &session, 6), 4);
    resumed.ended(at(1), Ended::Succeeded);
    assert_eq!(used(&resumed).1.failures, 0);
    next.forget(meter.session);
    next.save(at(1));
    let text = fs::read_to_string(folder.path().join("used.json")).unwrap();
    assert!(!text.contains(&meter.session.to_string()), "{text}");
    // The next day begins with nothing.
    let tomorrow = open(&folder, 24);
    assert_eq!(let_go(&begin(&tomorrow), &bundle("today"), 12), 10);
}

#[test]
fn what_cannot_be_read_refuses_until_it_is_removed_and_is_left_as_it_is() {
    for (scope, file, else_do) in [
        ("session", "used.json", "begin another `icecore run`"),
        ("today", "used-today.json", "wait until midnight UTC"),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(file);
        let text = r#"{"version":1,"used":{"#;
        fs::write(&path, text).unwrap();
        let usages = open(&folder, 0);
        let session = SessionId::new();
        usages.resume(session);
        let meter = usages.meter(session, &ci());
        let unknown = || Err(vec![UNKNOWN_USE_RULE.to_owned()]);
        assert_eq!(judge(&meter, &bundle(scope), 0), unknown());
        let held = meter.usages.held();
        let told = held.of_session(session).and(held.of_principal("ci"));
        let told = told.unwrap_err().to_owned();
        drop(held);
        assert!(told.contains(file) && told.ends_with(else_do), "{told}");
        usages.save(at(0));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(judge(&meter, &bundle(scope), 0), unknown());
        fs::remove_file(&path).unwrap();
        usages.save(at(0));
        assert_eq!(judge(&meter, &bundle(scope), 0), Ok(()));
        usages.save(at(0));
        assert!(open(&folder, 0).held().sessions_file.fault().is_none());
        assert!(path.exists());
    }
}

#[test]
fn a_day_that_cannot_be_read_is_over_at_midnight_and_other_sessions_begin_anew() {
    let folder = TempDir::new().unwrap();
    for file in ["used.json", "used-today.json"] {
        fs::write(folder.path().join(file), r#"{"version":2,"used":{}}"#).unwrap();
    }
    let usages = open(&folder, 0);
    let meter = begin(&usages);
    assert_eq!(
        judge(&meter, &bundle("session"), 0),
        Err(vec![UNKNOWN_USE_RULE.to_owned()])
    );
    assert_eq!(judge(&meter, &bundle("session"), 24), Ok(()));
    usages.save(at(24));
    assert!(open(&folder, 24).held().day_file.fault().is_none());
}

#[test]
fn more_principals_than_are_told_apart_have_used_more_than_any_budget() {
    let folder = TempDir::new().unwrap();
    let usages = open(&folder, 0);
    let meter = begin(&usages);
    let named = |number| {
        let user = format!("user{number}");
        usages.meter(meter.session, &Principal::host_user(user, 1))
    };
    for number in 0..PRINCIPALS_MAX {
        named(number).delivered(at(0), 1, 1);
    }
    let today = bundle("today");
    assert_eq!(judge(&named(0), &today, 0), Ok(()));
    assert_eq!(
        judge(&named(PRINCIPALS_MAX), &today, 0),
        Err(vec!["ten".to_owned()])
    );
    assert_eq!(usages.held().day.principals.len(), PRINCIPALS_MAX);
}
