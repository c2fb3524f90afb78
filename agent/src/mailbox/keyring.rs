//! The keys of the approvers' issuer, as the thread that looks for answers has them.

use std::time::Duration;

use super::{Freshness, KeysOf};
use crate::identity::Keys;

/// Least time between two looks for a key that is not held, for all requests together: a token that names an invented one
/// costs its writer nothing.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// The issuer's keys: asked for once a look at most.
pub(super) struct Keyring {
    keys: KeysOf,
    held: Option<Keys>,
    is_fresh: bool,
    asked_ns: Option<i64>,
}

impl Keyring {
    pub(super) fn new(keys: KeysOf) -> Self {
        Self {
            keys,
            held: None,
            is_fresh: false,
            asked_ns: None,
        }
    }

    /// Begins another look at the mailbox.
    pub(super) fn begin(&mut self) {
        self.is_fresh = false;
    }

    /// Gives the keys that are held; none where the issuer gives none.
    pub(super) fn held(&mut self) -> Option<&Keys> {
        if !self.is_fresh {
            self.read(Freshness::Held);
        }
        self.held.as_ref()
    }

    /// Asks for a key that is not held, unless that was done a moment ago.
    pub(super) fn ask(&mut self, now_ns: i64) -> Option<&Keys> {
        let gap_ns = i64::try_from(ASK_EVERY.as_nanos()).unwrap_or(i64::MAX);
        if self.asked_ns.is_none_or(|asked| now_ns - asked >= gap_ns) {
            self.asked_ns = Some(now_ns);
            self.read(Freshness::Looked);
        }
        self.held()
    }

    /// Tells whether keys were asked for since: one that is missing then is none of the issuer's.
    pub(super) fn asked_since(&self, since_ns: i64) -> bool {
        self.asked_ns.is_some_and(|asked| asked >= since_ns)
    }

    fn read(&mut self, freshness: Freshness) {
        self.is_fresh = true;
        self.held = match (self.keys)(freshness) {
            Ok(keys) => Some(keys),
            Err(cause) => {
                tracing::warn!(cause, "no keys of the approvers' issuer");
                None
            }
        };
    }
}
