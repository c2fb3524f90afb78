//! The assertions that were used, until they are over: none is good twice.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Assertion, Moment, SamlError};

/// Remembers used assertions by provider and id; those of one process, until it ends.
#[derive(Debug)]
pub struct Seen {
    max: usize,
    /// Until when each could be taken, by the leeway that it was taken with: another provider's may be shorter.
    until: BTreeMap<(String, String), DateTime<Utc>>,
}

impl Seen {
    /// Makes an empty memory for at most `max` assertions that are still good.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max,
            until: BTreeMap::new(),
        }
    }

    /// Uses an assertion.
    pub(super) fn claim(&mut self, assertion: &Assertion, moment: Moment) -> Result<(), SamlError> {
        self.until.retain(|_, until| moment.now < *until);
        let key = (assertion.issuer().to_owned(), assertion.id().to_owned());
        if self.until.contains_key(&key) {
            return Err(SamlError::Replayed(super::error::shown(assertion.id())));
        }
        if self.until.len() >= self.max {
            return Err(SamlError::SeenFull(self.until.len()));
        }
        let until = assertion
            .not_on_or_after()
            .checked_add_signed(moment.leeway);
        self.until
            .insert(key, until.unwrap_or(DateTime::<Utc>::MAX_UTC));
        Ok(())
    }
}
