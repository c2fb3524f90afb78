//! `icecore detach`: takes everything of ours out of the kernel.

use std::process::ExitCode;

use super::failure::{Failure, report_config};
use super::{ConfigFile, Exit};
use crate::clock::Clock;
use crate::config::Config;
use crate::supervisor::{self, DetachError, Running};

/// Takes kernel programs, maps and cgroups away
///
/// Use it to remove Icecore from a host, after the daemon has been stopped: stopping alone leaves the programs in place,
/// so that sessions stay cut off. Refuses while a daemon runs, and while sessions run unless they may be killed: detached,
/// they would reach Snowflake past the proxy. The record stays.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore detach\n  icecore detach --kill\n\nExit codes: 0 detached, or nothing was attached; 1 a daemon or a session runs; 2 usage; 3 config; 4 the kernel refused."
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,

    /// Kills the sessions that run
    #[arg(long)]
    kill: bool,
}

/// Removes links, maps and cgroups.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    let config = match Config::load(&args.config.file) {
        Ok(config) => config,
        Err(errors) => return report_config(&errors),
    };
    let running = if args.kill {
        Running::Kill
    } else {
        Running::Keep
    };
    match supervisor::detach(&config, running, clock) {
        Ok(true) => eprintln!("icecore: detached"),
        Ok(false) => eprintln!("icecore: nothing was attached"),
        Err(error) => {
            let exit = match error {
                DetachError::Supervisor(_) | DetachError::Sessions(_) => Exit::Refused,
                DetachError::Unkillable { .. }
                | DetachError::Kernel(_)
                | DetachError::File { .. }
                | DetachError::Note { .. }
                | DetachError::Cgroups(_) => Exit::Unreachable,
            };
            let hint = error.hint();
            return Failure::new(exit, error).hint(hint).report();
        }
    }
    Exit::Done.into()
}
