//! What it takes to verify a day of a million rows: `cargo bench -p icecore-tests --bench verify [ROWS]`.
//!
//! The day is recorded by the recorder itself: of each statement its intent, its text and its end. Nothing here asserts
//! anything about time.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, which tells what it took by the real clock"
)]

#[path = "../recorded/mod.rs"]
mod recorded;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use icecore::clock::Clock;
use icecore::record::chain::keys::SigningKey;
use icecore::record::{RecordLimits, RecordMode, Recorder, Settings, StoreAt};
use icecore::replay::Readers;
use icecore::verify::{Asked, Deep, Report, Trust, check};
use ring::digest::{SHA256, digest};

/// The settings in force.
const CONFIG: &[u8] = b"{}";

fn main() -> Result<()> {
    let rows = std::env::args().find_map(|argument| argument.parse().ok());
    let rows: usize = rows.unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let settings = settings(folder.path())?;
    let began = Instant::now();
    record(&settings, rows / 3)?;
    println!("recorded in {:.1} s", began.elapsed().as_secs_f64());
    let key = SigningKey::of_installation(&settings.state_dir)?.public_text();
    let text = format!("[[installation]]\nname = \"a\"\nkey = \"{key}\"\n");
    let trust =
        Trust::read(&text, &|name| Err(format!("no file {name}"))).map_err(anyhow::Error::msg)?;
    let cores = thread::available_parallelism()?.get();
    println!("| check | threads | rows | MiB | s | rows/s | rows/s a thread |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (deep, threads) in [(Deep::Objects, 1), (Deep::Rows, 1), (Deep::Rows, cores)] {
        let began = Instant::now();
        let report = verified(&settings, &trust, deep, threads)?;
        let took = began.elapsed().as_secs_f64();
        let rows = report.checked.rows as f64;
        println!(
            "| {deep:?} | {threads} | {rows} | {} | {took:.2} | {:.0} | {:.0} |",
            report.checked.bytes >> 20,
            rows / took,
            rows / took / threads as f64
        );
    }
    Ok(())
}

fn verified(settings: &Settings, trust: &Trust, deep: Deep, threads: usize) -> Result<Report> {
    let asked = Asked {
        trust: Some(trust),
        from: None,
        to: None,
        chain: None,
        deep,
        witnessed: None,
        replay: false,
        now: Clock::system().now(),
        threads,
        done: &|_| {},
    };
    let report = check(&settings.store.to_string(), Readers::default(), &asked)?;
    ensure!(
        report.is_clean(),
        "not clean: {:?}",
        report.findings.first()
    );
    ensure!(deep == Deep::Objects || report.checked.rows_read == report.checked.rows);
    Ok(report)
}

fn settings(folder: &Path) -> Result<Settings> {
    Ok(Settings {
        org: "acme".into(),
        host_id: "host".into(),
        state_dir: folder.join("state"),
        mode: RecordMode::StrictLocal,
        store: StoreAt::read(&format!("file://{}/store", folder.display()))?,
        spool_max_bytes: 64 << 30,
        seal_interval: Duration::from_secs(3600),
        limits: RecordLimits {
            session_spool_max_bytes: 64 << 30,
            session_rows_per_second: 1_000_000_000,
            max_unacked_age: None,
        },
        witness: None,
        heartbeat: Duration::from_secs(3600),
        result_rows: icecore::config::ResultRows::None,
        recipients: Vec::new(),
        key_store: None,
        scan_secrets: true,
        config_sha256: digest(&SHA256, CONFIG).as_ref().try_into()?,
        policy_bundle_sha256: [2; 32],
        proxy_version: "0.0.0".into(),
        build: BTreeMap::new(),
    })
}

fn record(settings: &Settings, statements: usize) -> Result<()> {
    let recorder = Recorder::open(settings, Clock::system())?;
    // As a daemon does: a genesis whose config is nowhere is a finding.
    recorder.keep_evidence(CONFIG)?;
    recorded::record(&recorder, statements)?;
    recorder.close_blocking().context("close")
}
