//! The red agent: a program in a session, as an unprivileged user, that tries to get what it must not have.
//!
//! Each attack prints one JSON line `{"attack", "obtained", "how"}`; an invariant holds when nothing was obtained.
//! The harmless twin does the allowed version of each and must succeed, so that a dead network proves nothing.

mod channels;
mod client;
mod files;
mod network;
mod processes;
mod protocol;
pub mod rows;
mod sockets;
mod twin;
pub mod values;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What an attacker may know: he has read the manual and the config.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Facts {
    /// Where the account's name leads without redirection.
    pub account: SocketAddr,
    /// Where the emulator really is.
    pub upstream: SocketAddr,
    /// CA of the emulator's certificate.
    pub upstream_ca_file: PathBuf,
    /// The proxy's port.
    pub proxy_port: u16,
    /// Files and folders that only Icecore may read.
    pub private: Vec<PathBuf>,
    /// The control socket.
    pub control_socket: PathBuf,
    /// The program, to open a session from inside a session.
    pub icecore: PathBuf,
    /// Supervisor and proxy.
    pub daemon_pids: Vec<u32>,
    /// Cgroups other than the agent's own.
    pub cgroups: Vec<PathBuf>,
    /// Where the twin leaves what another session may try to use.
    pub handoff_file: PathBuf,
}

/// What a session leaves for another to try: nothing in it may be worth anything there.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Handoff {
    /// The opaque session token.
    pub session_token: String,
    /// The opaque master token.
    pub master_token: String,
    /// A query of that session.
    pub query_id: String,
    /// The request id it was asked with.
    pub request_id: String,
}

/// What became of one attempt.
#[derive(Clone, Debug)]
struct Outcome {
    obtained: bool,
    how: String,
}

impl Outcome {
    /// Says that the attempt gave nothing, and how it was stopped.
    fn stopped(how: impl std::fmt::Display) -> Self {
        Self {
            obtained: false,
            how: how.to_string(),
        }
    }

    /// Says what the attempt gave.
    fn obtained(how: impl std::fmt::Display) -> Self {
        Self {
            obtained: true,
            how: how.to_string(),
        }
    }

    /// Takes success for a gain, and an error for a stop.
    fn of<T>(result: Result<T>, gain: impl FnOnce(T) -> String) -> Self {
        match result {
            Ok(value) => Self::obtained(gain(value)),
            Err(error) => Self::stopped(format!("{error:#}")),
        }
    }
}

/// Runs every attack and prints what became of each.
pub fn attack(facts: &Facts) -> Result<()> {
    let mut attacks = files::attacks(facts);
    attacks.extend(processes::attacks(facts));
    attacks.extend(network::attacks(facts));
    attacks.extend(sockets::attacks());
    attacks.extend(protocol::attacks(facts));
    for (name, outcome) in attacks {
        print(&json!({"attack": name, "obtained": outcome.obtained, "how": outcome.how}))?;
    }
    Ok(())
}

/// Does the allowed version of each attack, prints what became of it, and waits for a line on stdin before it leaves.
pub fn behave(facts: &Facts) -> Result<()> {
    let session = twin::run(facts, |name, result| {
        let (ok, how) = match result {
            Ok(how) => (true, how),
            Err(error) => (false, format!("{error:#}")),
        };
        print(&json!({"twin": name, "ok": ok, "how": how}))
    })?;
    print(&json!({"twin": "ready", "ok": true}))?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    drop(session);
    Ok(())
}

/// Tries each way to a masked value, and its twin on a column that is not masked; prints what became of both.
pub fn read_values(facts: &Facts) -> Result<()> {
    values::run(facts, |line| print(&line))
}

/// Gives a terminal multiplexer, whose server runs programs for whoever has its user's uid; installs Debian's if there is none.
pub fn multiplexer() -> Result<PathBuf> {
    crate::install::program("tmux", &["tmux"])
}

fn print(line: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
