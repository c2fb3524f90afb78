//! `icecore policy`: are the policies good, and what do they say of a statement.

mod check;
mod explain;
mod given;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

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
}

/// Does what the command line says.
pub(super) fn run(args: &Args) -> ExitCode {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Test(args) => test::run(args),
    }
}
