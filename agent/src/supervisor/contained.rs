//! Whether what runs in a container has a way around the redirection. A doubt counts as one.
//!
//! It stands still meanwhile. `/proc` shows each thread's rights, namespaces and descriptors; the kernel's lists of sockets show
//! those that no thread holds, by the cgroup that they were made in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use super::cgroup::SessionCgroup;
use super::deadline::Deadline;
use super::outside;
use super::shared::Shared;
use super::sock_diag::{InetSocket, Sockets, UnixSocket};
use super::still::Still;
use super::threads::Seen;
use crate::config::ContainerIoUring;
use crate::connection::redirect::v2_mount;

/// How long a look may take: a container stands still meanwhile, and decides how much there is to see.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// 2: nobody makes an `io_uring` (Documentation/admin-guide/sysctl/kernel.rst; since Linux 6.6).
const IO_URING_DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";

/// That all of it stands still, or why not.
pub(super) type Stood = io::Result<Still>;

/// What a look at a container found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// A way around that something in its cgroup has, if it has one.
    pub(super) way: Option<String>,
    /// Whether all in it is apart from processes outside.
    pub(super) is_apart: bool,
    /// A capability that is a way, if one was seen.
    had: Option<&'static str>,
}

impl Shared {
    /// Looks at all in a cgroup. What it once had counts, and what a ring that nobody sees may have kept.
    pub(super) fn look(&self, cgroup: &SessionCgroup, stood: &Stood) -> Look {
        let deadline = Deadline::within(self.clock, LOOK_WITHIN);
        let mut look = ways_out(cgroup, stood, deadline);
        let had = (self.had_rights).note(cgroup.id, cgroup.path(), look.had);
        let before = || {
            let name = had?;
            Some(format!(
                "it had {name} when it was looked at before, and may have kept what that gave it; start it without"
            ))
        };
        let by_rings = || match self.config.capture.container_io_uring {
            ContainerIoUring::Denied => None,
            ContainerIoUring::Unknown => rings(fs::read_to_string(IO_URING_DISABLED).ok()),
        };
        look.way = look.way.or_else(before).or_else(by_rings);
        look
    }
}

/// Tells that rights and sockets may be kept where nothing shows them (`IORING_REGISTER_PERSONALITY`, io_uring_register(2)).
fn rings(disabled: Option<String>) -> Option<String> {
    match disabled.as_deref().map(str::trim_end) {
        Some("2") => None,
        Some(_) | None => Some(
            "an io_uring that nobody sees may keep capabilities from before: set `kernel.io_uring_disabled` to 2, or \
             `capture.container_io_uring = \"denied\"` where the engine's seccomp profile denies io_uring, as Docker's does since 25.0"
                .to_owned(),
        ),
    }
}

fn ways_out(cgroup: &SessionCgroup, stood: &Stood, deadline: Deadline) -> Look {
    let doubt = |text: String| Look {
        way: Some(text),
        ..Look::default()
    };
    if let Err(failure) = stood {
        return doubt(format!(
            "it cannot be looked at while it stands still: {failure}"
        ));
    }
    let (ids, pids) = match below(cgroup.path(), deadline) {
        Ok(found) => found,
        Err(failure) => return doubt(format!("its processes cannot be listed: {failure}")),
    };
    let mut seen = Seen::of(pids, deadline);
    for pid in seen.pids.clone() {
        if let Err(failure) = seen.process(pid) {
            let text = format!("process {pid} cannot be looked at: {failure}");
            return Look {
                way: Some(seen.way.take().unwrap_or(text)),
                is_apart: false,
                had: seen.had,
            };
        }
    }
    let (way, mut is_apart) = (seen.way.take(), !seen.is_shared);
    let by_others = match outside::look(&seen, deadline) {
        Ok(found) => {
            is_apart &= !found.is_near;
            found.way
        }
        Err(failure) => {
            is_apart = false;
            Some(format!("who is beside it cannot be looked at: {failure}"))
        }
    };
    // However they are held: also by what is in no table of descriptors.
    let by_sockets = || match sockets(&seen, deadline) {
        Ok(sockets) => {
            by_unix(&seen, &sockets).or_else(|| by_inet(&ids, &sockets, || cgroups(deadline)))
        }
        Err(failure) => Some(format!(
            "the sockets of its network cannot be listed: {failure}"
        )),
    };
    Look {
        way: way.or(by_others).or_else(by_sockets),
        is_apart,
        had: seen.had,
    }
}

/// Lists the ids of a cgroup and of those below it, and their processes.
fn below(cgroup: &Path, deadline: Deadline) -> io::Result<(BTreeSet<u64>, BTreeSet<u32>)> {
    let (mut ids, mut pids) = (BTreeSet::new(), BTreeSet::new());
    let mut open = vec![cgroup.to_owned()];
    while let Some(folder) = open.pop() {
        deadline.look()?;
        ids.insert(fs::metadata(&folder)?.ino());
        let procs = fs::read_to_string(folder.join("cgroup.procs"))?;
        for line in procs.lines() {
            // 0 stands for one that this process cannot see (cgroups(7)).
            let pid = line.parse().ok().filter(|pid| *pid > 0);
            pids.insert(pid.ok_or_else(|| io::Error::other(format!("process {line:?}")))?);
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok((ids, pids))
}

/// Lists the sockets of all the networks that its threads are in.
fn sockets(seen: &Seen, deadline: Deadline) -> io::Result<Sockets> {
    let own = fs::read_link("/proc/thread-self/ns/net")?;
    // Whoever started it may have given it a socket of the host's, to write its log to.
    let mut all = match seen.networks.contains_key(&own) {
        true => Sockets::default(),
        false => Sockets::unix_here(deadline)?,
    };
    for (link, namespace) in &seen.networks {
        deadline.look()?;
        let found = match *link == own {
            true => Sockets::here(deadline)?,
            false => namespace.inside(|| Sockets::here(deadline))?,
        };
        all.unix.extend(found.unix);
        all.inet.extend(found.inet);
    }
    Ok(all)
}

/// Tells what may be received from a Unix socket that somebody holds: a socket may come with it.
fn by_unix(seen: &Seen, sockets: &Sockets) -> Option<String> {
    let (mut listed, mut twice) = (BTreeMap::<u64, UnixSocket>::new(), BTreeSet::new());
    for socket in &sockets.unix {
        // Numbers of inodes have 32 bits, and come again.
        if listed.insert(socket.inode, *socket).is_some() {
            twice.insert(socket.inode);
        }
    }
    seen.unix.values().find_map(|(pid, held)| {
        // What waits for one that listens to take it is not told before Linux 6.2.
        let what = match listed.get(&held.inode) {
            _ if held.waiting > 0 => "descriptors on their way to it, in a Unix socket",
            _ if twice.contains(&held.inode) => "a Unix socket whose number another one has too",
            Some(socket) if socket.listens && socket.queued > 0 => {
                "connections that wait in a Unix socket, with what they bring"
            }
            Some(_) => return None,
            None => "a Unix socket of another network, in which descriptors may wait",
        };
        Some(format!("process {pid} has {what}"))
    })
}

/// Tells of a socket that was made in these cgroups; one of a cgroup that is gone may have been. Those without a file are
/// nobody's any more: the kernel ends them.
fn by_inet(
    ids: &BTreeSet<u64>,
    sockets: &Sockets,
    cgroups: impl FnOnce() -> io::Result<BTreeSet<u64>>,
) -> Option<String> {
    let held: Vec<&InetSocket> = (sockets.inet.iter())
        .filter(|socket| socket.inode != 0)
        .collect();
    let of = |socket: &InetSocket| socket.protocol;
    for socket in &held {
        match socket.cgroup_id {
            Some(id) if ids.contains(&id) => {
                let protocol = of(socket);
                return Some(format!(
                    "its cgroup has a {protocol} socket from before its session"
                ));
            }
            Some(_) => {}
            None => return Some("the kernel does not tell sockets' cgroups".to_owned()),
        }
    }
    if held.is_empty() {
        return None;
    }
    let known = match cgroups() {
        Ok(known) => known,
        Err(failure) => return Some(format!("cgroups cannot be listed: {failure}")),
    };
    let gone = |socket: &&&InetSocket| socket.cgroup_id.is_none_or(|id| !known.contains(&id));
    held.iter().find(gone).map(|socket| {
        let protocol = of(socket);
        format!("its network has a {protocol} socket of a cgroup that is gone, and may have been its own")
    })
}

/// Lists the ids of all cgroups.
fn cgroups(deadline: Deadline) -> io::Result<BTreeSet<u64>> {
    let mount = v2_mount().ok_or_else(|| io::Error::other("expected cgroup v2, found none"))?;
    let mut ids = BTreeSet::from([fs::metadata(&mount)?.ino()]);
    let mut open = vec![mount];
    while let Some(folder) = open.pop() {
        deadline.look()?;
        // One that went meanwhile has nothing below it, and a socket of it counts as one of a cgroup that is gone.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                ids.insert(entry.ino());
                open.push(entry.path());
            }
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::supervisor::descriptors::Held;

    fn deadline() -> Deadline {
        Deadline::within(Clock::system(), Duration::from_secs(60))
    }

    fn unix(inode: u64, listens: bool, queued: u32) -> UnixSocket {
        UnixSocket {
            inode,
            listens,
            queued,
        }
    }

    #[test]
    fn what_waits_in_a_held_unix_socket_is_a_way_and_bytes_are_none() {
        let way = |waiting: u64, listed: Option<UnixSocket>| {
            let mut seen = Seen::of(BTreeSet::new(), deadline());
            seen.unix.insert(5, (7, Held { inode: 5, waiting }));
            let sockets = Sockets {
                unix: listed.into_iter().collect(),
                inet: Vec::new(),
            };
            by_unix(&seen, &sockets)
        };
        assert_eq!(way(0, Some(unix(5, false, 100))), None);
        assert_eq!(way(0, Some(unix(5, true, 0))), None);
        for (waiting, listed, text) in [
            (1, Some(unix(5, false, 0)), "on their way"),
            (1, None, "on their way"),
            (0, Some(unix(5, true, 1)), "that wait"),
            (0, Some(unix(6, false, 0)), "of another network"),
            (0, None, "of another network"),
        ] {
            let found = way(waiting, listed).unwrap();
            assert!(
                found.starts_with("process 7 has") && found.contains(text),
                "{found}"
            );
        }
    }

    #[test]
    fn a_number_that_two_unix_sockets_have_is_a_way() {
        let mut seen = Seen::of(BTreeSet::new(), deadline());
        let (inode, waiting) = (5, 0);
        seen.unix.insert(5, (7, Held { inode, waiting }));
        let way = |unix: Vec<UnixSocket>| {
            let inet = Vec::new();
            by_unix(&seen, &Sockets { unix, inet })
        };
        let quiet = unix(5, false, 0);
        assert_eq!(way(vec![quiet, unix(6, true, 1), unix(6, false, 0)]), None);
        assert!(
            way(vec![unix(5, true, 1), quiet])
                .unwrap()
                .contains("another one")
        );
    }

    #[test]
    fn a_ring_that_nobody_sees_is_a_way_unless_nobody_can_have_one() {
        assert_eq!(rings(Some("2\n".to_owned())), None);
        for disabled in [None, Some("0\n".to_owned()), Some("1\n".to_owned())] {
            assert!(rings(disabled).unwrap().contains("container_io_uring"));
        }
    }

    #[test]
    fn what_takes_too_long_to_list_is_a_doubt() {
        let over = Deadline::within(Clock::system(), Duration::ZERO);
        let late = |failure: io::Error| failure.to_string().contains("expected to have seen");
        assert!(late(below(Path::new("/sys/fs/cgroup"), over).unwrap_err()));
        assert!(late(cgroups(over).unwrap_err()));
        assert!(late(Sockets::unix_here(over).unwrap_err()));
        let seen = Seen::of(BTreeSet::new(), over);
        assert!(late(outside::look(&seen, over).unwrap_err()));
    }

    #[test]
    fn a_socket_is_its_cgroups_whoever_holds_it() {
        let way = |inode: u64, cgroup_id: Option<u64>| {
            let sockets = Sockets {
                unix: Vec::new(),
                inet: vec![InetSocket {
                    inode,
                    cgroup_id,
                    protocol: "TCP",
                }],
            };
            by_inet(&[1, 2].into(), &sockets, || Ok([1, 2, 3].into()))
        };
        assert_eq!(way(9, Some(3)), None, "of another container of its network");
        assert_eq!(way(0, Some(2)), None, "nobody's");
        assert!(
            way(9, Some(2))
                .unwrap()
                .contains("a TCP socket from before")
        );
        assert!(way(9, Some(4)).unwrap().contains("that is gone"));
        assert!(way(9, None).unwrap().contains("does not tell"));
        let failing = || Err(io::Error::other("no"));
        let none = Sockets::default();
        assert_eq!(by_inet(&[1].into(), &none, failing), None, "not asked for");
    }
}
