//! The keys under which values are hashed.

use std::sync::Arc;

use ring::hmac;

use super::transform::Keyed;
use crate::id::SessionId;

/// The host's own key, from which each session's are made.
pub struct HashKeys(hmac::Key);

impl HashKeys {
    /// Takes the host's own key.
    #[must_use]
    pub fn new(root: hmac::Key) -> Self {
        Self(root)
    }

    /// Makes the keys of a session: the same each time, also after a restart.
    pub(super) fn of(&self, session: SessionId) -> Arc<Keyed> {
        Arc::new(Keyed::of(&self.0, session.to_string().as_bytes()))
    }

    /// Makes keys for tests.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]))
    }
}
