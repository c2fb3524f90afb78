//! Whose a socket is, by its tag, and whether the process that uses it may.

use aya_ebpf::bindings::bpf_sock;
use icecore_ebpf::{Cfg, KIND_PROXY, KIND_SESSION, SkId, reason};

use crate::maps::SK_ID;
use crate::place::{self, Place};

/// Whose socket it is.
pub(crate) enum Owner<'a> {
    /// The daemon's own.
    Daemon,
    /// Nobody's that is governed.
    Outsider,
    /// The session's, under this tag, and the session is open.
    Session(&'a SkId),
    /// It may not be used: by whom, and why.
    Wrong(u64, u32),
}

impl<'a> Owner<'a> {
    /// Finds whose socket it is.
    ///
    /// A process in a session may use only its session's sockets: one made elsewhere and handed in would go untold.
    #[inline(always)]
    pub(crate) fn of(cfg: &Cfg, sk: *mut bpf_sock) -> Self {
        let place = Place::of_current(cfg);
        let Some(tag) = SK_ID.get(sk) else {
            return match place {
                Place::Outside => Self::Outsider,
                Place::Daemon(_) => Self::Daemon,
                Place::Session(cgroup_id) => Self::Wrong(cgroup_id, reason::FOREIGN_SOCKET),
                Place::Stray => Self::Wrong(0, reason::SESSION_OVER),
            };
        };
        match (tag.kind, place) {
            (KIND_PROXY, Place::Outside | Place::Daemon(_)) => Self::Daemon,
            (KIND_SESSION, Place::Outside | Place::Daemon(_)) => Self::open(tag),
            (KIND_SESSION, Place::Session(cgroup_id)) if cgroup_id == tag.cgroup_id => {
                Self::open(tag)
            }
            (_, Place::Session(cgroup_id)) => Self::Wrong(cgroup_id, reason::FOREIGN_SOCKET),
            (_, Place::Stray) => Self::Wrong(0, reason::SESSION_OVER),
            (_, Place::Outside | Place::Daemon(_)) => Self::Wrong(0, reason::FOREIGN_SOCKET),
        }
    }

    /// Asks whether the tag's session is open, and still the one that the socket was made in.
    #[inline(always)]
    fn open(tag: &'a SkId) -> Self {
        match place::session(tag.cgroup_id) {
            Some(session) if session.nonce == tag.nonce => Self::Session(tag),
            // Nobody's: the cgroup may be another session's by now.
            Some(_) | None => Self::Wrong(0, reason::SESSION_OVER),
        }
    }
}
