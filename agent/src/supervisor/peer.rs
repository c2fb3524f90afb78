//! Who is at the other end of a control connection: from the kernel, never from what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Nanoseconds of one tick of `/proc/<pid>/stat`; Linux shows 100 ticks a second on every architecture (`USER_HZ`).
const TICK_NS: u64 = 10_000_000;

/// Most processes that are looked at from a peer up to the first one of the system.
const LINEAGE_MAX: usize = 256;

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
    pidfd: OwnedFd,
}

impl Peer {
    /// Looks at the process that connected.
    ///
    /// What is read from `/proc` is of that process and of no other that got its number: it was alive, by its pidfd,
    /// after the reading.
    ///
    /// # Errors
    /// When the process is gone.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let who = socket_peercred(stream)?;
        Self::look(who.pid, |_| Some((who.uid.as_raw(), who.gid.as_raw())))
    }

    /// Looks at a process by its number.
    ///
    /// # Errors
    /// When there is no such process, or it is going.
    pub(super) fn of_process(pid: u32) -> io::Result<Self> {
        let named = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = named.ok_or(io::ErrorKind::InvalidInput)?;
        // The effective ones, as a socket tells them.
        Self::look(pid, |status| {
            let [_, uid, _, _] = ids(status, "Uid:")?;
            let [_, gid, _, _] = ids(status, "Gid:")?;
            Some((uid, gid))
        })
    }

    fn look(pid: Pid, whose: impl Fn(&str) -> Option<(u32, u32)>) -> io::Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
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
            pidfd,
        };
        if !peer.is_alive() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(peer)
    }

    /// Says which of the peer and the processes that it descends from has a uid too, if one has: such a process holds what
    /// a job can get tokens by, and is open to whatever has its uid. A doubt counts as one.
    #[must_use]
    pub(super) fn shares(&self, uid: u32) -> Option<String> {
        let mut pid = self.pid;
        for _ in 0..LINEAGE_MAX {
            let status = proc_file(pid, "status").ok();
            let read = status
                .as_deref()
                .and_then(|text| Some((uids(text)?, parent(text)?)));
            let Some((uids, parent)) = read else {
                return Some(format!("process {pid}, which cannot be read, may have"));
            };
            if uids.contains(&uid) {
                return Some(if pid == self.pid {
                    "its caller has".to_owned()
                } else {
                    format!("process {pid}, from which its caller descends, has")
                });
            }
            if parent == 0 {
                return None;
            }
            pid = parent;
        }
        Some("a process from which its caller descends may have".to_owned())
    }

    /// Tells whether the process has not ended.
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
}

/// Lists a process and all that descend from it.
///
/// # Errors
/// When `/proc` cannot be listed.
pub(super) fn tree(root: u32) -> io::Result<BTreeSet<u32>> {
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
    let (mut found, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children.remove(&pid).unwrap_or_default());
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
fn parent(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

/// Reads the start time out of a `/proc/<pid>/stat`: field 22 (proc(5)), counted after the name, which may hold anything.
fn start_ns(stat: &str) -> Option<u64> {
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
