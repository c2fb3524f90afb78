//! The live sessions, in memory and, for the next supervisor, in `<run_dir>/sessions`.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use super::cgroup::SessionCgroup;
use super::kept::KeptLogins;
use super::token::Digest;
use crate::control::{SessionEnd, SessionFacts};
use crate::id::SessionId;

/// What outlives the supervisor of a session; one file each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// What is known about the session.
    pub(super) facts: SessionFacts,
    /// Digest of the secret by which its `icecore run` takes it up again.
    pub(super) secret: Digest,
    /// Whether it lives as long as its first process, and no `icecore run` holds it.
    #[serde(default)]
    pub(super) by_process: bool,
    /// Its cgroup's folder, if that is a container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) container: Option<PathBuf>,
    /// The networks that the proxy listens in for it beside the host's, by their cookies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) networks: BTreeMap<u64, InNetwork>,
}

/// What a network namespace is found again by. Its cookie shows that it is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InNetwork {
    /// Number of its inode.
    pub(super) inode: u64,
    /// A process that was in there.
    pub(super) pid: u32,
}

/// One live session.
#[derive(Debug)]
pub(super) struct Live {
    /// What is on disk too.
    pub(super) entry: Entry,
    /// Where its processes are.
    pub(super) cgroup: SessionCgroup,
    /// Digest of the token that lets one process enter; none once one has.
    pub(super) token: Option<Digest>,
    /// What keeps it alive.
    pub(super) held: Held,
    /// Its logins, for the next proxy.
    pub(super) logins: KeptLogins,
}

/// What keeps a session alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The control connection of its `icecore run`.
    ByConnection,
    /// Its first process, which ran before it.
    ByProcess,
    /// The processes in its container's cgroup.
    ByContainer,
    /// Nothing but hope, until this time of the clock.
    UntilNs(i64),
}

/// A session that ended while no proxy could record it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Unclosed {
    /// What is known about the session.
    pub(super) facts: SessionFacts,
    /// How it ended.
    pub(super) end: SessionEnd,
    /// Its logins, which are still to be closed.
    pub(super) logins: KeptLogins,
    /// The proxy that was asked in vain, so that it is not asked again; another supervisor numbers them anew.
    #[serde(skip)]
    pub(super) tried: Option<u64>,
}

/// All sessions that are not yet closed on record.
#[derive(Debug)]
pub(super) struct Roster {
    folder: PathBuf,
    /// The live ones.
    pub(super) live: BTreeMap<SessionId, Live>,
    /// Those whose end is still to be recorded.
    pub(super) unclosed: Vec<Unclosed>,
}

impl Roster {
    /// Opens the folder of sessions; knows none yet.
    pub(super) fn open(run_dir: &Path) -> io::Result<Self> {
        let folder = run_dir.join("sessions");
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&folder)?;
        Ok(Self {
            folder,
            live: BTreeMap::new(),
            unclosed: Vec::new(),
        })
    }

    /// Reads the sessions that a running supervisor wrote down, and changes nothing.
    ///
    /// # Errors
    /// One cannot be read by this version, in words.
    pub(super) fn look(run_dir: &Path) -> Result<usize, String> {
        let mut read = 0;
        for file in fs::read_dir(run_dir.join("sessions"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = file.path();
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            let text = match fs::read(&path) {
                // It has just ended.
                Err(failure) if failure.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(|failure| format!("`{}`: {failure}", path.display()))?,
            };
            serde_json::from_slice::<Entry>(&text).map_err(|failure| {
                format!(
                    "`{}`: expected a session of this version: {failure}",
                    path.display()
                )
            })?;
            read += 1;
        }
        Ok(read)
    }

    /// Lists the containers of the sessions that a supervisor left, with their cgroups' ids.
    pub(super) fn containers(run_dir: &Path) -> Vec<(SessionId, u64, PathBuf)> {
        let files = fs::read_dir(run_dir.join("sessions"))
            .into_iter()
            .flatten()
            .flatten();
        let entries = files.filter_map(|file| {
            let text = fs::read(file.path()).ok()?;
            let entry = serde_json::from_slice::<Entry>(&text).ok()?;
            Some((entry.facts.id, entry.facts.cgroup_id, entry.container?))
        });
        entries.collect()
    }

    /// Reads the sessions that an earlier supervisor wrote down.
    pub(super) fn written(&self) -> BTreeMap<SessionId, Entry> {
        let mut found = BTreeMap::new();
        for file in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = file.path();
            let entry = fs::read(&path)
                .map_err(|failure| failure.to_string())
                .and_then(|text| {
                    serde_json::from_slice::<Entry>(&text).map_err(|error| error.to_string())
                });
            match entry {
                Ok(entry) => {
                    found.insert(entry.facts.id, entry);
                }
                // A supervisor that was killed while it wrote leaves part of a file, of a session that never began.
                Err(failure) => {
                    warn!(file = %path.display(), failure, "session file was dropped");
                    remove(&path);
                }
            }
        }
        found
    }

    /// Writes a session down, so that it outlives this supervisor.
    pub(super) fn write(&self, entry: &Entry) -> io::Result<()> {
        let path = self.path(entry.facts.id);
        let half = path.with_extension("half");
        let mut file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        file.write_all(&serde_json::to_vec(entry)?)?;
        fs::rename(half, path)
    }

    /// Forgets what is on disk of a session.
    pub(super) fn forget(&self, id: SessionId) {
        remove(&self.path(id));
    }

    fn path(&self, id: SessionId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn remove(path: &Path) {
    if let Err(failure) = fs::remove_file(path)
        && failure.kind() != io::ErrorKind::NotFound
    {
        error!(file = %path.display(), %failure, "session file was not removed");
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use tempfile::TempDir;

    use super::*;
    use crate::control::{Enforcement, Proof, Scope};

    fn entry() -> Entry {
        Entry {
            facts: SessionFacts {
                id: SessionId::new(),
                nonce: 1,
                cgroup_id: 2,
                uid: 3,
                user: "ci".to_owned(),
                caller: None,
                by_login: false,
                shares_uid: None,
                allow_same_uid: false,
                scope: Scope::Command,
                pid: 4,
                start_ns: 5,
                exe: "/bin/true".to_owned(),
                argv_sha256: [6; 32],
                labels: BTreeMap::new(),
                claimed_job: None,
                opened_at: DateTime::from_timestamp_nanos(7),
                resumed: false,
                enforcement: Enforcement::Enforced,
                proof: Proof::Sealed("s".to_owned()),
                models: None,
                models_unread: Vec::new(),
                prompts: Vec::new(),
            },
            secret: Digest::of("secret"),
            by_process: false,
            container: None,
            networks: [(u64::MAX, InNetwork { inode: 8, pid: 9 })].into(),
        }
    }

    #[test]
    fn sessions_outlive_the_supervisor() {
        let run_dir = TempDir::new().unwrap();
        let entry = entry();
        let id = entry.facts.id;
        Roster::open(run_dir.path()).unwrap().write(&entry).unwrap();
        let next = Roster::open(run_dir.path()).unwrap();
        assert_eq!(next.written(), [(id, entry)].into());
        next.forget(id);
        assert!(next.written().is_empty());
    }

    #[test]
    fn half_written_sessions_are_dropped() {
        let run_dir = TempDir::new().unwrap();
        let roster = Roster::open(run_dir.path()).unwrap();
        let half = run_dir.path().join("sessions/x.half");
        fs::write(&half, "{\"facts\":").unwrap();
        assert!(roster.written().is_empty());
        assert!(!half.exists());
    }

    #[test]
    fn secrets_are_not_on_disk() {
        let run_dir = TempDir::new().unwrap();
        let roster = Roster::open(run_dir.path()).unwrap();
        let entry = entry();
        roster.write(&entry).unwrap();
        let text = fs::read_to_string(roster.path(entry.facts.id)).unwrap();
        assert!(!text.contains("secret\":\"secret"));
    }
}
