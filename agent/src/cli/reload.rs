//! `icecore reload`: has the daemon take a changed config, and policies with it.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
use crate::control::reload::ConfigReload;
use crate::control::request::{Reply, Request};
use crate::replay::terminal;

/// How long the daemon may take: a proxy that is being started, then a config that is read.
const PATIENCE: Duration = Duration::from_secs(45);

/// Digits of a digest that people compare.
const SHOWN: usize = 12;

/// Has the daemon take its changed config file and policies, all of it or none
///
/// Use it after the config or policies were changed. Accounts, grants, credentials, issuers, limits, exports, log levels and
/// the policies' folder are taken by the running daemon; if anything else changed, nothing is taken, and what needs a
/// restart is named. Logins whose account is gone or changed end with their statements, and sessions whose issuer is gone
/// act for nobody; everything else goes on. SIGHUP does the same and says it in the daemon's log. Only root may ask for it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore check && icecore reload\n  icecore reload --json\n\nExit codes: 0 it is in force; 1 refused, or it needs a restart; 2 usage; 3 config or policies are not good, and those before stay; 4 no daemon."
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
    let Reply::ConfigReload(reload) = ask(&mut lines, &Request::ReloadConfig {}, PATIENCE)? else {
        return Err(misunderstood());
    };
    let (lines, exit) = match &reload {
        ConfigReload::Taken { warnings, .. } => (warnings, Exit::Done),
        ConfigReload::NotGood { problems, .. } => (problems, Exit::Config),
        ConfigReload::NeedsRestart { keys, .. } => (keys, Exit::Refused),
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
        (false, Exit::Config | Exit::Refused) => eprintln!("icecore: {text}"),
        (_, _) => {
            let written = writeln!(io::stdout().lock(), "{text}");
            written.map_err(|error| Failure::new(Exit::Bug, error))?;
        }
    }
    Ok(exit)
}

fn told(reload: &ConfigReload) -> String {
    let short = |sha256: &str| sha256.chars().take(SHOWN).collect::<String>();
    match reload {
        ConfigReload::Taken {
            sha256,
            changed,
            policies,
            ..
        } => {
            let changed = match changed.as_slice() {
                [] => "nothing changed".to_owned(),
                changed => changed.join(", "),
            };
            format!(
                "config reloaded (sha256 {}..): {}; policies: {} (sha256 {}..)",
                short(sha256),
                terminal(&changed),
                policies.policies,
                short(&policies.sha256)
            )
        }
        ConfigReload::NotGood { still, .. } => format!(
            "config or policies are not good; those in force stay (sha256 {}..)",
            short(still)
        ),
        ConfigReload::NeedsRestart { still, .. } => format!(
            "the keys above are taken when the daemon starts; nothing was taken, what is in force stays (sha256 {}..)",
            short(still)
        ),
    }
}
