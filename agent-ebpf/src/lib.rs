//! Types that the kernel programs and the agent share.
//!
//! Every struct here is read as raw bytes on both sides, so none has padding: the sizes are checked at compile time.
#![no_std]
#![cfg_attr(
    feature = "user",
    expect(unsafe_code, reason = "aya takes a map's types by an unsafe trait")
)]

mod address;
mod event;
mod guarded;

pub use address::Address;
pub use event::{
    EVENT_DENIED, EVENT_EXEC, EVENTS_BYTES, EVENTS_PER_SECOND, Event, RATES_MAX, Rate, RateKey,
    STATS_MAX, reason, stat,
};
pub use guarded::{GUARD_HOST, GUARD_MAX, GUARD_METADATA, GuardEntry, GuardKey, GuardPlace};

/// Number of this layout; raised when a map's bytes or the set of programs changes.
pub const SCHEMA: u32 = 2;

/// Most sessions that can be open at once on one host.
pub const SESSIONS_MAX: usize = 4096;

/// Most destination ports that can be redirected.
pub const PORTS_MAX: usize = 64;

/// Most redirected connections that can be between their handshake's two ends at once.
pub const FLOWS_MAX: usize = 65_536;

/// Most ports of the daemon's own, beside the proxy's.
pub const OWN_PORTS_MAX: usize = 32;

/// Most network namespaces beside the host's in which the proxy listens.
pub const NETNS_MAX: usize = 1024;

/// Most tasks of sessions whose last exec is known at once.
pub const TASKS_MAX: usize = 32_768;

/// In [`Cfg::flags`]: guarded addresses are denied to all of the host below the capture root, not to sessions alone.
pub const FLAG_GUARD_HOST: u16 = 1;

/// Longest command name the kernel keeps, in bytes, final NUL included.
/// Source: `TASK_COMM_LEN` in linux/include/linux/sched.h.
pub const COMM_LEN_BYTES: usize = 16;

/// Marks a socket that a session's process made.
pub const KIND_SESSION: u32 = 1;

/// Marks a socket that the supervisor or the proxy made.
pub const KIND_PROXY: u32 = 2;

/// One session, in the map `SESSIONS` under the id of its cgroup.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The session's UUID.
    pub id: [u8; 16],
    /// Random; keeps a reused cgroup id from matching an older session's sockets.
    pub nonce: u64,
    /// Uid that asked for the session.
    pub uid: u32,
    /// Place for the number of a per-session rule set; 0 today.
    pub policy: u32,
    /// [`SESSION_CONTAINER`], with [`SESSION_ENDED`] perhaps, or none.
    pub flags: u32,
    /// Depth of a container's cgroup; the hierarchy's root is 0. 0 of a session in a cgroup of ours.
    pub level: u32,
}

/// In [`Session::flags`]: its cgroup is not ours, but a container's, anywhere below the capture root.
pub const SESSION_CONTAINER: u32 = 1;

/// In [`Session::flags`]: it is over, and its cgroup may still have processes, which get no network.
pub const SESSION_ENDED: u32 = 2;

/// Most depths that lie between the shallowest and the deepest container that is a session, both included.
pub const CONTAINER_LEVELS_MAX: u32 = 16;

/// Who made a socket, in the socket storage `SK_ID`; written once, when the socket is made.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkId {
    /// Cgroup of the session or of the daemon.
    pub cgroup_id: u64,
    /// The session's nonce; 0 for the proxy.
    pub nonce: u64,
    /// Process that made the socket.
    pub pid: u32,
    /// Thread that made the socket.
    pub tid: u32,
    /// Uid that made the socket.
    pub uid: u32,
    /// [`KIND_SESSION`] or [`KIND_PROXY`].
    pub kind: u32,
    /// Number of the last exec of the process that made the socket; 0 where it is not known.
    pub exec_id: u64,
}

/// The last exec of a task in a session, in the map `TASKS` under its thread id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// When it was, by `CLOCK_BOOTTIME`: its number, as no process execs twice in a nanosecond.
    pub exec_id: u64,
    /// Number of the exec that the process, or the one it was forked from, had done before; 0 if there was none.
    pub parent_exec_id: u64,
    /// Process that forked the one that did the exec; 0 where it is not known.
    pub parent_pid: u32,
    /// Keeps the size a multiple of 8; always 0.
    pub reserved: u32,
}

/// A redirected connection: in the socket storage `SK_DST` of the client, then in `FLOWS`, then in `SK_SRV` of the proxy's socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnMeta {
    /// Where the process wanted to connect to.
    pub destination: Address,
    /// The port it wanted, in host order.
    pub port: u16,
    /// Address family of the client's socket.
    pub family: u16,
    /// Place for what the guard saw; 0 today.
    pub flags: u32,
    /// The session's UUID.
    pub session: [u8; 16],
    /// Who made the client's socket.
    pub socket: SkId,
    /// The client socket's cookie.
    pub cookie: u64,
    /// Cookie of the client's network namespace.
    pub netns: u64,
    /// When it connected, by `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// Number of the last exec of the process that connected; 0 where it is not known.
    pub exec_id: u64,
    /// Process that connected.
    pub pid: u32,
    /// Thread that connected.
    pub tid: u32,
    /// Uid that connected.
    pub uid: u32,
    /// Keeps the size a multiple of 8; always 0.
    pub reserved: u32,
    /// Name of the thread that connected.
    pub comm: [u8; COMM_LEN_BYTES],
}

/// The two ends of a connection to the proxy, as both of them see it; key of `FLOWS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowKey {
    /// Cookie of the network namespace; 0 where the kernel cannot tell it (before 5.15).
    pub netns: u64,
    /// The client's address.
    pub source: Address,
    /// The client's port, in host order.
    pub source_port: u16,
    /// The proxy's port, in host order.
    pub proxy_port: u16,
    /// Keeps the size a multiple of 8; always 0.
    pub reserved: u32,
}

/// What the programs are told, in the one entry of `CFG`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cfg {
    /// [`SCHEMA`] of the loader that made the maps.
    pub schema: u32,
    /// 1 while the proxy accepts; 0 refuses what would be redirected.
    pub armed: u32,
    /// Cgroup of the supervisor and the proxy.
    pub daemon_cgroup_id: u64,
    /// Cgroup whose children are the daemon's and the sessions'.
    pub home_cgroup_id: u64,
    /// Cookie of the network namespace that the proxy listens in; 0 means the initial one.
    pub host_netns: u64,
    /// Depth of a session's cgroup; the hierarchy's root is 0.
    pub level: u32,
    /// Age in milliseconds at which the proxy's heartbeat counts as lost.
    pub stale_ms: u32,
    /// The proxy's port, in host order.
    pub port: u16,
    /// [`FLAG_GUARD_HOST`] or none.
    pub flags: u16,
    /// Depth of the shallowest container that is a session, or was one.
    pub containers_from: u16,
    /// Depth of the deepest one; 0 if there is none, and nobody looks for any.
    pub containers_to: u16,
}

// The sum of the fields' sizes: a larger struct would have padding, which the kernel would see uninitialised.
const _: () = {
    assert!(size_of::<Session>() == 16 + 8 + 4 * 4);
    assert!(size_of::<SkId>() == 2 * 8 + 4 * 4 + 8);
    assert!(size_of::<Task>() == 2 * 8 + 2 * 4);
    assert!(size_of::<ConnMeta>() == 16 + 2 * 2 + 4 + 16 + 40 + 4 * 8 + 4 * 4 + 16);
    assert!(size_of::<FlowKey>() == 8 + 16 + 2 * 2 + 4);
    assert!(size_of::<Cfg>() == 2 * 4 + 3 * 8 + 2 * 4 + 4 * 2);
};

// SAFETY: plain old data without padding, checked above; any bytes are a valid value.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Session {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for SkId {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Task {}
// SAFETY: as above; `Address` is four `u32`.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ConnMeta {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for FlowKey {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Cfg {}
