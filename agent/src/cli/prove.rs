//! `icecore prove`: shows one statement of a record to somebody who must not see the rest.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::DateTime;

use super::Exit;
use super::failure::Failure;
use super::reading::Reader;
use super::span::id;
use super::stored::{self, Stored};
use super::tell::tell;
use crate::id::StatementId;
use crate::replay::{counted, json_escaped, terminal};
use crate::verify::{Proof, ProveError, Shown, Trust, proved};

/// Proves one statement, without the rest of the record
///
/// Use it to show somebody what was asked and answered in one statement. It writes one JSON document: the statement's rows, the hashes
/// that lead from each to a signed checkpoint, and the documents that show whose checkpoint it is, cosigned by a witness where there is a
/// cosignature. With --trust it is checked before it is written. `icecore verify --proof FILE --trust FILE` checks it anywhere, without the store. What it holds can be read by whoever
/// has it, the statement's text too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore prove 01a201de-aed4-743b-bc0b-1c7612d0b426 --trust trust.toml -o statement.json\n  icecore verify --proof statement.json --trust trust.toml\n\nExit \
        codes: 0 proved, 1 no such statement, a record that differs, or a proof that the trust file is not enough for, 2 usage, 3 trust or key file, 4 store or file unreachable."
)]
pub(super) struct Args {
    /// The statement, by its id as refusals and `icecore replay` tell it
    #[arg(value_name = "STATEMENT", value_parser = id::<StatementId>)]
    statement: StatementId,

    #[command(flatten)]
    stored: Stored,

    #[command(flatten)]
    reader: Reader,

    /// Writes the proof to a file, for you alone, instead of standard output
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> ExitCode {
    match write(args) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn write(args: &Args) -> Result<(), Failure> {
    let failed = |error: ProveError| {
        let exit = match &error {
            ProveError::Store(_) | ProveError::Read(_) => Exit::Unreachable,
            ProveError::Unknown(_) | ProveError::Differs { .. } | ProveError::Tree(_) => {
                Exit::Refused
            }
        };
        let hint = error.hint();
        Failure::new(exit, error).hint(hint)
    };
    let trust = args.stored.trust().map_err(stored::failure)?;
    let readers = args.reader.readers(trust.clone());
    let readers = readers.map_err(stored::failure)?;
    let (proof, unread) = proved(args.stored.url(), readers, args.statement).map_err(failed)?;
    if let Some(trust) = &trust {
        believed(&proof.check(Some(trust)))?;
    }
    let text =
        serde_json::to_string_pretty(&proof).map_err(|error| Failure::new(Exit::Bug, error))?;
    put(args.output.as_deref(), &json_escaped(&text)).map_err(|error| {
        let text = "the proof could not be written";
        Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text))
    })?;
    for chain in &proof.chains {
        let cosigned = match &chain.cosigned {
            Some(_) => "cosigned",
            None => "not cosigned by a witness",
        };
        eprintln!(
            "icecore: {} of chain {}, {cosigned}",
            counted(chain.rows.len(), "row"),
            terminal(&chain.chain)
        );
    }
    if unread > 0 {
        eprintln!(
            "icecore: left out {}, encrypted or not as listed: the proof may lack the statement's content",
            counted(unread, "object")
        );
    }
    Ok(())
}

/// Refuses a proof that whoever trusts as we do would not believe.
fn believed(shown: &Shown) -> Result<(), Failure> {
    if shown.is_good() {
        return Ok(());
    }
    for line in found(shown) {
        tell(line);
    }
    let text = "expected a proof that the trust file is enough for, found one that it is not";
    Err(Failure::text(Exit::Refused, text).hint(Some(stored::TRUST_HINT)))
}

fn put(output: Option<&Path>, text: &str) -> io::Result<()> {
    match output {
        None => writeln!(io::stdout().lock(), "{text}"),
        Some(path) => {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path)?;
            writeln!(file, "{text}")?;
            file.sync_all()
        }
    }
}

/// Checks a proof, for `icecore verify --proof`.
pub(super) fn check(path: &Path, trust: Option<&Trust>, json: bool) -> Result<Exit, Failure> {
    let failed = |cause: String| {
        let text = format!("proof `{}`: {cause}", path.display());
        Failure::text(Exit::Config, text).hint(Some("`icecore prove` writes one"))
    };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = |name: &str| std::fs::read(folder.join(name)).map_err(|error| error.to_string());
    let proof = Proof::read(&bytes).and_then(|proof| proof.with_files(&file));
    let proof = proof.map_err(failed)?;
    let shown = proof.check(trust);
    print(&shown, json).map_err(|error| Failure::new(Exit::Unreachable, error))?;
    Ok(if shown.is_good() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn print(shown: &Shown, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let text = serde_json::to_string_pretty(shown).map_err(io::Error::other)?;
        return writeln!(out, "{}", json_escaped(&text));
    }
    for line in told(shown)? {
        writeln!(out, "{}", terminal(&line))?;
    }
    Ok(())
}

/// Tells what a proof shows in lines.
fn told(shown: &Shown) -> io::Result<Vec<String>> {
    let mut lines = vec![format!(
        "statement {} of organisation {}",
        shown.statement_id, shown.org
    )];
    for chain in &shown.chains {
        let installation = chain.installation.as_deref().unwrap_or("not pinned");
        let time = |seconds: u64| {
            let time = i64::try_from(seconds).ok();
            time.and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        };
        let witnessed = match chain.witnessed_at_s.and_then(time) {
            Some(time) => format!("a pinned witness signed it at {}", time.to_rfc3339()),
            None => "no pinned witness signed it".to_owned(),
        };
        lines.push(format!(
            "chain {} of host {} ({installation}): a tree of {}, signed at {}; {witnessed}",
            chain.chain,
            chain.host,
            counted(chain.tree_size, "row"),
            chain.signed_at
        ));
        for row in &chain.rows {
            let row = serde_json::to_string(row).map_err(io::Error::other)?;
            lines.push(format!("  {row}"));
        }
    }
    lines.extend(found(shown));
    if !shown.pinned {
        let text = "nothing is pinned: without --trust a forged proof looks like any other";
        lines.push(text.to_owned());
    }
    let verdict = match shown.is_good() {
        true => "proved: these rows are in the record of that host",
        false => "not proved",
    };
    lines.push(verdict.to_owned());
    Ok(lines)
}

/// Tells what is wrong with a proof, and what to do.
fn found(shown: &Shown) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in &shown.findings {
        let row = finding.row.map(|row| format!(", row {row}"));
        lines.push(format!(
            "{}  chain {}, {}{}: expected {}, found {}",
            finding.code,
            finding.chain,
            finding.object,
            row.unwrap_or_default(),
            finding.expected,
            finding.found
        ));
        lines.push(format!("     to do: {}", finding.advice));
    }
    lines
}
