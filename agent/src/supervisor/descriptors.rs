//! What a thread holds open, as far as it may lead out of a session. What is not known counts as a way.
//!
//! Each descriptor is read by its link, which the kernel writes: what a process can choose begins with `/`. Nothing is opened and
//! no file is asked, since a file system of the container's own may answer never; for the same reason what `fdinfo` says is read
//! of sockets alone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// Kinds that lead nowhere. Source: the names given to `anon_inode_getfd` and `anon_inode_getfile` in linux.
const HARMLESS: [&str; 10] = [
    "[eventfd]",
    "[eventpoll]",
    "[fanotify]",
    "[landlock-ruleset]",
    "[pidfd]",
    "[signalfd]",
    "[timerfd]",
    "[userfaultfd]",
    "inotify",
    "sync_file",
];

/// Kinds of what has a number: pipes, processes (since Linux 6.9) and namespaces (`fs/nsfs.c`), which nobody enters without
/// CAP_SYS_ADMIN (setns(2)).
const NUMBERED: [&str; 10] = [
    "pipe", "pidfd", "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts",
];

/// Devices that carry packets past sockets.
const DEVICES: [&str; 3] = ["/dev/net/", "/dev/tap", "/dev/vhost-"];

/// Names of threads that the kernel makes for an `io_uring`. Source: linux/io_uring/io-wq.c and sqpoll.c.
const RING_THREAD: &str = "iou-";

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
    Socket(u64),
    Way(String),
}

impl Descriptors {
    /// Looks at those of a thread, whose folder in `/proc` is given.
    ///
    /// # Errors
    /// When they cannot be read; a thread that has ended has none.
    pub(super) fn of(thread: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        let name = fs::read(thread.join("comm"))?;
        if name.starts_with(RING_THREAD.as_bytes()) {
            found.note("an io_uring, which may hold sockets from before its session".to_owned());
        }
        let mut netlink = None;
        for entry in fs::read_dir(thread.join("fd"))? {
            let entry = entry?;
            found.count += 1;
            let link = match fs::read_link(entry.path()) {
                Ok(link) => link,
                // Closed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let inode = match kind(&link.to_string_lossy()) {
                Kind::Harmless => continue,
                Kind::Way(way) => {
                    found.note(way);
                    continue;
                }
                Kind::Socket(inode) => inode,
            };
            let facts = fs::read_to_string(thread.join("fdinfo").join(entry.file_name()));
            let facts = match facts {
                Ok(facts) => facts,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let Some(held) = unix(&facts) {
                found.unix.push(held);
                continue;
            }
            let netlink = match &mut netlink {
                Some(known) => known,
                none => none.insert(of_netlink(thread)?),
            };
            if !netlink.contains(&inode) {
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
        return match DEVICES.iter().any(|device| link.starts_with(device)) {
            true => Kind::Way(format!("`{}` open", link.escape_default())),
            false => Kind::Harmless,
        };
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
            what if HARMLESS.contains(&what) => Kind::Harmless,
            _ => unknown(),
        };
    }
    let number = what
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|number| number.parse().ok());
    match (kind, number) {
        ("socket", Some(inode)) => Kind::Socket(inode),
        (kind, Some(_)) if NUMBERED.contains(&kind) => Kind::Harmless,
        (_, _) => unknown(),
    }
}

/// Reads what `fdinfo` says of a Unix socket; no other has `scm_fds` (`unix_show_fdinfo`, since Linux 5.7). `ino` is there since
/// Linux 5.14, and both are of one file, whatever stands in the table since (proc_pid_fdinfo(5)).
fn unix(fdinfo: &str) -> Option<Held> {
    let member = |name: &str| {
        let mut lines = fdinfo.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().parse().ok()
    };
    Some(Held {
        inode: member("ino")?,
        waiting: member("scm_fds")?,
    })
}

/// Lists the netlink sockets of a thread's network: they lead to the kernel. All in that file is numbers (proc_pid_net(5)).
fn of_netlink(thread: &Path) -> io::Result<BTreeSet<u64>> {
    let text = fs::read_to_string(thread.join("net/netlink"))?;
    // Its first line is a heading.
    let inodes = (text.lines().skip(1))
        .filter_map(|line| line.split_ascii_whitespace().nth(9)?.parse().ok());
    Ok(inodes.collect())
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use rustix::net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, netlink, sendmsg, socket_with,
    };

    use super::*;

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
        look(Descriptors::of(&PathBuf::from(format!("/proc/{pid}/task/{pid}"))).unwrap());
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
        // As `ip` has it; one that is not bound is not listed.
        let any = netlink::SocketAddrNetlink::new(0, 0);
        rustix::net::bind(&kernel, &any).unwrap();
        assert_eq!(way(kernel), None);
        assert_eq!(way(UnixStream::pair().unwrap().0), None);
        assert_eq!(way(fs::File::open("/dev/null").unwrap()), None);
        let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC);
        assert_eq!(way(event.unwrap()), None);
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
            ("/x/socket:[7]", Kind::Harmless),
            ("/memfd:x (deleted)", Kind::Harmless),
            ("pipe:[7]", Kind::Harmless),
            ("net:[4026531840]", Kind::Harmless),
            ("anon_inode:[eventpoll]", Kind::Harmless),
            ("anon_inode:inotify", Kind::Harmless),
            ("socket:[7]", Kind::Socket(7)),
        ] {
            assert_eq!(kind(link), expected, "{link}");
        }
        for link in [
            "anon_inode:[io_uring]",
            "anon_inode:bpf-map",
            "/dev/net/tun",
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
