//! Network namespaces of others: found by a process, told apart, and entered by a thread that ends.
//!
//! What is made while a thread is in a namespace stays there for good, whoever holds it; the thread ends, so that none stays.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::listener;
use crate::connection::redirect::netns_cookie;

/// The ports that nobody gets who asks for any, and those that the kernel gives out (ip-sysctl.rst). Both are of the namespace
/// that whoever opens them is in.
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const GIVEN_OUT: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Longest such text: each port by itself, with its comma. A second read would find nothing (`proc_do_large_bitmap`, kernel/sysctl.c).
const SYSCTL_MAX_BYTES: usize = 6 << 16;

/// A network namespace, which stays as long as this does.
#[derive(Debug)]
pub(super) struct Namespace {
    file: File,
    /// A process that was in there.
    pub(super) pid: u32,
}

impl Namespace {
    /// Opens the one that a process is in.
    pub(super) fn of_process(pid: u32) -> io::Result<Self> {
        let file = File::open(format!("/proc/{pid}/ns/net"))?;
        Ok(Self { file, pid })
    }

    /// Opens the one that a link of a process's leads to.
    pub(super) fn of_link(link: &Path, pid: u32) -> io::Result<Self> {
        let file = File::open(link)?;
        Ok(Self { file, pid })
    }

    /// Takes one that is open.
    pub(super) fn from_fd(fd: OwnedFd) -> Self {
        let file = File::from(fd);
        Self { file, pid: 0 }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let file = self.file.try_clone()?;
        Ok(Self { file, ..*self })
    }

    /// Gives a copy to hand on.
    pub(super) fn to_fd(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Tells its inode's number, which another may have once this one is gone.
    pub(super) fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    /// Tells whether it is the daemon's own (namespaces(7): by device and inode).
    pub(super) fn is_own(&self) -> io::Result<bool> {
        let (one, own) = (self.file.metadata()?, fs::metadata("/proc/self/ns/net")?);
        Ok((one.dev(), one.ino()) == (own.dev(), own.ino()))
    }

    /// Tells its cookie, which no other has until the host is started anew (`net_cookie`, net/core/net_namespace.c).
    pub(super) fn cookie(&self) -> io::Result<u64> {
        self.inside(|| netns_cookie(tcp(AddressFamily::INET, SocketFlags::empty())?.as_fd()))
    }

    /// Makes a TCP socket in there that does not block.
    pub(super) fn socket(&self, v6: bool) -> io::Result<OwnedFd> {
        let family = match v6 {
            true => AddressFamily::INET6,
            false => AddressFamily::INET,
        };
        self.inside(|| tcp(family, SocketFlags::NONBLOCK))
    }

    /// Makes the proxy's sockets in there, on 127.0.0.1 and, where it has IPv6, on `::1`. Waits for nobody.
    ///
    /// # Errors
    /// `AddrInUse` where somebody has the port.
    pub(super) fn listen(&self, port: u16) -> io::Result<Vec<TcpListener>> {
        self.inside(|| {
            reserve(port)?;
            listener::bind_both(port, Duration::ZERO).map_err(|error| {
                let kind = error.source.kind();
                let text = format!(
                    "{error}: {} (is its loopback up, and the port free?)",
                    error.source
                );
                io::Error::new(kind, text)
            })
        })
    }

    /// Does something in there, on a thread of its own.
    pub(super) fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let enter_and_work = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.file.as_fd(), kind).map_err(|error| {
                let text = format!(
                    "a container's network could not be entered (it takes CAP_SYS_ADMIN, which the packaged unit leaves out: \
                     docs/install.md, \"Containers\"): {error}"
                );
                io::Error::new(io::Error::from(error).kind(), text)
            })?;
            work()
        };
        thread::scope(|scope| {
            let working = thread::Builder::new()
                .name("network".to_owned())
                .spawn_scoped(scope, enter_and_work)?;
            let done = working.join();
            done.map_err(|_| io::Error::other("the daemon failed; this is a bug"))?
        })
    }
}

/// Tells the inodes' numbers of the network namespaces that a process's threads are in, without opening them; one that has ended is
/// in none.
pub(super) fn inodes_of_process(pid: u32) -> io::Result<BTreeSet<u64>> {
    let process = Path::new("/proc").join(pid.to_string());
    let threads = match fs::read_dir(process.join("task")) {
        Ok(threads) => threads,
        Err(_) if !process.exists() => return Ok(BTreeSet::new()),
        Err(failure) => return Err(failure),
    };
    let mut inodes = BTreeSet::new();
    for thread in threads {
        let thread = thread?.path();
        let link = match fs::read_link(thread.join("ns/net")) {
            Ok(link) => link,
            // A zombie is in none.
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => continue,
            Err(_) if !thread.exists() => continue,
            Err(failure) => return Err(failure),
        };
        let inode = inode_of_link(&link);
        inodes.insert(inode.ok_or_else(|| {
            io::Error::other(format!("expected a network's link, found {link:?}"))
        })?);
    }
    Ok(inodes)
}

/// Tells the inode's number of the network namespace that a process's first thread is in, without opening it.
pub(super) fn inode_of_process(pid: u32) -> Option<u64> {
    inode_of_link(&fs::read_link(format!("/proc/{pid}/ns/net")).ok()?)
}

fn inode_of_link(link: &Path) -> Option<u64> {
    let text = link.to_str()?;
    text.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

fn tcp(family: AddressFamily, flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    Ok(socket_with(family, SocketType::STREAM, flags, None)?)
}

/// Keeps the port, in the namespace that this thread is in, from whoever asks for any: `bind` of port 0, `listen` or `connect`
/// without a `bind`. The kernel chooses after the programs were asked, or asks none; and what it has given out would be in
/// the place of the proxy's listener while no daemon holds that.
fn reserve(port: u16) -> io::Result<()> {
    let reserved = read(RESERVED)?;
    if is_reserved(&reserved, port) {
        return Ok(());
    }
    let Err(failure) = fs::write(RESERVED, with_port(&reserved, port)) else {
        return Ok(());
    };
    if !is_given_out(&read(GIVEN_OUT)?, port) {
        return Ok(());
    }
    let text = format!(
        "expected to keep port {port} from whoever asks for any port in a container's network, by `{RESERVED}`: {failure}; \
         or choose a `capture.port` below 1024"
    );
    Err(io::Error::new(failure.kind(), text))
}

fn read(sysctl: &str) -> io::Result<String> {
    let mut text = vec![0; SYSCTL_MAX_BYTES];
    let bytes = File::open(sysctl)?.read(&mut text)?;
    text.truncate(bytes);
    String::from_utf8(text).map_err(io::Error::other)
}

/// Tells whether a port is among those of `ip_local_reserved_ports`, such as `80,1000-1002`.
fn is_reserved(reserved: &str, port: u16) -> bool {
    reserved.trim().split(',').any(|item| {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let ends = (first.parse::<u16>(), last.parse::<u16>());
        matches!(ends, (Ok(first), Ok(last)) if (first..=last).contains(&port))
    })
}

/// Gives the same ports with one more; what is written replaces what was there.
fn with_port(reserved: &str, port: u16) -> String {
    match reserved.trim() {
        "" => port.to_string(),
        others => format!("{others},{port}"),
    }
}

/// Tells whether a port is in an `ip_local_port_range`, such as `32768 60999`; a doubt counts as yes.
fn is_given_out(range: &str, port: u16) -> bool {
    let mut ends = range.split_ascii_whitespace().map(str::parse::<u16>);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => (first..=last).contains(&port),
        (_, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_reserved_beside_the_others() {
        for (reserved, port, expected) in [
            ("\n", 861, false),
            ("80,1000-1002\n", 861, false),
            ("861\n", 861, true),
            ("80,860-862,9000\n", 861, true),
            ("8610,86,1861\n", 861, false),
        ] {
            assert_eq!(is_reserved(reserved, port), expected, "{reserved:?}");
        }
        assert_eq!(with_port("\n", 861), "861");
        assert_eq!(with_port("80,1000-1002\n", 861), "80,1000-1002,861");
    }

    #[test]
    fn a_port_below_the_range_is_given_to_nobody_and_a_doubt_is_one() {
        assert!(!is_given_out("32768\t60999\n", 861));
        for (range, port) in [
            ("32768\t60999\n", 32768),
            ("1 2\n", 2),
            ("", 861),
            ("1", 861),
        ] {
            assert!(is_given_out(range, port), "{range:?}");
        }
    }

    #[test]
    fn a_process_is_in_a_network_that_its_inode_tells() {
        let own = Namespace::of_process(std::process::id()).unwrap();
        assert!(own.is_own().unwrap());
        let inode = own.inode().unwrap();
        let mut child = std::process::Command::new("unshare")
            .args(["--net", "sleep", "60"])
            .spawn()
            .unwrap();
        while inode_of_process(child.id()) == Some(inode) {
            thread::yield_now();
        }
        let other = Namespace::of_process(child.id()).unwrap();
        // One thread of this process is in there, and its first is not.
        let both = other
            .inside(|| inodes_of_process(std::process::id()))
            .unwrap();
        assert!(both.contains(&inode) && both.contains(&other.inode().unwrap()));
        assert_eq!(inode_of_process(std::process::id()), Some(inode));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(inodes_of_process(u32::MAX).unwrap(), BTreeSet::new());
    }
}
