//! Where the running process stands: in a session, in the daemon, or outside of both.
#![expect(unsafe_code, reason = "the process's cgroup is told by kernel helpers")]

use aya_ebpf::helpers::generated::bpf_get_current_ancestor_cgroup_id;
use icecore_ebpf::{Cfg, Session};

use crate::maps::{CFG, SESSIONS};

/// Where the running process stands.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In no cgroup of ours: left alone.
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

#[inline(always)]
fn ancestor(level: i32) -> u64 {
    // SAFETY: takes a number, gives a number: 0 if there is no cgroup at that depth.
    unsafe { bpf_get_current_ancestor_cgroup_id(level) }
}
