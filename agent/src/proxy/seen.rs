//! Counts what the host itself sees of a session, for who must not take its processes' word (`icecore doctor`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::connection::redirect::Denial;
use crate::control::seen::{DENIALS_MAX, SeenDenial, SessionSeen};

/// What was seen of one session by this proxy.
#[derive(Debug, Default)]
pub(super) struct Seen {
    handshakes: AtomicU64,
    failed_handshakes: AtomicU64,
    requests: AtomicU64,
    denials: Mutex<BTreeSet<SeenDenial>>,
}

impl Seen {
    /// Counts a handshake that the client brought to its end.
    pub(super) fn handshake(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a handshake that came to no end.
    pub(super) fn failed_handshake(&self) {
        self.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request.
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Remembers something that the kernel denied.
    pub(super) fn denial(&self, denial: &Denial) {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if denials.len() < DENIALS_MAX {
            denials.insert(SeenDenial {
                reason: denial.reason,
                destination: denial.destination,
                protocol: denial.protocol,
            });
        }
    }

    /// Gives all of it so far.
    pub(super) fn told(&self) -> SessionSeen {
        let denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        SessionSeen {
            handshakes: self.handshakes.load(Ordering::Relaxed),
            failed_handshakes: self.failed_handshakes.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            denials: denials.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::redirect::DenyReason;

    #[test]
    fn each_denial_is_told_once_and_not_without_end() {
        let seen = Seen::default();
        for round in 0..2 {
            for port in 1..=u16::try_from(DENIALS_MAX + 9).unwrap() {
                seen.denial(&Denial {
                    reason: DenyReason::Guarded,
                    destination: ([192, 0, 2, 7], port).into(),
                    protocol: 6,
                    socket_type: 1,
                });
            }
            assert_eq!(seen.told().denials.len(), DENIALS_MAX, "{round}");
        }
        // With all that it can have, an answer fits its line.
        let bytes = serde_json::to_vec(&seen.told()).unwrap().len();
        assert!(bytes < 40 << 10, "{bytes}");
    }
}
