//! `icecore close`: ends a session, and all that runs in it.

use std::process::ExitCode;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
use super::span::id;
use super::tell::tell;
use crate::control::live::LiveAsk;
use crate::control::request::{Reply, Request};
use crate::id::SessionId;
use crate::replay::counted;

/// How long killing and recording may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends a session and kills all that runs in it
///
/// Use it for a session that `icecore enter` made and that is to end before its process does, or for one that must not go
/// on. Its record gets its end, as if it had ended by itself. A container is not killed, but has no network from then on, until
/// it is a session again. Only root may.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore sessions --live\n  icecore close 01890a5d-ac96-774b-bcce-b302099a8057\n\nExit codes: 0 ended, 1 refused or no such session, 2 usage, 3 config, 4 no daemon."
)]
pub(super) struct Args {
    /// The session, by its whole id
    #[arg(value_name = "SESSION", value_parser = id::<SessionId>)]
    session: SessionId,

    #[command(flatten)]
    daemon: DaemonName,
}

/// Ends the session.
pub(super) fn run(args: &Args) -> ExitCode {
    match close(args) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn close(args: &Args) -> Result<(), Failure> {
    let session = args.session;
    let mut lines = connect(&args.daemon.socket()?)?;
    let request = Request::Live(LiveAsk::End { session });
    let Reply::Closed {
        summary,
        leftovers,
        problem,
    } = ask(&mut lines, &request, PATIENCE)?
    else {
        return Err(misunderstood());
    };
    let statements = summary.map_or_else(
        || "what was done cannot be told".to_owned(),
        |done| counted(done.statements, "statement"),
    );
    tell(format_args!(
        "icecore: session {session} ended: {statements}; killed what was left running: {}",
        leftovers.len()
    ));
    if let Some(problem) = problem {
        tell(format_args!(
            "icecore: record of session {session} is not complete: {problem}"
        ));
    }
    Ok(())
}
