//! `strict_remote` at a bucket: each commit is there before it returns, many share a put, and an outage refuses.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use icecore::clock::Clock;
use icecore::config::ResultRows;
use icecore::id::SessionId;
use icecore::record::{
    Enforcement, Mode, Phase, RecordError, RecordMode, Recorder, Row, SessionRow, Settings, StoreAt,
};
use icecore_tests::stores::MotoS3;
use tempfile::TempDir;

use crate::chain::at;

fn open(store: StoreAt, mode: RecordMode) -> (TempDir, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        org: "default".into(),
        host_id: "host".into(),
        state_dir: folder.path().join("state"),
        mode,
        store,
        spool_max_bytes: 1 << 30,
        result_rows: ResultRows::None,
        seal_interval: Duration::from_secs(3600),
        witness: None,
        heartbeat: Duration::from_secs(3600),
        limits: icecore::config::RecordLimits::default(),
        recipients: Vec::new(),
        key_store: None,
        scan_secrets: true,
        config_sha256: [1; 32],
        policy_bundle_sha256: [2; 32],
        proxy_version: "0.0.0".into(),
        build: BTreeMap::new(),
    };
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    (folder, recorder)
}

fn opened() -> Vec<Row> {
    vec![Row::from(SessionRow {
        session_id: Some(SessionId::new()),
        phase: Phase::Open,
        opened_at: Some(Clock::system().now()),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        ..SessionRow::default()
    })]
}

/// Has some commit at once, one commit after the other each; gives how long commits took, in order.
fn commit(recorder: &Recorder, at_once: usize, each: usize) -> Vec<Duration> {
    let commit = || -> Vec<Duration> {
        let commits = (0..each).map(|_| recorder.commit_blocking(opened()).unwrap());
        commits.map(|receipt| receipt.durability_wait()).collect()
    };
    let mut took: Vec<Duration> = thread::scope(|scope| {
        let started: Vec<_> = (0..at_once).map(|_| scope.spawn(commit)).collect();
        let joined = started.into_iter().flat_map(|one| one.join().unwrap());
        joined.collect()
    });
    took.sort_unstable();
    took
}

fn told(what: &str, took: &[Duration], puts: usize) {
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_micros();
    let puts = puts as f64 / took.len() as f64;
    println!("| {what} | {} | {} | {puts:.2} |", at(50), at(99));
}

/// Counts the files of frames below a folder.
fn frames(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = entries.map(|entry| match entry.path() {
        path if path.is_dir() => frames(&path),
        path => usize::from(path.extension().is_some_and(|end| end == "frames")),
    });
    count.sum()
}

#[test]
fn a_bucket_acknowledges_each_commit_and_many_share_a_put() {
    println!("| store, commits at once | p50 us | p99 us | puts a commit |");
    for at_once in [1, 64] {
        let folder = tempfile::tempdir().unwrap();
        let local = || StoreAt::read(&format!("file://{}", folder.path().display())).unwrap();
        for mode in [RecordMode::StrictLocal, RecordMode::StrictRemote] {
            let (_state, recorder) = open(local(), mode);
            let took = commit(&recorder, at_once, 40);
            let what = format!("{}, local, {at_once}", mode.as_str());
            told(&what, &took, frames(folder.path()));
        }
    }
    let mut moto = MotoS3::start().unwrap();
    let mut before = 0;
    for at_once in [1, 64] {
        let (_state, recorder) = open(
            at(&moto.reached("writer").unwrap()),
            RecordMode::StrictRemote,
        );
        let took = commit(&recorder, at_once, 20);
        let versions = moto.versions().unwrap();
        assert!(
            versions.values().all(|found| *found == (1, 0)),
            "{versions:?}"
        );
        let files = versions.keys().filter(|key| key.ends_with(".frames"));
        let puts = files.count() - before;
        before += puts;
        told(&format!("strict_remote, moto, {at_once}"), &took, puts);
        assert!(puts > 0 && puts <= took.len() + 1);
        assert!(at_once == 1 || puts * 4 < took.len(), "{puts}");
    }
}

#[test]
fn a_bucket_that_is_away_refuses_and_is_used_again() {
    let mut moto = MotoS3::start().unwrap();
    let (_state, recorder) = open(
        at(&moto.reached("writer").unwrap()),
        RecordMode::StrictRemote,
    );
    commit(&recorder, 1, 2);
    moto.go_down().unwrap();
    let clock = Clock::system();
    let began_ns = clock.mono_ns();
    let refused = recorder.commit_blocking(opened()).unwrap_err();
    let took_ns = u64::try_from(clock.mono_ns() - began_ns).unwrap();
    assert!(
        matches!(refused, RecordError::Unacknowledged { .. }),
        "{refused}"
    );
    assert!(
        Duration::from_nanos(took_ns) < Duration::from_secs(20),
        "{took_ns}"
    );
    assert!(recorder.is_degraded());
    moto.come_up().unwrap();
    while recorder.is_degraded() {
        thread::sleep(Duration::from_millis(50));
    }
    commit(&recorder, 1, 2);
    recorder.close_blocking().unwrap();
    let versions = moto.versions().unwrap();
    assert!(
        versions.values().all(|found| *found == (1, 0)),
        "{versions:?}"
    );
}
