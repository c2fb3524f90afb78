//! What recording takes: `cargo bench -p icecore-tests --bench record [statements]`, 1,000,000 of them by default.
//!
//! Nothing here asserts anything about time. The recorder takes statements on a machine's disk, seals, signs and stores
//! them; then pyarrow reads the files of `statements` and writes the same batches once more, in the same run on one thread,
//! where `ICECORE_BENCH_PYTHON` names a Python that has it.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, which tells what it took by the real clock"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use icecore::clock::Clock;
use icecore::config::ResultRows;
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::{
    Decision, Mode, RecordLimits, RecordMode, Recorder, Row, Settings, StatementRow,
    StatementTextRow, Status, StoreAt,
};

/// Statements whose rows are handed over together, as many in flight do.
const TOGETHER: usize = 64;

/// Different texts among the statements.
const TEXTS: usize = 1000;

/// Writes what it reads, batch by batch, as the recorder's files are written; tells rows, seconds and bytes.
const PYARROW: &str = r#"
import sys, time, pyarrow as pa, pyarrow.parquet as pq
pa.set_cpu_count(1)
tables = [pq.ParquetFile(path).read(use_threads=False) for path in sys.argv[2:]]
rows = sum(table.num_rows for table in tables)
began, size = time.process_time(), 0
for table in tables:
    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd", compression_level=3, row_group_size=122880)
    size += out.getvalue().size
print(rows, time.process_time() - began, size)
"#;

fn main() -> Result<()> {
    let count = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let count: usize = count.unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let recorder = Recorder::open(&settings(folder.path())?, Clock::system())?;
    let began = Instant::now();
    let mut made = 0;
    while made < count {
        let together = TOGETHER.min(count - made);
        let mut rows = Vec::new();
        let mut ends = Vec::new();
        for number in made..made + together {
            let (intent, text) = intent(&recorder, number);
            ends.push(Row::from(end(&recorder, &intent, number)));
            rows.extend([Row::from(intent), Row::from(text)]);
        }
        drop(recorder.commit_blocking(rows)?);
        drop(recorder.commit_blocking(ends)?);
        made += together;
        ensure!(!recorder.is_degraded(), "the recorder refuses");
    }
    let taken = began.elapsed();
    let threads = cpu_of_threads()?;
    let before = threads.get("record-ship").copied().unwrap_or_default();
    recorder.flush_blocking()?;
    let stored = began.elapsed();
    let threads = cpu_of_threads()?;
    recorder.close_blocking()?;
    let of = |name: &str| threads.get(name).copied().unwrap_or_default();
    let bytes = bytes_of(&store)?;
    let rows = count * 2;
    println!("{count} statements, two rows of `statements` and a text each\n");
    println!("| what | figure |\n|---|---:|");
    println!(
        "| taken, wall clock, statements/s | {:.0} | ",
        per(count, taken)
    );
    println!(
        "| taken and in the store, statements/s | {:.0} |",
        per(count, stored)
    );
    println!(
        "| numbering and framing, rows of all tables/s a core | {:.0} |",
        per(count * 3, of("record"))
    );
    println!(
        "| sealing, signing, storing, rows of `statements`/s a core | {:.0} |",
        per(rows, of("record-ship"))
    );
    println!(
        "| of that while statements came | {:.0} % |",
        100.0 * before.as_secs_f64() / of("record-ship").as_secs_f64()
    );
    for (name, bytes) in &bytes {
        println!(
            "| bytes a statement, {name} | {:.1} |",
            *bytes as f64 / count as f64
        );
    }
    compare(
        &store,
        rows,
        of("record-ship"),
        bytes.get("t0/statements").copied(),
    )
}

fn settings(folder: &Path) -> Result<Settings> {
    Ok(Settings {
        org: "default".into(),
        host_id: "bench".into(),
        state_dir: folder.join("state"),
        mode: RecordMode::StrictLocal,
        store: StoreAt::read(&format!("file://{}", folder.join("store").display()))?,
        spool_max_bytes: 64 << 30,
        limits: RecordLimits {
            session_spool_max_bytes: 64 << 30,
            session_rows_per_second: 1_000_000_000,
            max_unacked_age: None,
        },
        seal_interval: Duration::from_secs(300),
        witness: None,
        heartbeat: Duration::from_secs(60),
        result_rows: ResultRows::None,
        recipients: Vec::new(),
        key_store: None,
        scan_secrets: true,
        config_sha256: [1; 32],
        policy_bundle_sha256: [2; 32],
        proxy_version: env!("CARGO_PKG_VERSION").into(),
        build: BTreeMap::new(),
    })
}

fn intent(recorder: &Recorder, number: usize) -> (StatementRow, StatementTextRow) {
    let text = format!(
        "select ID, CUSTOMER, AMOUNT from ACME_DB.PUBLIC.ORDERS where ID = {}",
        number % TEXTS
    );
    let normalized = "SELECT ID, CUSTOMER, AMOUNT FROM ACME_DB.PUBLIC.ORDERS WHERE ID = ?";
    let now = Clock::system().now();
    let session = u8::try_from(number / 1000 % 250).unwrap_or(0);
    let row = StatementRow {
        session_id: Some(SessionId::from_bytes([session; 16])),
        login_id: Some(LoginId::from_bytes([session; 16])),
        statement_id: Some(StatementId::new()),
        started_at: Some(now),
        decided_at: Some(now),
        decision_us: 40 + i64::try_from(number % 17).unwrap_or(0),
        sql_mac: Some(recorder.mac(text.as_bytes())),
        // Salted, so that no two are alike.
        sql_commit: Some(recorder.mac(&number.to_le_bytes())),
        sql_len: i32::try_from(text.len()).unwrap_or(i32::MAX),
        sql_fingerprint: Some(0x1234_5678_9abc),
        sql_normalized: Some(normalized.into()),
        sql_kind: Some("select".into()),
        decision: Some(Decision::Allow),
        rule_ids: vec!["reads".into()],
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        parse_ok: true,
        ..StatementRow::default()
    };
    let text = StatementTextRow {
        session_id: row.session_id,
        statement_id: row.statement_id,
        sql_text: Some(text),
        ..StatementTextRow::default()
    };
    (row, text)
}

fn end(recorder: &Recorder, intent: &StatementRow, number: usize) -> StatementRow {
    let now = Clock::system().now();
    let delivered = recorder.mac(format!("answer {}", number % TEXTS).as_bytes());
    StatementRow {
        is_final: true,
        revision: 1,
        status: Status::Success,
        query_id: intent.statement_id.map(|id| id.to_string()),
        forwarded_at: Some(now),
        completed_at: Some(now),
        rows_returned: Some(1),
        bytes_returned: Some(700),
        delivered_mac: Some(delivered),
        upstream_mac: Some(delivered),
        ..intent.clone()
    }
}

/// Sums the CPU time of this process's threads by their names (proc(5), `/proc/pid/task/tid/stat`).
fn cpu_of_threads() -> Result<BTreeMap<String, Duration>> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        let stat = fs::read_to_string(task?.path().join("stat"))?;
        let (_, rest) = stat.split_once('(').context("a name")?;
        let (name, rest) = rest.rsplit_once(") ").context("a name")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok());
        // User and system time in ticks, of which Linux has 100 a second.
        let ticks = ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0);
        *threads.entry(name.to_owned()).or_default() += Duration::from_millis(ticks * 10);
    }
    Ok(threads)
}

/// Sums the bytes of the store's objects by tier and table, and of what signs them.
fn bytes_of(store: &Path) -> Result<BTreeMap<String, u64>> {
    let mut bytes = BTreeMap::new();
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let parts: Vec<String> = path
                .strip_prefix(store)?
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            let name = match parts.as_slice() {
                [_, _, tier, _, table, ..] if tier.starts_with('t') => format!("{tier}/{table}"),
                [_, _, kind, ..] => kind.clone(),
                _ => "other".to_owned(),
            };
            *bytes.entry(name).or_default() += fs::metadata(&path)?.len();
        }
    }
    Ok(bytes)
}

/// Has pyarrow write the same batches.
fn compare(store: &Path, rows: usize, ours: Duration, bytes: Option<u64>) -> Result<()> {
    let Some(python) = std::env::var_os("ICECORE_BENCH_PYTHON") else {
        println!("\nICECORE_BENCH_PYTHON names no Python with pyarrow: nothing was compared.");
        return Ok(());
    };
    let mut command = Command::new(python);
    command.args(["-c", PYARROW, "-"]);
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("/statements/") {
                command.arg(path);
            }
        }
    }
    let output = command.output()?;
    let told = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = told
        .split_whitespace()
        .filter_map(|text| text.parse().ok())
        .collect();
    let [found, seconds, size] = *figures else {
        anyhow::bail!("pyarrow: expected three figures, found `{told}`");
    };
    ensure!(
        (found - rows as f64).abs() < 0.5,
        "pyarrow read {found} of {rows} rows"
    );
    println!(
        "| pyarrow, the same batches, rows/s a core | {:.0} |",
        found / seconds
    );
    println!(
        "| the recorder's whole way in parts of that | {:.2} |",
        seconds / ours.as_secs_f64()
    );
    if let Some(bytes) = bytes {
        println!(
            "| bytes of `statements`, in parts of pyarrow's | {:.2} |",
            bytes as f64 / size
        );
    }
    Ok(())
}

fn per(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
