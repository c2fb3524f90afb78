//! Disks that are full or read-only, mounted for one child alone.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use icecore::clock::Clock;
use icecore::id::StatementId;
use icecore::record::{RecordError, Recorder};
use icecore::replay::Archive;

use super::child;

#[track_caller]
fn check(part: &str, disk: &str, options: &str) {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join(disk);
    fs::create_dir(&disk).unwrap();
    let mut command = child::command_with_disk(part, folder.path(), &disk, options);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}\n{stderr}");
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    check("fill the spool's disk", "state", "size=3m,mode=700");
}

#[test]
fn a_full_store_keeps_the_record_in_the_spool() {
    check("fill the store's disk", "store", "size=256k,mode=700");
}

#[test]
fn a_read_only_spool_says_what_to_do() {
    check("open on a read-only disk", "state", "ro,mode=700");
}

fn statements(store: &Path) -> usize {
    let archive = Archive::read(&format!("file://{}", store.display())).unwrap();
    assert_eq!(archive.refused(), [] as [String; 0]);
    archive.table("statements").len()
}

/// Fills a disk to its last byte.
fn fill(path: &Path) {
    let mut size = 1 << 20;
    let mut bytes = Vec::new();
    while size > 0 {
        bytes.resize(bytes.len() + size, 1);
        if fs::write(path, &bytes).is_err() {
            bytes.truncate(bytes.len() - size);
            size /= 2;
        }
    }
}

/// The child's part: fills the disk under the spool, is refused, makes room, goes on, and finds all in the store.
pub(crate) fn fill_the_spools_disk(folder: &Path) {
    let (state, store) = (folder.join("state"), folder.join("store"));
    let mut settings = child::settings(&state, &store);
    settings.seal_interval = Duration::from_secs(3600);
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let filler = state.join("filler");
    fill(&filler);
    let mut taken = 0;
    let refused = loop {
        match recorder.commit_blocking(child::end(StatementId::new())) {
            Ok(_receipt) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, RecordError::Full { .. }), "{refused}");
    assert!(
        refused.to_string().contains(state.to_str().unwrap()),
        "{refused}"
    );
    assert!(refused.hint().is_some());
    assert!(recorder.is_degraded());
    assert!(
        recorder
            .commit_blocking(child::end(StatementId::new()))
            .is_err()
    );
    fs::remove_file(&filler).unwrap();
    let _receipt = recorder
        .commit_blocking(child::end(StatementId::new()))
        .unwrap();
    assert!(!recorder.is_degraded());
    recorder.close_blocking().unwrap();
    assert_eq!(statements(&store), taken + 1);
}

/// The child's part: lets the store's disk run full; commits go on, and the record arrives when there is room.
pub(crate) fn fill_the_stores_disk(folder: &Path) {
    let (state, store) = (folder.join("state"), folder.join("store"));
    let mut settings = child::settings(&state, &store);
    settings.seal_interval = Duration::from_secs(3600);
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    fill(&store.join("filler"));
    for _ in 0..200 {
        let _receipt = recorder
            .commit_blocking(child::end(StatementId::new()))
            .unwrap();
    }
    let refused = recorder.flush_blocking().unwrap_err();
    assert!(
        refused.to_string().contains(store.to_str().unwrap()),
        "{refused}"
    );
    let _receipt = recorder
        .commit_blocking(child::end(StatementId::new()))
        .unwrap();
    fs::remove_file(store.join("filler")).unwrap();
    recorder.close_blocking().unwrap();
    assert_eq!(statements(&store), 201);
}

/// The child's part: opens a recorder where nothing can be written.
pub(crate) fn open_on_a_read_only_disk(folder: &Path) {
    let state = folder.join("state");
    let settings = child::settings(&state, &folder.join("store"));
    let refused = Recorder::open(&settings, Clock::system()).unwrap_err();
    assert!(matches!(refused, RecordError::Spool { .. }), "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains("Read-only file system") && text.contains(state.to_str().unwrap()),
        "{text}"
    );
    assert!(refused.hint().is_some());
}
