//! What others can cause is told once, then by its count: a log that anybody can fill hides what it is read for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keeper::nanos;

/// How long the same is counted before it is told again.
const EVERY: Duration = Duration::from_secs(60);

/// Most users that are told apart: one may have a range of subordinate ids.
const TOLD_APART_MAX: usize = 64;

/// Stands for all other users: no user has this number (`(uid_t) -1`, setresuid(2)).
const OTHERS: u32 = u32::MAX;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A user had no place for one more connection.
    TooMany,
    /// Sessions of a user had none, where they may not ask anyway.
    InsideTooMany,
    /// There was no thread for a connection.
    NotServed,
    /// A connection could not be accepted.
    NotAccepted,
}

/// What happened more often than it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: Kind,
    pub(super) uid: u32,
    pub(super) times: u64,
}

/// Counts what happened, by kind and user.
#[derive(Debug, Default)]
pub(super) struct Limited {
    counted: BTreeMap<(Kind, u32), Counted>,
}

#[derive(Debug)]
struct Counted {
    since_ns: i64,
    untold: u64,
}

impl Limited {
    /// Notes that something happened; tells whether it is to be told at once.
    #[must_use]
    pub(super) fn is_first(&mut self, kind: Kind, uid: u32, now_ns: i64) -> bool {
        let is_new = !self.counted.contains_key(&(kind, uid));
        let uid = if is_new && self.counted.len() >= TOLD_APART_MAX {
            OTHERS
        } else {
            uid
        };
        match self.counted.get_mut(&(kind, uid)) {
            Some(counted) => {
                counted.untold += 1;
                false
            }
            None => {
                let counted = Counted {
                    since_ns: now_ns,
                    untold: 0,
                };
                self.counted.insert((kind, uid), counted);
                true
            }
        }
    }

    /// Gives what is to be told by its count, and forgets what did not happen again.
    #[must_use]
    pub(super) fn due(&mut self, now_ns: i64) -> Vec<Told> {
        let mut told = Vec::new();
        self.counted.retain(|(kind, uid), counted| {
            if now_ns - counted.since_ns < nanos(EVERY) {
                return true;
            }
            let times = std::mem::take(&mut counted.untold);
            counted.since_ns = now_ns;
            if times > 0 {
                told.push(Told {
                    kind: *kind,
                    uid: *uid,
                    times,
                });
            }
            times > 0
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_and_then_its_count() {
        let mut limited = Limited::default();
        let lines = (0..400_000).filter(|_| limited.is_first(Kind::TooMany, 7, 5));
        assert_eq!(lines.count(), 1);
        assert!(limited.is_first(Kind::InsideTooMany, 7, 5));
        assert_eq!(limited.due(nanos(EVERY) + 4), []);
        let told = Told {
            kind: Kind::TooMany,
            uid: 7,
            times: 399_999,
        };
        assert_eq!(limited.due(nanos(EVERY) + 5), [told]);
        // Over: the next one is told at once, after as long again.
        assert_eq!(limited.due(2 * nanos(EVERY) + 5), []);
        assert!(limited.is_first(Kind::TooMany, 7, 3 * nanos(EVERY)));
    }

    #[test]
    fn many_users_do_not_make_many_lines() {
        let mut limited = Limited::default();
        let lines = (0..100_000).filter(|uid| limited.is_first(Kind::TooMany, *uid, 5));
        assert!(lines.count() <= TOLD_APART_MAX + 1);
    }
}
