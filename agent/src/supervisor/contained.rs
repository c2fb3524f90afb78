//! Whether what runs in a container has a way around the redirection. A doubt counts as one.
//!
//! It stands still meanwhile. `/proc` shows each thread's rights, namespaces and descriptors; the kernel's lists of sockets show
//! those that no thread holds, by the cgroup that they were made in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;

use super::cgroup::SessionCgroup;
use super::sock_diag::{InetSocket, Sockets, UnixSocket};
use super::still::Still;
use super::threads::Seen;
use crate::connection::redirect::v2_mount;

/// Most networks of a container that are looked at.
const NETWORKS_MAX: usize = 16;

/// That all of it stands still, or why not.
pub(super) type Stood = io::Result<Still>;

/// Tells a way around that something in a cgroup has, if it has one; and whether all in it is apart from processes outside.
#[must_use]
pub(super) fn ways_out(cgroup: &SessionCgroup, stood: &Stood) -> (Option<String>, bool) {
    let doubt = |text: String| (Some(text), false);
    if let Err(failure) = stood {
        return doubt(format!(
            "it cannot be looked at while it stands still: {failure}"
        ));
    }
    let (ids, pids) = match below(cgroup.path()) {
        Ok(found) => found,
        Err(failure) => return doubt(format!("its processes cannot be listed: {failure}")),
    };
    let mut seen = Seen::default();
    for pid in pids {
        if let Err(failure) = seen.process(pid) {
            return doubt(format!("process {pid} cannot be looked at: {failure}"));
        }
    }
    let (way, is_apart) = (seen.way.take(), !seen.is_shared);
    // However they are held: also by what is in no table of descriptors.
    let by_sockets = || match sockets(&seen) {
        Ok(sockets) => by_unix(&seen, &sockets).or_else(|| by_inet(&ids, &sockets, cgroups)),
        Err(failure) => Some(format!(
            "the sockets of its network cannot be listed: {failure}"
        )),
    };
    (way.or_else(by_sockets), is_apart)
}

/// Lists the ids of a cgroup and of those below it, and their processes.
fn below(cgroup: &Path) -> io::Result<(BTreeSet<u64>, Vec<u32>)> {
    let (mut ids, mut pids) = (BTreeSet::new(), Vec::new());
    let mut open = vec![cgroup.to_owned()];
    while let Some(folder) = open.pop() {
        ids.insert(fs::metadata(&folder)?.ino());
        let procs = fs::read_to_string(folder.join("cgroup.procs"))?;
        for line in procs.lines() {
            // 0 stands for one that this process cannot see (cgroups(7)).
            let pid = line.parse().ok().filter(|pid| *pid > 0);
            pids.push(pid.ok_or_else(|| io::Error::other(format!("process {line:?}")))?);
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
fn sockets(seen: &Seen) -> io::Result<Sockets> {
    if seen.networks.len() > NETWORKS_MAX {
        return Err(io::Error::other(format!(
            "expected at most {NETWORKS_MAX} networks, found {}",
            seen.networks.len()
        )));
    }
    let own = fs::read_link("/proc/thread-self/ns/net")?;
    // Whoever started it may have given it a socket of the host's, to write its log to.
    let mut all = match seen.networks.contains_key(&own) {
        true => Sockets::default(),
        false => Sockets::unix_here()?,
    };
    for (link, namespace) in &seen.networks {
        let found = match *link == own {
            true => Sockets::here()?,
            false => namespace.inside(Sockets::here)?,
        };
        all.unix.extend(found.unix);
        all.inet.extend(found.inet);
    }
    Ok(all)
}

/// Tells what may be received from a Unix socket that somebody holds: a socket may come with it.
fn by_unix(seen: &Seen, sockets: &Sockets) -> Option<String> {
    let listed: BTreeMap<u64, UnixSocket> = (sockets.unix.iter())
        .map(|socket| (socket.inode, *socket))
        .collect();
    seen.unix.values().find_map(|(pid, held)| {
        // What waits for one that listens to take it is not told before Linux 6.2.
        let what = match listed.get(&held.inode) {
            _ if held.waiting > 0 => "descriptors on their way to it, in a Unix socket",
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
fn cgroups() -> io::Result<BTreeSet<u64>> {
    let mount = v2_mount().ok_or_else(|| io::Error::other("expected cgroup v2, found none"))?;
    let mut ids = BTreeSet::from([fs::metadata(&mount)?.ino()]);
    let mut open = vec![mount];
    while let Some(folder) = open.pop() {
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
    use crate::supervisor::descriptors::Held;

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
            let mut seen = Seen::default();
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
