//! Whose a socket is, by its tag, and whether the process that uses it may.

use aya_ebpf::bindings::bpf_sock;
use icecore_ebpf::{Cfg, KIND_PROXY, KIND_SESSION, SkId, reason};

use crate::maps::SK_ID;
use crate::place::{self, DAEMON, OUTSIDE, Place, SESSION};

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
            return match place.kind {
                OUTSIDE => Self::Outsider,
                DAEMON => Self::Daemon,
                SESSION => Self::Wrong(place.cgroup_id, reason::FOREIGN_SOCKET),
                _ => Self::Wrong(0, reason::SESSION_OVER),
            };
        };
        match (tag.kind, place.kind) {
            (KIND_PROXY, OUTSIDE | DAEMON) => Self::Daemon,
            (KIND_SESSION, OUTSIDE | DAEMON) => Self::open(tag),
            (KIND_SESSION, SESSION) if place.cgroup_id == tag.cgroup_id => Self::open(tag),
            (_, SESSION) => Self::Wrong(place.cgroup_id, reason::FOREIGN_SOCKET),
            (_, OUTSIDE | DAEMON) => Self::Wrong(0, reason::FOREIGN_SOCKET),
            (_, _) => Self::Wrong(0, reason::SESSION_OVER),
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
