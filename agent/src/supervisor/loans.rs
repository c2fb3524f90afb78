//! How much is opened for proxies at a time: what the config names, sockets of each network, environments of each session.
//!
//! A proxy that was taken over gets no more threads of root's than these, and a container's burst takes no file's place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::SessionId;

/// Most files, folders and outputs of commands at a time.
const NAMED_MAX: usize = 64;

/// Most sockets of containers' networks at a time, of which a proxy asks for half, and there may be two.
const SOCKETS_MAX: usize = 64;

/// Most of one network: as many as one proxy asks for.
const NETWORK_SOCKETS_MAX: usize = 32;

/// Most environments at a time, and most of one session, whose processes may keep whoever reads them waiting: as many as one
/// proxy asks for.
const ENVIRONMENTS_MAX: usize = 32;
const SESSION_ENVIRONMENTS_MAX: usize = 2;

/// What is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// What the config names.
    Named,
    /// A socket of this network.
    Socket(u64),
    /// The environment of a process of this session.
    Environment(SessionId),
}

/// Counts what is being opened.
#[derive(Debug, Default)]
pub(super) struct Loans {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    named: usize,
    sockets: BTreeMap<u64, usize>,
    environments: BTreeMap<SessionId, usize>,
}

/// One of those that are being opened, as long as this is there.
#[derive(Debug)]
pub(super) struct Loan {
    loans: Arc<Loans>,
    opened: Opened,
}

impl Loans {
    /// Takes a place, if there is one.
    pub(super) fn take(self: &Arc<Self>, opened: Opened) -> Option<Loan> {
        let mut taken = self.taken();
        match opened {
            Opened::Named if taken.named >= NAMED_MAX => return None,
            Opened::Named => taken.named += 1,
            Opened::Socket(network) => {
                let all: usize = taken.sockets.values().sum();
                let of_network = taken.sockets.get(&network).copied().unwrap_or(0);
                if all >= SOCKETS_MAX || of_network >= NETWORK_SOCKETS_MAX {
                    return None;
                }
                taken.sockets.insert(network, of_network + 1);
            }
            Opened::Environment(session) => {
                let all: usize = taken.environments.values().sum();
                let of_session = taken.environments.get(&session).copied().unwrap_or(0);
                if all >= ENVIRONMENTS_MAX || of_session >= SESSION_ENVIRONMENTS_MAX {
                    return None;
                }
                taken.environments.insert(session, of_session + 1);
            }
        }
        Some(Loan {
            loans: Arc::clone(self),
            opened,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut taken = self.loans.taken();
        match self.opened {
            Opened::Named => taken.named = taken.named.saturating_sub(1),
            Opened::Socket(network) => {
                let left = taken.sockets.remove(&network).unwrap_or(0);
                if left > 1 {
                    taken.sockets.insert(network, left - 1);
                }
            }
            Opened::Environment(session) => {
                let left = taken.environments.remove(&session).unwrap_or(0);
                if left > 1 {
                    taken.environments.insert(session, left - 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as many as there are places for.
    fn burst(loans: &Arc<Loans>, opened: Opened) -> Vec<Loan> {
        let all = (0..1000).map(|_| loans.take(opened));
        all.map_while(|loan| loan).collect()
    }

    #[test]
    fn a_networks_burst_leaves_room_for_files_and_for_other_networks() {
        let loans = Arc::new(Loans::default());
        let of_one = burst(&loans, Opened::Socket(1));
        assert_eq!(of_one.len(), NETWORK_SOCKETS_MAX);
        assert!(loans.take(Opened::Socket(2)).is_some());
        let named = burst(&loans, Opened::Named);
        assert_eq!(named.len(), NAMED_MAX);
        assert!(loans.take(Opened::Socket(2)).is_some(), "nor by files");
        let of_others: Vec<Vec<Loan>> = (2..9).map(|n| burst(&loans, Opened::Socket(n))).collect();
        let all: usize = of_others.iter().map(Vec::len).sum();
        assert_eq!(all + of_one.len(), SOCKETS_MAX);
        drop((of_one, named, of_others));
        let taken = loans.taken();
        assert_eq!((taken.named, taken.sockets.len()), (0, 0), "all are back");
    }

    #[test]
    fn a_session_that_keeps_readers_waiting_leaves_places_for_others() {
        let loans = Arc::new(Loans::default());
        let sessions: Vec<SessionId> = (0..100).map(|_| SessionId::new()).collect();
        let of = |session: &SessionId| burst(&loans, Opened::Environment(*session));
        let taken: Vec<Vec<Loan>> = sessions.iter().map(of).collect();
        assert_eq!(taken[0].len(), SESSION_ENVIRONMENTS_MAX);
        assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), ENVIRONMENTS_MAX);
        assert!(loans.take(Opened::Named).is_some() && loans.take(Opened::Socket(1)).is_some());
        drop(taken);
        assert_eq!(of(&sessions[99]).len(), SESSION_ENVIRONMENTS_MAX);
        assert!(loans.taken().environments.is_empty(), "all are back");
    }
}
