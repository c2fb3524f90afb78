//! `icecore policy replay`: what policies would have done with what was recorded.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::given::{Policies, read_catalogue};
use super::test::counted;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::reading::{Source, finish};
use crate::cli::span::Span;
use crate::policy::Verdict;
use crate::record::entry::Entry;
use crate::replay::{
    Again, Archive, ReadError, Records, Untold, Wanted, json_escaped, session, terminal, time,
    was_allowed,
};
use crate::statement::Catalogue;

/// After how many statements a terminal is told how far it is.
const TOLD_EVERY: usize = 500;

/// Says which recorded statements the policies would decide otherwise than they were decided
///
/// Use it before policies are put in place. Each statement is read and judged again as the recorded principal's, in the
/// recorded database and schema. What the record does not have (tags, texts of views, names that no policy looked at then) is
/// taken from --catalogue; else it cannot be told, and is counted so. Several statements of one request count as one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy replay --policies ./policies --from 2026-11-01\n  icecore policy replay --store file:///var/lib/icecore/store --session 0199a3 --json\n\nExit codes: 0 no differences; 1 some; 2 usage; 3 config, policies or the trust file are not good; 4 store unreachable."
)]
pub(super) struct Args {
    #[command(flatten)]
    policies: Policies,

    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    span: Span,

    /// Judges the statements of one session, or of those whose ids begin so
    #[arg(long, value_name = "ID")]
    session: Option<String>,

    /// Tables, views and tags of the account, as a TOML file (docs/configuration.md)
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,

    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Judges what was recorded and says what differs.
pub(super) fn run(args: &Args) -> ExitCode {
    match replay(args) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => finish(Err(error)),
        Err(failure) => failure.report(),
    }
}

/// One statement that policies would decide otherwise.
struct Difference<'a> {
    row: &'a Entry,
    principal: &'a str,
    verdict: Verdict,
}

#[derive(Default)]
struct Counts {
    same: usize,
    newly_refused: usize,
    newly_allowed: usize,
    untold: BTreeMap<Untold, usize>,
}

fn replay(args: &Args) -> Result<Result<Exit, ReadError>, Failure> {
    if !args.span.is_any() {
        let text = "expected --from to be earlier than --to, found a range without any time";
        return Err(Failure::text(Exit::Usage, text));
    }
    let loaded = args.policies.load()?;
    let given = match &args.catalogue {
        Some(file) => read_catalogue(file)?,
        None => Catalogue::default(),
    };
    let archive = match read(args) {
        Ok(archive) => archive,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(session) = &args.session
        && !archive.has_session(session)
    {
        let text = format!(
            "--session: expected the id of a session in {}, or its beginning, found `{session}`, which none has",
            args.source.store()
        );
        return Err(Failure::text(Exit::Usage, text));
    }
    let wanted = Wanted {
        from_us: args.span.from,
        to_us: args.span.to,
        session: args.session.as_deref(),
    };
    let records = Records::of(&archive, wanted);
    let (mut counts, mut differences) = (Counts::default(), Vec::new());
    if records.statements().is_empty() {
        let store = args.source.store();
        eprintln!("icecore: {store} has no statement of what was asked for: nothing was judged");
    }
    let mut progress = Progress::new(records.statements().len());
    for row in records.statements() {
        let verdict = match records.judge(&loaded.bundle, &given, row) {
            Again::Same => {
                counts.same += 1;
                None
            }
            Again::Allowed(verdict) => {
                counts.newly_allowed += 1;
                Some(verdict)
            }
            Again::Refused(verdict) => {
                counts.newly_refused += 1;
                Some(verdict)
            }
            Again::Untold(why) => {
                *counts.untold.entry(why).or_default() += 1;
                None
            }
        };
        differences.extend(verdict.map(|verdict| Difference {
            row,
            principal: records.principal(row).unwrap_or("?"),
            verdict,
        }));
        progress.tell();
    }
    progress.end();
    let printed = print(args.json, &counts, &differences);
    let exit = if differences.is_empty() {
        Exit::Done
    } else {
        Exit::Refused
    };
    Ok(printed.map(|()| exit).map_err(ReadError::Write))
}

/// Reads what the statements that are asked for rest on.
fn read(args: &Args) -> Result<Archive, ReadError> {
    let Some(begin) = &args.session else {
        return args.source.read();
    };
    let archive = args.source.read_session(begin)?;
    let found = session(&archive, begin).map(drop);
    match found {
        Err(ReadError::Ambiguous { .. }) => args.source.read(),
        Ok(()) | Err(_) => Ok(archive.with_events(begin)),
    }
}

fn print(as_json: bool, counts: &Counts, differences: &[Difference<'_>]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if as_json {
        let all: Vec<Value> = differences.iter().map(Difference::json).collect();
        let text = format!("{:#}", counts.json(&all));
        writeln!(out, "{}", json_escaped(&text))?;
    } else {
        for difference in differences {
            writeln!(out, "{}", difference.told())?;
        }
        writeln!(out, "{}", counts.told())?;
    }
    out.flush()
}

impl Difference<'_> {
    fn was(&self) -> &'static str {
        match self.row.text("decision") {
            _ if was_allowed(self.row) == Some(true) => "allowed",
            Some("approve") => "held, and approved",
            Some("flag") => "refused (let through by observe)",
            Some(_) | None => "refused",
        }
    }

    fn was_word(&self) -> &'static str {
        match self.row.text("decision") {
            _ if was_allowed(self.row) == Some(true) => "allow",
            Some("approve") => "hold",
            Some(_) | None => "refuse",
        }
    }

    fn text(&self, column: &str) -> &str {
        self.row.text(column).unwrap_or("?")
    }

    fn at(&self) -> String {
        self.row
            .int("started_at")
            .map_or_else(|| "?".to_owned(), time)
    }

    fn told(&self) -> String {
        let lines = [
            format!(
                "{}  {}  {}  {}",
                self.text("statement_id"),
                self.at(),
                self.principal,
                self.text("sql_kind")
            ),
            format!("  {}", self.text("sql_normalized")),
            format!("  {} -> {}", self.was(), self.verdict.told()),
        ];
        let lines: Vec<String> = lines.iter().map(|line| terminal(line)).collect();
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let rules: Vec<&str> = self
            .row
            .get("rule_ids")
            .as_list()
            .unwrap_or_default()
            .iter()
            .filter_map(|rule| rule.as_text())
            .collect();
        json!({
            "statement_id": self.text("statement_id"),
            "session_id": self.text("session_id"),
            "started_at": self.at(),
            "principal": self.principal,
            "kind": self.text("sql_kind"),
            "sql_normalized": self.row.text("sql_normalized"),
            "was": self.was_word(),
            "was_rules": rules,
            "would_be": self.verdict.word(),
            "rules": self.verdict.rules,
            "reason": self.verdict.reason,
        })
    }
}

impl Counts {
    fn all(&self) -> usize {
        self.same + self.newly_refused + self.newly_allowed + self.cannot_be_told()
    }

    fn cannot_be_told(&self) -> usize {
        self.untold.values().sum()
    }

    fn told(&self) -> String {
        let mut lines = vec![format!(
            "{}: {} the same, {} newly refused, {} newly allowed, {} cannot be told",
            counted(self.all(), "statement"),
            self.same,
            self.newly_refused,
            self.newly_allowed,
            self.cannot_be_told()
        )];
        lines.extend(
            self.untold
                .iter()
                .map(|(why, count)| format!("  {count}: {why}")),
        );
        lines.join("\n")
    }

    fn json(&self, differences: &[Value]) -> Value {
        let untold = self.untold.iter();
        let untold: BTreeMap<String, usize> = untold
            .map(|(why, count)| (why.to_string(), *count))
            .collect();
        json!({
            "statements": self.all(),
            "same": self.same,
            "newly_refused": self.newly_refused,
            "newly_allowed": self.newly_allowed,
            "cannot_be_told": self.cannot_be_told(),
            "cannot_be_told_since": untold,
            "differences": differences,
        })
    }
}

/// Tells a terminal how far a long replay is.
struct Progress {
    done: usize,
    of: usize,
    is_told: bool,
}

impl Progress {
    fn new(of: usize) -> Self {
        Self {
            done: 0,
            of,
            is_told: of > TOLD_EVERY && io::stderr().is_terminal(),
        }
    }

    fn tell(&mut self) {
        self.done += 1;
        if self.is_told && self.done.is_multiple_of(TOLD_EVERY) {
            eprint!("\r{} of {} statements judged", self.done, self.of);
        }
    }

    fn end(&self) {
        if self.is_told {
            eprint!("\r\x1b[K");
        }
    }
}
