//! Results that are slowed while the spool fills.

use super::*;

/// Records until the spool is filled to at least so many thousandths, with the store away.
fn filled(mode: RecordMode, thousandths: u64) -> (Place, Recorder) {
    let mut place = Place::new();
    place.settings.spool_max_bytes = 200_000;
    place.settings.mode = mode;
    place.take_store_away();
    let recorder = place.open();
    while recorder.standing().unacked_bytes * 1000 / 200_000 < thousandths {
        put(&recorder, vec![end(StatementId::new())]);
        if mode == RecordMode::BestEffort {
            drop(recorder.flush_blocking());
        }
    }
    (place, recorder)
}

#[test]
fn a_result_is_slowed_once_half_of_the_spool_waits_and_no_longer_when_the_store_has_it() {
    let (_half, recorder) = filled(RecordMode::StrictLocal, 400);
    assert_eq!(recorder.pause(), Duration::ZERO);
    let (place, recorder) = filled(RecordMode::StrictLocal, 750);
    let pause = recorder.pause();
    assert!(pause > Duration::from_millis(250), "{pause:?}");
    let clock = Clock::system();
    let began_ns = clock.mono_ns();
    let told = chunk::deliver_pieces(&recorder, &["a", "b"]);
    let took = Duration::from_nanos(u64::try_from(clock.mono_ns() - began_ns).unwrap());
    assert_eq!(told, b"ab");
    assert!(took >= pause * 2, "{took:?}");
    place.give_store_back();
    recorder.flush_blocking().unwrap();
    assert_eq!(recorder.pause(), Duration::ZERO);
}

#[test]
fn best_effort_is_not_slowed() {
    let (_place, recorder) = filled(RecordMode::BestEffort, 750);
    assert_eq!(recorder.pause(), Duration::ZERO);
}
