//! `icecore policy reload`: has the daemon take changed policies.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::socket::{DaemonName, ask, connect, misunderstood};
use crate::control::reload::Reload;
use crate::control::request::{Reply, Request};
use crate::replay::terminal;

/// How long the daemon may take: a proxy that is being started, then policies that are loaded.
const PATIENCE: Duration = Duration::from_secs(45);

/// Digits of a digest that people compare.
const SHOWN: usize = 12;

/// Has the daemon take the policies of its folder, all of them or none
///
/// Use it after policy files were changed. They are checked whole beside those in force: if anything is wrong these stay in
/// force, and what is wrong is said as `icecore policy check` says it. Statements under way are judged and recorded by the
/// policies they began with. SIGHUP does the same and says it in the daemon's log. Only root may ask for it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy check && icecore policy reload\n  icecore policy reload --json\n\nExit codes: 0 they are in force; 1 refused; 2 usage; 3 they are not good, and those before stay; 4 no daemon."
)]
pub(super) struct Args {
    #[command(flatten)]
    daemon: DaemonName,

    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// Asks the daemon and says what came of it.
pub(super) fn run(args: &Args) -> ExitCode {
    match reload(args) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn reload(args: &Args) -> Result<Exit, Failure> {
    let mut lines = connect(&args.daemon.socket()?)?;
    let Reply::Reload(reload) = ask(&mut lines, &Request::Reload {}, PATIENCE)? else {
        return Err(misunderstood());
    };
    let (lines, exit) = match &reload {
        Reload::Taken { warnings, .. } => (warnings, Exit::Done),
        Reload::NotGood { problems, .. } => (problems, Exit::Config),
    };
    for line in lines {
        eprintln!("{}", terminal(line));
    }
    let text = if args.json {
        json!(reload).to_string()
    } else {
        told(&reload)
    };
    match (args.json, exit) {
        (false, Exit::Config) => eprintln!("icecore: {text}"),
        (_, _) => {
            let written = writeln!(io::stdout().lock(), "{text}");
            written.map_err(|error| Failure::new(Exit::Bug, error))?;
        }
    }
    Ok(exit)
}

fn told(reload: &Reload) -> String {
    let short = |sha256: &str| sha256.chars().take(SHOWN).collect::<String>();
    match reload {
        Reload::Taken { now, were, .. } => format!(
            "policies reloaded: {} (sha256 {}..), were {}",
            now.policies,
            short(&now.sha256),
            were.policies
        ),
        Reload::NotGood { still, .. } => format!(
            "the policies are not good; those in force stay: {} (sha256 {}..)",
            still.policies,
            short(&still.sha256)
        ),
    }
}
