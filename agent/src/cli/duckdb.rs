//! `icecore duckdb`: the SQL by which DuckDB shows a store.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use super::reading::{Source, finish, tell_left_out};
use crate::replay::{ReadError, StoredRows, views};

/// Prints SQL that defines views over a store, for DuckDB
///
/// Use it to ask questions over all sessions: `icecore duckdb | duckdb`, or run it in any DuckDB connection. Views: `sessions`, `logins`, `statements`
/// (those that are over), `statement_texts`, `results` (deliveries), `events`, `trail` (one row a statement, all joined), `blocked`, `masked`
/// (by column and rule), `masked_cells` (by delivery), `runs`; and with
/// every row as recorded `sessions_all`, `logins_all`, `statements_all`. The macro `rows_of('STATEMENT_ID')` reads rows of a result that are kept. The views read the objects that are in the
/// store at this moment, listed one by one: what is not a record, or was added later, is not read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore duckdb > views.sql && duckdb -init views.sql\n  (icecore duckdb; echo 'select * from blocked;') | duckdb\n\nExit codes: 0 done, 2 usage, 4 store unreachable."
)]
pub struct Args {
    #[command(flatten)]
    source: Source,
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    finish(print(&args))
}

fn print(args: &Args) -> Result<(), ReadError> {
    let archive = args.source.read()?;
    let rows = StoredRows::of(&archive, |_| true);
    tell_left_out(rows.refused())?;
    let mut out = BufWriter::new(io::stdout().lock());
    views(&archive, &rows, &mut out)?;
    out.flush()?;
    Ok(())
}
