//! Stores and spools that are away, full or gone.

use std::fs;

use super::*;

#[test]
fn a_store_that_is_away_delays_the_record_and_loses_nothing() {
    let place = Place::new();
    place.take_store_away();
    let recorder = place.open();
    let id = StatementId::new();
    put(&recorder, vec![intent(id), end(id)]);
    assert!(matches!(
        recorder.flush_blocking(),
        Err(RecordError::Io { .. } | RecordError::Store { .. })
    ));
    put(&recorder, vec![end(id)]);
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    assert_eq!(place.dense().len(), 4);
}

#[test]
fn a_full_spool_refuses_until_the_store_makes_room() {
    let mut place = Place::new();
    place.settings.spool_max_bytes = 8000;
    place.take_store_away();
    let recorder = place.open();
    let mut taken = 0;
    let refused = loop {
        match recorder.commit_blocking(vec![end(StatementId::new())]) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(taken > 3);
    assert!(matches!(refused, RecordError::Full { .. }), "{refused}");
    assert!(recorder.is_degraded());
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    put(&recorder, vec![end(StatementId::new())]);
    assert!(!recorder.is_degraded());
    recorder.close_blocking().unwrap();
    let statements = place.archive().table("statements").len();
    assert_eq!(statements, taken + 1);
    place.dense();
    let degraded = place.events(code::DEGRADED);
    assert!(
        degraded[0]
            .text("detail")
            .unwrap()
            .contains("\"refused_commits\":1")
    );
}

#[test]
fn best_effort_goes_on_and_declares_its_gap() {
    let mut place = Place::new();
    place.settings.spool_max_bytes = 8000;
    place.settings.mode = RecordMode::BestEffort;
    place.take_store_away();
    let recorder = place.open();
    for _ in 0..50 {
        let receipt = recorder
            .commit_blocking(vec![end(StatementId::new())])
            .unwrap();
        assert_eq!(receipt.seq(), None);
    }
    assert!(recorder.flush_blocking().is_err());
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    recorder.close_blocking().unwrap();
    place.dense();
    let statements = place.archive().table("statements").len();
    let lost: i64 = place
        .events(code::GAP)
        .iter()
        .map(|gap| serde_json::from_str::<serde_json::Value>(gap.text("detail").unwrap()).unwrap())
        .map(|detail| detail["lost_rows"].as_i64().unwrap())
        .sum();
    assert!(lost > 0);
    assert_eq!(statements as i64 + lost, 50);
}

#[test]
fn a_lost_spool_file_refuses_until_a_restart() {
    let place = Place::new();
    let recorder = place.open();
    fs::remove_dir_all(
        place
            .settings
            .state_dir
            .join("spool")
            .join(recorder.chain()),
    )
    .unwrap();
    for _ in 0..2 {
        let refused = recorder.commit_blocking(vec![end(StatementId::new())]);
        assert!(matches!(refused, Err(RecordError::Degraded { .. })));
    }
    assert!(recorder.is_degraded());
    drop(recorder);
    put(&place.open(), vec![end(StatementId::new())]);
}
