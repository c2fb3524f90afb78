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

#[path = "../recorded/mod.rs"]
mod recorded;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use icecore::clock::Clock;
use icecore::config::ResultRows;
use icecore::record::{RecordLimits, RecordMode, Recorder, Settings, StoreAt};
use recorded::Statements;

/// Statements by which making rows is measured, which is the bench's own work.
const MADE: usize = 50_000;

/// Rows that are written as JSON lines too, for their size.
const JSON_ROWS: usize = 20_000;

/// Writes what it reads, batch by batch, as the recorder's files are written, and by its own defaults; tells rows,
/// seconds, bytes, bytes of the same rows as JSON lines, and what columns take.
const PYARROW: &str = r#"
import json, sys, time, pyarrow as pa, pyarrow.parquet as pq
pa.set_cpu_count(1)
paths, sample = sys.argv[2:], int(sys.argv[1])
rows, seconds, size, columns = 0, 0, 0, {}
for path in paths:
    file = pq.ParquetFile(path)
    table = file.read(use_threads=False)
    rows += table.num_rows
    began, out = time.process_time(), pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd", compression_level=3, row_group_size=122880)
    seconds += time.process_time() - began
    size += out.getvalue().size
    for group in range(file.num_row_groups):
        group = file.metadata.row_group(group)
        for at in range(group.num_columns):
            name = group.column(at).path_in_schema
            columns[name] = columns.get(name, 0) + group.column(at).total_compressed_size
def plain(value):
    if isinstance(value, bytes): return value.hex()
    return str(value)
some = pq.ParquetFile(paths[0]).read(use_threads=False).slice(0, sample).to_pylist()
some = [{k: v for k, v in row.items() if v is not None} for row in some]
lines = chr(10).join(json.dumps(row, default=plain, separators=(",", ":")) for row in some).encode()
packed = pa.Codec("zstd", compression_level=3).compress(lines)
print(rows, seconds, size, len(lines) / len(some), len(packed) / len(some))
for name, size in sorted(columns.items(), key=lambda column: -column[1]):
    print(name, size)
"#;

fn main() -> Result<()> {
    let count = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let count: usize = count.unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let recorder = Recorder::open(&settings(folder.path())?, Clock::system())?;
    let making = making(&recorder)?;
    let (began, cpu) = (Instant::now(), own_cpu()?);
    recorded::record(&recorder, count)?;
    let taken = began.elapsed();
    let calling = own_cpu()?
        .checked_sub(cpu + making * u32::try_from(count)?)
        .unwrap_or_default();
    let threads = cpu_of_threads()?;
    let before = threads.get("record-ship").copied().unwrap_or_default();
    recorder.flush_blocking()?;
    let stored = began.elapsed();
    let threads = cpu_of_threads()?;
    recorder.close_blocking()?;
    let of = |name: &str| threads.get(name).copied().unwrap_or_default();
    let bytes = bytes_of(&store)?;
    let whole = calling + of("record") + of("record-ship");
    println!("{count} statements, two rows of `statements` and a text each\n");
    println!("| what | figure |\n|---|---:|");
    let statements = |time| per(count, time);
    println!(
        "| taken, statements/s of wall clock | {:.0} |",
        statements(taken)
    );
    println!(
        "| taken and in the store, statements/s of wall clock | {:.0} |",
        statements(stored)
    );
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    println!(
        "| CPU a statement, us: checking and encoding, in the caller | {:.2} |",
        each(calling)
    );
    println!(
        "| CPU a statement, us: numbering, framing, syncing | {:.2} |",
        each(of("record"))
    );
    println!(
        "| CPU a statement, us: sealing, signing, storing | {:.2} |",
        each(of("record-ship"))
    );
    println!(
        "| of that while statements came | {:.0} % |",
        100.0 * before.as_secs_f64() / of("record-ship").as_secs_f64()
    );
    println!("| CPU a statement, us: all | {:.2} |", each(whole));
    println!(
        "| rows of `statements`/s a core, all of the above | {:.0} |",
        per(count * 2, whole)
    );
    println!(
        "| rows of all tables/s a core | {:.0} |",
        per(count * 3, whole)
    );
    for (name, bytes) in &bytes {
        let each = *bytes as f64 / count as f64;
        println!("| bytes a statement, {name} | {each:.1} |");
    }
    let size = bytes.get("t0/statements").copied().unwrap_or_default();
    compare(&store, count, whole, size)
}

/// Measures what making a statement's rows takes of this thread, so that it can be left out.
fn making(recorder: &Recorder) -> Result<Duration> {
    let (mut statements, cpu) = (Statements::new(), own_cpu()?);
    while !statements.are_over(MADE) {
        drop(statements.step(recorder, MADE));
    }
    Ok((own_cpu()? - cpu) / u32::try_from(MADE)?)
}

fn settings(folder: &Path) -> Result<Settings> {
    Ok(Settings {
        org: "default".into(),
        host_id: "bench".into(),
        mode: RecordMode::StrictLocal,
        spool_max_bytes: 64 << 30,
        limits: RecordLimits {
            session_spool_max_bytes: 64 << 30,
            session_rows_per_second: 1_000_000_000,
            max_unacked_age: None,
        },
        seal_interval: Duration::from_secs(300),
        result_rows: ResultRows::None,
        ..Settings::new(
            folder.join("state"),
            StoreAt::read(&format!("file://{}", folder.join("store").display()))?,
        )
    })
}

/// Tells the CPU time of this thread (Linux, `Documentation/scheduler/sched-stats.rst`: nanoseconds on a CPU come first).
fn own_cpu() -> Result<Duration> {
    cpu(Path::new("/proc/thread-self"))
}

fn cpu(task: &Path) -> Result<Duration> {
    let stat = fs::read_to_string(task.join("schedstat"))?;
    let ns = stat.split(' ').next().context("nanoseconds")?;
    Ok(Duration::from_nanos(ns.parse()?))
}

/// Sums the CPU time of this process's threads by their names.
fn cpu_of_threads() -> Result<BTreeMap<String, Duration>> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?;
        *threads.entry(name.trim_end().to_owned()).or_default() += cpu(&task)?;
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
fn compare(store: &Path, count: usize, ours: Duration, bytes: u64) -> Result<()> {
    let Some(python) = std::env::var_os("ICECORE_BENCH_PYTHON") else {
        println!("\nICECORE_BENCH_PYTHON names no Python with pyarrow: nothing was compared.");
        return Ok(());
    };
    let mut command = Command::new(python);
    command.args(["-c", PYARROW, &JSON_ROWS.to_string()]);
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
    let complaint = || format!("pyarrow: {}", String::from_utf8_lossy(&output.stderr));
    let (figures, columns) = told.split_once('\n').with_context(complaint)?;
    let figures: Vec<f64> = figures
        .split_whitespace()
        .filter_map(|text| text.parse().ok())
        .collect();
    let [found, seconds, size, line, packed] = *figures else {
        anyhow::bail!("pyarrow: expected five figures, found `{told}`");
    };
    let rows = (count * 2) as f64;
    ensure!(
        (found - rows).abs() < 0.5,
        "pyarrow read {found} of {rows} rows"
    );
    let tell = |what: &str, figure: f64| println!("| {what} | {figure:.2} |");
    let each = bytes as f64 / rows;
    tell("pyarrow, the same batches, rows/s a core", found / seconds);
    tell(
        "the recorder's whole way, in parts of pyarrow's rows/s",
        seconds / ours.as_secs_f64(),
    );
    tell("pyarrow, bytes a statement", size / count as f64);
    tell(
        "bytes of `statements`, in parts of pyarrow's",
        bytes as f64 / size,
    );
    tell(
        "bytes of `statements`, in parts of the rows as JSON lines",
        each / line,
    );
    tell(
        "bytes of `statements`, in parts of those by zstd -3",
        each / packed,
    );
    println!("\n| column of `statements` | bytes a statement |\n|---|---:|");
    for (name, bytes) in columns.lines().filter_map(|line| line.rsplit_once(' ')) {
        let each = bytes.parse::<f64>()? / count as f64;
        if each >= 0.05 {
            println!("| `{name}` | {each:.1} |");
        }
    }
    Ok(())
}

fn per(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
