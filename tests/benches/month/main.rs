//! What readers take over many sessions: `cargo bench -p icecore-tests --bench month [SESSIONS]`, 10,000 by default.
//!
//! Each session is a host of its own, as ephemeral runners are: a chain with its documents and a handful of small objects.
//! Recorders write them as they write any; then the views are printed, one session is read, and DuckDB answers the queries
//! of docs/queries. Nothing here asserts anything about time. `ICECORE_BENCH_FOLDER` says where the store is made: many
//! small files are synced, which a folder in memory makes fast, and which is not what is measured.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, which tells what it took by the real clock"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use icecore::clock::Clock;
use icecore::compact::{Asked, Doubt, Until, compact};
use icecore::config::ResultRows;
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::chain::keys::SigningKey;
use icecore::record::{
    Decision, Enforcement, LoginRow, Mode, Object, Phase, RecordLimits, RecordMode, Recorder, Row,
    SessionRow, Settings, StatementRow, StatementTextRow, Status, StoreAt,
};
use icecore::replay::{Archive, Depth, Readers, Scope, StoredRows, session, views};
use icecore_tests::python::{self, Generation};

/// Statements of a session.
const STATEMENTS: usize = 20;

/// Runs each file of a folder three times over views; tells the name and the seconds of the fastest.
const QUERIES: &str = r#"
import duckdb, glob, os, sys, time
connection = duckdb.connect()
connection.execute("SET threads = 2")
began = time.time()
connection.execute(open(sys.argv[1]).read())
print("views defined", time.time() - began)
connection.execute("SET VARIABLE day = CAST(now() AT TIME ZONE 'UTC' AS DATE)")
connection.execute(f"SET VARIABLE session = '{sys.argv[3]}'")
connection.execute("SET VARIABLE object = 'ACME_DB.PUBLIC.ORDERS'")
for path in sorted(glob.glob(sys.argv[2] + "/*.sql")):
    took = []
    for _ in range(3):
        began = time.time()
        connection.execute(open(path).read()).fetchall()
        took.append(time.time() - began)
    print(os.path.basename(path), min(took))
"#;

fn main() -> Result<()> {
    let sessions = std::env::args().find_map(|argument| argument.parse().ok());
    let sessions: usize = sessions.unwrap_or(10_000);
    let folder = match std::env::var_os("ICECORE_BENCH_FOLDER") {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let began = Instant::now();
    let wanted = record(folder.path(), sessions)?;
    let made = began.elapsed().as_secs_f64();
    println!("{sessions} sessions of {STATEMENTS} statements, a chain each, made in {made:.0} s\n");
    println!("| what | s |\n|---|---:|");
    let store = store(folder.path());
    let file = folder.path().join("views.sql");
    for (name, depth) in [
        ("views printed", Depth::Small),
        ("views printed, `--deep`", Depth::Whole),
    ] {
        timed(name, || print(&store, depth, &file))?;
    }
    let one = || Scope::Session(wanted.to_string());
    timed("all read", || read(&store, &Scope::All, wanted))?;
    timed("one session read", || read(&store, &one(), wanted))?;
    queries(&file, wanted)?;
    timed("compacted", || compacted(folder.path()))?;
    timed("compacted: views printed", || {
        print(&store, Depth::Small, &file)
    })?;
    timed("compacted: one session read", || {
        read(&store, &one(), wanted)
    })?;
    queries(&file, wanted)
}

/// Compacts the day, as if it were over.
fn compacted(folder: &Path) -> Result<()> {
    let key = SigningKey::of_installation(&folder.join("compactor"))?;
    let now = Clock::system().now();
    let asked = Asked {
        day: now.date_naive(),
        trust: None,
        key: &key,
        doubt: Doubt::Stops,
        until: Until::Written,
        spill: folder,
        now: now + chrono::TimeDelta::days(2),
        build: env!("CARGO_PKG_VERSION"),
        done: &|_| {},
    };
    drop(compact(&store(folder), &asked)?);
    Ok(())
}

fn read(store: &str, scope: &Scope, wanted: SessionId) -> Result<()> {
    let archive = Archive::read_scope(store, Readers::default(), scope)?;
    ensure!(
        archive.refused().is_empty(),
        "left out: {:?}",
        archive.refused().first()
    );
    let steps = session(&archive, &wanted.to_string())?.steps.len();
    ensure!(steps == STATEMENTS + 1, "{steps} steps");
    Ok(())
}

fn timed(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    work()?;
    println!("| {name} | {:.2} |", began.elapsed().as_secs_f64());
    Ok(())
}

fn print(store: &str, depth: Depth, file: &Path) -> Result<()> {
    let archive = Archive::survey(store, Readers::default(), &Scope::All, depth)?;
    ensure!(
        archive.refused().is_empty(),
        "left out: {:?}",
        archive.refused().first()
    );
    let rows = StoredRows::of(&archive, |_| true);
    let mut sql = Vec::new();
    views(&archive, archive.chains(), &rows, &mut sql)?;
    fs::write(file, sql).context("the views")
}

fn queries(views: &Path, session: SessionId) -> Result<()> {
    let mut command = Command::new(python::interpreter(Generation::Five)?);
    command.args(["-c", QUERIES]).arg(views);
    command.arg(python::folder("..").join("docs/queries"));
    let output = command.arg(session.to_string()).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "DuckDB: {errors}");
    for line in String::from_utf8(output.stdout)?.lines() {
        let (name, seconds) = line.rsplit_once(' ').context("a name and seconds")?;
        println!("| DuckDB: {name} | {:.2} |", seconds.parse::<f64>()?);
    }
    Ok(())
}

fn store(folder: &Path) -> String {
    format!("file://{}/store", folder.display())
}

/// Records sessions, and names one in the middle.
fn record(folder: &Path, sessions: usize) -> Result<SessionId> {
    let ids: Vec<SessionId> = (0..sessions).map(|_| SessionId::new()).collect();
    let next = AtomicUsize::new(0);
    let at_once = thread::available_parallelism()?.get() * 2;
    thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(id) = ids.get(number) else {
                    return Ok(());
                };
                let state = folder.join(format!("host-{number}"));
                let recorder = Recorder::open(&settings(folder, &state, number)?, Clock::system())?;
                drop(recorder.commit_blocking(rows(*id))?);
                recorder.close_blocking()?;
                drop(recorder);
                fs::remove_dir_all(state)?;
            }
        };
        let running: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|one| one.join());
        ended
            .map(|one| one.map_err(|_| anyhow::anyhow!("a recorder panicked"))?)
            .collect::<Result<Vec<()>>>()
    })?;
    ids.get(sessions / 2).copied().context("a session")
}

fn settings(folder: &Path, state: &Path, number: usize) -> Result<Settings> {
    Ok(Settings {
        org: "default".into(),
        host_id: format!("host-{number}"),
        mode: RecordMode::BestEffort,
        spool_max_bytes: 1 << 30,
        limits: RecordLimits {
            session_spool_max_bytes: 1 << 30,
            session_rows_per_second: 1_000_000_000,
            max_unacked_age: None,
        },
        seal_interval: Duration::from_secs(300),
        result_rows: ResultRows::None,
        ..Settings::new(PathBuf::from(state), StoreAt::read(&store(folder))?)
    })
}

fn rows(id: SessionId) -> Vec<Row> {
    let now = Clock::system().now();
    let login_id = Some(LoginId::new());
    let opened = SessionRow {
        session_id: Some(id),
        phase: Phase::Open,
        opened_at: Some(now),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        user: Some("ci".into()),
        ci_repository: Some("acme/etl".into()),
        ..SessionRow::default()
    };
    let login = LoginRow {
        session_id: Some(id),
        login_id,
        opened_at: Some(now),
        account: Some("ACME".into()),
        sf_user: Some("ICECORE_SVC".into()),
        ..LoginRow::default()
    };
    let closed = SessionRow {
        phase: Phase::Close,
        is_final: true,
        closed_at: Some(now),
        ..opened.clone()
    };
    let mut rows = vec![Row::from(opened), Row::from(login)];
    for number in 0..STATEMENTS {
        let text = format!("select ID, AMOUNT from ACME_DB.PUBLIC.ORDERS where ID = {number}");
        let intent = StatementRow {
            session_id: Some(id),
            login_id,
            statement_id: Some(StatementId::new()),
            started_at: Some(now),
            decided_at: Some(now),
            sql_mac: Some([3; 32]),
            sql_normalized: Some(
                "SELECT ID, AMOUNT FROM ACME_DB.PUBLIC.ORDERS WHERE ID = ?".into(),
            ),
            sql_kind: Some("query".into()),
            parse_ok: true,
            objects: vec![Object {
                catalog: Some("ACME_DB".into()),
                schema: Some("PUBLIC".into()),
                name: Some("ORDERS".into()),
                kind: Some("table".into()),
                access: Some("read".into()),
                columns: vec!["ID".into(), "AMOUNT".into()],
                resolved: true,
            }],
            decision: Some(Decision::Allow),
            rule_ids: vec!["read-only".into()],
            policy_bundle_sha256: Some([2; 32]),
            policy_mode: Some(Mode::Enforce),
            ..StatementRow::default()
        };
        let said = StatementTextRow {
            session_id: Some(id),
            statement_id: intent.statement_id,
            sql_text: Some(text),
            ..StatementTextRow::default()
        };
        let end = StatementRow {
            is_final: true,
            revision: 1,
            forwarded_at: Some(now),
            completed_at: Some(now),
            status: Status::Success,
            rows_returned: Some(1),
            ..intent.clone()
        };
        rows.extend([Row::from(intent), Row::from(said), Row::from(end)]);
    }
    rows.push(Row::from(closed));
    rows
}
