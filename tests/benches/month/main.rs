//! What readers take over a month: `cargo bench -p icecore-tests --bench month [SESSIONS [DAYS]]`, 10,000 a day and 30 by
//! default.
//!
//! Recorders write as they write any, by a clock that is set to the day. On the last day each session is a host of its own,
//! as ephemeral runners are: a chain with its documents and a handful of small objects. On the others a host has a hundred.
//! All days but the last are compacted; the raw objects of these are away, which no reader looks at, while their chains'
//! folders and documents stay. Each step is a
//! process of its own, so that its peak of memory is seen. Nothing here asserts anything about time.
//! `ICECORE_BENCH_FOLDER` says where the store is made: many small files are synced, which a folder in memory makes fast,
//! and which is not what is measured. `ICECORE_BENCH_KEEP=1` leaves it, and takes one that is there.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program of its own, which tells what it took by the real clock"
)]

mod made;
mod rows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use chrono::{Days as Later, NaiveDate};
use icecore::clock::Clock;
use icecore::replay::{Archive, Days, Depth, Scope, StoredRows, pull, session, views};
use icecore_tests::python::{self, Generation};
use made::store;

/// Runs each file of a folder three times over views; tells the name, the seconds of the first and of the fastest, and the
/// peak of memory in MB.
const QUERIES: &str = r#"
import duckdb, glob, os, resource, sys, time
connection = duckdb.connect()
connection.execute("SET threads = 2")
connection.execute("SET enable_progress_bar = false")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
began = time.time()
connection.execute(open(sys.argv[1]).read())
took = time.time() - began
print("views defined", took, took, peak())
connection.execute(f"SET VARIABLE day = DATE '{sys.argv[4]}'")
connection.execute(f"SET VARIABLE session = '{sys.argv[3]}'")
connection.execute("SET VARIABLE object = 'ACME_DB.PUBLIC.ORDERS'")
connection.execute("SET VARIABLE prompt = 'none'")
for path in sorted(glob.glob(sys.argv[2] + "/*.sql")):
    took = []
    for _ in range(3):
        began = time.time()
        rows = connection.execute(open(path).read()).fetchall()
        took.append(time.time() - began)
    print(os.path.basename(path), took[0], min(took), peak())
"#;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "step") {
        return step(&arguments);
    }
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let (sessions, days) = (
        numbers.next().unwrap_or(10_000),
        numbers.next().unwrap_or(30),
    );
    let below =
        std::env::var_os("ICECORE_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = below.join("icecore-month");
    let is_kept = std::env::var_os("ICECORE_BENCH_KEEP").is_some();
    let today = Clock::system().now().date_naive();
    let last = today - Later::new(1);
    if !folder.exists() {
        let began = Instant::now();
        fs::create_dir(&folder)?;
        made::clock(&folder)?;
        drop(made::readers(&folder)?);
        for before in (1..days as u64).rev() {
            made::compacted_day(&folder, last - Later::new(before), sessions)?;
        }
        let wanted = made::raw_day(&folder, last, sessions, made::EPHEMERAL)?;
        fs::write(folder.join("wanted"), wanted)?;
        let took = began.elapsed().as_secs_f64();
        println!(
            "{days} days of {sessions} sessions of {} statements made in {took:.0} s\n",
            rows::STATEMENTS
        );
    }
    let measured = measured(&folder, last, days);
    if !is_kept {
        fs::remove_dir_all(&folder)?;
    }
    measured
}

fn measured(folder: &Path, last: NaiveDate, days: usize) -> Result<()> {
    let first = (last - Later::new(days as u64 - 1)).to_string();
    let (last, before) = (last.to_string(), (last - Later::new(1)).to_string());
    let wanted = fs::read_to_string(folder.join("wanted"))?;
    println!("| what | s | again, s | peak, MB |\n|---|---:|---:|---:|");
    for is_raw in [true, false] {
        if is_raw
            && folder
                .join(format!("store/default/v1/compactions/dt={last}"))
                .exists()
        {
            continue;
        }
        let state = if is_raw {
            "the last day is not compacted"
        } else {
            "all days are compacted"
        };
        println!("| **{state}** | | | |");
        told(
            "views of the month printed",
            folder,
            &["views", &first, &last],
        )?;
        queries("over the month", folder, &wanted, &first)?;
        queries(
            "over the last day, views of the month",
            folder,
            &wanted,
            &last,
        )?;
        told(
            "views of the last day printed",
            folder,
            &["views", &last, &last],
        )?;
        queries("over the last day", folder, &wanted, &last)?;
        told(
            "views of the day before printed",
            folder,
            &["views", &before, &before],
        )?;
        told(
            "one session of the last day read",
            folder,
            &["replay", &wanted],
        )?;
        told("the last day pulled", folder, &["pull", &last, &last])?;
        if is_raw {
            told("the last day compacted", folder, &["compact", &last])?;
        }
    }
    Ok(())
}

/// Runs a step as a process of its own and tells what it took.
fn told(name: &str, folder: &Path, step: &[&str]) -> Result<()> {
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("step").arg(step[0]).arg(folder).args(&step[1..]);
    let began = Instant::now();
    let output = child.output()?;
    let took = began.elapsed().as_secs_f64();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {errors}");
    let peak = String::from_utf8(output.stdout)?;
    println!("| {name} | {took:.2} | | {} |", peak.trim());
    Ok(())
}

fn step(arguments: &[String]) -> Result<()> {
    let [_, name, folder, given @ ..] = arguments else {
        bail!("expected a step and a folder");
    };
    let (folder, first) = (Path::new(folder), given.first().context("what of it")?);
    let of_store = store(folder);
    match name.as_str() {
        "record" => {
            let id = made::record(folder, first.parse()?, given[1].parse()?, given[2].parse()?)?;
            println!("{id}");
            return Ok(());
        }
        "compact" => made::compacted(&of_store, folder, first.parse()?)?,
        "views" => print(folder, days(given)?)?,
        "replay" => read(folder, first)?,
        "pull" => {
            let to = folder.join("pulled");
            let asked = days(given)?;
            let readers = made::readers(folder)?;
            let pulled = pull((&of_store, readers.trust.as_ref()), &to, asked, |_, _| {})?;
            ensure!(pulled.problems.is_empty(), "{:?}", pulled.problems.first());
            fs::remove_dir_all(to)?;
        }
        other => bail!("no step `{other}`"),
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let peak_kb: u64 = peak.context("a peak of memory")?.trim().parse()?;
    println!("{}", peak_kb / 1024);
    Ok(())
}

fn days(given: &[String]) -> Result<Days> {
    Ok(Days {
        from: given[0].parse()?,
        to: given[1].parse()?,
    })
}

fn read(folder: &Path, wanted: &str) -> Result<()> {
    let scope = Scope::Session(wanted.to_owned());
    let archive = Archive::read_scope(&store(folder), made::readers(folder)?, &scope)?;
    is_whole(&archive)?;
    let steps = session(&archive, wanted)?.steps.len();
    ensure!(steps == rows::STATEMENTS + 1, "{steps} steps");
    Ok(())
}

fn print(folder: &Path, days: Days) -> Result<()> {
    let readers = made::readers(folder)?;
    let archive = Archive::survey(&store(folder), readers, &Scope::Days(days), Depth::Small)?;
    is_whole(&archive)?;
    let rows = StoredRows::of(&archive, |_| true);
    let mut sql = Vec::new();
    views(&archive, archive.chains(), &rows, &mut sql)?;
    fs::write(folder.join("views.sql"), sql).context("the views")
}

fn is_whole(archive: &Archive) -> Result<()> {
    let refused = archive.refused();
    ensure!(refused.is_empty(), "left out: {:?}", refused.first());
    Ok(())
}

fn queries(over: &str, folder: &Path, session: &str, day: &str) -> Result<()> {
    let mut command = Command::new(python::interpreter(Generation::Five)?);
    command.args(["-c", QUERIES]).arg(folder.join("views.sql"));
    command.arg(python::folder("..").join("docs/queries"));
    let output = command.args([session, day]).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "DuckDB: {errors}");
    for line in String::from_utf8(output.stdout)?.lines() {
        let told: Vec<&str> = line.rsplitn(4, ' ').collect();
        let [peak, fastest, first, name] = told[..] else {
            bail!("expected a name and three numbers, found `{line}`");
        };
        let (first, fastest): (f64, f64) = (first.parse()?, fastest.parse()?);
        println!("| DuckDB, {over}: {name} | {first:.2} | {fastest:.2} | {peak} |");
    }
    Ok(())
}
