//! `icecore verify`: whether a record is what was written, all of it, by whom it says.

use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use super::Exit;
use super::failure::Failure;
use super::prove;
use super::reading::Reader;
use super::span::{day, in_order};
use super::stored::{Stored, failure};
use crate::clock::Clock;
use crate::replay::{counted, json_escaped, terminal};
use crate::verify::{self, Asked, Counts, Deep, Report};
use crate::web;
use crate::witness::latest;

/// Between two lines of progress on a terminal.
const TOLD_EVERY_NS: i64 = 200_000_000;

/// Checks that a record is what was written, all of it, by whom it says
///
/// Use it as an auditor, from a machine of your own: it needs the store, and the keys of the hosts in a trust file
/// (`icecore enroll --pin` prints its lines on each host). Each finding has a code, the place, what was expected and
/// found, and what to do; docs/verify.md explains them. Without --trust a forged record would look like any other, so that nothing is
/// called clean. With --from or --to, chains are checked that lived then, each as a whole.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore verify --trust trust.toml\n  icecore verify --store s3://acme-audit --trust trust.toml --deep --witness https://witness.acme.example\n  icecore verify --trust trust.toml --from 2026-11-01 --to 2026-11-07 --json\n\nExit codes: 0 clean, 1 something differs, nothing was pinned or nothing was there, 2 usage, 3 trust or key file, 4 store or witness unreachable."
)]
pub struct Args {
    #[command(flatten)]
    stored: Stored,

    /// Checks chains that lived on this day or later (UTC)
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<NaiveDate>,

    /// Checks chains that began on this day or before (UTC)
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<NaiveDate>,

    /// Checks one chain: what one daemon wrote from its start to its end
    #[arg(long, value_name = "ID")]
    chain: Option<String>,

    /// Reads all rows too, and makes the tree of hashes again from them; takes as long as reading the store does
    #[arg(long)]
    deep: bool,

    /// Makes recorded decisions again, by the policies that the record keeps
    #[arg(long)]
    replay: bool,

    /// Compares with what a witness saw: its address, or its folder
    #[arg(long, value_name = "URL|DIR")]
    witness: Option<String>,

    #[command(flatten)]
    reader: Reader,
    /// Checks a proof of one statement instead of a store; see `icecore prove`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["store", "from", "to", "chain", "deep", "witness"])]
    proof: Option<PathBuf>,

    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Most segments that are fetched at once from a store that is not on this host: waiting takes no core.
const FETCHED_AT_ONCE: usize = 12;

fn threads(store: &str) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    match store.split_once("://") {
        Some(("file", _)) | None => cores,
        Some(_) => cores.max(FETCHED_AT_ONCE),
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args, clock: Clock) -> ExitCode {
    match check(args, clock) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn check(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let trust = args.stored.trust().map_err(failure)?;
    if let Some(proof) = &args.proof {
        return prove::check(proof, trust.as_ref(), args.json);
    }
    in_order(args.from, args.to).map_err(failure)?;
    if args.witness.is_some() && trust.is_none() {
        let text = "--witness: expected --trust FILE, which pins the witness's key, found none";
        return Err(Failure::text(Exit::Usage, text));
    }
    let readers = args.reader.readers(trust.clone());
    let readers = readers.map_err(failure)?;
    let witnessed = args.witness.as_deref().map(witnessed).transpose()?;
    let progress = Progress::new(clock);
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let next = |day: NaiveDate| day.checked_add_days(Days::new(1)).map(midnight);
    let asked = Asked {
        trust: trust.as_ref(),
        from: args.from.map(midnight),
        to: args.to.and_then(next),
        chain: args.chain.as_deref(),
        deep: if args.deep { Deep::Rows } else { Deep::Objects },
        witnessed: witnessed.as_deref(),
        replay: args.replay,
        now: clock.now(),
        threads: threads(args.stored.url()),
        done: &|counts| progress.add(counts),
    };
    let report = verify::check(args.stored.url(), readers, &asked).map_err(failure)?;
    progress.end();
    if let Some(chain) = args
        .chain
        .as_deref()
        .filter(|_| report.chains.is_empty() && report.findings.is_empty())
    {
        let text = format!(
            "--chain: expected a chain of {}, found `{chain}`, which it does not have",
            args.stored.url()
        );
        return Err(Failure::text(Exit::Usage, text));
    }
    print(args, &report).map_err(|error| Failure::new(Exit::Unreachable, error))?;
    Ok(if report.is_clean() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Gives the checkpoints that a witness signed.
fn witnessed(witness: &str) -> Result<Vec<String>, Failure> {
    let failed = |cause: &dyn ToString| {
        let text = format!("witness `{witness}`: {}", cause.to_string());
        Failure::text(Exit::Unreachable, text)
    };
    if witness.contains("://") {
        let trust = web::trust(None).map_err(|error| failed(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let notes = runtime.block_on(latest(&web::Client::new(trust), witness));
        return notes.map_err(|cause| failed(&cause));
    }
    let mut notes = Vec::new();
    for entry in fs::read_dir(witness).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.extension().is_some_and(|end| end == "note") {
            notes.push(fs::read_to_string(path).map_err(|error| failed(&error))?);
        }
    }
    Ok(notes)
}

fn print(args: &Args, report: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let text = format!("{:#}", report.to_json());
        writeln!(out, "{}", json_escaped(&text))?;
    } else {
        for line in told(report, args.deep) {
            writeln!(out, "{}", terminal(&line))?;
        }
    }
    out.flush()
}

/// Tells a report in lines.
fn told(report: &Report, is_deep: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !report.chains.is_empty() {
        lines.push(format!(
            "{:<36}  {:<20}  {:<20}  {:>9}  {:>11}  {:>11}  {:<6}  {}",
            "CHAIN", "FROM", "TO", "MANIFESTS", "ROWS", "WITNESSED", "CLOSED", "INSTALLATION"
        ));
    }
    let time = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    for chain in &report.chains {
        let witnessed = chain
            .witnessed_rows
            .map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        lines.push(format!(
            "{:<36}  {:<20}  {:<20}  {:>9}  {:>11}  {:>11}  {:<6}  {} ({})",
            chain.chain,
            time(chain.from),
            time(chain.to),
            chain.manifests,
            chain.rows,
            witnessed,
            if chain.closed { "yes" } else { "no" },
            chain.installation.as_deref().unwrap_or("not pinned"),
            chain.host,
        ));
        if chain.acknowledged_rows > 0 {
            let rows = chain.acknowledged_rows;
            lines.push(format!("     {rows} rows acknowledged, not sealed"));
        }
    }
    for finding in &report.findings {
        let chain = if finding.chain.is_empty() {
            String::new()
        } else {
            format!("chain {}, ", finding.chain)
        };
        let row = finding
            .row
            .map(|row| format!(", row {row}"))
            .unwrap_or_default();
        lines.push(format!(
            "{}  {chain}{}{row}: expected {}, found {}",
            finding.code, finding.object, finding.expected, finding.found
        ));
        match &finding.explained {
            Some(explained) => lines.push(format!("     explained: {explained}")),
            None => lines.push(format!("     to do: {}", finding.advice)),
        }
    }
    lines.extend(
        report
            .more
            .iter()
            .map(|(of, count)| format!("{of}: {count} more")),
    );
    let checked = &report.checked;
    lines.push(format!(
        "{}, {}, {}, {}, {}",
        counted(checked.chains, "chain"),
        counted(checked.manifests, "manifest"),
        counted(checked.objects, "object"),
        counted(checked.bytes, "byte"),
        counted(checked.rows, "row")
    ));
    if is_deep {
        lines.push(format!(
            "{} read, {} by leaves alone, {} compared with what was committed to",
            counted(checked.rows_read, "row"),
            checked.rows_by_leaf,
            counted(checked.texts, "text")
        ));
    } else {
        lines.push("rows were not read: --deep does".to_owned());
    }
    for (count, thing, what) in [
        (
            checked.encrypted_objects,
            "object",
            "encrypted, rows not read",
        ),
        (
            checked.erased_objects,
            "object",
            "erased, as a signed erasure says",
        ),
        (
            checked.expired_objects,
            "object",
            "of prompts expired by retention, as the chain's config says",
        ),
        (checked.compactions, "compaction", "believed"),
        (
            checked.compacted_objects,
            "object",
            "gone, with the rows in compacted files",
        ),
        (checked.decisions_again, "decision", "the same again"),
        (
            checked.decisions_untold,
            "decision",
            "not made again: the record does not have all that it takes",
        ),
        (
            checked.approvals_again,
            "approval",
            "as its request, decisions and proofs say",
        ),
        (
            checked.approvals_untold,
            "approval",
            "not looked at: the record does not have all that it rests on",
        ),
        (
            checked.rules_untold,
            "mask's rule",
            "not looked up: the policies are not in the store",
        ),
    ] {
        if count > 0 {
            lines.push(format!("{} {what}", counted(count, thing)));
        }
    }
    if !report.pinned {
        lines.push(
            "nothing is pinned: without --trust a forged record looks like any other".to_owned(),
        );
    }
    if report.checked.chains == 0 {
        lines.push("no chain was found to check: is --store the record's, and are --from and --to days of it?".to_owned());
    }
    let wrong = report
        .findings
        .iter()
        .filter(|finding| finding.explained.is_none());
    lines.push(match (report.is_clean(), wrong.count()) {
        (true, _) => "clean".to_owned(),
        (false, 0) => "not called clean".to_owned(),
        (false, count) => format!("not clean: {}", counted(count, "finding")),
    });
    lines
}

/// Tells a terminal how far a long check is.
struct Progress {
    clock: Clock,
    counts: Mutex<(u64, u64, u64)>,
    told_ns: AtomicI64,
    is_told: bool,
}

impl Progress {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            counts: Mutex::default(),
            told_ns: AtomicI64::new(clock.mono_ns()),
            is_told: io::stderr().is_terminal(),
        }
    }

    fn add(&self, done: &Counts) {
        let mut counts = self
            .counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        counts.0 += done.objects;
        counts.1 += done.bytes >> 10;
        counts.2 += done.rows;
        let now_ns = self.clock.mono_ns();
        if self.is_told && now_ns - self.told_ns.load(Ordering::Relaxed) >= TOLD_EVERY_NS {
            self.told_ns.store(now_ns, Ordering::Relaxed);
            let (objects, kib, rows) = *counts;
            eprint!(
                "\r{objects} objects, {} MiB, {rows} rows checked",
                kib >> 10
            );
        }
    }

    fn end(&self) {
        if self.is_told {
            eprint!("\r\x1b[K");
        }
    }
}
