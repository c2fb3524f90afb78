//! `icecore link`: the prompt and the use of a tool that a statement comes from, and what speaks for it.

use std::env;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::Exit;
use super::failure::Failure;
use super::reading::Source;
use super::span::id;
use super::stored::failure;
use crate::clock::Clock;
use crate::id::StatementId;
use crate::replay::{Paint, Sought, Stands, Transcript, json_escaped, origin};

/// Longest line of a transcript that is read as one; tools' results may be long.
const LINE_MAX_BYTES: u64 = 64 << 20;

/// Tells which prompt and which use of a tool led to a statement, how sure that is, and why
///
/// Use it when somebody asks why an agent ran a statement. A grade says which call of a model carried it: A, its text stood in what the model asked a tool to do, and the
/// process that sent it descends from the one that called the model; down to E, it came from an agent's session; U, nothing
/// is known. It never says that a person wrote the prompt: the agent's own request says that. What the agent can write
/// raises no grade by itself.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore link 01a201de-aed4-743b-bc0b-1c7612d0b426\n  icecore link 01a201de-aed4-743b-bc0b-1c7612d0b426 --json | jq .links[0].grade\n\nExit \
        codes: 0 linked, 1 no such statement, nothing is known of where it comes from, or the transcript differs, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub(super) struct Args {
    /// The statement, by its id as refusals and `icecore replay` tell it
    #[arg(value_name = "STATEMENT", value_parser = id::<StatementId>)]
    statement: StatementId,
    /// Reads the rows of this session alone, by the beginning of its id; quicker in a large store
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    #[command(flatten)]
    source: Source,
    /// Compares with the agent's own transcript, a file of JSON lines such as ~/.claude/projects/*/*.jsonl: whether it has the use
    /// of the tool with the same arguments, and the prompt. The agent writes it: that it agrees proves nothing
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    match tell(args, clock) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn tell(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let archive = match &args.session {
        Some(session) => args.source.read_session(session),
        None => args.source.read(),
    };
    let archive = archive.map_err(failure)?;
    args.source
        .tell_read(&archive, "link", args.session.as_deref(), clock);
    let Some(origin) = origin(&archive, &args.statement.to_string()) else {
        let text = format!(
            "expected a statement of the store, found none of the id {}; `icecore replay SESSION` shows those of a session, and \
             `icecore flush` writes what is still on the host",
            args.statement
        );
        return Err(Failure::text(Exit::Refused, text));
    };
    let file = args.transcript.as_deref();
    let transcript = file
        .map(|file| compare(file, &origin.sought()))
        .transpose()?;
    let text = if args.json {
        let mut document = origin.to_json();
        if let Some(found) = &transcript {
            let found = json!({ "tool": found.tool.word(), "prompt": found.prompt.word() });
            if let Some(members) = document.as_object_mut() {
                members.insert("transcript".to_owned(), found);
            }
        }
        json_escaped(&format!("{document:#}\n"))
    } else {
        let has_colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
        let paint = match has_colours {
            true => Paint::coloured(),
            false => Paint::default(),
        };
        let told = origin.told(paint);
        match &transcript {
            Some(found) => told + &said(found),
            None => told,
        }
    };
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::text(Exit::Unreachable, error.to_string()))?;
    let is_good = origin.is_linked() && !transcript.is_some_and(|found| found.contradicts());
    Ok(match is_good {
        true => Exit::Done,
        false => Exit::Refused,
    })
}

/// Reads a transcript, line by line.
fn compare(file: &Path, sought: &Sought) -> Result<Transcript, Failure> {
    let unreadable = |error: io::Error| {
        let text = format!("--transcript {}: {error}", file.display());
        Failure::text(Exit::Config, text)
    };
    let mut lines = BufReader::new(File::open(file).map_err(unreadable)?);
    let mut found = Transcript::new(sought);
    let mut line = Vec::new();
    loop {
        line.clear();
        let taken = (&mut lines)
            .take(LINE_MAX_BYTES)
            .read_until(b'\n', &mut line);
        if taken.map_err(unreadable)? == 0 {
            return Ok(found);
        }
        found.read(&line, sought);
    }
}

/// Says how a transcript stands to the record.
fn said(found: &Transcript) -> String {
    let tool = match found.tool {
        Stands::Agrees => "has this use of the tool, with the same arguments",
        Stands::Differs => {
            "has this use of the tool with OTHER arguments than the model's answer carried"
        }
        Stands::Absent => "does not have this use of the tool",
        Stands::Unknown => {
            "is not compared: no use is named, or its arguments are not in this store"
        }
    };
    let prompt = match found.prompt {
        Stands::Agrees => "; it has the prompt",
        Stands::Differs | Stands::Absent => "; it does not have the prompt",
        Stands::Unknown => "",
    };
    format!("  transcript  {tool}{prompt} (the agent writes it)\n")
}
