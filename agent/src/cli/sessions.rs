//! `icecore sessions`: one line a session.

use std::io::{self, Write};
use std::process::ExitCode;

use super::reading::{Source, finish};
use crate::replay::{ReadError, json_escaped, summaries};

/// List recorded sessions, the oldest first
///
/// Shows id, opening time, user, statements allowed and refused, mode, enforcement and program of each session whose
/// record has reached the store. Objects of the store that are not what their names say are left out and told.
///
/// Exit codes: 0 done, 2 usage, 4 store unreachable.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    finish(list(&args))
}

fn list(args: &Args) -> Result<(), ReadError> {
    let archive = args.source.read()?;
    let mut out = io::stdout().lock();
    for summary in summaries(&archive) {
        if args.json {
            let line = serde_json::to_string(&summary).map_err(io::Error::from)?;
            writeln!(out, "{}", json_escaped(&line))?;
        } else {
            writeln!(out, "{}", summary.line())?;
        }
    }
    Ok(())
}
