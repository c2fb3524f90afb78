//! `icecore replay`: one session, step by step.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use super::reading::{Source, finish};
use crate::replay::{ReadError, json_escaped, replay, session};

/// Tells what happened in a session, step by step
///
/// Use it to see what an agent did, and why something was refused. Shows the session, its logins, and each statement with its verdict, rules, text, times, rows, query id and process;
/// events stand between them. Text that the agent chose is shown with control characters made visible.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore replay 0199a3\n  icecore replay 0199a3f1-7c2e-7a10-8d55-1f2e3d4c5b6a --json\n\nExit codes: 0 done, 1 no such session or more than one, 2 usage, 4 store unreachable."
)]
pub struct Args {
    /// The session's id, or the beginning of it
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    source: Source,
    /// Prints one JSON document
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
