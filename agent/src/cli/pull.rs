//! `icecore pull`: days of a store as a folder of one's own.

use std::io::{self, IsTerminal, Write};
use std::path::{self, PathBuf};
use std::process::ExitCode;

use chrono::NaiveDate;

use super::Exit;
use super::reading::{finish, tell_left_out};
use super::span::{day, in_order};
use super::stored::Stored;
use crate::replay::{Days, Pulled, ReadError, counted, json_escaped, pull, terminal};

/// Files between two lines of progress.
const TOLD_EVERY: u64 = 10;

/// Copies days of a store into a folder that is a store again
///
/// Use it to ask questions without the store: `icecore duckdb`, `replay` and `sessions` read the copy by `--store`, and any
/// DuckDB does. Copied is what signed manifests list, each file by its SHA-256, with the manifests and what proves them.
/// With --trust that of pinned hosts, and what a pinned compactor wrote; without it whosoever's, and no compacted files. A copy that was cut off goes on where it was left; nothing in the folder
/// is written over.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore pull --from 2026-11-01 --to 2026-11-30 november\n  icecore pull --from 2026-11-26 --to 2026-11-26 --store file:///srv/icecore day && icecore duckdb --store file://$PWD/day | duckdb\n\nExit codes: 0 done, 1 something is missing or not what it should be, 2 usage, 3 the trust file is not good, 4 store or folder unreachable."
)]
pub(super) struct Args {
    #[command(flatten)]
    stored: Stored,
    /// The first day, in UTC
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: NaiveDate,
    /// The last day, in UTC
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: NaiveDate,
    /// Prints what was copied as JSON
    #[arg(long)]
    json: bool,
    /// The folder, made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs the command.
#[must_use]
pub(super) fn run(args: Args) -> ExitCode {
    match copy(&args) {
        Ok(pulled) if pulled.problems.is_empty() => ExitCode::SUCCESS,
        Ok(_) => Exit::Refused.into(),
        Err(error) => finish(Err(error)),
    }
}

fn copy(args: &Args) -> Result<Pulled, ReadError> {
    in_order(Some(args.from), Some(args.to))?;
    let days = Days {
        from: args.from,
        to: args.to,
    };
    let is_told = io::stderr().is_terminal();
    let pulled = pull(
        (args.stored.url(), args.stored.trust()?.as_ref()),
        &path::absolute(&args.folder)?,
        days,
        |done, total| {
            if is_told && (done % TOLD_EVERY == 0 || done == total) {
                eprint!("\r{done} of {total} files");
                if done == total {
                    eprintln!();
                }
            }
        },
    )?;
    tell_left_out(&pulled.left_out)?;
    let mut err = io::stderr().lock();
    for problem in &pulled.problems {
        writeln!(err, "not as it should be: {}", terminal(problem))?;
    }
    if args.json {
        let line = serde_json::to_string(&pulled).map_err(io::Error::from)?;
        writeln!(io::stdout().lock(), "{}", json_escaped(&line))?;
    } else {
        writeln!(
            err,
            "{} copied ({}), {} there already, of {}",
            counted(pulled.copied, "file"),
            counted(pulled.copied_bytes, "byte"),
            pulled.there,
            counted(pulled.chains, "chain")
        )?;
    }
    Ok(pulled)
}
