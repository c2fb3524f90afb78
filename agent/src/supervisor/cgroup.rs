//! The cgroups that are ours: one for the daemon, one for each session, all below `<capture.root>/icecore`.
//!
//! They belong to root and lie outside every delegated tree, so that no process can leave its session
//! (cgroup-v2.rst, "Delegation Containment").

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::limits;
use crate::clock::Clock;
use crate::connection::redirect::{cgroup_depth, v2_mount};
use crate::control::Leftover;
use crate::id::SessionId;

/// Name of our folder below the capture root.
const FOLDER: &str = "icecore";

/// Name of the daemon's folder in it.
const DAEMON: &str = "daemon";

/// Most processes that a summary lists; the rest is killed all the same.
const LEFTOVERS_MAX: usize = 32;

/// Our folder of cgroups.
#[derive(Clone, Debug)]
pub(super) struct Cgroups {
    folder: PathBuf,
}

impl Cgroups {
    /// Names our folder below a capture root; makes nothing.
    #[must_use]
    pub(super) fn below(root: &Path) -> Self {
        Self {
            folder: root.join(FOLDER),
        }
    }

    /// Makes the daemon's cgroup and moves this process there.
    ///
    /// # Errors
    /// When the kernel refuses; the text names the folder.
    pub(super) fn enter(&self) -> io::Result<Entered> {
        let daemon = self.folder.join(DAEMON);
        make(&self.folder)?;
        make(&daemon)?;
        if let Some(root) = self.folder.parent() {
            limits::enable(root, &self.folder);
        }
        // `0` stands for the writing process (cgroup-v2.rst, "cgroup.procs").
        write(&daemon.join("cgroup.procs"), "0")?;
        let own = own_path(&fs::read_to_string("/proc/self/cgroup")?)
            .and_then(|path| path.strip_suffix(DAEMON))
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other("the daemon's cgroup is not shown in /proc"))?;
        Ok(Entered {
            daemon_id: inode(&daemon)?,
            mount: (self.folder.to_str())
                .and_then(|folder| folder.strip_suffix(own.trim_end_matches('/')))
                .map(PathBuf::from),
            prefix: own,
        })
    }

    /// Moves this process beside the daemon, if one was ever started and this user may; tells whether it did.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn stand_beside(&self) -> io::Result<bool> {
        let daemon = self.folder.join(DAEMON);
        if !daemon.exists() {
            return Ok(false);
        }
        write(&daemon.join("cgroup.procs"), "0")?;
        Ok(true)
    }

    /// Makes a session's cgroup.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn make(&self, id: SessionId) -> io::Result<SessionCgroup> {
        let folder = self.folder.join(id.to_string());
        fs::create_dir(&folder).map_err(|error| named(&folder, error))?;
        Ok(SessionCgroup {
            id: inode(&folder)?,
            folder,
            container_level: None,
        })
    }

    /// Takes a container's cgroup as it is: one below the capture root that is neither ours nor around ours.
    ///
    /// # Errors
    /// What it is instead, in words.
    pub(super) fn container(&self, folder: &Path) -> Result<SessionCgroup, String> {
        let failed = |error: io::Error| error.to_string();
        let real = |path: &Path| fs::canonicalize(path).map_err(|error| named(path, error));
        let folder = real(folder).map_err(failed)?;
        let ours = real(&self.folder).map_err(failed)?;
        let root = ours.parent().unwrap_or(&ours);
        if !folder.starts_with(root) || ours.starts_with(&folder) || folder.starts_with(&ours) {
            return Err(format!(
                "expected a cgroup below `{}` that holds no cgroup of ours and is none, found `{}`",
                root.display(),
                folder.display()
            ));
        }
        let level = cgroup_depth(&folder);
        Ok(SessionCgroup {
            id: inode(&folder).map_err(failed)?,
            container_level: Some(
                level.ok_or("expected a cgroup that /proc/self/mountinfo shows")?,
            ),
            folder,
        })
    }

    /// Lists the ids of all cgroups below the capture root; none where they cannot be listed.
    #[must_use]
    pub(super) fn ids_below_root(&self) -> Option<BTreeSet<u64>> {
        let mut ids = BTreeSet::new();
        let mut open = vec![self.folder.parent()?.to_owned()];
        while let Some(folder) = open.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) => return None,
            };
            for entry in entries {
                let entry = entry.ok()?;
                if entry.file_type().ok()?.is_dir() {
                    ids.insert(entry.ino());
                    open.push(entry.path());
                }
            }
        }
        Some(ids)
    }

    /// Finds the cgroups of all sessions that there are.
    #[must_use]
    pub(super) fn sessions(&self) -> Vec<(SessionId, SessionCgroup)> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut sessions: Vec<(SessionId, SessionCgroup)> = entries
            .filter_map(|entry| {
                let folder = entry.ok()?.path();
                let session = folder.file_name()?.to_str()?.parse().ok()?;
                let id = inode(&folder).ok()?;
                let cgroup = SessionCgroup {
                    folder,
                    id,
                    container_level: None,
                };
                Some((session, cgroup))
            })
            .collect();
        sessions.sort_by_key(|(session, _)| *session);
        sessions
    }

    /// Removes our folder and the daemon's, which must be empty.
    ///
    /// # Errors
    /// When a process or a session is still in there.
    pub(super) fn remove(&self) -> io::Result<()> {
        for folder in [self.folder.join(DAEMON), self.folder.clone()] {
            remove(&folder)?;
        }
        Ok(())
    }
}

/// What the daemon knows once it is in its own cgroup.
#[derive(Clone, Debug)]
pub(super) struct Entered {
    /// The inode number of the daemon's cgroup, by which the kernel names it.
    pub(super) daemon_id: u64,
    /// How `/proc/<pid>/cgroup` begins for a process in one of our cgroups.
    prefix: String,
    /// The folder of the cgroup that is `/` in there, if that is known.
    mount: Option<PathBuf>,
}

impl Entered {
    /// Tells whether a `/proc/<pid>/cgroup` shows a process of a session.
    #[must_use]
    pub(super) fn is_in_session(&self, proc_cgroup: &str) -> bool {
        // What cannot be read as being outside counts as inside.
        let Some(path) = own_path(proc_cgroup) else {
            return true;
        };
        path.strip_prefix(&self.prefix)
            .is_some_and(|rest| rest != DAEMON)
    }
}

impl Entered {
    /// Finds the folder of a cgroup that a `/proc/<pid>/cgroup` shows.
    #[must_use]
    pub(super) fn folder_of(&self, proc_cgroup: &str) -> Option<PathBuf> {
        let path = own_path(proc_cgroup)?.strip_prefix('/')?;
        // Above what this process may see (cgroup_namespaces(7)).
        let is_below = path.split('/').all(|part| part != "..");
        let mount = self.mount.as_ref().filter(|_| is_below)?;
        Some(mount.join(path))
    }

    /// Tells whether a `/proc/<pid>/cgroup` shows a process of this session.
    #[must_use]
    pub(super) fn is_of(&self, session: &SessionCgroup, proc_cgroup: &str) -> bool {
        let folder = self.folder_of(proc_cgroup);
        folder.is_some_and(|folder| folder.starts_with(&session.folder))
    }

    #[cfg(test)]
    pub(super) fn known(prefix: &str, mount: Option<PathBuf>) -> Self {
        Self {
            daemon_id: 1,
            prefix: prefix.to_owned(),
            mount,
        }
    }

    /// Tells whether a `/proc/<pid>/cgroup` shows a process in one of our cgroups, be it the daemon's.
    #[must_use]
    pub(super) fn is_ours(&self, proc_cgroup: &str) -> bool {
        self.is_in_session(proc_cgroup)
            || own_path(proc_cgroup).is_some_and(|path| path.starts_with(&self.prefix))
    }
}

/// One session's cgroup.
#[derive(Clone, Debug)]
pub(super) struct SessionCgroup {
    folder: PathBuf,
    /// The inode number of its folder, by which the kernel names it.
    pub(super) id: u64,
    /// Its depth below the hierarchy's root, if it is a container's: not made by us, nor killed or removed.
    pub(super) container_level: Option<u32>,
}

impl SessionCgroup {
    #[cfg(test)]
    pub(super) fn known(folder: PathBuf) -> Self {
        Self {
            folder,
            id: 7,
            container_level: None,
        }
    }

    /// Tells whether it is a container's.
    #[must_use]
    pub(super) fn is_containers(&self) -> bool {
        self.container_level.is_some()
    }

    /// Tells whether a `/proc/<pid>/cgroup` shows a process in it or below; a doubt counts as no.
    #[must_use]
    pub(super) fn holds(&self, proc_cgroup: &str) -> bool {
        own_path(proc_cgroup)
            .and_then(|path| Some(v2_mount()?.join(path.trim_start_matches('/'))))
            .zip(fs::canonicalize(&self.folder).ok())
            .is_some_and(|(path, folder)| path.starts_with(folder))
    }

    /// Gives its folder.
    #[must_use]
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Moves a process, with all its threads, into the session.
    ///
    /// # Errors
    /// When there is no such process, or the kernel refuses.
    pub(super) fn move_in(&self, pid: u32) -> io::Result<()> {
        move_to(&self.folder, pid)
    }

    /// Tells whether any process is in the session.
    #[must_use]
    pub(super) fn is_populated(&self) -> bool {
        fs::read_to_string(self.folder.join("cgroup.events"))
            .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
    }

    /// Lists the processes in it and below; none where one of the lists cannot be read.
    #[must_use]
    pub(super) fn pids(&self) -> Option<Vec<u32>> {
        let (mut found, mut folders) = (Vec::new(), vec![self.folder.clone()]);
        while let Some(folder) = folders.pop() {
            let procs = fs::read_to_string(folder.join("cgroup.procs")).ok()?;
            found.extend(procs.lines().filter_map(|line| line.parse::<u32>().ok()));
            folders.extend(children(&folder));
        }
        Some(found)
    }

    /// Lists what runs in the session, cgroups that its root may have made below included.
    #[must_use]
    pub(super) fn processes(&self) -> Vec<Leftover> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in procs.lines().filter_map(|line| line.parse().ok()) {
                let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                found.push(Leftover {
                    pid,
                    comm: comm.trim_end().to_owned(),
                });
            }
            if found.len() >= LEFTOVERS_MAX {
                break;
            }
            folders.extend(children(&folder));
        }
        found.truncate(LEFTOVERS_MAX);
        found
    }

    /// Tells how much CPU time the session's processes took, those that are gone included (cgroup-v2.rst, "cpu.stat": the time is
    /// counted whether the controller is enabled or not).
    #[must_use]
    pub(super) fn cpu_us(&self) -> Option<u64> {
        let stat = fs::read_to_string(self.folder.join("cpu.stat")).ok()?;
        let mut lines = stat.lines();
        lines
            .find_map(|line| line.strip_prefix("usage_usec "))?
            .parse()
            .ok()
    }

    /// Kills all processes of the session; new ones cannot slip out meanwhile.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn kill(&self) -> io::Result<()> {
        // One write kills the whole tree, forks included (cgroup-v2.rst, "cgroup.kill"; since Linux 5.14).
        write(&self.folder.join("cgroup.kill"), "1")
    }

    /// Waits until no process is in the session; tells whether that came true.
    #[must_use]
    pub(super) fn wait_until_empty(&self, patience: Duration, clock: Clock) -> bool {
        let deadline = clock.mono_ns() + nanos(patience);
        let Ok(events) = fs::File::open(self.folder.join("cgroup.events")) else {
            return true;
        };
        while self.is_populated() {
            let left = deadline - clock.mono_ns();
            if left <= 0 {
                return false;
            }
            // A change of the file is told as an exceptional condition; 10 ms at a time, since one may have come
            // between the look above and the wait.
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: left.min(10_000_000),
            };
            let mut wanted = [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::PRI)];
            if poll(&mut wanted, Some(&wait)).is_err() {
                return false;
            }
        }
        true
    }

    /// Removes the session's folder, which must have no process.
    ///
    /// # Errors
    /// When it has one.
    pub(super) fn remove(&self) -> io::Result<()> {
        let mut all = vec![self.folder.clone()];
        let mut next = 0;
        while let Some(folder) = all.get(next) {
            let below = children(folder);
            all.extend(below);
            next += 1;
        }
        all.iter().rev().try_for_each(|folder| remove(folder))
    }
}

/// Moves whatever process has a number into the cgroup of a folder.
///
/// # Errors
/// When there is no such process, or the kernel refuses.
pub(super) fn move_to(folder: &Path, pid: u32) -> io::Result<()> {
    write(&folder.join("cgroup.procs"), &pid.to_string())
}

/// Reads the cgroup v2 path out of a `/proc/<pid>/cgroup` (cgroup-v2.rst, "Processes").
pub(super) fn own_path(proc_cgroup: &str) -> Option<&str> {
    proc_cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map_err(|error| named(folder, error)),
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(|error| named(folder, error)),
    }
}

pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    fs::write(file, text).map_err(|error| named(file, error))
}

fn inode(folder: &Path) -> io::Result<u64> {
    // A cgroup's id is the inode number of its folder on 64-bit kernels (kernfs_ino, include/linux/kernfs.h).
    fs::metadata(folder)
        .map(|facts| facts.ino())
        .map_err(|error| named(folder, error))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(proc_cgroup: &str, expected: bool) {
        let entered = Entered::known("/top/icecore/", None);
        assert_eq!(entered.is_in_session(proc_cgroup), expected);
    }

    #[test]
    fn folders_are_found_below_the_mount_alone() {
        let entered = Entered::known("/top/icecore/", Some(PathBuf::from("/sys/fs/cgroup")));
        let found = |text: &str| entered.folder_of(text);
        assert_eq!(
            found("4:cpu:/x\n0::/top/a b\n"),
            Some(PathBuf::from("/sys/fs/cgroup/top/a b"))
        );
        assert_eq!(found("0::/\n"), Some(PathBuf::from("/sys/fs/cgroup/")));
        assert_eq!(found("0::/../other\n"), None);
        assert_eq!(found("4:cpu:/x\n"), None);
        let folder = PathBuf::from("/sys/fs/cgroup/top/icecore/0190");
        let session = SessionCgroup::known(folder);
        assert!(entered.is_of(&session, "0::/top/icecore/0190/below\n"));
        assert!(!entered.is_of(&session, "0::/top/icecore/01901\n"));
    }

    #[test]
    fn processes_of_sessions_are_told_from_others() {
        check("8:pids:/\n0::/top/icecore/0190/x\n", true);
        check("0::/top/icecore/0190\n", true);
        check("0::/top/icecore/0190 (deleted)\n", true);
        check("0::/top/icecore/daemon\n", false);
        check("0::/top\n", false);
        check("0::/top/icecore-other/0190\n", false);
        check("0::/\n", false);
        check("0::/../other\n", false);
    }

    #[test]
    fn processes_without_a_cgroup_count_as_inside() {
        check("8:pids:/\n", true);
        check("", true);
    }
}
