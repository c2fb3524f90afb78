//! The sessions that live on this host, by their ids.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::sessions::Session;
use crate::control::Enforcement;
use crate::id::SessionId;
use crate::record::EventRow;

/// All live sessions.
#[derive(Default)]
pub(super) struct Sessions(RwLock<HashMap<SessionId, Arc<Session>>>);

impl Sessions {
    pub(super) fn insert(&self, session: Arc<Session>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session.id(), session);
    }

    /// Finds a session by its id and the nonce that tells it from an earlier one.
    pub(super) fn find(&self, id: SessionId, nonce: u64) -> Option<Arc<Session>> {
        self.get(id)
            .filter(|session| session.facts().nonce == nonce && !session.is_over())
    }

    pub(super) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Lists them.
    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        let sessions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sessions.values().cloned().collect()
    }

    /// Counts those whose user could become root, and the others.
    pub(super) fn count(&self) -> (usize, usize) {
        let sessions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let advisory =
            |session: &&Arc<Session>| session.facts().enforcement == Enforcement::Advisory;
        let advisory = sessions.values().filter(advisory).count();
        (advisory, sessions.len() - advisory)
    }

    /// Gives the rows of refusals that were counted for long enough, of all sessions.
    pub(super) fn repeats_due(&self, now_ns: i64) -> Vec<EventRow> {
        let sessions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let due = sessions.values().map(|session| session.repeats_due(now_ns));
        due.flatten().collect()
    }

    /// Gives the rows of what was counted of all sessions, when the proxy stops.
    pub(super) fn last_counts(&self, now_ns: i64) -> Vec<EventRow> {
        let sessions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let last = sessions.values().map(|session| session.last_counts(now_ns));
        last.flatten().collect()
    }

    pub(super) fn remove(&self, id: SessionId) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}
