//! A session's record is readable right after the session.

use std::time::Duration;

use icecore::clock::Clock;
use icecore::id::SessionId;
use icecore::record::{Enforcement, Mode, Phase, Recorder, Row, SessionRow};
use icecore::replay::Archive;

use super::child;

#[test]
fn the_end_of_a_session_seals_its_record_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut settings = child::settings(&folder.path().join("state"), &store);
    settings.seal_interval = Duration::from_secs(3600);
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let over = SessionRow {
        session_id: Some(SessionId::new()),
        phase: Phase::Close,
        is_final: true,
        opened_at: Some(Clock::system().now()),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        ..SessionRow::default()
    };
    let _receipt = recorder.commit_blocking(vec![Row::from(over)]).unwrap();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(100));
        let archive = Archive::read(&settings.store.to_string());
        if archive.is_ok_and(|archive| archive.table("sessions").len() == 1) {
            return;
        }
    }
    panic!("the session's record did not reach the store");
}
