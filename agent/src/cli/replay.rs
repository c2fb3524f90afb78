//! `icecore replay`: one session, step by step.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use super::reading::{Source, finish};
use crate::replay::{ReadError, json_escaped, replay, session};

/// Tell what happened in a session, step by step
///
/// Shows the session, its logins, and each statement with its verdict, rules, text, times, rows, query id and process;
/// events stand between them. Text that the agent chose is shown with control characters made visible.
///
/// Exit codes: 0 done, 1 no such session, 2 usage, 4 store unreachable.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Session's id, or the beginning of it
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    source: Source,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    finish(tell(&args))
}

fn tell(args: &Args) -> Result<(), ReadError> {
    let archive = args.source.read()?;
    let session = session(&archive, &args.session)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        writeln!(out, "{}", json_escaped(&format!("{:#}", session.to_json())))?;
    } else {
        replay(&session, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
