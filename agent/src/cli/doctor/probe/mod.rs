//! `icecore doctor-probe`: what doctor has tried as the job's user, inside of a session or outside; it prints JSON.

mod attempts;
mod find;
mod java;
mod standing;
mod tries;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use serde::{Deserialize, Serialize};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::run::become_user;

pub(super) use find::{Driver, Found, Runtime};
pub(super) use tries::{Denier, Try, of_outsider, of_session, says_absent};

/// Tries something for `icecore doctor`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// What to try
    #[arg(value_parser = ["inside", "outside", "find", "java"])]
    kind: String,

    /// What doctor knows, as JSON
    plan: String,

    /// Becomes this user first
    #[arg(long)]
    user: Option<String>,
}

/// What the one that tries is told; none of it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::doctor) struct Plan {
    /// Whose processes jobs are.
    pub(in crate::cli::doctor) uid: u32,
    /// The CA that the proxy's certificates are from, in PEM.
    pub(in crate::cli::doctor) ca: String,
    /// The account that is dialled.
    pub(in crate::cli::doctor) host: String,
    /// Its name.
    pub(in crate::cli::doctor) account: String,
    /// Places that the guard must deny.
    pub(in crate::cli::doctor) guarded: Vec<SocketAddr>,
    /// The proxy's port.
    pub(in crate::cli::doctor) proxy_port: u16,
    /// Whether sessions may use `io_uring`.
    pub(in crate::cli::doctor) io_uring: bool,
    /// Files and folders that a job must not be able to open.
    pub(in crate::cli::doctor) secrets: Vec<PathBuf>,
    /// Where drivers are looked for.
    pub(in crate::cli::doctor) folders: Vec<PathBuf>,
    /// A driver of Java's.
    pub(in crate::cli::doctor) jar: Option<PathBuf>,
    /// The worthless password that drivers bring.
    pub(in crate::cli::doctor) password: String,
}

impl Plan {
    /// Writes it for the command line.
    pub(in crate::cli::doctor) fn written(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::doctor) struct Attempt {
    /// The check that it belongs to.
    pub(in crate::cli::doctor) line: String,
    /// What was tried.
    pub(in crate::cli::doctor) what: String,
    /// Whether it ended as it must.
    pub(in crate::cli::doctor) is_good: bool,
    /// Whether the look was ended before all was seen; then a good end proves nothing.
    #[serde(default)]
    pub(in crate::cli::doctor) is_cut: bool,
    /// How it ended.
    pub(in crate::cli::doctor) ended: String,
}

impl Attempt {
    fn of(line: &str, what: impl Into<String>, ended: Result<String, String>) -> Self {
        Self {
            line: line.to_owned(),
            what: what.into(),
            is_good: ended.is_ok(),
            is_cut: false,
            ended: ended.unwrap_or_else(|bad| bad),
        }
    }
}

/// Tries it and prints what came of it.
pub(in crate::cli) fn run(args: &Args) -> ExitCode {
    match tried(args) {
        Ok(exit) => exit,
        Err(failure) => failure.report(),
    }
}

fn tried(args: &Args) -> Result<ExitCode, Failure> {
    let plan: Plan = serde_json::from_str(&args.plan)
        .map_err(|_| Failure::text(Exit::Usage, "`icecore doctor` starts this"))?;
    if let Some(user) = &args.user {
        become_user(user)?;
    }
    // Others of the same user must not change what this process finds (proc(5), `PR_SET_DUMPABLE`).
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| Failure::new(Exit::Unreachable, io::Error::from(error)))?;
    match args.kind.as_str() {
        "inside" => {
            let mut attempts = standing::of(&plan);
            attempts.extend(attempts::inside(&plan));
            print(&attempts)
        }
        "outside" => print(&attempts::outside(&plan)),
        "find" => print(&find::find(&plan.folders)),
        _ => return java::run(&plan),
    }?;
    Ok(Exit::Done.into())
}

fn print(found: &impl Serialize) -> Result<(), Failure> {
    let unwritten = |error: io::Error| Failure::new(Exit::Unreachable, error);
    let text = serde_json::to_string(found).map_err(|error| unwritten(error.into()))?;
    writeln!(io::stdout().lock(), "{text}").map_err(unwritten)
}
