//! Whether what runs in a container has a way around the redirection that `/proc` shows. A doubt counts as one.

use std::collections::BTreeSet;
use std::fs;

use rustix::thread::CapabilitySet;

use super::cgroup::SessionCgroup;

/// What lets whoever has it on the host take the redirection away, or reach what is outside, and by what name.
const OF_HOST: [(CapabilitySet, &str); 8] = [
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
    (CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE"),
    (CapabilitySet::SYS_MODULE, "CAP_SYS_MODULE"),
    (CapabilitySet::SYS_RAWIO, "CAP_SYS_RAWIO"),
    (CapabilitySet::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"),
    (CapabilitySet::MKNOD, "CAP_MKNOD"),
];

/// What lets whoever has it over a container's own network send packets past its sockets, or change where they go.
const OF_NETWORK: [(CapabilitySet, &str); 2] = [
    (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
];

/// Namespaces that a process must not share with the host to be apart from the processes outside.
const APART: [(&str, &str); 2] = [
    ("pid", "the host's process ids: it shares its PID namespace"),
    ("mnt", "the host's files: it shares its mount namespace"),
];

/// Tells a way around that something in a cgroup has, if it has one; and whether all in it is apart from processes outside.
#[must_use]
pub(super) fn ways_out(cgroup: &SessionCgroup) -> (Option<String>, bool) {
    let Some(pids) = cgroup.pids() else {
        return (Some("its processes cannot be listed".to_owned()), false);
    };
    let mut way = None;
    let mut is_apart = true;
    for pid in pids {
        // One that ended meanwhile has no way.
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            continue;
        };
        let shared = APART.iter().find(|(kind, _)| !is_own(pid, kind));
        is_apart &= shared.is_none();
        way = way
            .or_else(|| shared.map(|(_, what)| format!("process {pid} has {what}")))
            .or_else(|| capability(&status, is_own(pid, "user")).map(|name| {
                format!("process {pid} has {name}, or a program can get it; drop all capabilities, or set no_new_privs")
            }))
            .or_else(|| holds_socket(pid).then(|| format!("process {pid} has a socket from before its session")));
    }
    (way, is_apart)
}

/// Tells whether a process is in another namespace of a kind than this one; what cannot be read counts as the same.
fn is_own(pid: u32, kind: &str) -> bool {
    let theirs = fs::read_link(format!("/proc/{pid}/ns/{kind}"));
    let ours = fs::read_link(format!("/proc/self/ns/{kind}"));
    matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs != ours)
}

/// Names a capability that is a way around, from a `/proc/<pid>/status`.
fn capability(status: &str, has_own_users: bool) -> Option<&'static str> {
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let fixed = status.lines().any(|line| line == "NoNewPrivs:\t1");
    let (Some(permitted), Some(bounding)) = (set("CapPrm:"), set("CapBnd:")) else {
        return Some("capabilities that cannot be read");
    };
    // A program may be set-uid or have capabilities of its own, unless no_new_privs is set (execve(2)).
    let all = CapabilitySet::from_bits_retain(permitted | if fixed { 0 } else { bounding });
    let of_host = OF_HOST.iter().filter(|_| !has_own_users);
    of_host
        .chain(&OF_NETWORK)
        .find(|(capability, _)| all.contains(*capability))
        .map(|(_, name)| *name)
}

/// Tells whether a process holds a socket that may reach a network; those of other kinds are listed by name.
fn holds_socket(pid: u32) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return true;
    };
    let held: Vec<String> = descriptors
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| {
            let number = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(number.to_owned())
        })
        .collect();
    if held.is_empty() {
        return false;
    }
    // The inode's column: proc_pid_net(5).
    let mut harmless = BTreeSet::new();
    for (file, column) in [("unix", 6), ("netlink", 9)] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
        let inodes = text
            .lines()
            .filter_map(|line| line.split_ascii_whitespace().nth(column));
        harmless.extend(inodes.map(str::to_owned));
    }
    held.iter().any(|inode| !harmless.contains(inode))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn status(permitted: u64, bounding: u64, fixed: u8) -> String {
        format!(
            "Name:\tx\nCapPrm:\t{permitted:016x}\nCapBnd:\t{bounding:016x}\nNoNewPrivs:\t{fixed}\n"
        )
    }

    #[test]
    fn capabilities_that_are_held_or_can_be_had_are_ways() {
        // Docker's default set: oci/caps/defaults.go in moby.
        let usual = 0xa804_25fb;
        let raw = CapabilitySet::NET_RAW.bits();
        for (permitted, bounding, fixed, own_users, expected) in [
            (0, 0, 0, false, None),
            (0, usual, 0, false, Some("CAP_MKNOD")),
            (0, usual, 1, false, None),
            (usual, usual, 1, true, Some("CAP_NET_RAW")),
            (0, raw, 0, true, Some("CAP_NET_RAW")),
            (0, !raw & !CapabilitySet::NET_ADMIN.bits(), 0, true, None),
            (0, u64::MAX, 0, false, Some("CAP_SYS_ADMIN")),
        ] {
            let found = capability(&status(permitted, bounding, fixed), own_users);
            assert_eq!(found, expected, "{permitted:x} {bounding:x} {fixed}");
        }
        assert!(capability("", true).is_some());
    }

    #[test]
    fn a_socket_of_a_network_is_told_from_others() {
        let own = std::process::id();
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(one.as_raw_fd() != listener.as_raw_fd() && holds_socket(own));
        let quiet = std::process::Command::new("sleep").arg("30").spawn();
        let mut quiet = quiet.unwrap();
        assert!(!holds_socket(quiet.id()));
        assert!(!is_own(quiet.id(), "pid") && !is_own(quiet.id(), "mnt"));
        quiet.kill().unwrap();
        quiet.wait().unwrap();
        assert!(!is_own(u32::MAX, "pid"));
    }
}
