//! What the host itself saw of a session: its proxy's connections, and what the kernel denied it.
//!
//! The session's processes have no part in it: who wants to know what they really did asks here, not them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::connection::redirect::DenyReason;

/// Most denials of different things that are told of one session: each takes a hundred bytes of a line that has 128 KiB.
pub const DENIALS_MAX: usize = 256;

/// What the host itself saw of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSeen {
    /// TLS handshakes for governed names that the client brought to their end: it took the proxy's certificate.
    pub handshakes: u64,
    /// Those that it broke off, or that failed.
    pub failed_handshakes: u64,
    /// Requests that came over them.
    pub requests: u64,
    /// What the kernel denied it, each thing once, in no order; at most [`DENIALS_MAX`].
    pub denials: Vec<SeenDenial>,
}

/// One thing that the kernel denied a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenDenial {
    /// Why.
    pub reason: DenyReason,
    /// Where it was to go, or what was to be bound; unspecified of a socket that was not made.
    pub destination: SocketAddr,
    /// The socket's protocol; source of the numbers: linux/include/uapi/linux/in.h.
    pub protocol: u16,
}
