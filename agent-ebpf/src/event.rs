//! What the programs tell of what they denied, and what they count.

use crate::{Address, COMM_LEN_BYTES, SESSIONS_MAX};

/// Size of the ring `EVENTS`: a power of two, and of pages.
pub const EVENTS_BYTES: usize = 1 << 20;

/// Most events of a kind that a session, or all that is in none, may put into the ring in a second; the rest is counted.
pub const EVENTS_PER_SECOND: u32 = 64;

/// Most places in the map `RATES`: two kinds for each session, for strays and for all that is outside.
pub const RATES_MAX: usize = 2 * SESSIONS_MAX + 64;

/// Something was denied.
pub const EVENT_DENIED: u32 = 1;

/// A task of a session executed a program.
pub const EVENT_EXEC: u32 = 2;

/// Why something was denied; also its place in the map `STATS`.
pub mod reason {
    /// A governed host is there.
    pub const GUARDED: u32 = 1;
    /// A cloud's metadata service is there.
    pub const METADATA: u32 = 2;
    /// A port of the daemon's own.
    pub const OWN_PORT: u32 = 3;
    /// The proxy's port, dialled without redirection.
    pub const PROXY_PORT: u32 = 4;
    /// HTTP/3: UDP to port 443.
    pub const QUIC: u32 = 5;
    /// A network namespace in which the proxy does not listen.
    pub const NETNS: u32 = 6;
    /// A socket that the process's session did not make.
    pub const FOREIGN_SOCKET: u32 = 7;
    /// A socket of a session that is over, or a process of no open session.
    pub const SESSION_OVER: u32 = 8;
    /// The proxy is away or its heartbeat is lost; told with ECONNREFUSED, counted, and no event.
    pub const PROXY_DOWN: u32 = 9;
    /// A socket of a kind that cannot be governed.
    pub const SOCKET_KIND: u32 = 10;
    /// A bind to a port of the daemon's.
    pub const BIND: u32 = 11;
    /// The kernel had no memory for what must be written down.
    pub const NO_MEMORY: u32 = 12;
    /// A packet that a connected socket was to send to a guarded place; counted, and no event.
    pub const PACKET: u32 = 13;
}

/// Places in the map `STATS` beside those of [`reason`].
pub mod stat {
    /// Connects that were redirected.
    pub const REDIRECTED: u32 = 0;
    /// Redirected connections whose destination could not be carried to the proxy.
    pub const FLOWS_LOST: u32 = 16;
    /// Events that found the ring full.
    pub const EVENTS_LOST: u32 = 17;
    /// Events that were over their session's rate.
    pub const EVENTS_LIMITED: u32 = 18;
    /// Execs of tasks in sessions.
    pub const EXECS: u32 = 19;
}

/// Places in the map `STATS`.
pub const STATS_MAX: usize = 20;

/// One thing that happened, in the ring `EVENTS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// [`EVENT_DENIED`] or [`EVENT_EXEC`].
    pub kind: u32,
    /// One of [`reason`]; 0 of an exec.
    pub reason: u32,
    /// The session's UUID; all zero of a process in none.
    pub session: [u8; 16],
    /// The session's cgroup; 0 of a process in none.
    pub cgroup_id: u64,
    /// When it happened, by `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// Cookie of the network namespace, where it was looked at.
    pub netns: u64,
    /// Number of the task's last exec; 0 where it is not known.
    pub exec_id: u64,
    /// Number of the exec before that one, of the task or of whom it was forked from; 0 where it is not known.
    pub parent_exec_id: u64,
    /// Where it was to go; unspecified where it was not to go anywhere.
    pub destination: Address,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The uid.
    pub uid: u32,
    /// Process that forked it; 0 where it is not known.
    pub parent_pid: u32,
    /// The port, in host order.
    pub port: u16,
    /// The socket's address family.
    pub family: u16,
    /// The socket's protocol.
    pub protocol: u16,
    /// The socket's type.
    pub socket_type: u16,
    /// Name of the thread.
    pub comm: [u8; COMM_LEN_BYTES],
}

/// Whose events are counted, in the map `RATES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateKey {
    /// The session's cgroup; 0 of all that is in none.
    pub cgroup_id: u64,
    /// [`EVENT_DENIED`] or [`EVENT_EXEC`].
    pub kind: u32,
    /// Keeps the size a multiple of 8; always 0.
    pub reserved: u32,
}

/// Events of one second.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// When the second began, by `CLOCK_BOOTTIME`.
    pub since_ns: u64,
    /// Events since then.
    pub events: u32,
    /// Keeps the size a multiple of 8; always 0.
    pub reserved: u32,
}

// The sum of the fields' sizes: a larger struct would have padding, which the kernel would see uninitialised.
const _: () = {
    assert!(size_of::<Event>() == 2 * 4 + 16 + 5 * 8 + 16 + 4 * 4 + 4 * 2 + 16);
    assert!(size_of::<RateKey>() == 8 + 2 * 4);
    assert!(size_of::<Rate>() == 8 + 2 * 4);
};

// SAFETY: plain old data without padding, checked above; any bytes are a valid value.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Event {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for RateKey {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Rate {}

#[cfg(feature = "user")]
impl Event {
    /// Reads an event as the programs wrote it into the ring; none if there are not that many bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < size_of::<Self>() {
            return None;
        }
        // SAFETY: there are enough bytes, checked above; any bytes are a valid value, and they may stand anywhere.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}
