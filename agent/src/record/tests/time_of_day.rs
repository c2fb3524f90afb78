//! A clock that is set while it is recorded by, and midnight within a segment.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

/// Gives a clock and what moves it.
fn clock() -> (Clock, &'static AtomicI64) {
    let moved_s: &'static AtomicI64 = Box::leak(Box::default());
    (Clock::moved_by(moved_s), moved_s)
}

fn started(at: &str) -> Row {
    Row::from(StatementRow {
        started_at: Some(time(at)),
        ..statement(StatementId::new())
    })
}

/// Names the days that the objects of a table are filed under.
fn days(place: &Place, table: &str) -> Vec<String> {
    let part = format!("/{table}/dt=");
    let names = files(&place.store()).into_keys();
    names
        .filter_map(|name| {
            let (_, rest) = name.to_str()?.split_once(&part)?;
            Some(rest.get(..10)?.to_owned())
        })
        .collect()
}

#[test]
fn a_clock_that_is_set_back_marks_the_row_after_and_order_stands() {
    let place = Place::new();
    let (clock, moved_s) = clock();
    let recorder = Recorder::open(&place.settings, clock).unwrap();
    let ids: [StatementId; 4] = std::array::from_fn(|_| StatementId::new());
    for (id, moved) in ids.iter().zip([0, -3_600, -3_500, 86_400 * 2]) {
        moved_s.store(moved, Ordering::SeqCst);
        put(&recorder, vec![end(*id)]);
    }
    recorder.close_blocking().unwrap();
    let rows = place.dense();
    let statements: Vec<&Entry> = rows.iter().filter(|row| row.is("is_final")).collect();
    let told: Vec<_> = statements
        .iter()
        .map(|row| (row.text("statement_id"), row.int("integrity_flags")))
        .collect();
    let ids = ids.map(|id| id.to_string());
    let expected: Vec<_> = ids
        .iter()
        .map(String::as_str)
        .map(Some)
        .zip([Some(0), Some(4), Some(0), Some(0)])
        .collect();
    assert_eq!(told, expected);
    let mono: Vec<_> = rows.iter().map(|row| row.int("mono_ns")).collect();
    assert!(mono.is_sorted(), "{mono:?}");
    let at = |row: &Entry| row.int("ts").unwrap() / 1_000_000;
    let moved = at(statements[1]) - at(statements[0]);
    assert!((-3_600..-3_500).contains(&moved), "{moved}");
}

#[test]
fn a_segment_over_midnight_has_an_object_for_each_day() {
    let place = Place::new();
    let (clock, moved_s) = clock();
    let recorder = Recorder::open(&place.settings, clock).unwrap();
    put(&recorder, vec![started("2026-01-02T23:59:59.999999Z")]);
    put(&recorder, vec![started("2026-01-03T00:00:00Z")]);
    // What has no start of its own goes by when it was recorded.
    moved_s.store(86_400, Ordering::SeqCst);
    recorder.close_blocking().unwrap();
    assert_eq!(days(&place, "statements"), ["2026-01-02", "2026-01-03"]);
    assert_eq!(days(&place, "events").len(), 2);
    assert_eq!(place.dense().len(), 6);
}

#[test]
fn a_clock_before_that_of_the_last_process_loses_nothing() {
    let place = Place::new();
    let (clock, moved_s) = clock();
    let cut_off = Recorder::open(&place.settings, clock).unwrap();
    put(&cut_off, vec![intent(StatementId::new())]);
    drop(cut_off);
    moved_s.store(-86_400 * 400, Ordering::SeqCst);
    let recorder = Recorder::open(&place.settings, clock).unwrap();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.close_blocking().unwrap();
    let rows = place.dense();
    let statements = rows.iter().filter(|row| row.text("sql_kind").is_some());
    // The intent, its end as abandoned, and the other one's end.
    assert_eq!(statements.count(), 3);
}
