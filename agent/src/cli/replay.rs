//! `icecore replay`: one session, step by step.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use super::reading::{Source, finish, tell_left_out};
use crate::replay::{ReadError, ShownRows, StoredRows, json_escaped, replay, session};

/// Tells what happened in a session, step by step
///
/// Use it to see what an agent did, and why something was refused. Shows the session, its logins, and each statement with its verdict, rules, text, times, rows, query id and process;
/// events stand between them. `--rows` shows what was delivered, where it is stored. Text that the agent chose is shown with control characters made visible.
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
    /// Shows the first rows of each result whose rows are stored, as they were delivered
    #[arg(long, value_name = "N", default_value_t = 0)]
    rows: usize,
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    finish(tell(&args))
}

fn tell(args: &Args) -> Result<(), ReadError> {
    let archive = args.source.read()?;
    let session = session(&archive, &args.session)?;
    let wanted = (args.rows > 0).then_some(session.id);
    let rows = ShownRows {
        stored: StoredRows::of(&archive, |row| {
            wanted.is_some() && row.text("session_id") == wanted
        }),
        limit: args.rows,
    };
    tell_left_out(rows.stored.refused())?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        writeln!(
            out,
            "{}",
            json_escaped(&format!("{:#}", session.to_json(&rows)))
        )?;
    } else {
        replay(&session, &rows, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
