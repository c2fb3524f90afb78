//! What sockets there are in a network namespace, as the kernel lists them for `ss` (sock_diag(7)).
//!
//! `/proc/net/unix` has names that processes choose, line ends included; here each socket is a message of its own. Whoever holds
//! a socket, it is listed: in a table of descriptors, on its way through another socket, in an `io_uring`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::time::Duration;

use super::deadline::Deadline;

/// `SOCK_DIAG_BY_FAMILY`. Source: linux/include/uapi/linux/sock_diag.h.
const BY_FAMILY: u16 = 20;

/// `NLM_F_REQUEST | NLM_F_DUMP`, `NLM_F_DUMP_INTR`, `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE`.
/// Source: linux/include/uapi/linux/netlink.h, as for the sizes of headers.
const DUMP: u16 = 0x301;
const INTERRUPTED: u16 = 0x10;
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// `struct unix_diag_msg`, `UDIAG_SHOW_RQLEN`, `UNIX_DIAG_RQLEN`. Source: linux/include/uapi/linux/unix_diag.h.
const UNIX_BYTES: usize = 16;
const SHOW_QUEUE: u32 = 0x10;
const QUEUE: u16 = 4;

/// `struct inet_diag_msg`, `INET_DIAG_CGROUP_ID` (since Linux 5.9). Source: linux/include/uapi/linux/inet_diag.h.
const INET_BYTES: usize = 72;
const CGROUP_ID: u16 = 21;

/// `TCP_LISTEN`, of Unix sockets too. Source: linux/include/net/tcp_states.h.
const LISTEN: u8 = 10;

/// Protocols of the Internet's whose sockets are listed. Source: linux/include/uapi/linux/in.h.
const PROTOCOLS: [(u8, &str); 2] = [(6, "TCP"), (17, "UDP")];

/// Longest wait for a part of a list, which the kernel makes when it is asked for.
const PART_WITHIN: Duration = Duration::from_secs(2);

/// Room for a part of a list: the kernel makes none of more than 32 KiB (netlink(7); `netlink_dump`).
const PART_BYTES: usize = 64 << 10;

/// Most sockets of a list that are looked at.
const SOCKETS_MAX: usize = 1 << 20;

/// A Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnixSocket {
    /// Its inode's number.
    pub(super) inode: u64,
    /// Whether it listens.
    pub(super) listens: bool,
    /// Connections that wait in one that listens, else bytes.
    pub(super) queued: u32,
}

/// A socket of the Internet's protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InetSocket {
    /// Its inode's number; 0 where no file is left of it.
    pub(super) inode: u64,
    /// The cgroup that it was made in.
    pub(super) cgroup_id: Option<u64>,
    /// Its protocol.
    pub(super) protocol: &'static str,
}

/// All that a namespace has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    pub(super) unix: Vec<UnixSocket>,
    pub(super) inet: Vec<InetSocket>,
}

impl Sockets {
    /// Lists those of the namespace that this thread is in.
    ///
    /// # Errors
    /// When the kernel does not list them whole and in time, or lists something else.
    pub(super) fn here(deadline: Deadline) -> io::Result<Self> {
        let mut all = Self::unix_here(deadline)?;
        for (protocol, name) in PROTOCOLS {
            for family in [AddressFamily::INET, AddressFamily::INET6] {
                each(&inet_request(family, protocol)?, deadline, |body| {
                    all.inet.push(inet(body, name).ok_or_else(unreadable)?);
                    fits(all.inet.len())
                })?;
            }
        }
        Ok(all)
    }

    /// Lists the Unix sockets of the namespace that this thread is in.
    ///
    /// # Errors
    /// As [`Sockets::here`].
    pub(super) fn unix_here(deadline: Deadline) -> io::Result<Self> {
        let mut all = Self::default();
        each(&unix_request(), deadline, |body| {
            all.unix.push(unix(body).ok_or_else(unreadable)?);
            fits(all.unix.len())
        })?;
        Ok(all)
    }
}

fn fits(count: usize) -> io::Result<()> {
    match count <= SOCKETS_MAX {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "expected at most {SOCKETS_MAX} sockets, found more"
        ))),
    }
}

fn unreadable() -> io::Error {
    io::Error::other("expected a list of sockets as sock_diag(7) has it, found something else")
}

/// `struct unix_diag_req`: family, protocol, padding, states, inode, what to show, cookie.
fn unix_request() -> Vec<u8> {
    let mut body = vec![1, 0, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(0_u32.to_ne_bytes());
    body.extend(SHOW_QUEUE.to_ne_bytes());
    body.extend([0; 8]);
    body
}

/// `struct inet_diag_req_v2`: family, protocol, extensions, padding, states, and which socket: any.
fn inet_request(family: AddressFamily, protocol: u8) -> io::Result<Vec<u8>> {
    let family = u8::try_from(family.as_raw()).map_err(|_| unreadable())?;
    let mut body = vec![family, protocol, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend([0; 48]);
    Ok(body)
}

/// Asks for a list, and takes each socket of it.
fn each(
    request: &[u8],
    deadline: Deadline,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let socket = ask(request)?;
    let mut part = vec![0; PART_BYTES];
    loop {
        deadline.look()?;
        let (_, length) = recv(&socket, part.as_mut_slice(), RecvFlags::TRUNC)?;
        let part = part.get(..length).ok_or_else(unreadable)?;
        if messages(part, &mut take)? {
            return Ok(());
        }
    }
}

fn ask(request: &[u8]) -> io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PART_WITHIN))?;
    let length = u32::try_from(HEADER_BYTES + request.len()).map_err(|_| unreadable())?;
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(DUMP.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(request);
    let sent = send(&socket, &message, SendFlags::empty())?;
    match sent == message.len() {
        true => Ok(socket),
        false => Err(unreadable()),
    }
}

/// Takes the messages of a part; tells whether the list ends with it.
fn messages(mut part: &[u8], take: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
    while !part.is_empty() {
        let length = number(part, 0).and_then(|length| usize::try_from(length).ok());
        let whole = length.and_then(|length| part.get(..length));
        let body = whole.and_then(|whole| whole.get(HEADER_BYTES..));
        let (Some(whole), Some(body)) = (whole, body) else {
            return Err(unreadable());
        };
        let (kind, flags) = (short(whole, 4), short(whole, 6));
        if flags.is_none_or(|flags| flags & INTERRUPTED != 0) {
            return Err(io::Error::other(
                "expected the whole list of sockets, found it changed meanwhile",
            ));
        }
        match kind {
            Some(NOOP) => {}
            // A negative number of an error, or none, is in both.
            Some(ERROR | DONE) => {
                let code = number(body, 0).map(u32::cast_signed);
                return match code {
                    Some(0) => Ok(kind == Some(DONE)),
                    Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                    None => Err(unreadable()),
                };
            }
            Some(BY_FAMILY) => take(body)?,
            Some(_) | None => return Err(unreadable()),
        }
        part = part.get(aligned(whole.len())..).unwrap_or_default();
    }
    Ok(false)
}

fn unix(body: &[u8]) -> Option<UnixSocket> {
    let queue = attribute(body.get(UNIX_BYTES..)?, QUEUE)??;
    Some(UnixSocket {
        inode: number(body, 4)?.into(),
        listens: *body.get(2)? == LISTEN,
        queued: number(queue, 0)?,
    })
}

fn inet(body: &[u8], protocol: &'static str) -> Option<InetSocket> {
    let cgroup = attribute(body.get(INET_BYTES..)?, CGROUP_ID)?;
    let cgroup_id = match cgroup {
        Some(bytes) => Some(u64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?)),
        None => None,
    };
    Some(InetSocket {
        inode: number(body, 68)?.into(),
        cgroup_id,
        protocol,
    })
}

/// Finds an attribute's value; none inside where it is not there, none at all where they are not as they must be.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<Option<&[u8]>> {
    while !attributes.is_empty() {
        let length = usize::from(short(attributes, 0)?);
        let whole = attributes.get(..length)?;
        let value = whole.get(ATTRIBUTE_HEADER_BYTES..)?;
        if short(whole, 2)? == wanted {
            return Some(Some(value));
        }
        attributes = attributes.get(aligned(length)..).unwrap_or_default();
    }
    Some(None)
}

/// Messages and attributes begin at multiples of four bytes.
fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.get(..4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.get(..2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
#[path = "sock_diag_tests.rs"]
mod tests;
