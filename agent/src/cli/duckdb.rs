//! `icecore duckdb`: the SQL by which DuckDB shows a store.

use std::env;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use chrono::NaiveDate;

use super::reading::{Source, finish, tell_left_out};
use crate::replay::{Days, Depth, ReadError, Scope, StoredRows, reach, reference, views};

/// Prints SQL that defines views over a store, for DuckDB
///
/// Use it to ask questions over all sessions: `icecore duckdb | duckdb`, or run it in any DuckDB connection. Views:
/// `trail` (one row a statement, all joined), `statements` (those that are over), `denied`, `masked`, `unlinked`, `sessions`,
/// `logins`, `runs`, `coverage`, `record_health`; `statement_objects`, `statement_columns` and `masked_cells` without nested
/// lists; `ocsf_datastore_activity` and `otel_db_spans` for other tools; a view of each table, such as `events`; those with
/// every row as it was recorded are `sessions_all`, `logins_all`, `statements_all`, `approvals_all`. The macro `rows_of('STATEMENT_ID')`
/// reads rows of a result that are kept. Each view and column has a comment: `select * from duckdb_columns()`; docs/tables.md
/// is the same as a page, docs/analysts.md has queries. The views read the objects that are in the store at this moment,
/// listed one by one: what is not a record, or was added later, is not read. Days that `icecore compact` wrote again are read
/// as it wrote them. Bytes are compared with what was signed if there are few or with --deep: `verified` tells. For a store in S3 the SQL loads httpfs and says
/// where the bucket is, by this environment; no key is in it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore duckdb > views.sql && duckdb -init views.sql\n  (icecore duckdb; echo 'select * from denied;') | duckdb\n  icecore duckdb --from 2026-11-01 --to 2026-11-30 > november.sql\n\nExit codes: 0 done, 2 usage, 4 store unreachable."
)]
pub struct Args {
    #[command(flatten)]
    source: Source,

    /// The first day that the views show, in UTC
    #[arg(long, value_name = "DAY")]
    from: Option<NaiveDate>,
    /// The last day that the views show, in UTC
    #[arg(long, value_name = "DAY")]
    to: Option<NaiveDate>,
    /// Reads every object and compares its bytes with what was signed; without, it does so up to 32 MiB in all
    #[arg(long)]
    deep: bool,
    /// Prints what each table, view and column means instead, as Markdown; reads no store
    #[arg(long)]
    reference: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    finish(print(&args))
}

fn print(args: &Args) -> Result<(), ReadError> {
    let mut out = BufWriter::new(io::stdout().lock());
    if args.reference {
        out.write_all(reference().as_bytes())?;
    } else {
        let scope = match (args.from, args.to) {
            (None, None) => Scope::All,
            (from, to) => Scope::Days(Days {
                from: from.unwrap_or(NaiveDate::MIN),
                to: to.unwrap_or(NaiveDate::MAX),
            }),
        };
        let depth = if args.deep {
            Depth::Whole
        } else {
            Depth::Small
        };
        let archive = args.source.survey(&scope, depth)?;
        let rows = StoredRows::of(&archive, |_| true);
        tell_left_out(rows.refused())?;
        let reached = reach(args.source.store(), |name| env::var(name).ok());
        out.write_all(reached.as_bytes())?;
        views(&archive, archive.chains(), &rows, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
