//! `icecore link`: the prompt and the use of a tool that a statement comes from, and what speaks for it.

use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use super::Exit;
use super::failure::Failure;
use super::reading::Source;
use super::span::id;
use super::stored::failure;
use crate::clock::Clock;
use crate::id::StatementId;
use crate::replay::{Paint, json_escaped, origin};

/// Tells which prompt and which use of a tool led to a statement, how sure that is, and why
///
/// Use it when somebody asks why an agent ran a statement. A grade says which call of a model carried it: A, its text stood in what the model asked a tool to do, and the
/// process that sent it descends from the one that called the model; down to E, it came from an agent's session; U, nothing
/// is known. It never says that a person wrote the prompt: the agent's own request says that. What the agent can write
/// raises no grade by itself.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore link 01a201de-aed4-743b-bc0b-1c7612d0b426\n  icecore link 01a201de-aed4-743b-bc0b-1c7612d0b426 --json | jq .links[0].grade\n\nExit \
        codes: 0 linked, 1 no such statement or nothing is known of where it comes from, 2 usage, 3 trust or key file, 4 store unreachable."
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
    let text = if args.json {
        json_escaped(&format!("{:#}\n", origin.to_json()))
    } else {
        let has_colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
        let paint = match has_colours {
            true => Paint::coloured(),
            false => Paint::default(),
        };
        origin.told(paint)
    };
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::text(Exit::Unreachable, error.to_string()))?;
    Ok(match origin.is_linked() {
        true => Exit::Done,
        false => Exit::Refused,
    })
}
