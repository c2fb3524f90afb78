//! What a container's threads are and hold: rights, namespaces, descriptors. A doubt counts as a way out.
//!
//! Each thread is looked at, not each process: it may have rights, namespaces and a table of descriptors of its own (clone(2),
//! unshare(2), capabilities(7)).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::thread::CapabilitySet;

use super::deadline::Deadline;
use super::descriptors::{Around, Descriptors, Held};
use super::namespace::Namespace;
use super::opened::Mounts;

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

/// Most threads and descriptors of a container that are looked at.
const THREADS_MAX: usize = 16_384;
const DESCRIPTORS_MAX: usize = 1 << 18;

/// Most networks of a container that are looked at.
const NETWORKS_MAX: usize = 16;

/// What was seen of a container's threads.
#[derive(Debug)]
pub(super) struct Seen {
    deadline: Deadline,
    /// The processes that are looked at.
    pub(super) pids: BTreeSet<u32>,
    /// The first way out that was seen.
    pub(super) way: Option<String>,
    /// The first capability that is a way.
    pub(super) had: Option<&'static str>,
    /// Whether one of them shares what must be apart from processes outside.
    pub(super) is_shared: bool,
    threads: usize,
    descriptors: usize,
    /// Unix sockets, by a process that has each.
    pub(super) unix: BTreeMap<u64, (u32, Held)>,
    /// Network namespaces, by what their links say.
    pub(super) networks: BTreeMap<PathBuf, Namespace>,
    /// PID namespaces that are not the host's, by what their links say.
    pub(super) pid_namespaces: BTreeSet<PathBuf>,
    user_namespaces: BTreeSet<PathBuf>,
    /// By the link of their mount namespace.
    mounts: BTreeMap<PathBuf, Mounts>,
}

impl Seen {
    /// Begins a look at some processes; has seen nothing yet.
    #[must_use]
    pub(super) fn of(pids: BTreeSet<u32>, deadline: Deadline) -> Self {
        Self {
            deadline,
            pids,
            way: None,
            had: None,
            is_shared: false,
            threads: 0,
            descriptors: 0,
            unix: BTreeMap::new(),
            networks: BTreeMap::new(),
            pid_namespaces: BTreeSet::new(),
            user_namespaces: BTreeSet::new(),
            mounts: BTreeMap::new(),
        }
    }

    /// Looks at all threads of a process.
    ///
    /// # Errors
    /// When one of them cannot be looked at.
    pub(super) fn process(&mut self, pid: u32) -> io::Result<()> {
        let of_process = Path::new("/proc").join(pid.to_string());
        let threads = match fs::read_dir(of_process.join("task")) {
            Ok(threads) => threads,
            // One that ended meanwhile has no way.
            Err(_) if !of_process.exists() => return Ok(()),
            Err(failure) => return Err(failure),
        };
        for thread in threads {
            self.deadline.look()?;
            let thread = thread?.path();
            self.threads += 1;
            match self.thread(pid, &thread) {
                Err(failure) if has_ended(&thread) => {
                    tracing::debug!(pid, %failure, "a thread ended while it was looked at");
                }
                looked => looked?,
            }
            if self.threads > THREADS_MAX || self.descriptors > DESCRIPTORS_MAX {
                return Err(io::Error::other(format!(
                    "expected at most {THREADS_MAX} threads with {DESCRIPTORS_MAX} descriptors, found more"
                )));
            }
        }
        Ok(())
    }

    fn thread(&mut self, pid: u32, thread: &Path) -> io::Result<()> {
        let status = fs::read_to_string(thread.join("status"))?;
        // A main thread that has ended holds nothing, while others of its process go on.
        if is_dead(&status) {
            return Ok(());
        }
        if let Some((_, what)) = APART.iter().find(|(kind, _)| !is_own(thread, kind)) {
            self.is_shared = true;
            self.note(pid, (*what).to_owned());
        }
        if let Some(name) = capability(&status, is_own(thread, "user")) {
            let text = format!(
                "{name}, or a program can get it; drop all capabilities, or set no_new_privs"
            );
            self.had.get_or_insert(name);
            self.note(pid, text);
        }
        let link = |kind: &str| fs::read_link(thread.join("ns").join(kind));
        if is_own(thread, "pid") {
            self.pid_namespaces.insert(link("pid")?);
        }
        self.user_namespaces.insert(link("user")?);
        if self.user_namespaces.len() > 1 {
            // Who made one has all rights over it, from outside of it too (user_namespaces(7)).
            self.note(pid, "another user namespace than others of it".to_owned());
        }
        let mounts = self.mounts.entry(link("mnt")?).or_default();
        if mounts.is_empty() {
            mounts.read(thread)?;
        }
        let has_namespaces = mounts.have_namespaces();
        let held = Descriptors::of(
            thread,
            &mut Around {
                pids: &self.pids,
                mounts,
                deadline: self.deadline,
            },
        )?;
        self.descriptors += held.count;
        if has_namespaces {
            self.note(
                pid,
                "a namespace mounted, to be entered by its name".to_owned(),
            );
        }
        if let Some(way) = held.way {
            self.note(pid, way);
        }
        for held in held.unix {
            let known = self.unix.entry(held.inode).or_insert((pid, held));
            known.1.waiting = known.1.waiting.max(held.waiting);
        }
        let network = link("net")?;
        // Each of them costs a descriptor of ours.
        let is_full = self.networks.len() >= NETWORKS_MAX;
        if let Entry::Vacant(free) = self.networks.entry(network) {
            if is_full {
                return Err(io::Error::other(format!(
                    "expected at most {NETWORKS_MAX} networks, found more"
                )));
            }
            free.insert(Namespace::of_link(&thread.join("ns/net"), pid)?);
        }
        Ok(())
    }

    fn note(&mut self, pid: u32, what: String) {
        (self.way).get_or_insert_with(|| format!("process {pid} has {what}"));
    }
}

fn is_dead(status: &str) -> bool {
    // Zombies and the dead (proc_pid_status(5), "State").
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| state.trim_start().starts_with(['Z', 'X']))
}

fn has_ended(thread: &Path) -> bool {
    match fs::read_to_string(thread.join("status")) {
        Ok(status) => is_dead(&status),
        Err(_) => !thread.exists(),
    }
}

/// Tells whether a thread is in another namespace of a kind than the host and this process; what cannot be read counts as the
/// same. A service manager gives this process a mount namespace of its own, as `PrivateTmp=` has it: the host's is the one of
/// the system's first process or, where that is hidden, of the kernel's own threads (`kthreadd`, number 2).
pub(super) fn is_own(thread: &Path, kind: &str) -> bool {
    let is_seen = |process: &&Path| fs::read_link(process.join("ns").join(kind)).is_ok();
    let host = [Path::new("/proc/1"), Path::new("/proc/2")];
    let host = host.into_iter().find(is_seen);
    differs(thread, Path::new("/proc/self"), kind)
        && host.is_some_and(|host| differs(thread, host, kind))
}

fn differs(thread: &Path, other: &Path, kind: &str) -> bool {
    let namespace = |of: &Path| fs::read_link(of.join("ns").join(kind));
    matches!((namespace(thread), namespace(other)), (Ok(one), Ok(other)) if one != other)
}

/// Names a capability over a network that a thread has or can get, from its `status`.
pub(super) fn network_capability(status: &str) -> Option<&'static str> {
    capability(status, true)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

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
    fn a_thread_of_the_hosts_is_shared_and_one_that_has_ended_is_nothing() {
        let (held, told) = std::sync::mpsc::channel();
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            held.send(rustix::thread::gettid().as_raw_pid()).unwrap();
            // Ends with the other side.
            assert!(waits.recv().is_err());
        });
        let folder = PathBuf::from(format!("/proc/self/task/{}", told.recv().unwrap()));
        let deadline = Deadline::within(Clock::system(), Duration::from_secs(60));
        let mut seen = Seen::of([7].into(), deadline);
        seen.thread(7, &folder).unwrap();
        assert!(seen.is_shared && seen.networks.len() == 1);
        assert!(seen.way.unwrap().contains("host's process ids"));
        assert!(!has_ended(&folder));
        drop(go_on);
        thread.join().unwrap();
        while folder.exists() {
            std::thread::yield_now();
        }
        assert!(has_ended(&folder) && !is_own(&folder, "pid"));
        assert!(is_dead("Name:\tx\nState:\tZ (zombie)\n") && !is_dead("State:\tS (sleeping)\n"));
        Seen::of(BTreeSet::new(), deadline)
            .process(u32::MAX)
            .unwrap();
        let mut late = Seen::of(
            BTreeSet::new(),
            Deadline::within(Clock::system(), Duration::ZERO),
        );
        assert!(late.process(std::process::id()).is_err());
    }

    /// Where this process has a mount namespace of its own, whoever is in the host's is not apart from the host.
    #[test]
    fn a_namespace_is_own_if_it_is_neither_the_hosts_nor_this_processs() {
        let mut child = std::process::Command::new("unshare")
            .args(["--mount", "sleep", "60"])
            .spawn()
            .unwrap();
        let (child_folder, own) = (format!("/proc/{}", child.id()), Path::new("/proc/self"));
        let child_folder = Path::new(&child_folder);
        while !differs(child_folder, own, "mnt") {
            std::thread::yield_now();
        }
        assert!(is_own(child_folder, "mnt") && !is_own(child_folder, "pid"));
        assert!(!is_own(Path::new("/proc/2"), "mnt") && !is_own(own, "mnt"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!differs(child_folder, own, "mnt"), "it has ended");
    }
}
