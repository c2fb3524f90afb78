//! One session is read from what can tell of it, and nothing of it is missed.

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use super::super::archive::Readers;
use super::super::scope::Scope;
use super::super::{session, tests::settings};
use super::*;
use crate::clock::Clock;
use crate::id::{LoginId, SessionId, StatementId};
use crate::record::{
    Decision, Enforcement, Mode, Phase, Recorder, Row, SessionRow, Settings, StatementRow, Status,
};

/// A store that hosts share.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    fn host(&self, name: &str) -> Settings {
        let own = settings(&self.dir);
        Settings {
            host_id: name.into(),
            state_dir: self.dir.path().join(name),
            ..own
        }
    }

    fn read(&self, scope: &Scope) -> Archive {
        let store = settings(&self.dir).store.to_string();
        Archive::read_scope(&store, Readers::default(), scope).unwrap()
    }

    /// Reads a session and counts its steps, and lines of what was left out.
    #[track_caller]
    fn check(&self, id: SessionId, steps: usize) {
        let id = id.to_string();
        // The first 27 characters have the time and the count within it.
        for begin in [id.as_str(), id.get(..30).unwrap()] {
            let archive = self.read(&Scope::Session(begin.to_owned()));
            let found = session(&archive, begin).unwrap();
            assert_eq!((found.id, found.steps.len()), (&*id, steps), "{begin}");
            assert_eq!(archive.refused(), [""; 0]);
        }
    }

    /// Takes the objects of a chain away.
    fn remove_objects(&self, chain: &str) {
        let folder = self.dir.path().join("it's/a store/default/v1/t0");
        fs::remove_dir_all(folder.join(chain)).unwrap();
    }
}

fn opened(id: SessionId, clock: Clock) -> Row {
    Row::from(SessionRow {
        session_id: Some(id),
        phase: Phase::Open,
        opened_at: Some(clock.now()),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        ..SessionRow::default()
    })
}

fn closed(id: SessionId, clock: Clock) -> Row {
    Row::from(SessionRow {
        session_id: Some(id),
        phase: Phase::Close,
        is_final: true,
        opened_at: Some(clock.now()),
        closed_at: Some(clock.now()),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        ..SessionRow::default()
    })
}

fn ran(id: SessionId, clock: Clock) -> Row {
    Row::from(StatementRow {
        session_id: Some(id),
        statement_id: Some(StatementId::new()),
        is_final: true,
        started_at: Some(clock.now()),
        decided_at: Some(clock.now()),
        login_id: Some(LoginId::from_bytes([8; 16])),
        sql_mac: Some([3; 32]),
        sql_kind: Some("query".into()),
        decision: Some(Decision::Allow),
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        status: Status::Success,
        ..StatementRow::default()
    })
}

fn put(recorder: &Recorder, rows: Vec<Row>) {
    drop(recorder.commit_blocking(rows).unwrap());
    recorder.flush_blocking().unwrap();
}

/// Records a session of one statement on a host, and names its chain.
fn record(settings: &Settings, id: SessionId) -> String {
    let clock = Clock::system();
    let recorder = Recorder::open(settings, clock).unwrap();
    put(
        &recorder,
        vec![opened(id, clock), ran(id, clock), closed(id, clock)],
    );
    recorder.close_blocking().unwrap();
    recorder.chain().to_owned()
}

#[test]
fn objects_of_other_hosts_are_not_fetched() {
    let place = Place::new();
    let [wanted, other] = [SessionId::new(), SessionId::new()];
    record(&place.host("wanted"), wanted);
    let chain = record(&place.host("other"), other);
    // The rows that open and close sessions of the day stay: by them the session's host is found.
    let t0 = place
        .dir
        .path()
        .join("it's/a store/default/v1/t0")
        .join(&chain);
    for table in fs::read_dir(&t0)
        .unwrap()
        .map(|table| table.unwrap().path())
    {
        if !table.ends_with("sessions") {
            fs::remove_dir_all(table).unwrap();
        }
    }
    place.check(wanted, 1);
    let all = place.read(&Scope::All);
    assert!(all.refused().len() >= 2, "{:?}", all.refused());
}

#[test]
fn objects_that_tell_of_other_sessions_of_the_same_host_are_not_fetched() {
    let place = Place::new();
    let [wanted, other] = [SessionId::new(), SessionId::new()];
    record(&place.host("host"), wanted);
    let chain = record(&place.host("host"), other);
    place.check(other, 1);
    place.remove_objects(&chain);
    place.check(wanted, 1);
}

#[test]
fn what_an_earlier_host_wrote_is_not_fetched() {
    let place = Place::new();
    let moved_s: &'static AtomicI64 = Box::leak(Box::default());
    moved_s.store(-3 * 86_400, Ordering::SeqCst);
    let earlier = Recorder::open(&place.host("host"), Clock::moved_by(moved_s)).unwrap();
    put(&earlier, vec![ran(SessionId::new(), Clock::system())]);
    earlier.close_blocking().unwrap();
    let wanted = SessionId::new();
    record(&place.host("host"), wanted);
    place.remove_objects(earlier.chain());
    place.check(wanted, 1);
}

#[test]
fn rows_that_a_later_chain_took_over_are_found() {
    let place = Place::new();
    let (wanted, clock) = (SessionId::new(), Clock::system());
    let cut = Recorder::open(&place.host("host"), clock).unwrap();
    put(&cut, vec![opened(wanted, clock), ran(wanted, clock)]);
    drop(
        cut.commit_blocking(vec![ran(wanted, clock), ran(wanted, clock)])
            .unwrap(),
    );
    drop(cut);
    // The spool comes to another host.
    let later = Settings {
        host_id: "another".into(),
        ..place.host("host")
    };
    Recorder::open(&later, clock)
        .unwrap()
        .close_blocking()
        .unwrap();
    place.check(wanted, 3);
}

#[test]
fn what_another_installation_wrote_of_a_session_is_not_shown_whatever_it_calls_itself() {
    let place = Place::new();
    let wanted = SessionId::new();
    record(&place.host("host"), wanted);
    let hostile = Settings {
        host_id: "host".into(),
        ..place.host("hostile")
    };
    let hostile = Recorder::open(&hostile, Clock::system()).unwrap();
    put(&hostile, vec![ran(wanted, Clock::system())]);
    hostile.close_blocking().unwrap();
    place.check(wanted, 1);
}

#[test]
fn a_clock_that_is_set_back_hides_nothing() {
    let place = Place::new();
    let moved_s: &'static AtomicI64 = Box::leak(Box::default());
    let clock = Clock::moved_by(moved_s);
    let wanted = SessionId::new();
    let recorder = Recorder::open(&place.host("host"), clock).unwrap();
    put(&recorder, vec![opened(wanted, clock), ran(wanted, clock)]);
    moved_s.store(-5 * 86_400, Ordering::SeqCst);
    put(&recorder, vec![ran(wanted, clock)]);
    recorder.close_blocking().unwrap();
    let next = Recorder::open(&place.host("host"), clock).unwrap();
    put(&next, vec![ran(wanted, clock)]);
    next.close_blocking().unwrap();
    place.check(wanted, 3);
}

#[test]
fn a_beginning_of_two_sessions_is_ambiguous_wherever_they_were_recorded() {
    let place = Place::new();
    let [one, other] = [SessionId::new(), SessionId::new()];
    record(&place.host("one"), one);
    record(&place.host("other"), other);
    let one = one.to_string();
    let begin = one.get(..6).unwrap();
    let archive = place.read(&Scope::Session(begin.to_owned()));
    let ambiguous = session(&archive, begin).unwrap_err();
    assert!(
        matches!(ambiguous, ReadError::Ambiguous { count: 2, .. }),
        "{ambiguous}"
    );
}

#[test]
fn a_session_without_its_opening_is_looked_for_everywhere() {
    let place = Place::new();
    let (wanted, clock) = (SessionId::new(), Clock::system());
    let recorder = Recorder::open(&place.host("host"), clock).unwrap();
    put(&recorder, vec![ran(wanted, clock)]);
    recorder.close_blocking().unwrap();
    place.check(wanted, 1);
}

#[test]
fn events_from_before_a_session_are_read_where_they_are_asked_for() {
    let place = Place::new();
    let moved_s: &'static AtomicI64 = Box::leak(Box::default());
    moved_s.store(-3 * 86_400, Ordering::SeqCst);
    let clock = Clock::moved_by(moved_s);
    let recorder = Recorder::open(&place.host("host"), clock).unwrap();
    recorder.flush_blocking().unwrap();
    moved_s.store(0, Ordering::SeqCst);
    let wanted = SessionId::new();
    put(&recorder, vec![opened(wanted, clock), ran(wanted, clock)]);
    recorder.close_blocking().unwrap();
    record(&place.host("other"), SessionId::new());
    let begun = |archive: &Archive| {
        let events = archive.table("events").iter();
        events
            .filter(|event| event.text("event_code") == Some("CH001"))
            .filter_map(|event| event.text("chain_id").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let archive = place.read(&Scope::Session(wanted.to_string()));
    assert_eq!(begun(&archive), [""; 0]);
    assert_eq!(
        begun(&archive.with_events(&wanted.to_string())),
        [recorder.chain()]
    );
}

/// Counts the calls by which DuckDB reads a table: all, and those by name.
fn calls(place: &Place, is_read: bool) -> (usize, usize) {
    let store = settings(&place.dir).store.to_string();
    let archive = Archive::survey_if(&store, Readers::default(), &Scope::All, |_| is_read).unwrap();
    let rows = super::super::StoredRows::of(&archive, |_| true);
    let mut sql = Vec::new();
    super::super::views(&archive, archive.chains(), &rows, &mut sql).unwrap();
    let sql = String::from_utf8(sql).unwrap();
    let of_table = sql
        .split("CREATE OR REPLACE VIEW")
        .filter(|view| view.contains("/statements/dt="));
    let of_table: String = of_table.collect();
    let count = |what| of_table.matches(what).count();
    (count("read_parquet(["), count("union_by_name = true"))
}

#[test]
fn what_a_host_says_of_its_columns_reaches_no_rows_of_others() {
    let place = Place::new();
    for host in ["one", "other"] {
        record(&place.host(host), SessionId::new());
    }
    assert_eq!(calls(&place, false), (2, 0));
    // What was looked at has the columns that it has, whoever wrote it.
    assert_eq!(calls(&place, true), (1, 0));
}
