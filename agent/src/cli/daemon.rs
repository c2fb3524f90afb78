//! `icecore daemon`: the supervisor, which starts the proxy.

use std::process::ExitCode;

use super::failure::{Failure, report_config};
use super::{ConfigFile, Exit};
use crate::clock::Clock;
use crate::config::Config;
use crate::supervisor::{self, SupervisorError};

/// Runs the daemon: kernel programs, sessions and the governing proxy
///
/// Use it as a service, as root, once a host; `packaging/icecore.service` is its systemd unit. It runs in the foreground until SIGTERM or SIGINT. Sessions outlive it:
/// their Snowflake connections are refused until it is back. Files of tokens, passwords and keys are read anew for each
/// login; every other change of the config needs a restart.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore daemon\n  ICECORE_LOG=debug icecore daemon --config ./icecore.toml\n\nLogs go to standard error. ICECORE_LOG=error|warn|info|debug|trace chooses the least level that is printed [default: info]; ICECORE_LOG_FORMAT=json prints one JSON object a line.\n\nExit codes: 0 stopped in order, 1 not root or running already, 2 usage, 3 config, 4 the kernel or the host lacks something."
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

#[cfg(test)]
impl Args {
    pub(super) fn file(&self) -> &std::path::Path {
        &self.config.file
    }
}

/// Runs the daemon until it is told to stop.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    crate::log::start();
    let config = match Config::load(&args.config.file) {
        Ok(config) => config,
        Err(errors) => return report_config(&errors),
    };
    match supervisor::run(config, clock) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            let hint = error.hint();
            Failure::new(exit_of(&error), error).hint(hint).report()
        }
    }
}

fn exit_of(error: &SupervisorError) -> Exit {
    match error {
        SupervisorError::NotRoot(_) | SupervisorError::Running(_) => Exit::Refused,
        SupervisorError::Proxy | SupervisorError::User { .. } => Exit::Config,
        SupervisorError::Missing(_)
        | SupervisorError::Path { .. }
        | SupervisorError::Cgroup { .. }
        | SupervisorError::Kernel(_)
        | SupervisorError::Listener(_)
        | SupervisorError::System(_) => Exit::Unreachable,
    }
}
