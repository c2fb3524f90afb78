//! `icecore sessions`: one line a session.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::reading::{Source, finish};
use super::socket::{DaemonName, ask, connect, misunderstood};
use crate::control::live::{LiveAsk, LiveReply, LiveSession};
use crate::control::request::{Reply, Request};
use crate::replay::{ReadError, json_escaped, summaries, terminal};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lists sessions, the oldest first
///
/// Use it to find a session. Shows id, opening time, user, statements allowed and refused, mode, enforcement and program
/// of each session whose record has reached the store; `icecore flush` sends there what has not. Objects of the store
/// that are not what their names say are left out and told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore sessions\n  icecore sessions --store file:///srv/icecore --json | jq .session_id\n  icecore sessions --live --json | jq -r .cgroup\n\nExit codes: 0 done, 1 refused, 2 usage, 3 trust or key file, 4 store or daemon unreachable."
)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Lists the sessions that run instead, each with its cgroup; asks the daemon, as root
    #[arg(long, conflicts_with_all = ["store", "trust"])]
    live: bool,
    #[command(flatten)]
    daemon: DaemonName,
    /// Prints one JSON object a line; nothing if there is no session
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    if args.live {
        return live(&args).map_or_else(|failure| failure.report(), |()| Exit::Done.into());
    }
    finish(list(&args))
}

/// Lists what the daemon has.
fn live(args: &Args) -> Result<(), Failure> {
    let mut lines = connect(&args.daemon.socket()?)?;
    let mut after = None;
    loop {
        let request = Request::Live(LiveAsk::List { after });
        let Reply::Live(LiveReply::Listed { sessions, more }) =
            ask(&mut lines, &request, PATIENCE)?
        else {
            return Err(misunderstood());
        };
        after = sessions.last().map(|session| session.session);
        let mut out = io::stdout().lock();
        for session in &sessions {
            let line = if args.json {
                serde_json::to_string(session).map(|line| json_escaped(&line).to_string())
            } else {
                Ok(row(session))
            };
            line.map_err(io::Error::from)
                .and_then(|line| writeln!(out, "{line}"))
                .map_err(|error| Failure::new(Exit::Unreachable, error))?;
        }
        if !more {
            return Ok(());
        }
    }
}

fn row(session: &LiveSession) -> String {
    format!(
        "{}  {}  {}  {}  {}  process {}  {}  {}",
        session.session,
        terminal(&session.opened_at),
        terminal(&session.user),
        terminal(&session.enforcement),
        terminal(&session.scope),
        session.pid,
        terminal(&session.exe),
        terminal(&session.cgroup.to_string_lossy())
    )
}

fn list(args: &Args) -> Result<(), ReadError> {
    let archive = args.source.read()?;
    let summaries = summaries(&archive);
    if summaries.is_empty() {
        let line = format!("no session is recorded in `{}` yet", args.source.store());
        writeln!(io::stderr().lock(), "{}", terminal(&line))?;
    }
    let mut out = io::stdout().lock();
    for summary in summaries {
        if args.json {
            let line = serde_json::to_string(&summary).map_err(io::Error::from)?;
            writeln!(out, "{}", json_escaped(&line))?;
        } else {
            writeln!(out, "{}", summary.line())?;
        }
    }
    Ok(())
}
