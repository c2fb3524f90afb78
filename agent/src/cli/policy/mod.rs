//! `icecore policy`: are the policies good, what do they say of a statement, and their reload.

mod cases;
mod check;
mod explain;
mod given;
mod reload;
mod replay;
mod stated;
mod test;
mod told;
mod who;

use std::process::ExitCode;
use std::{io, thread};

use clap::Subcommand;

use super::Exit;
use super::failure::Failure;
use crate::statement::STACK_BYTES;

/// Checks policies, and says what they decide and why, without a daemon
///
/// Use it while you write policies, and in the pipeline that reviews them. Statements are read as the daemon reads them;
/// nothing is sent to Snowflake.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy check --policies ./policies\n  icecore policy explain 'select email from customers'\n  icecore policy test --policies ./policies\n\nExit codes: 0 all is good, or the statement is allowed; 1 it is refused, or a case differs; 2 usage; 3 config or policies are not good."
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Explain(explain::Args),
    Test(test::Args),
    Replay(replay::Args),
    Reload(reload::Args),
}

/// Does what the command line says, on a thread that may read any statement.
pub(super) fn run(args: &Args) -> ExitCode {
    let work = || match &args.command {
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Test(args) => test::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Reload(args) => reload::run(args),
    };
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let spawned = thread.spawn_scoped(scope, work)?;
        let ended = spawned.join();
        ended.map_err(|_| io::Error::other("the thread that reads statements ended early"))
    });
    done.unwrap_or_else(|error| Failure::text(Exit::Usage, error.to_string()).report())
}
