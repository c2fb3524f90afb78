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
use icecore_ebpf::{CONTAINER_LEVELS_MAX, Cfg, SESSION_ENDED, Session};

use crate::maps::{CFG, HEARTBEAT, NETNS, SESSIONS};

/// In no cgroup of ours, nor in a container that is a session: left alone, but for guarded addresses.
pub(crate) const OUTSIDE: u32 = 0;

/// In the daemon's cgroup.
pub(crate) const DAEMON: u32 = 1;

/// In the session of this cgroup, or in a cgroup below it.
pub(crate) const SESSION: u32 = 2;

/// Among our cgroups, but in no open session, or in a container whose session is over: gets no network.
pub(crate) const STRAY: u32 = 3;

/// Where the running process stands. Not an enum: the compiler would leave the cgroup of one outside in a register that was
/// never written, which the verifier refuses.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// One of the four above.
    pub(crate) kind: u32,
    /// Cgroup of the daemon or of the session; 0 if it is in neither.
    pub(crate) cgroup_id: u64,
}

impl Place {
    const OUTSIDE: Self = Self {
        kind: OUTSIDE,
        cgroup_id: 0,
    };

    const STRAY: Self = Self {
        kind: STRAY,
        cgroup_id: 0,
    };

    #[inline(always)]
    const fn session(cgroup_id: u64) -> Self {
        Self {
            kind: SESSION,
            cgroup_id,
        }
    }

    /// Finds where the running process stands.
    ///
    /// Uses the cgroup at the sessions' depth, so that cgroups below a session's belong to it. A container that is a session
    /// stays in its own place: each depth at which there may be one is looked at, so that cgroups below belong to it too.
    #[inline(always)]
    pub(crate) fn of_current(cfg: &Cfg) -> Self {
        let level = cfg.level.cast_signed();
        if ancestor(level.wrapping_sub(1)) != cfg.home_cgroup_id {
            return Self::of_container(cfg);
        }
        let own = ancestor(level);
        if own == cfg.daemon_cgroup_id {
            return Self {
                kind: DAEMON,
                cgroup_id: own,
            };
        }
        match session(own) {
            Some(_) => Self::session(own),
            None => Self::STRAY,
        }
    }

    /// Finds the container that the running process is in, if that is a session; nothing is looked up where none is.
    #[inline(always)]
    fn of_container(cfg: &Cfg) -> Self {
        if cfg.containers_to == 0 {
            return Self::OUTSIDE;
        }
        let first = u32::from(cfg.containers_from);
        for step in 0..CONTAINER_LEVELS_MAX {
            let level = first.wrapping_add(step);
            if level > u32::from(cfg.containers_to) {
                break;
            }
            let id = ancestor(level.cast_signed());
            // The process's own cgroup is not as deep.
            if id == 0 {
                break;
            }
            // SAFETY: as in `session`.
            if let Some(entry) = unsafe { SESSIONS.get(id) } {
                return match entry.flags & SESSION_ENDED {
                    0 => Self::session(id),
                    _ => Self::STRAY,
                };
            }
        }
        Self::OUTSIDE
    }
}

/// Finds the open session of a cgroup.
#[inline(always)]
pub(crate) fn session<'a>(cgroup_id: u64) -> Option<&'a Session> {
    // SAFETY: an entry is replaced only while no process of that cgroup runs; see `Kernel::add_session`.
    let found = unsafe { SESSIONS.get(cgroup_id) };
    found.filter(|session| session.flags & SESSION_ENDED == 0)
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
