//! The command line: one file a command.
//!
//! Exit codes, for every command but `run`, which ends as its command does:
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | refused, or something differs |
//! | 2 | the command line is wrong |
//! | 3 | a file that was given is wrong: the config, policies, trust, a key; or there is nothing to check |
//! | 4 | what is needed cannot be reached or written: the daemon, the kernel's features, a store, a file |
//! | 70 | a bug |
//!
//! `run` itself ends with 1, 2, 3 or 4 when its command did not start for these reasons, with 127 when there is no such
//! command, with 126 when it cannot be executed, and with 128 and the signal's number when a signal ended it.

mod approvals;
mod asked;
mod check;
mod close;
mod compact;
mod completions;
mod connect;
mod connect_store;
mod contain;
mod daemon;
mod detach;
mod doctor;
pub mod duckdb;
mod evidence;
mod engines;
mod enroll;
mod enter;
mod failure;
mod flush;
mod granted;
mod keys;
mod link;
mod policy;
mod log;
mod login;
mod looking;
mod man;
mod output;
mod pull;
mod prove;
mod reading;
mod reconcile;
mod reload;
pub mod replay;
mod run;
pub mod sessions;
mod socket;
mod stored;
mod span;
mod tell;
mod trusting;
mod upgrade;
pub mod verify;
mod version;
mod watching;
mod witness;

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
    /// The config, or another file that was given, is wrong.
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

/// Makes an AI agent's use of Snowflake visible and governed
///
/// A daemon on the host takes the Snowflake connections of sessions: it logs in with the host's credential, decides what
/// may run, and writes down every statement and its answer. Programs in a session run unmodified.
#[derive(Debug, Parser)]
#[command(
    name = "icecore",
    disable_version_flag = true,
    subcommand_required = false,
    after_help = OVERVIEW
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

/// The commands at work, by who uses them.
const OVERVIEW: &str = "\
Operators, as root on the host, in the order of use:
  icecore check                        is the config good, and what is wrong with it
  icecore policy explain 'select 1'    what a statement does, and what the policies say of it
  icecore daemon                       governs the host's sessions; a service, as root
  icecore doctor --user ci             proves that a user's jobs are governed on this host
  icecore enroll                       makes the host's key known to those who verify
  icecore reload                       has the daemon take a changed config and policies
  icecore log debug                    has it say more until the next reload
  icecore upgrade                      has it take a changed binary or config, sessions going on
  icecore enter --pid 4711             makes a session of a process that runs; a CI job's, a container's
  icecore close SESSION                ends a session
  icecore flush                        hands what has just happened to the store
  icecore compact --day D              puts a day's rows into few large files
  icecore detach                       takes it all out of the kernel again

Who runs agents and jobs, as any user:
  icecore login                        shows who you are; again after a restart of the daemon
  icecore run -- python3 report.py     runs an agent or job in a session

Approvers, on their own machine:
  icecore approvals serve              what waits for your yes, in the browser

Readers and auditors, where the store can be read:
  icecore sessions                     lists what ran
  icecore replay 0199a3                tells one session, step by step
  icecore evidence 0199a3 -o s.zip     packs one session for an auditor
  icecore duckdb | duckdb              asks questions over all sessions
  icecore reconcile --queries q.csv    lists what went around it, by Snowflake's own history
  icecore pull --from D --to D DIR     copies days of a store
  icecore keys make -o FILE            makes a reader's key, where the record is encrypted
  icecore verify --trust trust.toml    finds what was changed, removed or forged in the record
  icecore link STATEMENT               tells which prompt led to a statement, and how sure that is
  icecore prove STATEMENT              shows one statement to others, without the rest
  icecore witness --listen 0.0.0.0:443 signs how far chains have come, apart from hosts and store

`icecore COMMAND --help` says more of each.

Exit codes: 0 done, 1 refused or differs, 2 usage, 3 config, trust or key file, 4 unreachable, 70 a bug; `icecore run` \
ends as its command does. Results go to standard output, all else to standard error.";

/// In the order of use.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Policy(policy::Args),
    Enroll(enroll::Args),
    Daemon(daemon::Args),
    Reload(reload::Args),
    Doctor(doctor::Args),
    Log(log::Args),
    Login(login::Args),
    Run(run::Args),
    Enter(enter::Args),
    Close(close::Args),
    Flush(flush::Args),
    Sessions(sessions::Args),
    Replay(replay::Args),
    Approvals(approvals::Args),
    Evidence(evidence::Args),
    Duckdb(duckdb::Args),
    Reconcile(reconcile::Args),
    Pull(pull::Args),
    Compact(compact::Args),
    Keys(keys::Args),
    Verify(verify::Args),
    Witness(witness::Args),
    Prove(prove::Args),
    Link(link::Args),
    Upgrade(upgrade::Args),
    Detach(detach::Args),
    /// Serves the sessions' connections; started by the daemon
    #[command(hide = true)]
    Proxy,
    #[command(hide = true)]
    DoctorProbe(doctor::ProbeArgs),
    #[command(hide = true)]
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
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
        Some(Command::Reload(args)) => reload::run(&args),
        Some(Command::Doctor(args)) => doctor::run(&args, clock),
        Some(Command::DoctorProbe(args)) => doctor::probe(&args),
        Some(Command::Log(args)) => log::run(&args),
        Some(Command::Login(args)) => login::run(&args, clock),
        Some(Command::Run(args)) => run::run(args, clock),
        Some(Command::Enter(args)) => enter::run(&args, clock),
        Some(Command::Close(args)) => close::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Policy(args)) => policy::run(&args),
        Some(Command::Upgrade(args)) => upgrade::run(&args, clock),
        Some(Command::Detach(args)) => detach::run(&args, clock),
        Some(Command::Flush(args)) => flush::run(&args),
        Some(Command::Sessions(args)) => sessions::run(args),
        Some(Command::Replay(args)) => replay::run(args, clock),
        Some(Command::Approvals(args)) => approvals::run(&args, clock),
        Some(Command::Evidence(args)) => evidence::run(&args, clock),
        Some(Command::Duckdb(args)) => duckdb::run(args),
        Some(Command::Reconcile(args)) => reconcile::run(&args),
        Some(Command::Pull(args)) => pull::run(args),
        Some(Command::Compact(args)) => compact::run(&args, clock),
        Some(Command::Keys(args)) => keys::run(args, clock),
        Some(Command::Verify(args)) => verify::run(&args, clock),
        Some(Command::Witness(args)) => witness::run(&args, clock),
        Some(Command::Prove(args)) => prove::run(&args),
        Some(Command::Link(args)) => link::run(&args, clock),
        Some(Command::Enroll(args)) => enroll::run(&args, clock),
        Some(Command::Completions(args)) => completions::run(&args),
        Some(Command::Man(args)) => man::run(&args),
        Some(Command::Proxy) => {
            crate::log::start();
            crate::proxy::run()
        }
        None => {
            eprintln!("{}", Cli::command().render_help());
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
    fn help_of_every_command_is_whole() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands().filter(|one| !one.is_hide_set()) {
            let name = command.get_name();
            if name == "help" {
                continue;
            }
            let first = command.get_about().map(ToString::to_string);
            let first = first.unwrap_or_default();
            assert!(first.len() > 20 && !first.ends_with('.'), "{name}: {first}");
            let long = command.clone().render_long_help().to_string();
            assert!(
                long.contains("Use it "),
                "{name} does not say when to use it"
            );
            for part in ["\nExamples:\n  ", "Exit codes: "] {
                assert!(long.contains(part), "{name}: no `{part}` in\n{long}");
            }
            let described = |argument: &clap::Arg| argument.get_help().is_some();
            assert!(command.get_arguments().all(described), "{name}");
            assert!(OVERVIEW.contains(&format!("icecore {name}")), "{name}");
        }
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Hands each argument of a command and those below it a value that is none; gives what is said to it.
    fn odd_values(command: &clap::Command, path: &[String], told: &mut Vec<(String, String)>) {
        for argument in command.get_arguments() {
            let name = argument.get_long().map(|name| format!("--{name}"));
            let odd = match &name {
                Some(name) => format!("{name}=?!"),
                None => "?!".to_owned(),
            };
            let words = path.iter().cloned().chain([odd]);
            if let Err(error) = Cli::try_parse_from(words)
                && error.kind() == clap::error::ErrorKind::ValueValidation
            {
                let name = name.unwrap_or_else(|| argument.get_id().to_string().to_uppercase());
                told.push((format!("{} {name}", path.join(" ")), error.to_string()));
            }
        }
        for below in command.get_subcommands() {
            let path = [path, &[below.get_name().to_owned()]].concat();
            odd_values(below, &path, told);
        }
    }

    #[test]
    fn a_wrong_value_is_told_with_its_option_the_form_and_an_example() {
        let mut told = Vec::new();
        odd_values(&Cli::command(), &["icecore".to_owned()], &mut told);
        assert!(told.len() > 20, "{told:#?}");
        for (argument, text) in told {
            let option = argument.rsplit(' ').next().unwrap_or_default();
            let says = |what: &str| text.contains(what);
            assert!(says(option) && says(": expected "), "{argument}: {text}");
        }
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
        check(&["check", "--connect", "--json"], true);
        check(&["detach", "--kill"], true);
        check(&["doctor", "--user", "ci", "--only", "kernel"], true);
        check(&["doctor", "--user", "ci", "--only", "all"], false);
        check(&["doctor"], false);
        check(&["login", "--issuer", "https://acme.okta.com"], true);
        check(&["login", "--status", "--json"], true);
        check(&["flush"], true);
        check(&["enter", "--pid", "4711"], true);
        check(&["sessions", "--live", "--json"], true);
        check(&["enroll", "--pin"], true);
        check(&["check", "--json"], true);
        check(&["prove", "01a201de-aed4-743b-bc0b-1c7612d0b426"], true);
        check(
            &["link", "01a201de-aed4-743b-bc0b-1c7612d0b426", "--json"],
            true,
        );
        check(&["verify", "--proof", "/p", "--trust", "/t"], true);
        check(&["enroll", "--issuer", "okta"], true);
        check(&["policy", "reload", "--config", "/c", "--json"], true);
        check(&["reload", "--config", "/c", "--json"], true);
        check(&["log", "info,proxy=debug", "--config", "/c"], true);
        check(&["log"], false);
        check(&["run", "--config", "/c", "--", "true"], true);
        check(&["upgrade", "/opt/icecore", "--wait", "10m", "--now"], true);
        check(&["upgrade", "--proxy", "--config", "/c"], true);
        check(&["--version", "--json"], true);
    }

    #[test]
    fn the_units_commands_are_understood() {
        let unit = include_str!("../../../packaging/icecore.service");
        let words = |key: &str| -> Vec<&str> {
            let line = unit.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap().split(' ').collect()
        };
        let reload = Cli::try_parse_from(words("ExecReload=")).unwrap();
        assert!(matches!(reload.command, Some(Command::Reload(_))));
        let words = words("ExecStart=");
        assert!(words[0].ends_with("/icecore"), "{words:?}");
        let cli = Cli::try_parse_from(&words).unwrap();
        let Some(Command::Daemon(args)) = cli.command else {
            panic!("another command: {words:?}");
        };
        assert_eq!(args.file(), std::path::Path::new(config::DEFAULT_PATH));
        let ends = "RestartPreventExitStatus=1 2 3\n";
        assert!(unit.contains(ends), "see Exit: refused, usage, config");
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        check(&["run"], false);
        check(&["run", "--"], false);
        check(&["run", "--label", "a", "--", "true"], false);
        check(&["run", "--require", "advisory", "--", "true"], false);
        check(&["upgrade", "--proxy", "/opt/icecore"], false);
        check(&["login", "--json"], false);
        check(&["login", "--device", "--browser"], false);
        check(&["login", "--status", "--forget"], false);
        check(
            &["run", "--config", "/c", "--control", "/s", "--", "true"],
            false,
        );
        check(&["--json"], false);
        check(&["verify", "--proof", "/p", "--deep"], false);
        check(&["prove", "7"], false);
        check(&["enter", "--pid", "1"], false);
        check(
            &[
                "run",
                "--keep-env",
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                "--",
                "true",
            ],
            false,
        );
        check(&["dance"], false);
    }
}
