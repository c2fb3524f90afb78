//! A session's provenance, which its statements share with whoever reads its model calls: behind a lock that no core waits for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use chrono::{DateTime, Utc};

use crate::prompt::provenance::{Given, Provenance};

/// Most things that wait to go back into the session's memory; the oldest go.
const GIVEN_MAX: usize = 4096;

/// A session's provenance, and beside its lock what may not wait for it.
///
/// Reading a call may hold the state for long. What a core's thread has to say meanwhile lies beside it, and is taken in before
/// anything else is asked of the state.
pub struct SharedProvenance {
    state: Mutex<Provenance>,
    /// Held for no longer than it takes to put something there.
    beside: Mutex<Beside>,
}

/// What waits for the state.
#[derive(Default)]
struct Beside {
    missed_at: Option<DateTime<Utc>>,
    given: VecDeque<Given>,
}

impl SharedProvenance {
    /// Shares a state.
    #[must_use]
    pub fn new(state: Provenance) -> Self {
        Self {
            state: Mutex::new(state),
            beside: Mutex::default(),
        }
    }

    /// Takes hold of the state, however long another has it: not for a thread that carries connections.
    pub fn lock(&self) -> MutexGuard<'_, Provenance> {
        self.up_to_date(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes hold of the state, if nobody else has it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, Provenance>> {
        let state = match self.state.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.up_to_date(state))
    }

    /// Notes that uses may have been asked for, up to a time, of which nothing was read. It waits for nobody.
    pub fn missed(&self, at: DateTime<Utc>) {
        let mut beside = self.beside();
        beside.missed_at = beside.missed_at.max(Some(at));
    }

    /// Takes back what was given out and is not on record. It waits for nobody.
    pub fn take_back(&self, given: Vec<Given>) {
        let mut beside = self.beside();
        beside.given.extend(given);
        let over = beside.given.len().saturating_sub(GIVEN_MAX);
        drop(beside.given.drain(..over));
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up_to_date<'s>(&self, mut state: MutexGuard<'s, Provenance>) -> MutexGuard<'s, Provenance> {
        let Beside { missed_at, given } = std::mem::take(&mut *self.beside());
        if let Some(at) = missed_at {
            state.missed(at);
        }
        if !given.is_empty() {
            state.take_back(given.into());
        }
        state
    }
}
