//! `icecore sessions`: one line a session.

use std::io::{self, Write};
use std::process::ExitCode;

use super::reading::{Source, finish};
use crate::replay::{ReadError, json_escaped, summaries, terminal};

/// Lists recorded sessions, the oldest first
///
/// Use it to find a session. Shows id, opening time, user, statements allowed and refused, mode, enforcement and program
/// of each session whose record has reached the store; `icecore flush` sends there what has not. Objects of the store
/// that are not what their names say are left out and told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore sessions\n  icecore sessions --store file:///srv/icecore --json | jq .session_id\n\nExit codes: 0 done, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Prints one JSON object a line; nothing if there is no session
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
    let summaries = summaries(&archive);
    if summaries.is_empty() {
        let line = format!("no session is recorded in `{}` yet", args.source.store());
        writeln!(io::stderr().lock(), "{}", terminal(&line))?;
    }
    let mut out = io::stdout().lock();
    for summary in summaries {
        if args.json {
            let line = serde_json::to_string(&summary).map_err(io::Error::from)?;
            writeln!(out, "{}", json_escaped(&line))?;
        } else {
            writeln!(out, "{}", summary.line())?;
        }
    }
    Ok(())
}
