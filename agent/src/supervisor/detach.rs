//! Takes everything of ours out of the kernel again.

use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

use super::SupervisorError;
use super::cgroup::Cgroups;
use super::lock::Lock;
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::redirect::{self, KernelError};
use crate::id::SessionId;

/// How long killed processes may take to go.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing was detached.
#[derive(Debug, Error)]
pub enum DetachError {
    /// A daemon runs, or its lock cannot be looked at.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// Sessions run, which would get out of sight.
    #[error("{} {}: {}", .0.len(), if .0.len() == 1 { "session runs" } else { "sessions run" }, list(.0))]
    Sessions(Vec<SessionId>),
    /// A session's processes could not be killed.
    #[error("session {id} cannot be killed")]
    Unkillable {
        /// The session.
        id: SessionId,
        /// Why not.
        source: io::Error,
    },
    /// The pins could not be removed.
    #[error("kernel programs cannot be taken away")]
    Kernel(#[from] KernelError),
    /// A cgroup could not be removed.
    #[error("cgroups cannot be removed")]
    Cgroups(#[source] io::Error),
}

impl DetachError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Supervisor(SupervisorError::Running(_)) => Some("stop it first"),
            Self::Supervisor(error) => error.hint(),
            Self::Sessions(_) => Some("wait for them, or kill them with `icecore detach --kill`"),
            Self::Kernel(error) => error.hint(),
            Self::Unkillable { .. } | Self::Cgroups(_) => None,
        }
    }
}

/// What may become of sessions that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// They keep everything as it is.
    Keep,
    /// They are killed.
    Kill,
}

/// Removes links, maps and cgroups; tells whether there was anything.
///
/// # Errors
/// When a daemon or, unless they may be killed, a session still runs.
pub fn detach(config: &Config, running: Running, clock: Clock) -> Result<bool, DetachError> {
    let run_dir = &config.daemon.run_dir;
    let _lock = lock_if_there(run_dir)?;
    let cgroups = Cgroups::below(&config.capture.root);
    let sessions = cgroups.sessions();
    let live: Vec<SessionId> = sessions
        .iter()
        .filter(|(_, cgroup)| cgroup.is_populated())
        .map(|(id, _)| *id)
        .collect();
    if !live.is_empty() && running == Running::Keep {
        return Err(DetachError::Sessions(live));
    }
    for (id, cgroup) in &sessions {
        let unkillable = |source| DetachError::Unkillable { id: *id, source };
        if live.contains(id) {
            cgroup.kill().map_err(unkillable)?;
        }
        if !cgroup.wait_until_empty(KILL_PATIENCE, clock) {
            return Err(unkillable(io::ErrorKind::TimedOut.into()));
        }
    }
    // The sessions first, the programs after: nothing of a session may run unseen.
    let found = redirect::detach(&config.capture.pin_dir)?;
    for (_, cgroup) in &sessions {
        cgroup.remove().map_err(DetachError::Cgroups)?;
    }
    cgroups.remove().map_err(DetachError::Cgroups)?;
    Ok(found || !sessions.is_empty())
}

fn lock_if_there(run_dir: &Path) -> Result<Option<Lock>, DetachError> {
    // Without the folder no daemon has started since the host did.
    if !run_dir.exists() {
        return Ok(None);
    }
    Ok(Some(Lock::take(run_dir)?))
}

fn list(sessions: &[SessionId]) -> String {
    let names: Vec<String> = sessions.iter().map(ToString::to_string).collect();
    names.join(", ")
}
