//! `icecore compact`: a day of a store in few large files.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::NaiveDate;
use serde_json::json;

use super::Exit;
use super::failure::Failure;
use super::reading::tell_left_out;
use super::span::day;
use super::stored::{Stored, failure};
use super::tell::tell;
use crate::clock::Clock;
use crate::compact::{Asked, CompactError, Compacted, Doubt, Progress, Until, compact};
use crate::record::RecordError;
use crate::record::chain::compaction::LeftOut;
use crate::record::chain::keys::{INSTALLATION_KEY, SigningKey};
use crate::record::curated::CuratedError;
use crate::replay::{counted, json_escaped, terminal};

/// Objects between two lines of progress.
const TOLD_EVERY: u64 = 10;

/// Writes a day's rows again, sorted and in few large files
///
/// Use it once a day, on one machine that may read the whole store and create below `c/` and `compactions/`: questions over
/// months then read a few files a day instead of one for each session. What signed manifests list is read and checked; what
/// was written is signed by this machine's key, which the trust file here and those of readers must pin as they pin a host's. Nothing is deleted. Run it
/// again for what came late: each time adds only what is new.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore compact --day 2026-11-26 --store s3://acme-audit --trust trust.toml\n  icecore compact --day 2026-11-26 --key compactor.key --json\n  icecore compact --day 2026-11-26 --dry-run\n\nExit codes: 0 done or nothing new, 1 something cannot be believed and nothing was written, 2 usage, 3 trust or key file, 4 store or folder unreachable."
)]
pub(super) struct Args {
    /// The day, in UTC; it must be over
    #[arg(long, value_name = "DAY", value_parser = day)]
    day: NaiveDate,

    #[command(flatten)]
    stored: Stored,

    /// The key to sign with, made if it is not there; without it this host's installation key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Goes on without what cannot be believed, and lists it
    #[arg(long)]
    leave_out: bool,

    /// Tells what would be read; writes nothing, and makes no key
    #[arg(long)]
    dry_run: bool,

    /// A folder for what does not fit into memory: as much as the day's rows take unpacked
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    spill: PathBuf,

    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    let printed = work(args, clock).and_then(|(all, is_pinned)| {
        let printed = print(args, &all, is_pinned);
        printed.map_err(|error| Failure::new(Exit::Unreachable, error))
    });
    match printed {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn work(args: &Args, clock: Clock) -> Result<(Vec<Compacted>, bool), Failure> {
    let trust = args.stored.trust().map_err(failure)?;
    let key = key(args)?;
    let is_told = io::stderr().is_terminal();
    let progress = |Progress { read, of, written }: Progress| {
        if is_told && written > 0 {
            eprint!("\r\x1b[K{written} rows written");
        } else if is_told && (read % TOLD_EVERY == 0 || read == of) {
            eprint!("\r{read} of {of} objects read");
        }
    };
    let asked = Asked {
        day: args.day,
        trust: trust.as_ref(),
        key: &key,
        doubt: match args.leave_out {
            true => Doubt::LeftOut,
            false => Doubt::Stops,
        },
        until: match args.dry_run {
            true => Until::Told,
            false => Until::Written,
        },
        spill: &args.spill,
        now: clock.now(),
        build: env!("CARGO_PKG_VERSION"),
        done: &progress,
    };
    let compacted = compact(args.stored.url(), &asked);
    if is_told {
        eprint!("\r\x1b[K");
    }
    Ok((compacted.map_err(failed)?, trust.is_some()))
}

/// Reads the key to sign with.
fn key(args: &Args) -> Result<SigningKey, Failure> {
    let file = args.key.as_deref();
    let own = Path::new("/var/lib/icecore").join(INSTALLATION_KEY);
    let path = file.unwrap_or(&own);
    let failed = |error: RecordError| {
        let hint = error.hint();
        Failure::new(Exit::Config, error).hint(hint)
    };
    if let Some(key) = SigningKey::read(path).map_err(failed)? {
        return Ok(key);
    }
    if args.dry_run {
        // It signs nothing, and nothing of it is written.
        return SigningKey::make().map_err(failed);
    }
    if file.is_none() {
        let text = format!("`{}`: expected a key, found no file", path.display());
        let hint = "--key names a file of its own for machines that are no host; it is made";
        return Err(Failure::text(Exit::Config, text).hint(Some(hint)));
    }
    let key = SigningKey::of_file(path).map_err(failed)?;
    eprintln!(
        "icecore: made the key {}; a trust file pins it by:\n[[installation]]\nname = \"compactor\"\nkey = \"{}\"",
        key.id(),
        key.public_text()
    );
    Ok(key)
}

fn failed(error: CompactError) -> Failure {
    match &error {
        CompactError::NotOver { .. } => Failure::new(Exit::Usage, error)
            .hint(Some("rows of today still come: compact it tomorrow")),
        CompactError::Unpinned { .. } => Failure::new(Exit::Config, error).hint(Some(
            "add the key to the trust file as an [[installation]], or sign with another by --key",
        )),
        CompactError::Doubts(doubts) => {
            drop(tell_left_out(&lines(doubts)));
            Failure::new(Exit::Refused, error).hint(Some(
                "docs/verify.md explains the codes; --leave-out goes on without them",
            ))
        }
        CompactError::Raced => Failure::new(Exit::Refused, error)
            .hint(Some("run one compactor for a store, then this again")),
        CompactError::Work(CuratedError::Store(cause)) => {
            let exit = if matches!(cause, RecordError::Setting { .. }) {
                Exit::Usage
            } else {
                Exit::Unreachable
            };
            let hint = cause.hint();
            Failure::new(exit, error).hint(hint)
        }
        CompactError::Work(CuratedError::Spill(_)) => {
            let hint = "--spill names a folder with room for the day's rows";
            Failure::new(Exit::Unreachable, error).hint(Some(hint))
        }
        CompactError::Work(CuratedError::Form(_) | CuratedError::Count { .. }) => {
            Failure::new(Exit::Bug, error)
        }
    }
}

fn lines(left_out: &[LeftOut]) -> Vec<String> {
    let line = |left: &LeftOut| format!("{}: {}", left.key, left.reason);
    left_out.iter().map(line).collect()
}

fn print(args: &Args, all: &[Compacted], is_pinned: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for compacted in all {
        tell_left_out(&lines(&compacted.left_out))?;
    }
    if args.json {
        let document = json!({ "pinned": is_pinned, "compacted": all });
        return writeln!(out, "{}", json_escaped(&format!("{document:#}")));
    }
    if all.is_empty() {
        let store = args.stored.url();
        tell(format_args!(
            "nothing to compact: `{store}` has no record; --store names another store"
        ));
    }
    for compacted in all {
        writeln!(out, "{}", terminal(&told(args, compacted)))?;
    }
    if !is_pinned {
        let line = "nothing is pinned: without --trust a forged record looks like any other";
        writeln!(io::stderr().lock(), "{line}")?;
    }
    Ok(())
}

fn told(args: &Args, compacted: &Compacted) -> String {
    let Compacted {
        org,
        day,
        inputs,
        input_bytes,
        rows,
        outputs,
        kept,
        before,
        document,
        ..
    } = compacted;
    let read = format!(
        "{} ({}, {})",
        counted(*inputs, "object"),
        counted(*input_bytes, "byte"),
        counted(*rows, "row")
    );
    let stays = counted(*kept, "object");
    match document {
        Some(document) => {
            let bytes: u64 = outputs.iter().map(|output| output.size).sum();
            format!(
                "{org} {day}: {read} put into {} ({}); {stays} left in place; signed as {document}",
                counted(outputs.len(), "file"),
                counted(bytes, "byte")
            )
        }
        None if args.dry_run && inputs + kept > 0 => {
            format!("{org} {day}: would read {read}; {stays} would be left in place")
        }
        None => format!(
            "{org} {day}: nothing new; {} compacted before",
            counted(*before, "object")
        ),
    }
}
