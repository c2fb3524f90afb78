//! Attacks by sockets of other kinds, which no program of the cgroup judges, and by what else lies around: other cgroups, maps.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket, socketpair};

use super::Outcome;
use crate::harness::cgroup::v2_root;

/// Families besides the four that a session has. Source: linux/include/linux/socket.h.
const OTHERS: [(&str, u16, SocketType); 9] = [
    ("AF_PACKET", 17, SocketType::RAW),
    ("AF_RDS", 21, SocketType::SEQPACKET),
    ("AF_CAN", 29, SocketType::RAW),
    ("AF_TIPC", 30, SocketType::STREAM),
    ("AF_BLUETOOTH", 31, SocketType::STREAM),
    ("AF_ALG", 38, SocketType::SEQPACKET),
    ("AF_VSOCK", 40, SocketType::STREAM),
    ("AF_SMC", 43, SocketType::STREAM),
    ("AF_XDP", 44, SocketType::RAW),
];

/// Source: linux/include/uapi/linux/in.h.
const ICMP: u32 = 1;
const SCTP: u32 = 132;

pub(super) fn attacks() -> Vec<(String, Outcome)> {
    let mut attacks: Vec<(String, Outcome)> = OTHERS
        .iter()
        .map(|(name, number, kind)| (format!("a socket of {name}"), family(*number, *kind)))
        .collect();
    let vsock = AddressFamily::from_raw(40);
    let pair = socketpair(vsock, SocketType::STREAM, SocketFlags::empty(), None);
    attacks.push(("a pair of AF_VSOCK".into(), only_forbidden(pair)));
    attacks.push(("an SCTP socket".into(), inet(SocketType::STREAM, SCTP)));
    attacks.push(("a raw socket".into(), inet(SocketType::RAW, ICMP)));
    attacks.push(("move into any cgroup there is".into(), any_cgroup()));
    attacks.push(("find a map among its descriptors".into(), maps()));
    attacks
}

fn family(number: u16, kind: SocketType) -> Outcome {
    only_forbidden(socket(AddressFamily::from_raw(number), kind, None))
}

fn inet(kind: SocketType, protocol: u32) -> Outcome {
    let protocol = NonZeroU32::new(protocol).map(Protocol::from_raw);
    match socket(AddressFamily::INET, kind, protocol) {
        // The kernel has none of that protocol, and says so before any program is asked.
        Err(rustix::io::Errno::PROTONOSUPPORT) => Outcome::stopped("the kernel has none"),
        made => only_forbidden(made),
    }
}

/// A kernel without such sockets refuses them too, in other words: that shows nothing, and counts as a gain.
fn only_forbidden<T>(made: rustix::io::Result<T>) -> Outcome {
    match made {
        Ok(_) => Outcome::obtained("a socket"),
        Err(rustix::io::Errno::PERM) => Outcome::stopped("EPERM"),
        Err(error) => Outcome::obtained(format!("not forbidden: {error}")),
    }
}

/// Writes its own number to every `cgroup.procs` that can be found.
fn any_cgroup() -> Outcome {
    let moved = || -> Result<(usize, Vec<PathBuf>)> {
        let mut open = vec![v2_root()?];
        let (mut tried, mut moved) = (0, Vec::new());
        while let Some(folder) = open.pop() {
            tried += 1;
            if fs::write(folder.join("cgroup.procs"), std::process::id().to_string()).is_ok() {
                moved.push(folder.clone());
            }
            let below = fs::read_dir(&folder).into_iter().flatten().flatten();
            open.extend(below.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        Ok((tried, moved))
    };
    match moved() {
        Ok((tried, moved)) if moved.is_empty() && tried > 2 => {
            Outcome::stopped(format!("none of {tried}"))
        }
        Ok((tried, moved)) => Outcome::obtained(format!("{moved:?} of {tried}")),
        Err(error) => Outcome::obtained(format!("not tried: {error:#}")),
    }
}

/// Looks at what each of its descriptors is.
fn maps() -> Outcome {
    let named = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    let open = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let of_kernel = |path: &PathBuf| {
        let text = path.to_string_lossy();
        text.contains("bpf") || text.contains("pidfd") || text.contains("io_uring")
    };
    let found: Vec<PathBuf> = open.filter_map(named).filter(of_kernel).collect();
    match (found.as_slice(), Path::new("/proc/self/fd").exists()) {
        ([], true) => Outcome::stopped("none"),
        (_, _) => Outcome::obtained(format!("{found:?}")),
    }
}
