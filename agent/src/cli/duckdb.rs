//! `icecore duckdb`: the SQL by which DuckDB shows a store.

use std::env;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use chrono::NaiveDate;

use super::reading::{Source, finish, tell_left_out};
use super::span::{day, in_order};
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
/// as it wrote them, if --trust pins its key. Bytes are compared with what was signed if there are few or with --deep: `verified` tells. For a store in S3 the SQL loads httpfs and says
/// where the bucket is, by this environment; no key is in it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore duckdb > views.sql && duckdb -init views.sql\n  (icecore duckdb; echo 'select * from denied;') | duckdb\n  icecore duckdb --from 2026-11-01 --to 2026-11-30 > november.sql\n\nExit codes: 0 done, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub struct Args {
    #[command(flatten)]
    source: Source,

    /// The first day that the views show, in UTC
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<NaiveDate>,
    /// The last day that the views show, in UTC
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<NaiveDate>,
    /// Reads every object and compares its bytes with what was signed; without, it does so up to 32 MiB in all
    #[arg(long)]
    deep: bool,
    /// Prints what each table, view and column means instead, as Markdown; reads no store
    #[arg(long)]
    reference: bool,
}

impl Args {
    fn scope(&self) -> Scope {
        match (self.from, self.to) {
            (None, None) => Scope::All,
            (from, to) => Scope::Days(Days {
                from: from.unwrap_or(NaiveDate::MIN),
                to: to.unwrap_or(NaiveDate::MAX),
            }),
        }
    }

    fn depth(&self) -> Depth {
        match self.deep {
            true => Depth::Whole,
            false => Depth::Small,
        }
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    finish(print(&args))
}

fn print(args: &Args) -> Result<(), ReadError> {
    in_order(args.from, args.to)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.reference {
        out.write_all(reference().as_bytes())?;
    } else {
        let archive = args.source.survey(&args.scope(), args.depth())?;
        let rows = StoredRows::of(&archive, |_| true);
        tell_left_out(rows.refused())?;
        let reached = reach(args.source.store(), |name| env::var(name).ok());
        out.write_all(reached.as_bytes())?;
        views(&archive, archive.chains(), &rows, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[track_caller]
    fn check(line: &str, from: Option<&str>, to: Option<&str>, depth: Depth) {
        let words = ["duckdb"].into_iter().chain(line.split_whitespace());
        let args = Line::try_parse_from(words).unwrap().args;
        let day = |day: &str| day.parse().unwrap();
        let expected = match (from, to) {
            (None, None) => Scope::All,
            (from, to) => Scope::Days(Days {
                from: from.map_or(NaiveDate::MIN, day),
                to: to.map_or(NaiveDate::MAX, day),
            }),
        };
        assert_eq!((args.scope(), args.depth()), (expected, depth), "{line}");
    }

    #[test]
    fn days_that_are_not_named_are_open_and_bytes_are_compared_where_it_is_asked_for() {
        let (first, last) = (Some("2026-11-01"), Some("2026-11-30"));
        check("", None, None, Depth::Small);
        check("--deep", None, None, Depth::Whole);
        check("--from 2026-11-01", first, None, Depth::Small);
        check("--to 2026-11-30", None, last, Depth::Small);
        let both = "--from 2026-11-01 --to 2026-11-30 --deep";
        check(both, first, last, Depth::Whole);
        assert!(Line::try_parse_from(["duckdb", "--from", "yesterday"]).is_err());
    }
}
