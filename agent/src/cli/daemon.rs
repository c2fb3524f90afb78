//! `icecore daemon`: the supervisor, which starts the proxy.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::failure::{Failure, report_config};
use super::tell::tell;
use super::{ConfigFile, Exit};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::upgrade::Outgoing;
use crate::supervisor::{self, Inherited, SupervisorError};

/// Runs the daemon: kernel programs, sessions and the governing proxy
///
/// Use it as a service, as root, once a host; `packaging/icecore.service` is its systemd unit. It runs in the foreground until SIGTERM or SIGINT. Sessions outlive it:
/// their Snowflake connections are refused until it is back. Files of tokens, passwords and keys are read anew for each
/// login; `icecore reload` has it take most changes of the config, `icecore upgrade` all but those of its own folders.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore daemon\n  ICECORE_LOG=debug icecore daemon --config ./icecore.toml\n\nLogs go to standard error. `[log]` of the config says what is printed; ICECORE_LOG=error|warn|info|debug|trace (and `,AREA=LEVEL`) and ICECORE_LOG_FORMAT=text|json win over it.\n\nExit codes: 0 stopped in order, 1 not root or running already, 2 usage, 3 config, 4 the kernel or the host lacks something."
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,

    /// Takes over from another program of this process; started by `icecore upgrade`
    #[arg(long, hide = true, conflicts_with = "can_take_over")]
    take_over: bool,

    /// Says whether it could, and changes nothing; started by `icecore upgrade`
    #[arg(long, hide = true)]
    can_take_over: bool,
}

#[cfg(test)]
impl Args {
    pub(super) fn file(&self) -> &Path {
        &self.config.file
    }
}

/// Runs the daemon until it is told to stop.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    if args.can_take_over {
        return say_whether(&args.config.file);
    }
    crate::log::start();
    if args.take_over {
        return take_over(&args.config.file, clock);
    }
    let config = match Config::load(&args.config.file) {
        Ok(config) => config,
        Err(errors) => return report_config(&errors),
    };
    crate::log::configure(&config.log.level, config.log.format);
    match supervisor::run(config, clock) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            let hint = error.hint();
            Failure::new(exit_of(&error), error).hint(hint).report()
        }
    }
}

/// Runs the daemon with all that the program before hands over, or gives it back.
fn take_over(file: &Path, clock: Clock) -> ExitCode {
    let inherited = match Inherited::receive() {
        Ok(inherited) => inherited,
        Err(error) => {
            let text = "`icecore upgrade` starts this; nothing usable was handed over";
            let failure = anyhow::Error::from(error).context(text);
            return Failure::new(Exit::Unreachable, failure).report();
        }
    };
    let (why, failure) = match Config::load_beside_policies(file) {
        Ok(config) => match supervisor::take_over(config, clock, &inherited) {
            Ok(()) => return Exit::Done.into(),
            Err(error) => {
                let (exit, hint) = (exit_of(&error), error.hint());
                let error = anyhow::Error::from(error);
                (format!("{error:#}"), Failure::new(exit, error).hint(hint))
            }
        },
        Err(errors) => (errors.to_string(), Failure::new(Exit::Config, errors)),
    };
    if !inherited.can_give_back() {
        return failure.report();
    }
    tell(format_args!(
        "icecore: this program cannot take over, and gives all back: {why}"
    ));
    let error = inherited.give_back(file, why);
    let text =
        "the program before could not be started again; sessions are cut off until a daemon is";
    Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text)).report()
}

/// Says to a running daemon whether this program can take over from it.
#[expect(clippy::print_stdout, reason = "the answer is the command's result")]
fn say_whether(file: &Path) -> ExitCode {
    let outgoing: Outgoing = match serde_json::from_reader(io::stdin().lock()) {
        Ok(outgoing) => outgoing,
        Err(error) => {
            let text = "expected a daemon's question on standard input";
            let failure = anyhow::Error::from(error).context(text);
            return Failure::new(Exit::Usage, failure).report();
        }
    };
    let config = match Config::load_beside_policies(file) {
        Ok(config) => config,
        Err(errors) => return report_config(&errors),
    };
    let said = supervisor::can_take_over(&config, &outgoing)
        .and_then(|said| serde_json::to_string(&said).map_err(|error| error.to_string()));
    match said {
        Ok(said) => {
            println!("{said}");
            Exit::Done.into()
        }
        Err(why) => Failure::text(Exit::Refused, why).report(),
    }
}

fn exit_of(error: &SupervisorError) -> Exit {
    match error {
        SupervisorError::NotRoot(_) | SupervisorError::Running(_) | SupervisorError::Later(_) => {
            Exit::Refused
        }
        SupervisorError::Proxy | SupervisorError::User { .. } => Exit::Config,
        SupervisorError::Missing(_)
        | SupervisorError::Path { .. }
        | SupervisorError::Cgroup { .. }
        | SupervisorError::Kernel(_)
        | SupervisorError::Listener(_)
        | SupervisorError::Inherited(_)
        | SupervisorError::System(_) => Exit::Unreachable,
    }
}
