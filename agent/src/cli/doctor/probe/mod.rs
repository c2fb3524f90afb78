//! `icecore doctor-probe`: what doctor has tried as the job's user, inside of a session or outside; it prints JSON.

mod attempts;
mod find;
mod java;
mod standing;
mod tries;

use std::io::{self, Read as _, Write as _};
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

/// Longest plan that is read.
const PLAN_MAX_BYTES: u64 = 1 << 20;

/// Tries something for `icecore doctor`, which tells it on standard input what it knows
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// What to try
    #[arg(value_parser = ["inside", "outside", "find", "java"])]
    kind: String,

    /// Becomes this user first
    #[arg(long)]
    user: Option<String>,
}

/// What the one that tries is told; none of it is secret to the job's user, and nobody else reads it.
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
    /// Writes it for the standard input of the one that tries. A command line would be everybody's to read.
    pub(in crate::cli::doctor) fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was written.
    fn read(from: impl io::Read) -> io::Result<Self> {
        let mut text = Vec::new();
        from.take(PLAN_MAX_BYTES).read_to_end(&mut text)?;
        // One that is cut off is none.
        serde_json::from_slice(&text).map_err(io::Error::from)
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
    let plan = Plan::read(io::stdin().lock())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written_and_none_is_made_up() {
        let plan = Plan {
            ca: "-----BEGIN".to_owned(),
            secrets: vec!["/keys/a b".into()],
            ..Plan::default()
        };
        let written = plan.written();
        assert_eq!(Plan::read(&*written).unwrap(), plan);
        for cut in [&written[..written.len() - 1], b"", b"{}"] {
            assert!(Plan::read(cut).is_err());
        }
    }
}
