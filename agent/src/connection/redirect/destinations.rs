//! The proxy's end: what the kernel says about an accepted socket.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use aya::maps::{Map, MapData, MapError, SkStorage};
use icecore_ebpf::{ConnMeta, KIND_SESSION};
use rustix::system::uname;

use super::error::is_absent;
use crate::id::SessionId;

/// Looks up where a redirected connection wanted to go and whose it is.
///
/// Needs the one descriptor it is made from, and no privilege.
#[derive(Debug)]
pub struct Destinations {
    map: SkStorage<MapData, ConnMeta>,
}

/// What the kernel wrote down when a session's process connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// The session.
    pub session: SessionId,
    /// The session's nonce: another one means that the session's cgroup id was used again.
    pub nonce: u64,
    /// Where the process wanted to connect to; a mapped IPv4 address is told as IPv4.
    pub destination: SocketAddr,
    /// Cookie of the network namespace that it connected in.
    pub network: u64,
    /// Process that connected.
    pub pid: u32,
    /// Thread that connected.
    pub tid: u32,
    /// Uid that connected.
    pub uid: u32,
    /// The session's cgroup.
    pub cgroup_id: u64,
    /// The client socket's cookie.
    pub cookie: u64,
    /// When it connected, in nanoseconds since the host started.
    pub boot_ns: u64,
    /// Number of the last exec of the process; 0 where it is not known.
    pub exec_id: u64,
    /// Name of the thread that connected; the process may set it to anything.
    pub comm: String,
}

/// Why a socket could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    /// The kernel did not redirect this connection: somebody dialled the proxy.
    #[error("socket: expected a redirected connection, found one without a tag")]
    NotRedirected,
    /// The map says something that no program of ours writes.
    #[error("socket: expected a session's tag, found kind {kind}")]
    Foreign {
        /// The tag's kind.
        kind: u32,
    },
    /// The descriptor is not the map it should be.
    #[error("destinations map: expected socket storage of this version")]
    NotTheMap {
        /// What aya says.
        source: MapError,
    },
    /// The kernel refused the look-up.
    #[error("look up a socket's destination")]
    Map {
        /// What aya says.
        source: MapError,
    },
}

/// Tells whether this kernel asks for CAP_BPF to look an element up by a descriptor that one holds.
///
/// Linux asks for it where `unprivileged_bpf_disabled` is set, up to 5.18. Source: `__sys_bpf` in
/// linux/kernel/bpf/syscall.c, which names `BPF_MAP_CREATE` and `BPF_PROG_LOAD` alone from commit c8644cd0efe7 (5.19) on.
pub(crate) fn lookups_need_a_capability() -> bool {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    if disabled.is_ok_and(|text| text.trim() == "0") {
        return false;
    }
    !is_since_5_19(&uname().release().to_string_lossy())
}

/// Reads a release such as `5.15.0-91-generic`; what cannot be read counts as newer: no right is given in doubt.
fn is_since_5_19(release: &str) -> bool {
    let mut numbers = release.split(|sign: char| !sign.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) => (major, minor) >= (5, 19),
        (None, _) | (_, None) => true,
    }
}

impl Destinations {
    /// Takes the map's descriptor, as [`Kernel::destinations_fd`](super::Kernel::destinations_fd) gave it.
    ///
    /// # Errors
    ///
    /// If it is no such map.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, LookUpError> {
        let not_the_map = |source| LookUpError::NotTheMap { source };
        let data = MapData::from_fd(fd).map_err(not_the_map)?;
        let map = Map::from_map_data(data).map_err(not_the_map)?;
        let map = SkStorage::try_from(map).map_err(not_the_map)?;
        Ok(Self { map })
    }

    /// Looks up an accepted socket.
    ///
    /// # Errors
    ///
    /// [`LookUpError::NotRedirected`] if the kernel says nothing about it: such a connection is to be reset.
    pub fn look_up(&self, socket: BorrowedFd<'_>) -> Result<Redirected, LookUpError> {
        let meta = self.map.get(&socket.as_raw_fd(), 0).map_err(|source| {
            if is_absent(&source) {
                LookUpError::NotRedirected
            } else {
                LookUpError::Map { source }
            }
        })?;
        if meta.socket.kind != KIND_SESSION {
            return Err(LookUpError::Foreign {
                kind: meta.socket.kind,
            });
        }
        Ok(Redirected {
            session: SessionId::from_bytes(meta.session),
            nonce: meta.socket.nonce,
            destination: destination(&meta),
            network: meta.netns,
            pid: meta.pid,
            tid: meta.tid,
            uid: meta.uid,
            cgroup_id: meta.socket.cgroup_id,
            cookie: meta.cookie,
            boot_ns: meta.boot_ns,
            exec_id: meta.exec_id,
            comm: text(&meta.comm),
        })
    }
}

fn destination(meta: &ConnMeta) -> SocketAddr {
    let address = IpAddr::V6(Ipv6Addr::from(meta.destination.octets()));
    SocketAddr::new(address.to_canonical(), meta.port)
}

/// Reads up to the NUL; what is not UTF-8 is shown as the replacement character.
pub(super) fn text(comm: &[u8]) -> String {
    let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use icecore_ebpf::Address;

    use super::*;

    #[track_caller]
    fn check(octets: &str, expected: &str) {
        let meta = ConnMeta {
            destination: Address::from_octets(octets.parse::<Ipv6Addr>().unwrap().octets()),
            port: 443,
            ..ConnMeta::default()
        };
        assert_eq!(destination(&meta).to_string(), expected);
    }

    #[test]
    fn mapped_destination_is_told_as_ipv4() {
        check("::ffff:192.0.2.7", "192.0.2.7:443");
        check("2001:db8::7", "[2001:db8::7]:443");
    }

    #[test]
    fn kernels_before_5_19_are_told_apart() {
        for (release, expected) in [
            ("5.15.0-91-generic", false),
            ("5.18.19", false),
            ("4.18.0-513.el8.x86_64", false),
            ("5.19.0", true),
            ("6.1.0-18-amd64", true),
            ("6.18.1", true),
            ("unknown", true),
        ] {
            assert_eq!(is_since_5_19(release), expected, "{release}");
        }
    }

    #[test]
    fn comm_ends_at_its_nul() {
        assert_eq!(text(b"python3\0\0\0\0\0\0\0\0\0"), "python3");
        assert_eq!(text(&[0xff; 4]), "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }
}
