//! What one session may record, and when nobody may begin anything.

use super::*;
use crate::record::quota::Quotas;

fn session(byte: u8) -> SessionId {
    SessionId::from_bytes([byte; 16])
}

fn begun(of: SessionId) -> Vec<Row> {
    vec![Row::from(StatementRow {
        session_id: Some(of),
        ..statement(StatementId::new())
    })]
}

fn ended(of: SessionId) -> Vec<Row> {
    vec![Row::from(StatementRow {
        session_id: Some(of),
        is_final: true,
        revision: 1,
        status: Status::Success,
        ..statement(StatementId::new())
    })]
}

fn over(of: SessionId) -> Vec<Row> {
    vec![Row::from(SessionRow {
        session_id: Some(of),
        phase: Phase::Close,
        is_final: true,
        opened_at: Some(time("2026-01-02T00:00:00Z")),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        ..SessionRow::default()
    })]
}

/// Begins statements of a session until one is refused.
fn until_refused(recorder: &Recorder, of: SessionId) -> (usize, RecordError) {
    for taken in 0..10_000 {
        if let Err(error) = recorder.commit_blocking(begun(of)) {
            return (taken, error);
        }
    }
    panic!("nothing was refused")
}

/// How many statements the record says were refused or lost, by session.
fn told(place: &Place, code: &str) -> BTreeMap<String, i64> {
    let mut told = BTreeMap::new();
    for event in place.events(code) {
        let detail: serde_json::Value =
            serde_json::from_str(event.text("detail").unwrap()).unwrap();
        let session = event.text("session_id").unwrap().to_owned();
        *told.entry(session).or_default() += detail["statements"].as_i64().unwrap();
    }
    told
}

#[test]
fn what_one_session_has_too_much_in_the_spool_refuses_that_session_alone() {
    let mut place = Place::new();
    place.settings.limits.session_spool_max_bytes = 8_000;
    place.take_store_away();
    let recorder = place.open();
    let (greedy, other) = (session(1), session(2));
    let (taken, refused) = until_refused(&recorder, greedy);
    assert!(taken > 3);
    assert!(matches!(refused, RecordError::Share { .. }), "{refused}");
    assert!(refused.hint().is_some());
    put(&recorder, ended(greedy));
    put(&recorder, begun(other));
    assert!(recorder.commit_blocking(begun(greedy)).is_err());
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    put(&recorder, begun(greedy));
    put(&recorder, over(greedy));
    recorder.close_blocking().unwrap();
    let expected = BTreeMap::from([(greedy.to_string(), 2)]);
    assert_eq!(told(&place, code::UNRECORDABLE), expected);
}

#[test]
fn a_flood_of_one_session_is_refused_and_told_in_few_rows() {
    let mut place = Place::new();
    place.settings.limits.session_rows_per_second = 10;
    let recorder = place.open();
    let (flood, other) = (session(1), session(2));
    let (taken, refused) = until_refused(&recorder, flood);
    assert!((100..130).contains(&taken), "{taken}");
    assert!(matches!(refused, RecordError::Share { .. }), "{refused}");
    let more = (0..50).filter(|_| recorder.commit_blocking(begun(flood)).is_err());
    let refused = 1 + more.count();
    put(&recorder, begun(other));
    put(&recorder, over(flood));
    recorder.close_blocking().unwrap();
    let expected = BTreeMap::from([(flood.to_string(), i64::try_from(refused).unwrap())]);
    assert_eq!(told(&place, code::UNRECORDABLE), expected);
    assert!(place.events(code::UNRECORDABLE).len() < 4);
}

#[test]
fn above_nine_tenths_of_the_spool_nothing_begins_and_what_has_begun_ends() {
    let mut place = Place::new();
    place.settings.spool_max_bytes = 20_000;
    place.take_store_away();
    let recorder = place.open();
    let (_, refused) = until_refused(&recorder, session(1));
    assert!(matches!(refused, RecordError::Full { .. }), "{refused}");
    put(&recorder, ended(session(1)));
    assert!(recorder.commit_blocking(begun(session(2))).is_err());
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    put(&recorder, begun(session(2)));
    put(&recorder, over(session(1)));
    recorder.close_blocking().unwrap();
    let expected = [(session(1).to_string(), 1), (session(2).to_string(), 1)];
    assert_eq!(told(&place, code::UNRECORDABLE), expected.into());
}

#[test]
fn a_store_that_is_away_for_too_long_lets_nothing_begin() {
    let mut place = Place::new();
    place.take_store_away();
    place.settings.limits.max_unacked_age = Some(Duration::from_nanos(1));
    let recorder = place.open();
    put(&recorder, begun(session(1)));
    let refused = recorder.commit_blocking(begun(session(1))).unwrap_err();
    assert!(matches!(refused, RecordError::Unacked { .. }), "{refused}");
    put(&recorder, ended(session(1)));
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    put(&recorder, begun(session(1)));
}

#[test]
fn what_best_effort_loses_of_a_session_is_told_as_its_gap() {
    let mut place = Place::new();
    place.settings.mode = RecordMode::BestEffort;
    place.settings.limits.session_rows_per_second = 10;
    let recorder = place.open();
    for _ in 0..200 {
        put(&recorder, begun(session(1)));
    }
    put(&recorder, over(session(1)));
    recorder.close_blocking().unwrap();
    let lost = told(&place, code::GAP)[&session(1).to_string()];
    let archive = place.archive();
    let rows = archive.table("statements").iter();
    let recorded = rows.filter(|row| !row.is("is_final")).count();
    assert!(lost > 50);
    assert_eq!(recorded as i64 + lost, 200);
}

#[test]
fn the_standing_tells_what_waits_for_the_store() {
    let place = Place::new();
    place.take_store_away();
    let recorder = place.open();
    put(&recorder, begun(session(1)));
    let waits = recorder.standing();
    assert_eq!(
        (waits.chain.as_str(), waits.manifests),
        (recorder.chain(), 0)
    );
    assert!(waits.unacked_bytes > 500 && waits.oldest_unacked.is_some());
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    let stands = recorder.standing();
    assert_eq!((stands.manifests, stands.oldest_unacked), (1, None));
    assert!(stands.unacked_bytes < waits.unacked_bytes + 500 && !stands.is_refusing);
}

#[test]
fn a_session_of_which_nothing_is_left_is_forgotten() {
    let place = Place::new();
    let quotas = Quotas::new(
        RecordLimits::default(),
        (place.dir.path().to_owned(), 1 << 30),
        std::sync::Arc::default(),
        Clock::system(),
    );
    let segment = |number| Segment {
        folder: place.dir.path().to_owned(),
        chain: "c".to_owned(),
        number,
    };
    quotas.charge(session(1), 10, 0);
    // A row that comes after the session's end.
    drop(quotas.finish(session(1), RecordMode::StrictLocal));
    quotas.charge(session(1), 10, 0);
    quotas.writes(1, 0);
    quotas.charge(session(2), 10, 0);
    quotas.released(&segment(0));
    assert_eq!(
        quotas.sessions_for_tests(),
        1,
        "of the file that still waits"
    );
    quotas.released(&segment(1));
    assert_eq!(quotas.sessions_for_tests(), 0);
}

#[test]
fn what_is_recorded_beside_statements_leaves_them_half_of_the_sessions_room() {
    let mut place = Place::new();
    place.settings.limits.session_spool_max_bytes = 20_000;
    place.take_store_away();
    let recorder = place.open();
    let (greedy, other) = (session(1), session(2));
    let mut beside = 0;
    while recorder.ask_beside(greedy).is_ok() {
        put(&recorder, ended(greedy));
        beside += 1;
        assert!(beside < 1000, "nothing was refused");
    }
    let refused = recorder.ask_beside(greedy).unwrap_err();
    assert!(matches!(refused, RecordError::Share { .. }), "{refused}");
    recorder.ask_beside(other).unwrap();
    let (taken, _) = until_refused(&recorder, greedy);
    assert!(taken > 3 && beside > 3, "{taken} after {beside}");
}

#[test]
fn what_is_recorded_beside_statements_leaves_them_half_of_the_rate_and_a_part_of_the_spool() {
    let mut place = Place::new();
    place.settings.limits.session_rows_per_second = 10;
    let recorder = place.open();
    let mut beside = 0;
    while recorder.ask_beside(session(1)).is_ok() {
        put(&recorder, ended(session(1)));
        beside += 1;
        assert!(beside < 1000, "nothing was refused");
    }
    assert!((50..80).contains(&beside), "{beside}");
    put(&recorder, begun(session(1)));

    let mut place = Place::new();
    place.settings.spool_max_bytes = 40_000;
    place.take_store_away();
    let recorder = place.open();
    while recorder.ask_beside(session(1)).is_ok() {
        put(&recorder, ended(session(1)));
    }
    let refused = recorder.ask_beside(session(2)).unwrap_err();
    assert!(matches!(refused, RecordError::Full { .. }), "{refused}");
    put(&recorder, begun(session(2)));
}
