//! Takes everything of ours off the host again, but for the record, the keys and what was installed.
//!
//! Each step can be done again: a detach that broke off, or a start that did, is finished by the next one. What the order
//! keeps: nothing of a session runs once the programs are gone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::SupervisorError;
use super::cgroup::Cgroups;
use super::door::SOCKET;
use super::formats;
use super::lock::Lock;
use super::roster::Roster;
use super::still::{self, Stills};
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::redirect::{self, KernelError};
use crate::control::detached::{DETACHED, Detached};
use crate::id::SessionId;
use crate::record;

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
    /// A file of `run_dir` could not be removed.
    #[error("`{}` cannot be removed", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// That it was detached could not be noted for the record.
    #[error("`{}` cannot be written, so that the record would not tell of this", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
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
            Self::Unkillable { .. } => Some(
                "look at its processes; one that waits for a dead disk or file server goes with that, or with the host's restart",
            ),
            Self::Cgroups(_) => Some(
                "move the processes that are in there elsewhere, the shell that started the daemon perhaps, and detach again",
            ),
            Self::File { .. } | Self::Note { .. } => None,
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

/// What is in `run_dir`: nothing else there is ours.
const OF_RUN_DIR: [&str; 10] = [
    SOCKET,
    "sessions",
    "proxy",
    "results",
    "chunks",
    "held",
    still::FOLDER,
    "policies.json",
    "used.json",
    formats::FILE,
];

/// Name of the file in `run_dir` that goes last: who holds it is alone.
const LOCK: &str = "lock";

/// Removes links, maps, cgroups and what is in `run_dir`; tells whether there was anything.
///
/// The next daemon has it in the record, with the sessions that were killed: since when nothing was governed.
///
/// # Errors
/// When a daemon or, unless they may be killed, a session still runs.
pub fn detach(config: &Config, running: Running, clock: Clock) -> Result<bool, DetachError> {
    let run_dir = &config.daemon.run_dir;
    let _lock = lock_if_there(run_dir)?;
    Stills::below(run_dir).let_go_of_noted();
    let cgroups = Cgroups::below(&config.capture.root);
    let mut sessions = cgroups.sessions();
    for (id, cgroup_id, folder) in Roster::containers(run_dir) {
        // One that is gone has nothing that could run unseen.
        let cgroup = cgroups.container(&folder).ok();
        let cgroup = cgroup.filter(|cgroup| cgroup.id == cgroup_id);
        sessions.extend(cgroup.map(|cgroup| (id, cgroup)));
    }
    let live: Vec<SessionId> = sessions
        .iter()
        .filter(|(_, cgroup)| cgroup.is_populated())
        .map(|(id, _)| *id)
        .collect();
    if !live.is_empty() && running == Running::Keep {
        return Err(DetachError::Sessions(live));
    }
    let is_attached = redirect::is_pinned(&config.capture.pin_dir);
    if is_attached || !sessions.is_empty() {
        note(config, clock, live.len())?;
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
    for (_, cgroup) in sessions
        .iter()
        .filter(|(_, cgroup)| !cgroup.is_containers())
    {
        cgroup.remove().map_err(DetachError::Cgroups)?;
    }
    cgroups.remove().map_err(DetachError::Cgroups)?;
    let left_files = clear(run_dir)?;
    Ok(found || !sessions.is_empty() || left_files)
}

/// Notes for the next daemon that nothing is governed from here on. One that was noted before stands: it is the earlier.
fn note(config: &Config, clock: Clock, killed: usize) -> Result<(), DetachError> {
    let state_dir = &config.daemon.state_dir;
    let path = state_dir.join(DETACHED);
    // Without the folder there is no record either.
    if path.exists() || !state_dir.exists() {
        return Ok(());
    }
    let detached = Detached {
        at: clock.now(),
        killed,
    };
    serde_json::to_vec(&detached)
        .map_err(io::Error::from)
        .and_then(|text| record::replace(&path, &text))
        .map_err(|source| DetachError::Note { path, source })
}

/// Removes what a daemon made in its run folder, and the folder if nothing else is in there.
fn clear(run_dir: &Path) -> Result<bool, DetachError> {
    if !run_dir.exists() {
        return Ok(false);
    }
    let mut found = false;
    // A write that broke off leaves a draft beside its file.
    let drafts = OF_RUN_DIR.map(|name| format!("{name}.new"));
    let names = OF_RUN_DIR
        .into_iter()
        .chain(drafts.iter().map(String::as_str));
    for name in names.chain([LOCK]) {
        let path = run_dir.join(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(facts) if facts.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(failure) => Err(failure),
        };
        match removed {
            Ok(()) => found |= name != LOCK,
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(DetachError::File { path, source }),
        }
    }
    match fs::remove_dir(run_dir) {
        // Something that is not ours is in there.
        Err(failure) if failure.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        Err(source) => {
            let path = run_dir.to_owned();
            return Err(DetachError::File { path, source });
        }
        Ok(()) => {}
    }
    Ok(found)
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
