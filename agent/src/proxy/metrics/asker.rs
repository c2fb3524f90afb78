//! Who asks for metrics: nobody in a session is answered.
//!
//! The kernel keeps a session's processes from this port by itself. This is the second look: it asks the kernel whose
//! socket is at the other end, by the cgroup in which the socket was made. Any doubt refuses.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt,
};

/// Folder of ours below the capture root, and the daemon's own in it.
const HOME: &str = "icecore";
const DAEMON: &str = "daemon";

/// Most cgroups of sessions that are looked at.
const CGROUPS_MAX: usize = 65_536;

/// How long the kernel may take to answer; it does so at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Source: `SOCK_DIAG_BY_FAMILY` in linux/include/uapi/linux/sock_diag.h.
const BY_FAMILY: u16 = 20;

/// Source: `NLM_F_REQUEST` and `NLMSG_ERROR` in linux/include/uapi/linux/netlink.h.
const REQUEST: u16 = 1;
const ERROR: u16 = 2;

/// Lengths of `struct nlmsghdr`, `struct inet_diag_req_v2` and `struct inet_diag_msg`, in bytes. Source: the headers above
/// and linux/include/uapi/linux/inet_diag.h.
const HEAD_BYTES: usize = 16;
const ASKED_BYTES: u32 = 56;
const TOLD_BYTES: usize = 72;

/// Source: `INET_DIAG_CGROUP_ID` in linux/include/uapi/linux/inet_diag.h; in each answer since Linux 5.9.
const CGROUP_ID: u16 = 21;

/// Numbers of address families and of TCP. Source: linux/include/linux/socket.h, RFC 9293.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;

/// Why somebody is not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAnswered {
    #[error("expected a program outside of all sessions, found one in a session")]
    InSession,
    #[error("the kernel does not say whose socket asks: {0}")]
    Kernel(#[from] io::Error),
    #[error("expected the kernel's word on whose socket asks, found none")]
    Nothing,
    #[error("`{}`: {cause}", path.display())]
    Cgroups { path: PathBuf, cause: io::Error },
    #[error("more than {CGROUPS_MAX} cgroups of sessions")]
    Many,
}

/// Tells whether the program at the other end of a connection may read metrics.
pub(super) fn check(peer: SocketAddr, own: SocketAddr, root: &Path) -> Result<(), NotAnswered> {
    let cgroup = cgroup_of(peer, own)?.ok_or(NotAnswered::Nothing)?;
    let home = root.join(HOME);
    let is_sessions = |folder: &Path| folder.file_name() != Some(DAEMON.as_ref());
    let mut folders = folders(&home)?;
    folders.retain(|folder| is_sessions(folder));
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        looked += 1;
        if looked > CGROUPS_MAX {
            return Err(NotAnswered::Many);
        }
        // A cgroup's id is the inode number of its folder on 64-bit kernels (kernfs_ino, include/linux/kernfs.h).
        let Ok(facts) = fs::metadata(&folder) else {
            // It is gone, and with it all that was in it.
            continue;
        };
        if facts.ino() == cgroup {
            return Err(NotAnswered::InSession);
        }
        folders.extend(self::folders(&folder)?);
    }
    Ok(())
}

/// Lists the folders in one; none if it is gone.
fn folders(path: &Path) -> Result<Vec<PathBuf>, NotAnswered> {
    let failed = |cause| NotAnswered::Cgroups {
        path: path.to_owned(),
        cause,
    };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// Asks the kernel in which cgroup a connected socket of this host was made.
fn cgroup_of(local: SocketAddr, remote: SocketAddr) -> Result<Option<u64>, io::Error> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(ANSWER_WITHIN))?;
    // A netlink socket that was connected to nobody speaks to the kernel (netlink(7)).
    send(&socket, &question(local, remote), SendFlags::empty())?;
    let mut answer = [0; 4096];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    read(answer.get(..length).unwrap_or_default())
}

/// Writes a question about one socket, by its two ends.
fn question(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { INET } else { INET6 };
    let mut bytes = Vec::with_capacity(HEAD_BYTES + ASKED_BYTES as usize);
    bytes.extend((u32::try_from(HEAD_BYTES).unwrap_or(0) + ASKED_BYTES).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    // Number and sender: there is one question on this socket, and the kernel knows the sender.
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 0, 0]);
    // In any state.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    bytes.extend(address(local.ip()));
    bytes.extend(address(remote.ip()));
    // Any interface, and no cookie (`INET_DIAG_NOCOOKIE`).
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend([0xff; 8]);
    bytes
}

fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Reads the cgroup out of an answer; none where it does not say it.
fn read(answer: &[u8]) -> Result<Option<u64>, io::Error> {
    let number16 = |at: usize| {
        answer
            .get(at..at + 2)?
            .try_into()
            .ok()
            .map(u16::from_ne_bytes)
    };
    let kind = number16(4);
    if kind == Some(ERROR) {
        let code = answer.get(HEAD_BYTES..HEAD_BYTES + 4);
        let code = code.and_then(|code| code.try_into().ok());
        let code = code.map_or(0, i32::from_ne_bytes);
        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
    }
    if kind != Some(BY_FAMILY) {
        return Ok(None);
    }
    let mut at = HEAD_BYTES + TOLD_BYTES;
    while let (Some(length), Some(kind)) = (number16(at), number16(at + 2)) {
        let length = usize::from(length);
        if length < 4 {
            break;
        }
        if kind == CGROUP_ID {
            let id = answer.get(at + 4..at + 12);
            let id = id.and_then(|id| id.try_into().ok());
            return Ok(id.map(u64::from_ne_bytes));
        }
        // Attributes begin at multiples of four bytes (netlink(7)).
        at += length.next_multiple_of(4);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_says_in_which_cgroup_a_socket_was_made() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            let found = cgroup_of(peer, accepted.local_addr().unwrap()).unwrap();
            let of_other_end = cgroup_of(accepted.local_addr().unwrap(), peer).unwrap();
            assert!(found.is_some_and(|id| id > 0), "{found:?}");
            assert_eq!(found, of_other_end, "both ends are of this process");
            drop(stream);
        }
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        assert!(cgroup_of("127.0.0.1:1".parse().unwrap(), own).is_err());
    }

    #[test]
    fn whoever_is_in_a_folder_of_sessions_is_not_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let _stream = TcpStream::connect(own).unwrap();
        let (_accepted, peer) = listener.accept().unwrap();
        let root = tempfile::tempdir().unwrap();
        assert!(check(peer, own, root.path()).is_ok(), "there is no session");
        fs::create_dir_all(root.path().join("icecore/daemon")).unwrap();
        assert!(
            check(peer, own, root.path()).is_ok(),
            "none but the daemon's"
        );
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read = read(&answer);
        }
    }
}
