//! `icecore reconcile`: what Snowflake and the CI system saw, beside the record.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Exit;
use super::reading::{Source, finish};
use super::span::Span;
use super::tell::tell;
use crate::replay::ReadError;
use crate::replay::json_escaped;
use crate::replay::reconcile::{Export, Exports, QUERY_LAG_US, Settings, Zone, reconcile};

/// Lists what went around Icecore, and what it recorded that never ran
///
/// Use it each night, with what an administrator exports: QUERY_HISTORY, LOGIN_HISTORY or SESSIONS, and lists of CI runs
/// (`gh run list --json databaseId,attempt,url,workflowName,status,conclusion,startedAt`, GitHub's API, or CSV with
/// run_id), each as CSV with a head, JSON, JSON lines or Parquet, gzip or not. Query ids decide; where there is none, text
/// and time are told and decide nothing; QUERY_TAG has no part in it. Snowflake's views lag behind: what is newer than
/// their newest row less --lag is told as too recent. An export
/// without rows, or whose first and last rows do not reach over --from and --to, is a doubt: export a day more on each side.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore reconcile --queries query_history.csv --from 2026-11-26 --to 2026-11-26 --user ICECORE_SVC\n  icecore reconcile --queries q.parquet --logins sessions.json --runs runs.json --json\n  icecore reconcile --queries q.csv --as markdown >> \"$GITHUB_STEP_SUMMARY\"\n\nExit codes: 0 clean, 1 findings or doubts, 2 usage, or an export that cannot be used, 3 trust or key file, 4 store or file unreachable."
)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// An export of QUERY_HISTORY; may be repeated
    #[arg(long, value_name = "FILE", required_unless_present_any = ["logins", "runs"])]
    queries: Vec<PathBuf>,
    /// An export of LOGIN_HISTORY, or of SESSIONS, which tells more; may be repeated
    #[arg(long, value_name = "FILE")]
    logins: Vec<PathBuf>,
    /// A list of CI runs; may be repeated
    #[arg(long, value_name = "FILE")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    span: Span,
    /// Looks at this Snowflake user alone; may be repeated
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// Looks at runs of this workflow alone; may be repeated
    #[arg(long, value_name = "NAME")]
    workflow: Vec<String>,
    /// The account that the exports are of, where the record has several
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// How long Snowflake's history lags behind, in minutes: 45 for the view, 0 for the table function
    #[arg(long, value_name = "MINUTES", default_value_t = QUERY_LAG_US / 60_000_000, value_parser = minutes)]
    lag: i64,
    /// When the exports were made (a day or RFC 3339); unless given, they reach as far as their newest rows
    #[arg(long, value_name = "T", value_parser = super::span::begin_of)]
    exported_at: Option<i64>,
    /// Times of the exports that have no offset are UTC
    #[arg(long)]
    utc: bool,
    /// Prints one JSON document
    #[arg(long, conflicts_with = "face")]
    json: bool,
    /// How it is told; `github` makes annotations of a job
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t = Face::Text)]
    face: Face,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Face {
    Text,
    Csv,
    Markdown,
    Github,
}

fn minutes(text: &str) -> Result<i64, String> {
    let minutes = text.parse().ok().filter(|minutes| *minutes >= 0);
    minutes.ok_or_else(|| "expected whole minutes, such as 45".to_owned())
}

/// Compares and tells.
pub(super) fn run(args: &Args) -> ExitCode {
    match compare(args) {
        Ok(exit) => exit.into(),
        Err(error) => finish(Err(error)),
    }
}

fn compare(args: &Args) -> Result<Exit, ReadError> {
    if !args.span.is_any() {
        let text = "--from, --to: expected a time and a later one, found a range without any time";
        return Err(ReadError::Usage(text.to_owned()));
    }
    let exports = match exports(args)? {
        Ok(exports) => exports,
        Err(exit) => return Ok(exit),
    };
    let archive = args.source.read()?;
    let settings = Settings {
        from_us: args.span.from,
        to_us: args.span.to,
        lag_us: args.lag.saturating_mul(60_000_000),
        exported_us: args.exported_at,
        zone: if args.utc { Zone::Utc } else { Zone::Unknown },
        users: args.user.clone(),
        workflows: args.workflow.clone(),
        account: args.account.clone(),
    };
    let report = match reconcile(&archive, &exports, &settings) {
        Ok(report) => report,
        Err(error) => {
            tell(format_args!("icecore: {error}"));
            return Ok(Exit::Usage);
        }
    };
    let text = if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(io::Error::from)?;
        json_escaped(&text) + "\n"
    } else {
        match args.face {
            Face::Text => report.to_terminal(),
            Face::Csv => report.to_csv(),
            Face::Markdown => report.to_markdown(),
            Face::Github => report.to_annotations(),
        }
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(if report.is_clean() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Reads the exports; one that cannot be used is told.
fn exports(args: &Args) -> Result<Result<Exports, Exit>, ReadError> {
    let mut exports = Exports::default();
    for (files, list) in [
        (&args.queries, &mut exports.queries),
        (&args.logins, &mut exports.logins),
        (&args.runs, &mut exports.runs),
    ] {
        for file in files {
            match Export::read(&file.display().to_string(), bytes(file)?.into()) {
                Ok(export) => list.push(export),
                Err(error) => {
                    tell(format_args!("icecore: {error}"));
                    return Ok(Err(Exit::Usage));
                }
            }
        }
    }
    Ok(Ok(exports))
}

fn bytes(file: &Path) -> Result<Vec<u8>, ReadError> {
    fs::read(file).map_err(|cause| ReadError::File {
        path: file.display().to_string(),
        cause,
    })
}
