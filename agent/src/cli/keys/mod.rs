//! `icecore keys`: the keys of what is encrypted in a record.

mod fetch;
mod hold;
mod make;
mod shred;
mod told;

pub(super) use told::{reason, tell_access, tell_untold};

use std::process::ExitCode;

use super::reading::finish;
use crate::clock::Clock;

/// Makes readers' keys, opens data keys, and erases by destroying them
///
/// Use it where `[record.encryption]` names recipients: SQL texts are encrypted under a key for each chain and month, and rows of
/// results under a key for each session. Each key lies in the store, wrapped for the recipients: there is no other copy.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore keys make -o auditor.key\n  icecore keys fetch --from 2026-11-01 --identity auditor.key -o keys.sql\n  icecore keys shred --session 0199a3f1-7c2e-7a10-8d55-1f2e3d4c5b6a --reason 'request 4711'\n\nExit codes: 0 done, 1 refused, 2 usage, 3 trust or key file, 4 store or file unreachable."
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Make(make::Args),
    Fetch(fetch::Args),
    Shred(shred::Args),
    Hold(hold::Args),
}

/// Runs the command.
pub(super) fn run(args: Args, clock: Clock) -> ExitCode {
    finish(match args.command {
        Command::Make(args) => make::make(&args),
        Command::Fetch(args) => fetch::fetch(&args, clock),
        Command::Shred(args) => shred::shred(&args, clock),
        Command::Hold(args) => hold::hold(&args, clock),
    })
}
