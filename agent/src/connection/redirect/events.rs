//! What the programs tell: what they denied, and what sessions' tasks execute.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use icecore_ebpf::{EVENT_DENIED, EVENT_EXEC, Event, reason};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::destinations::text;
use crate::id::SessionId;

/// Something that a process did, as the kernel saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The session; none of a process in none.
    pub session: Option<SessionId>,
    /// When it happened, in nanoseconds since the host started.
    pub boot_ns: u64,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The uid.
    pub uid: u32,
    /// The thread's name, which the process chose.
    pub comm: String,
    /// Number of the task's last exec; 0 where it is not known.
    pub exec_id: u64,
    /// Number of the exec before that one; 0 where it is not known.
    pub parent_exec_id: u64,
    /// Process that forked it; 0 where it is not known.
    pub parent_pid: u32,
    /// What it was.
    pub deed: Deed,
}

/// What a process did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// It was denied something.
    Denied(Denial),
    /// It executed a program.
    Exec,
}

/// What was denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Why.
    pub reason: DenyReason,
    /// Where it was to go, or what was to be bound; unspecified of a socket that was not made.
    pub destination: SocketAddr,
    /// The socket's protocol; source of the numbers: linux/include/uapi/linux/in.h.
    pub protocol: u16,
    /// The socket's type; source of the numbers: `enum sock_type` in linux/include/linux/net.h.
    pub socket_type: u16,
}

/// Why something was denied, with EPERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyReason {
    /// A governed host is there.
    Guarded,
    /// A cloud's metadata service is there.
    Metadata,
    /// A port of the daemon's own.
    OwnPort,
    /// The proxy's port, dialled without redirection.
    ProxyPort,
    /// HTTP/3: UDP to port 443.
    Quic,
    /// A network namespace in which the proxy does not listen.
    Netns,
    /// A socket that the process's session did not make.
    ForeignSocket,
    /// A socket of a session that is over, or a process of no open session.
    SessionOver,
    /// A socket of a kind that cannot be governed.
    SocketKind,
    /// A bind to a port of the daemon's.
    Bind,
    /// The kernel had no memory for what must be written down.
    NoMemory,
}

impl DenyReason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Guarded,
        Self::Metadata,
        Self::OwnPort,
        Self::ProxyPort,
        Self::Quic,
        Self::Netns,
        Self::ForeignSocket,
        Self::SessionOver,
        Self::SocketKind,
        Self::Bind,
        Self::NoMemory,
    ];

    /// Gives the number by which the programs call it.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Guarded => reason::GUARDED,
            Self::Metadata => reason::METADATA,
            Self::OwnPort => reason::OWN_PORT,
            Self::ProxyPort => reason::PROXY_PORT,
            Self::Quic => reason::QUIC,
            Self::Netns => reason::NETNS,
            Self::ForeignSocket => reason::FOREIGN_SOCKET,
            Self::SessionOver => reason::SESSION_OVER,
            Self::SocketKind => reason::SOCKET_KIND,
            Self::Bind => reason::BIND,
            Self::NoMemory => reason::NO_MEMORY,
        }
    }

    /// Gives the word by which metrics and logs call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guarded => "guarded",
            Self::Metadata => "metadata",
            Self::OwnPort => "own_port",
            Self::ProxyPort => "proxy_port",
            Self::Quic => "quic",
            Self::Netns => "netns",
            Self::ForeignSocket => "foreign_socket",
            Self::SessionOver => "session_over",
            Self::SocketKind => "socket_kind",
            Self::Bind => "bind",
            Self::NoMemory => "no_memory",
        }
    }
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads what the programs tell; there is one reader.
pub struct Events {
    ring: RingBuf<MapData>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring }
    }

    /// Gives a descriptor that becomes readable when there is something to read; see [`wait_for_events`].
    ///
    /// # Errors
    ///
    /// If the process has no more descriptors.
    pub fn signal(&self) -> std::io::Result<OwnedFd> {
        self.ring.as_fd().try_clone_to_owned()
    }

    /// Takes the next event, if there is one; what no program of ours writes is left out.
    pub fn take(&mut self) -> Option<Seen> {
        loop {
            let item = self.ring.next()?;
            let read = Event::from_bytes(&item).and_then(|event| seen(&event));
            drop(item);
            if read.is_some() {
                return read;
            }
        }
    }
}

/// Waits until there is something to read, for a while.
pub fn wait_for_events(signal: &OwnedFd, patience: Duration) {
    let patience = Timespec::try_from(patience).ok();
    let mut waiting = [PollFd::new(signal, PollFlags::IN)];
    // A wait that fails or is interrupted is over: whoever waited looks all the same.
    if poll(&mut waiting, patience.as_ref()).is_err() {
        std::thread::yield_now();
    }
}

fn seen(event: &Event) -> Option<Seen> {
    let deed = match event.kind {
        EVENT_DENIED => {
            let reason = DenyReason::ALL
                .into_iter()
                .find(|reason| reason.number() == event.reason)?;
            let address = IpAddr::V6(Ipv6Addr::from(event.destination.octets()));
            Deed::Denied(Denial {
                reason,
                destination: SocketAddr::new(address.to_canonical(), event.port),
                protocol: event.protocol,
                socket_type: event.socket_type,
            })
        }
        EVENT_EXEC => Deed::Exec,
        _ => return None,
    };
    Some(Seen {
        session: (event.session != [0; 16]).then(|| SessionId::from_bytes(event.session)),
        boot_ns: event.boot_ns,
        pid: event.pid,
        tid: event.tid,
        uid: event.uid,
        comm: text(&event.comm),
        exec_id: event.exec_id,
        parent_exec_id: event.parent_exec_id,
        parent_pid: event.parent_pid,
        deed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_number_and_a_word_of_its_own() {
        let mut numbers: Vec<u32> = DenyReason::ALL.map(DenyReason::number).to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), DenyReason::ALL.len());
        for one in DenyReason::ALL {
            assert_eq!(
                serde_json::to_value(one).unwrap(),
                serde_json::json!(one.as_str())
            );
        }
    }

    #[test]
    fn what_no_program_writes_is_left_out() {
        assert_eq!(seen(&Event::default()), None);
        let unknown = Event {
            kind: EVENT_DENIED,
            reason: u32::MAX,
            ..Event::default()
        };
        assert_eq!(seen(&unknown), None);
        let exec = Event {
            kind: EVENT_EXEC,
            comm: *b"make\0\0\0\0\0\0\0\0\0\0\0\0",
            ..Event::default()
        };
        assert_eq!(seen(&exec).unwrap().comm, "make");
    }
}
