//! Where the running process stands: in a session, in the daemon, or outside of both; and whether the proxy is there.
#![expect(
    unsafe_code,
    reason = "the process's cgroup and the time are told by kernel helpers"
)]

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::helpers::generated::{
    bpf_get_current_ancestor_cgroup_id, bpf_get_netns_cookie, bpf_ktime_get_boot_ns,
};
use icecore_ebpf::{Cfg, Session};

use crate::maps::{CFG, HEARTBEAT, NETNS, SESSIONS};

/// Where the running process stands.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In no cgroup of ours: left alone, but for guarded addresses.
    Outside,
    /// In the daemon's cgroup.
    Daemon(u64),
    /// In the session of this cgroup, or in a cgroup below it.
    Session(u64),
    /// Among our cgroups, but in no open session: gets no network.
    Stray,
}

impl Place {
    /// Finds where the running process stands.
    ///
    /// Uses the cgroup at the sessions' depth, so that cgroups below a session's belong to it.
    #[inline(always)]
    pub(crate) fn of_current(cfg: &Cfg) -> Self {
        let level = cfg.level.cast_signed();
        if ancestor(level.wrapping_sub(1)) != cfg.home_cgroup_id {
            return Self::Outside;
        }
        let own = ancestor(level);
        if own == cfg.daemon_cgroup_id {
            return Self::Daemon(own);
        }
        match session(own) {
            Some(_) => Self::Session(own),
            None => Self::Stray,
        }
    }
}

/// Finds the open session of a cgroup.
#[inline(always)]
pub(crate) fn session<'a>(cgroup_id: u64) -> Option<&'a Session> {
    // SAFETY: an entry is replaced only while no process of that cgroup runs; see `Kernel::add_session`.
    unsafe { SESSIONS.get(cgroup_id) }
}

/// Reads what the loader told.
#[inline(always)]
pub(crate) fn cfg<'a>() -> Option<&'a Cfg> {
    CFG.get(0)
}

/// Tells whether the proxy is armed for, and showed lately that all of it accepts.
#[inline(always)]
pub(crate) fn is_served(cfg: &Cfg) -> bool {
    if cfg.armed != 1 {
        return false;
    }
    let Some(beat) = HEARTBEAT.get_ptr(0) else {
        return false;
    };
    // Before the time is: a beat that is later than the time then is no proxy's, and counts as none.
    // SAFETY: the map's one entry is valid while the program runs.
    let beat = unsafe { beat.read_volatile() };
    now().wrapping_sub(beat) <= u64::from(cfg.stale_ms).wrapping_mul(1_000_000)
}

/// Tells the proxy's port in a network namespace; 0 if it does not listen there.
///
/// Not an `Option`: the compiler leaves the port of none in a register that was never written, which the verifier refuses.
#[inline(always)]
pub(crate) fn proxy_port(cfg: &Cfg, netns: u64) -> u16 {
    if netns == host_netns(cfg) {
        return cfg.port;
    }
    // SAFETY: two bytes; an entry that is replaced meanwhile holds a port of the proxy's too.
    match unsafe { NETNS.get(netns) } {
        Some(port) => *port,
        None => 0,
    }
}

/// Tells the network namespace of a socket's context.
#[inline(always)]
pub(crate) fn netns(ctx: *mut c_void) -> u64 {
    // SAFETY: the helper takes a context, or null for the initial namespace.
    unsafe { bpf_get_netns_cookie(ctx) }
}

/// Tells the network namespace that the proxy's first listeners are in.
#[inline(always)]
pub(crate) fn host_netns(cfg: &Cfg) -> u64 {
    match cfg.host_netns {
        0 => netns(ptr::null_mut()),
        cookie => cookie,
    }
}

/// Tells the time by `CLOCK_BOOTTIME`.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: takes nothing, gives a number.
    unsafe { bpf_ktime_get_boot_ns() }
}

#[inline(always)]
fn ancestor(level: i32) -> u64 {
    // SAFETY: takes a number, gives a number: 0 if there is no cgroup at that depth.
    unsafe { bpf_get_current_ancestor_cgroup_id(level) }
}
