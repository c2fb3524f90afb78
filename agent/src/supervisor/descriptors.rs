//! What a thread holds open, as far as it may lead out of a session. What is not known counts as a way.
//!
//! Each descriptor is read by its link, which the kernel writes: what a process can choose begins with `/`, and is judged by what
//! it is (`opened.rs`). Nothing is opened, since a file system of the container's own may answer never.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::getxattr;
use rustix::io::Errno;

use super::deadline::Deadline;
use super::opened::Mounts;

/// Kinds that lead nowhere. Source: the names given to `anon_inode_getfd` and `anon_inode_getfile` in linux.
const HARMLESS: [&str; 9] = [
    "[eventfd]",
    "[eventpoll]",
    "[fanotify]",
    "[landlock-ruleset]",
    "[signalfd]",
    "[timerfd]",
    "[userfaultfd]",
    "inotify",
    "sync_file",
];

/// Namespaces (`fs/nsfs.c`). Who made a user namespace has all rights over it and over what belongs to it, and each of them leads
/// to its user namespace (`NS_GET_USERNS`, ioctl_nsfs(2)): the rights over a network from before among them.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// `PF_IO_WORKER`, `PF_USER_WORKER`: threads that the kernel makes for an `io_uring` (`vhost` has them too). Their names are theirs
/// to change. Source: linux/include/linux/sched.h.
const RING_THREAD: u64 = 0x10 | 0x4000;

/// By this the kernel names the protocol of a socket, whatever its number. Source: `sockfs_xattr_get` in linux/net/socket.c; the
/// name is that of the `struct proto` (`netlink_proto`, linux/net/netlink/af_netlink.c).
const PROTOCOL: &str = "system.sockprotoname";
const NETLINK: &[u8] = b"NETLINK";

/// A Unix socket that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its inode's number.
    pub(super) inode: u64,
    /// How many descriptors wait in it to be received.
    pub(super) waiting: u64,
}

/// What a thread holds.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    /// A way out that is seen at once, in words that follow "process 7 has".
    pub(super) way: Option<String>,
    /// Its Unix sockets.
    pub(super) unix: Vec<Held>,
    /// How many descriptors there are.
    pub(super) count: usize,
}

/// What a link says.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Harmless,
    Socket,
    Process,
    File,
    Way(String),
}

/// What is known of where a thread is.
#[derive(Debug)]
pub(super) struct Around<'a> {
    /// The processes that are looked at.
    pub(super) pids: &'a BTreeSet<u32>,
    /// What its mount namespace has.
    pub(super) mounts: &'a mut Mounts,
    /// By when all must have been seen.
    pub(super) deadline: Deadline,
}

impl Descriptors {
    /// Looks at those of a thread, whose folder in `/proc` is given.
    ///
    /// # Errors
    /// When they cannot be read; a thread that has ended has none.
    pub(super) fn of(thread: &Path, around: &mut Around<'_>) -> io::Result<Self> {
        let mut found = Self::default();
        if is_of_ring(&fs::read_to_string(thread.join("stat"))?) {
            found.note("an io_uring, which may hold sockets from before its session".to_owned());
        }
        for entry in fs::read_dir(thread.join("fd"))? {
            around.deadline.look()?;
            let entry = entry?;
            found.count += 1;
            let link = match fs::read_link(entry.path()) {
                Ok(link) => link,
                // Closed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let link = link.to_string_lossy();
            let kind = kind(&link);
            match kind {
                Kind::Harmless => continue,
                Kind::Way(way) => {
                    found.note(way);
                    continue;
                }
                Kind::File => {
                    let way = (around.mounts).way(thread, &entry.file_name(), &link)?;
                    way.into_iter().for_each(|way| found.note(way));
                    continue;
                }
                Kind::Socket | Kind::Process => {}
            }
            let facts = fs::read_to_string(thread.join("fdinfo").join(entry.file_name()));
            let facts = match facts {
                Ok(facts) => facts,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if kind == Kind::Process {
                // 0 and -1 are of one that cannot be seen, or has ended.
                let pid = member(&facts, "Pid").and_then(|pid| u32::try_from(pid).ok());
                if pid.is_none_or(|pid| !around.pids.contains(&pid)) {
                    found.note("a pidfd of a process that is not in its cgroup".to_owned());
                }
            } else if let Some(held) = unix(&facts) {
                found.unix.push(held);
            } else if !is_netlink(&entry.path())? {
                found.note("a socket from before its session".to_owned());
            }
        }
        Ok(found)
    }

    fn note(&mut self, way: String) {
        self.way.get_or_insert(way);
    }
}

fn kind(link: &str) -> Kind {
    if link.starts_with('/') {
        return Kind::File;
    }
    let unknown = || {
        let text = format!(
            "a descriptor of a kind that is not known to lead nowhere, `{}`",
            link.escape_default()
        );
        Kind::Way(text)
    };
    let Some((kind, what)) = link.split_once(':') else {
        return unknown();
    };
    if kind == "anon_inode" {
        return match what {
            "[io_uring]" => {
                Kind::Way("an io_uring, which may hold sockets from before its session".to_owned())
            }
            "[pidfd]" => Kind::Process,
            what if HARMLESS.contains(&what) => Kind::Harmless,
            _ => unknown(),
        };
    }
    let number = what
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|number| number.parse::<u64>().ok());
    match (kind, number) {
        ("socket", Some(_)) => Kind::Socket,
        ("pipe", Some(_)) => Kind::Harmless,
        ("pidfd", Some(_)) => Kind::Process,
        (kind, Some(_)) if NAMESPACES.contains(&kind) => Kind::Way(format!(
            "a namespace open, `{}`, over which it may have rights: close it before",
            link.escape_default()
        )),
        (_, _) => unknown(),
    }
}

/// Reads what `fdinfo` says of a Unix socket; no other has `scm_fds` (`unix_show_fdinfo`, since Linux 5.7). `ino` is there since
/// Linux 5.14, and both are of one file, whatever stands in the table since (proc_pid_fdinfo(5)).
fn unix(fdinfo: &str) -> Option<Held> {
    Some(Held {
        inode: member(fdinfo, "ino")?,
        waiting: member(fdinfo, "scm_fds")?,
    })
}

/// Reads a number of an `fdinfo`.
pub(super) fn member(fdinfo: &str, name: &str) -> Option<u64> {
    let mut lines = fdinfo.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().parse().ok()
}

/// Tells whether a socket is one to the kernel. Numbers of inodes come again after 2^32 sockets; this is of the very one.
fn is_netlink(descriptor: &Path) -> io::Result<bool> {
    let mut name = [0; 64];
    let length = match getxattr(descriptor, PROTOCOL, &mut name) {
        Ok(length) => length,
        // Closed meanwhile.
        Err(Errno::NOENT) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let name = name.get(..length).unwrap_or_default();
    Ok(name.strip_suffix(b"\0").unwrap_or(name) == NETLINK)
}

/// Reads the flags of a `/proc/<pid>/stat`, its ninth field (proc_pid_stat(5)); a name in it may hold blanks and brackets. A doubt
/// counts as yes.
fn is_of_ring(stat: &str) -> bool {
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let flags = after_name.and_then(|rest| rest.split_ascii_whitespace().nth(6)?.parse().ok());
    flags.is_none_or(|flags: u64| flags & RING_THREAD != 0)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use rustix::net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, netlink, sendmsg, socket_with,
    };

    use super::*;
    use crate::clock::Clock;

    /// A process that holds one descriptor beside the null device.
    fn with(descriptor: OwnedFd, look: impl FnOnce(Descriptors)) {
        let child = Command::new("sleep")
            .arg("60")
            .stdin(descriptor)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.unwrap();
        let pid = child.id();
        let exe = || fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        // Until it has executed, it still has this process's.
        while exe() == std::env::current_exe().unwrap() {
            std::thread::yield_now();
        }
        let mut around = Around {
            pids: &[pid].into(),
            mounts: &mut Mounts::default(),
            deadline: Deadline::within(Clock::system(), Duration::from_secs(60)),
        };
        let thread = PathBuf::from(format!("/proc/{pid}/task/{pid}"));
        look(Descriptors::of(&thread, &mut around).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn way(descriptor: impl Into<OwnedFd>) -> Option<String> {
        let mut way = None;
        with(descriptor.into(), |found| way = found.way);
        way
    }

    #[test]
    fn sockets_of_a_network_are_ways_and_those_to_the_kernel_are_none() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let before = Some("a socket from before its session".to_owned());
        assert_eq!(way(listener), before);
        let made = |family, kind, protocol| {
            socket_with(family, kind, SocketFlags::CLOEXEC, protocol).unwrap()
        };
        assert_eq!(
            way(made(AddressFamily::INET6, SocketType::DGRAM, None)),
            before
        );
        let kernel = made(
            AddressFamily::NETLINK,
            SocketType::RAW,
            Some(netlink::SOCK_DIAG),
        );
        assert_eq!(way(kernel), None);
        assert_eq!(way(UnixStream::pair().unwrap().0), None);
        assert_eq!(way(fs::File::open("/dev/null").unwrap()), None);
        let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC);
        assert_eq!(way(event.unwrap()), None);
    }

    #[test]
    fn a_pidfd_is_a_way_but_to_who_is_looked_at() {
        use rustix::process::{PidfdFlags, getpid, pidfd_open};
        let outside = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let told = way(outside).unwrap();
        assert!(told.contains("not in its cgroup"), "{told}");
        let one = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let number = one.as_raw_fd();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        assert_eq!(member(&info, "Pid"), Some(std::process::id().into()));
        assert_eq!(member("Pid:\t-1\n", "Pid"), None);
    }

    #[test]
    fn a_thread_of_a_rings_is_known_by_its_flags_and_not_by_its_name() {
        let stat = |name: &str, flags: u64| format!("7 ({name}) S 1 7 7 0 -1 {flags} 0 0 0");
        for (name, flags, expected) in [
            ("iou-wrk-7", 0x40_0040, false),
            ("x) S 1 7 7 0 -1 0", 0x40_4050, true),
            ("x", 0x10, true),
            ("x", 0x4000, true),
            ("a b", 0x40_0100, false),
        ] {
            assert_eq!(is_of_ring(&stat(name, flags)), expected, "{name} {flags:x}");
        }
        assert!(is_of_ring(""));
    }

    #[test]
    fn what_waits_in_a_socket_is_counted_though_no_byte_does() {
        let (one, other) = UnixStream::pair().unwrap();
        let inode = rustix::fs::fstat(&one).unwrap().st_ino;
        let sent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let fds = [sent.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(
            &other,
            &[IoSlice::new(b"x")],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
        // Nobody holds it now but the queue.
        let number = sent.as_raw_fd();
        drop(sent);
        assert!(number > 2);
        with(one.into(), |found| {
            assert_eq!(found.unix, [Held { inode, waiting: 1 }]);
        });
        drop(other);
    }

    #[test]
    fn links_are_read_as_the_kernel_writes_them() {
        for (link, expected) in [
            ("/x/socket:[7]", Kind::File),
            ("/memfd:x (deleted)", Kind::File),
            ("/dev/net/tun", Kind::File),
            ("pipe:[7]", Kind::Harmless),
            ("pidfd:[7]", Kind::Process),
            ("anon_inode:[pidfd]", Kind::Process),
            ("anon_inode:[eventpoll]", Kind::Harmless),
            ("anon_inode:inotify", Kind::Harmless),
            ("socket:[7]", Kind::Socket),
        ] {
            assert_eq!(kind(link), expected, "{link}");
        }
        for link in [
            "anon_inode:[io_uring]",
            "anon_inode:bpf-map",
            "net:[4026531840]",
            "user:[4026531837]",
            "mnt:[4026531841]",
            "socket:[x]",
            "pipe:",
            "something",
            "",
        ] {
            assert!(matches!(kind(link), Kind::Way(_)), "{link}");
        }
        assert_eq!(unix("pos:\t0\nflags:\t02\nmnt_id:\t10\nino:\t5\n"), None);
        assert_eq!(unix("pos:\t0\nscm_fds: 2\n"), None, "which one is not told");
        let both = unix("pos:\t0\nmnt_id:\t10\nino:\t5\nscm_fds: 2\n");
        assert_eq!(
            both,
            Some(Held {
                inode: 5,
                waiting: 2
            })
        );
    }
}
