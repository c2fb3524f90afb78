//! The command line: one file a command.
//!
//! Exit codes, for every command but `run`, which ends as its command does:
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | refused, or something differs |
//! | 2 | the command line is wrong |
//! | 3 | the config is wrong |
//! | 4 | what is needed cannot be reached: the daemon, the kernel's features, a store |
//! | 70 | a bug |
//!
//! `run` itself ends with 1, 2 or 4 when its command did not start for these reasons, with 127 when there is no such
//! command, with 126 when it cannot be executed, and with 128 and the signal's number when a signal ended it.

mod check;
mod daemon;
mod detach;
pub mod duckdb;
mod failure;
mod flush;
mod reading;
pub mod replay;
mod run;
pub mod sessions;
mod socket;
mod version;

use std::panic::{self, PanicHookInfo};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::clock::Clock;
use crate::config;

/// Why a command ended; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Refused, or something differs.
    Refused,
    /// The command line is wrong.
    Usage,
    /// The config is wrong.
    Config,
    /// What is needed cannot be reached.
    Unreachable,
    /// A bug.
    Bug,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Config => 3,
            Exit::Unreachable => 4,
            // EX_SOFTWARE of sysexits.h.
            Exit::Bug => 70,
        })
    }
}

/// Makes an AI agent's use of Snowflake visible, governed and provable.
#[derive(Debug, Parser)]
#[command(
    name = "icecore",
    disable_version_flag = true,
    subcommand_required = false,
    after_help = "A first session:\n  icecore check --config /etc/icecore/icecore.toml\n  icecore daemon --config /etc/icecore/icecore.toml &\n  icecore run -- python3 report.py"
)]
struct Cli {
    /// Prints the version; with --json also the digest of the kernel programs
    #[arg(long, short = 'V')]
    version: bool,

    /// Prints the version as JSON
    #[arg(long, requires = "version")]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon: kernel programs, sessions and the governing proxy
    Daemon(daemon::Args),
    /// Runs a command in a session of its own
    Run(run::Args),
    /// Checks a config and the host, and changes nothing
    Check(check::Args),
    /// Takes kernel programs, maps and cgroups away
    Detach(detach::Args),
    /// Seals the record and hands it to the store
    Flush(flush::Args),
    Sessions(sessions::Args),
    Replay(replay::Args),
    Duckdb(duckdb::Args),
    /// Serves the sessions' connections; started by the daemon
    #[command(hide = true)]
    Proxy,
}

/// Names a config file.
#[derive(Clone, Debug, clap::Args)]
struct ConfigFile {
    /// The config file
    #[arg(long = "config", value_name = "FILE", default_value = config::DEFAULT_PATH)]
    file: PathBuf,
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let clock = Clock::system();
    panic::set_hook(Box::new(tell_panic));
    panic::catch_unwind(|| dispatch(Cli::parse(), clock)).unwrap_or(Exit::Bug.into())
}

fn dispatch(cli: Cli, clock: Clock) -> ExitCode {
    if cli.version {
        return version::run(cli.json);
    }
    match cli.command {
        Some(Command::Daemon(args)) => daemon::run(&args, clock),
        Some(Command::Run(args)) => run::run(args, clock),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Detach(args)) => detach::run(&args, clock),
        Some(Command::Flush(args)) => flush::run(&args),
        Some(Command::Sessions(args)) => sessions::run(args),
        Some(Command::Replay(args)) => replay::run(args),
        Some(Command::Duckdb(args)) => duckdb::run(args),
        Some(Command::Proxy) => {
            crate::log::start();
            crate::proxy::run()
        }
        None => {
            eprintln!("{}", Cli::command().render_help().ansi());
            Exit::Usage.into()
        }
    }
}

/// Says where a panic was; what it says may hold what must not be in a log.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    eprintln!(
        "icecore: this is a bug, at {}; please report it",
        place.as_deref().unwrap_or("an unknown place")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[track_caller]
    fn check(line: &[&str], expected: bool) {
        let outcome = Cli::try_parse_from([&["icecore"], line].concat());
        assert_eq!(outcome.is_ok(), expected, "{line:?}: {outcome:?}");
    }

    #[test]
    fn commands_of_the_contract_are_understood() {
        check(&["daemon", "--config", "/c"], true);
        check(&["run", "--label", "a=b", "--", "env", "--version"], true);
        check(&["run", "--require", "enforced", "--", "true"], true);
        check(&["check", "--config", "/c"], true);
        check(&["detach", "--kill"], true);
        check(&["flush"], true);
        check(&["run", "--config", "/c", "--", "true"], true);
        check(&["--version", "--json"], true);
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        check(&["run"], false);
        check(&["run", "--"], false);
        check(&["run", "--label", "a", "--", "true"], false);
        check(&["run", "--require", "advisory", "--", "true"], false);
        check(&["check", "--connect"], false);
        check(
            &["run", "--config", "/c", "--control", "/s", "--", "true"],
            false,
        );
        check(&["--json"], false);
        check(&["dance"], false);
    }
}
