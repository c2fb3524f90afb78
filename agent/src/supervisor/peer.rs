//! Who is at the other end of a control connection: from the kernel, never from what they say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::cgroup::Entered;
use crate::connection::sys;

/// Nanoseconds of one tick of `/proc/<pid>/stat`; Linux shows 100 ticks a second on every architecture (`USER_HZ`).
pub(super) const TICK_NS: u64 = 10_000_000;

/// Most processes that are looked at from a peer up to the first one of the system.
const LINEAGE_MAX: usize = 256;

/// What is told where the caller itself has the uid.
const CALLER_HAS: &str = "its caller has";

/// How often a look at ancestors begins anew because one of them ended meanwhile.
const LINEAGE_LOOKS_MAX: usize = 3;

/// A process, by what tells it from a later one of its number.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pid: u32,
    pidfd: Arc<OwnedFd>,
}

impl Process {
    /// Opens whatever process has a number.
    ///
    /// # Errors
    /// When none has.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let named = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = pidfd_open(
            named.ok_or(io::ErrorKind::InvalidInput)?,
            PidfdFlags::empty(),
        )?;
        Ok(Self {
            pid,
            pidfd: Arc::new(pidfd),
        })
    }

    /// Gives its number, which is its own as long as it is alive.
    #[must_use]
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells whether it has not ended.
    #[must_use]
    pub(super) fn is_alive(&self) -> bool {
        // A pidfd reads as ready once its process has ended (pidfd_open(2)).
        let mut wanted = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(poll(&mut wanted, Some(&at_once)), Ok(0))
    }

    /// Opens the process's parent; none where it has none.
    ///
    /// # Errors
    /// When one of the two ended meanwhile: whose number it is cannot be told then.
    fn parent(&self) -> io::Result<Option<Self>> {
        let number = || proc_file(self.pid, "status").map(|status| parent(&status));
        let first = number()?.ok_or(io::ErrorKind::InvalidData)?;
        if first == 0 {
            return if self.is_alive() {
                Ok(None)
            } else {
                Err(io::ErrorKind::NotFound.into())
            };
        }
        let opened = Self::open(first)?;
        // Both alive after the second reading: the number that it tells is that of the process that was opened.
        let is_same = number()? == Some(first) && opened.is_alive() && self.is_alive();
        is_same
            .then_some(Some(opened))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// What is found at the number of what was a process's child.
#[derive(Debug)]
pub(super) enum Child {
    /// The child.
    Found(Process),
    /// Nothing that lives.
    Ended,
    /// One of another parent, or its parent ended meanwhile.
    Another,
}

/// Opens a process's child by the child's number.
pub(super) fn child(pid: u32, of: &Process) -> Child {
    let Ok(process) = Process::open(pid) else {
        return Child::Ended;
    };
    let status = proc_file(pid, "status").unwrap_or_default();
    let is_its = parent(&status) == Some(of.pid);
    if !process.is_alive() {
        return Child::Ended;
    }
    // Both alive after the reading: the status is this process's, and that number is its parent's.
    if is_its && of.is_alive() {
        Child::Found(process)
    } else {
        Child::Another
    }
}

/// The process that made a control connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its process id.
    pub(super) pid: u32,
    /// Its user.
    pub(super) uid: u32,
    /// Its groups, the primary one first.
    pub(super) gids: Vec<u32>,
    /// What `/proc/<pid>/cgroup` says of it.
    pub(super) proc_cgroup: String,
    /// When it started, in nanoseconds since boot.
    pub(super) start_ns: u64,
    process: Process,
}

impl Peer {
    /// Looks at the process that connected.
    ///
    /// What is read from `/proc` is of that process and of no other that got its number: it was alive, by the pidfd that
    /// the socket keeps of it, after the reading. Before Linux 6.5 sockets keep none: then it is whoever has the number.
    ///
    /// # Errors
    /// When the process is gone.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let who = sys::peer(stream.as_fd())?;
        let pid = who.pid;
        let process = match sys::peer_pidfd(stream.as_fd()) {
            Ok(pidfd) => Process {
                pid,
                pidfd: Arc::new(pidfd),
            },
            Err(failure) if failure.raw_os_error() == Some(Errno::NOPROTOOPT.raw_os_error()) => {
                Process::open(pid)?
            }
            Err(failure) => return Err(failure),
        };
        Self::look(process, |_| Some((who.uid, who.gid)))
    }

    /// Looks at a process by its number.
    ///
    /// # Errors
    /// When there is no such process, or it is going.
    pub(super) fn of_process(pid: u32) -> io::Result<Self> {
        // The effective ones, as a socket tells them.
        Self::look(Process::open(pid)?, |status| {
            let [_, uid, _, _] = ids(status, "Uid:")?;
            let [_, gid, _, _] = ids(status, "Gid:")?;
            Some((uid, gid))
        })
    }

    fn look(process: Process, whose: impl Fn(&str) -> Option<(u32, u32)>) -> io::Result<Self> {
        let pid = process.pid;
        let status = proc_file(pid, "status")?;
        let (uid, gid) = whose(&status).ok_or(io::ErrorKind::InvalidData)?;
        let mut gids = vec![gid];
        gids.extend(groups(&status));
        let peer = Self {
            pid,
            uid,
            gids,
            proc_cgroup: proc_file(pid, "cgroup")?,
            start_ns: start_ns(&proc_file(pid, "stat")?).ok_or(io::ErrorKind::InvalidData)?,
            process,
        };
        if !peer.is_alive() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(peer)
    }

    /// Gives the process alone.
    #[must_use]
    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// Tells whether the process is in a session at this moment. One that has ended is judged by nobody's cgroup: it
    /// counts as inside.
    #[must_use]
    pub(super) fn is_inside(&self, entered: &Entered) -> bool {
        let is_inside = cgroup_of(self.pid).map_or(true, |text| entered.is_in_session(&text));
        is_inside || !self.is_alive()
    }

    /// Says which of the peer and the processes that it descends from has a uid too, if one has: such a process holds what
    /// a job can get tokens by, and is open to whatever has its uid. A doubt counts as one.
    #[must_use]
    pub(super) fn shares(&self, uid: u32) -> Option<String> {
        // The socket's own uid, which the kernel keeps: whoever connected may have become another since.
        if self.uid == uid {
            return Some(CALLER_HAS.to_owned());
        }
        for _ in 0..LINEAGE_LOOKS_MAX {
            if !self.is_alive() {
                return Some("its caller, which has ended, may have".to_owned());
            }
            // An ancestor that ends hands its children on: then the look begins anew.
            if let Ok(found) = self.lineage_shares(uid) {
                return found;
            }
        }
        Some(
            "a process from which its caller descends, and which ended meanwhile, may have"
                .to_owned(),
        )
    }

    fn lineage_shares(&self, uid: u32) -> io::Result<Option<String>> {
        let mut process = self.process.clone();
        for _ in 0..LINEAGE_MAX {
            let (pid, status) = (process.pid, proc_file(process.pid, "status")?);
            let uids = uids(&status).ok_or(io::ErrorKind::InvalidData)?;
            // Alive after the reading, both here and in `parent`: so it is of this process.
            let parent = process.parent()?;
            if uids.contains(&uid) {
                return Ok(Some(if pid == self.pid {
                    CALLER_HAS.to_owned()
                } else {
                    format!("process {pid}, from which its caller descends, has")
                }));
            }
            match parent {
                Some(parent) => process = parent,
                None => return Ok(None),
            }
        }
        Ok(Some(
            "a process from which its caller descends may have".to_owned(),
        ))
    }

    /// Tells whether the process has not ended.
    #[must_use]
    pub(super) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }
}

/// Lists a process and all that descend from it.
///
/// # Errors
/// When `/proc` cannot be listed.
pub(super) fn tree(root: u32) -> io::Result<BTreeSet<u32>> {
    let below = descendants(root)?;
    Ok(below
        .into_iter()
        .map(|(pid, _)| pid)
        .chain([root])
        .collect())
}

/// Lists all that descend from a process, each with its parent, and after it.
///
/// # Errors
/// When `/proc` cannot be listed.
pub(super) fn descendants(root: u32) -> io::Result<Vec<(u32, u32)>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that ended meanwhile has no parent.
        let status = proc_file(pid, "status").unwrap_or_default();
        if let Some(parent) = parent(&status) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut open) = (Vec::new(), VecDeque::from([root]));
    while let Some(parent) = open.pop_front() {
        // Taken out: whatever the numbers say, nobody is looked at twice.
        for pid in children.remove(&parent).unwrap_or_default() {
            found.push((pid, parent));
            open.push_back(pid);
        }
    }
    Ok(found)
}

/// Gives what `/proc/<pid>/cgroup` says of a process.
///
/// # Errors
/// When it is gone.
pub(super) fn cgroup_of(pid: u32) -> io::Result<String> {
    proc_file(pid, "cgroup")
}

/// Tells when a process started, in nanoseconds since boot; none if it ended, though nobody may have waited for it yet.
pub(super) fn started_ns(pid: u32) -> Option<u64> {
    let stat = proc_file(pid, "stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    // Zombies and the dead (proc(5), field 3).
    let has_ended = ["Z", "X"].iter().any(|state| fields.starts_with(state));
    start_ns(&stat).filter(|_| !has_ended)
}

/// Gives what `/proc/<pid>/status` says of a process (proc(5)).
///
/// # Errors
/// When it is gone.
pub(super) fn status_of(pid: u32) -> io::Result<String> {
    proc_file(pid, "status")
}

fn proc_file(pid: u32, name: &str) -> io::Result<String> {
    fs::read(format!("/proc/{pid}/{name}"))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads the supplementary groups out of a `/proc/<pid>/status`.
fn groups(status: &str) -> Vec<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|gid| gid.parse().ok())
        .collect()
}

/// Reads the real, effective, saved and file system uid out of a `/proc/<pid>/status` (proc(5)).
fn uids(status: &str) -> Option<[u32; 4]> {
    ids(status, "Uid:")
}

/// Reads the real, effective, saved and file system number of a kind.
fn ids(status: &str, kind: &str) -> Option<[u32; 4]> {
    let line = status.lines().find_map(|line| line.strip_prefix(kind))?;
    let read: Result<Vec<u32>, _> = line.split_ascii_whitespace().map(str::parse).collect();
    read.ok()?.try_into().ok()
}

/// Reads the process that a process was started by; 0 where there is none.
pub(super) fn parent(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

/// Reads the start time out of a `/proc/<pid>/stat`: field 22 (proc(5)), counted after the name, which may hold anything.
pub(super) fn start_ns(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: u64 = fields.split(' ').nth(19)?.parse().ok()?;
    ticks.checked_mul(TICK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_of_an_own_socket_is_this_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!(peer.pid, std::process::id());
        assert!(peer.is_alive());
        assert!(peer.start_ns > 0);
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(peer.shares(own).as_deref(), Some("its caller has"));
        assert_eq!(peer.shares(4_000_000_000), None);
    }

    /// Its number may be anybody's: nobody is judged by it.
    #[test]
    fn a_process_that_ended_is_inside_and_shares_every_uid() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let peer = Peer::of_process(child.id()).unwrap();
        let entered = Entered::known("/icecore-test-nowhere/icecore/", None);
        assert!(!peer.is_inside(&entered));
        assert_eq!(peer.shares(4_000_000_000), None);
        let of = Process::open(std::process::id()).unwrap();
        assert!(matches!(super::child(child.id(), &of), Child::Found(_)));
        assert!(matches!(
            super::child(child.id(), peer.process()),
            Child::Another
        ));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(peer.is_inside(&entered));
        let shared = peer.shares(4_000_000_000).unwrap();
        assert!(shared.contains("has ended"), "{shared}");
        assert!(matches!(super::child(peer.pid, &of), Child::Ended));
    }

    #[test]
    fn descendants_are_listed_behind_their_parents() {
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 30 & sleep 30 & wait"])
            .spawn()
            .unwrap();
        let found = loop {
            let found = descendants(std::process::id()).unwrap();
            if found
                .iter()
                .filter(|(_, parent)| *parent == shell.id())
                .count()
                == 2
            {
                break found;
            }
            std::thread::yield_now();
        };
        let place = |wanted: u32| found.iter().position(|(pid, _)| *pid == wanted);
        for (pid, _) in found.iter().filter(|(_, parent)| *parent == shell.id()) {
            assert!(place(shell.id()) < place(*pid));
            let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
    }

    #[test]
    fn a_process_is_found_with_all_that_it_started() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let (own, other) = (std::process::id(), child.id());
        let found = tree(own).unwrap();
        assert!(found.contains(&own) && found.contains(&other) && !found.contains(&1));
        assert_eq!(tree(other).unwrap(), [other].into());
        let looked = Peer::of_process(other).unwrap();
        assert_eq!(started_ns(other), Some(looked.start_ns));
        assert_eq!(looked.uid, rustix::process::geteuid().as_raw());
        child.kill().unwrap();
        // Ended, though nobody has waited for it.
        while looked.is_alive() {
            std::thread::yield_now();
        }
        assert_eq!(started_ns(other), None);
        child.wait().unwrap();
    }

    #[test]
    fn start_time_is_found_whatever_the_name_is() {
        let stat = "7 (a) b 1 (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1";
        assert_eq!(start_ns(stat), Some(123_450_000_000));
    }

    #[test]
    fn groups_are_read_from_status() {
        let status = "Name:\tx\nGroups:\t4 27 1000 \nNStgid:\t1\n";
        assert_eq!(groups(status), [4, 27, 1000]);
        assert!(groups("Groups:\t \n").is_empty());
    }
}
