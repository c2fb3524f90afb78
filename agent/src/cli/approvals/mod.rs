//! `icecore approvals`: what an approver does on their own machine, which has no daemon.

mod decide;
mod key;
mod list;
mod login;
mod serve;
mod show;
mod slack;
mod stands;
mod told;
mod watch;
mod whereabouts;

use std::process::ExitCode;

use super::Exit;
use super::failure::Failure;
use crate::clock::Clock;

/// Shows what waits for a person's yes, and says yes or no to it
///
/// Use it on your own machine if you are asked to approve statements of agents. Requests lie in the store; each is shown
/// whole before you decide, and only if a host of your trust file signed it. You decide by logging in at your issuer for
/// that one decision: it signs who said what. Your settings are a small file, ~/.config/icecore/approvals.toml, with
/// `store`, `trust` and `[issuer]` (`url`, `client_id`); docs/approvals.md shows one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore approvals serve\n  icecore approvals list\n  icecore approvals show 01a21b69\n  icecore approvals approve 01a21b69 \
        --reason 'ticket OPS-7'\n  icecore approvals deny 01a21b69 --reason 'not on a Friday'\n  icecore approvals watch --json\n\nExit codes: 0 done, 1 refused, \
        ended or unknown, 2 usage, 3 settings or trust file, 4 store or issuer unreachable."
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// In the order of use.
#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    /// Says yes: shows the request, then opens your issuer for this one decision
    Approve(decide::Approve),
    /// Says no: shows the request, then opens your issuer for this one decision
    Deny(decide::Deny),
    Watch(watch::Args),
    Serve(serve::Args),
    Slack(slack::Args),
    Login(login::Args),
}

/// Runs the command.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    let done = match &args.command {
        Command::List(args) => list::run(args, clock),
        Command::Show(args) => show::run(args, clock),
        Command::Approve(args) => decide::approve(args, clock),
        Command::Deny(args) => decide::deny(args, clock),
        Command::Watch(args) => watch::run(args, clock),
        Command::Serve(args) => serve::run(args, clock),
        Command::Slack(args) => slack::run(args, clock),
        Command::Login(args) => login::run(args, clock),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

/// Runs what waits for the network.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unreachable, error))
}
