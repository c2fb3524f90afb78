//! `icecore keys fetch`: data keys, for DuckDB and others.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use chrono::NaiveDate;
use zeroize::Zeroizing;

use super::make::write_secret;
use super::told::tell_access;
use crate::cli::reading::{Source, tell_left_out};
use crate::cli::span::{day, in_order};
use crate::clock::Clock;
use crate::id::SessionId;
use crate::record::encryption::KeyName;
use crate::replay::{self, FetchedKey, ReadError, Scope, is_of_days, session};

/// Opens data keys and prints them for DuckDB
///
/// Use it before DuckDB reads an encrypted record. Prints a `PRAGMA add_parquet_key` for each key; `icecore duckdb --identity FILE` prints views that name them. With a
/// session, the keys of its rows and of the months of its texts. With days, content is taken by its month, rows by the day
/// on which their session began. What is printed is secret: -o writes it into a file that only you can read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore keys fetch --identity auditor.key -o keys.sql && icecore duckdb --identity auditor.key > views.sql && duckdb -init keys.sql -cmd '.read views.sql'\n  icecore keys fetch --session 0199a3 --identity auditor.key --json\n\nExit codes: 0 done, 1 none could be opened, or the file is there already, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub(super) struct Args {
    /// Keys of what happened on or after this day (UTC)
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<NaiveDate>,
    /// Keys of what happened on or before this day (UTC)
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<NaiveDate>,
    /// Keys of this session: its id, or the beginning of it
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["from", "to"])]
    session: Option<String>,
    #[command(flatten)]
    source: Source,
    /// Writes into a file that must not be there yet, for you only
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prints a JSON object a line, the keys of MACs too
    #[arg(long)]
    json: bool,
}

pub(super) fn fetch(args: &Args, clock: Clock) -> Result<(), ReadError> {
    in_order(args.from, args.to)?;
    let readers = args.source.readers()?;
    if readers.identities.is_empty() {
        let text = "keys fetch: expected --identity FILE, or one in ICECORE_IDENTITY, found none";
        return Err(ReadError::Usage(text.to_owned()));
    }
    let wanted = args.session.as_deref().map(|prefix| wanted(args, prefix));
    let wanted = wanted.transpose()?;
    let is_wanted = |name: &KeyName| match &wanted {
        Some((_, is_of_session)) => is_of_session(name),
        None if args.from.is_none() && args.to.is_none() => true,
        None => is_of_days(name, args.from, args.to),
    };
    let keys = replay::fetch((args.source.store(), readers), is_wanted)?;
    let refusal = |key: &FetchedKey| Some(format!("{}: {}", key.name, key.refusal()?));
    let refused: Vec<String> = keys.iter().filter_map(refusal).collect();
    tell_left_out(&refused)?;
    if refused.len() == keys.len() {
        let text = format!(
            "keys fetch: expected keys for this identity, found {} of others",
            keys.len()
        );
        return Err(ReadError::Refused(text));
    }
    let mut text = Zeroizing::new(Vec::new());
    for key in &keys {
        let line = match args.json {
            true => key.json().map(|key| key.to_string()),
            false => key.pragma(),
        };
        if let Some(line) = line.map(Zeroizing::new) {
            writeln!(text, "{}", *line)?;
        }
    }
    let vault = args.source.vault()?;
    let mut opened: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.refusal().is_none()) {
        let of_org = opened.entry(key.org.clone()).or_default();
        of_org.push(key.name.to_string());
    }
    let session = wanted.map(|(session, _)| session.to_string());
    tell_access(&vault, "keys fetch", session.as_deref(), opened, clock);
    match &args.output {
        Some(file) => write_secret(file, &text),
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            out.write_all(&text)?;
            Ok(out.flush()?)
        }
    }
}

/// Finds a session, and tells which keys are of it.
fn wanted(
    args: &Args,
    prefix: &str,
) -> Result<(SessionId, impl Fn(&KeyName) -> bool + use<>), ReadError> {
    let archive = args.source.metadata(&Scope::Session(prefix.to_owned()))?;
    let id = super::told::session_id(session(&archive, prefix)?.id)?;
    Ok((id, archive.keys_of_session(id)))
}
