//! What it takes to verify a day of a million rows: `cargo bench -p icecore-tests --bench verify [ROWS]`.
//!
//! The day is recorded by the recorder itself: of each statement its intent, its text and its end. Nothing here asserts
//! anything about time.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, which tells what it took by the real clock"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use icecore::clock::Clock;
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::chain::keys::SigningKey;
use icecore::record::{
    Decision, Mode, Object, RecordMode, Recorder, ResultColumn, Row, Settings, StatementRow,
    StatementTextRow, Status, StoreAt, commitment,
};
use icecore::replay::Readers;
use icecore::verify::{Asked, Deep, Report, Trust, check};
use ring::digest::{SHA256, digest};

/// The settings in force.
const CONFIG: &[u8] = b"{}";

/// Statements that are committed at once.
const AT_ONCE: usize = 1000;

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
        limits: icecore::config::RecordLimits::default(),
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
    let numbers: Vec<usize> = (0..statements).collect();
    for piece in numbers.chunks(AT_ONCE) {
        let rows = piece.iter().flat_map(|number| statement(*number)).collect();
        drop(recorder.commit_blocking(rows)?);
    }
    recorder.close_blocking().context("close")
}

/// A statement as an agent sends them: some context, two tables, a result of a few columns.
fn statement(number: usize) -> [Row; 3] {
    let at = Some(Clock::system().now());
    let session_id = Some(SessionId::from_bytes(
        [u8::try_from(number % 200).unwrap_or(0); 16],
    ));
    let statement_id = Some(StatementId::new());
    let text = format!(
        "select o.id, o.total, c.name from sales.public.orders o join sales.public.customers c on c.id = o.customer where o.id = {number}"
    );
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let object = |name: &str| Object {
        catalog: Some("SALES".into()),
        schema: Some("PUBLIC".into()),
        name: Some(name.into()),
        kind: Some("table".into()),
        access: Some("read".into()),
        columns: vec!["ID".into(), "NAME".into()],
        resolved: true,
    };
    let intent = StatementRow {
        session_id,
        statement_id,
        login_id: Some(LoginId::from_bytes([8; 16])),
        request_id: Some(StatementId::new().to_string()),
        started_at: at,
        decided_at: at,
        decision_us: 310,
        pid: Some(4711),
        exe: Some("/usr/bin/python3.12".into()),
        sql_mac: Some([3; 32]),
        sql_commit: Some(commitment(&salt, &text)),
        sql_len: i32::try_from(text.len()).unwrap_or(i32::MAX),
        sql_fingerprint: Some(number as i64),
        sql_normalized: Some(text.replace(&number.to_string(), "?")),
        sql_kind: Some("query".into()),
        parse_ok: true,
        database_ctx: Some("SALES".into()),
        schema_ctx: Some("PUBLIC".into()),
        warehouse: Some("WH".into()),
        role_ctx: Some("ANALYST".into()),
        objects: vec![object("ORDERS"), object("CUSTOMERS")],
        decision: Some(Decision::Allow),
        rule_ids: vec!["read-only".into()],
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        ..StatementRow::default()
    };
    let column = |name: &str| ResultColumn {
        name: name.into(),
        kind: "TEXT".into(),
        nullable: Some(true),
        masked: false,
    };
    let end = StatementRow {
        is_final: true,
        revision: 1,
        query_id: Some(StatementId::new().to_string()),
        forwarded_at: at,
        first_byte_at: at,
        completed_at: at,
        durability_wait_us: Some(1800),
        status: Status::Success,
        rows_returned: Some(20),
        bytes_returned: Some(4096),
        result_format: Some("arrow".into()),
        result_schema: vec![column("ID"), column("TOTAL"), column("NAME")],
        upstream_mac: Some([4; 32]),
        delivered_mac: Some([5; 32]),
        ..intent.clone()
    };
    let text = StatementTextRow {
        session_id,
        statement_id,
        sql_text: Some(text),
        salt: Some(salt),
        ..StatementTextRow::default()
    };
    [intent.into(), text.into(), end.into()]
}
