//! How many connections of the control socket there may be: of each user, and of who is where.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a connection has its place as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A caller from outside of all sessions.
    Caller,
    /// One that came when its user had no more places: for a moment, to take up a session that goes on.
    Attaching,
    /// A process of a session, for a moment, to hear that it may not ask.
    Inside,
}

impl What {
    /// Most of one user other than root.
    fn of_user_max(self) -> usize {
        match self {
            // Two for each session while it starts.
            Self::Caller => 512,
            Self::Attaching => 64,
            Self::Inside => 16,
        }
    }

    /// Most in all.
    fn all_max(self) -> usize {
        match self {
            Self::Caller => 4096,
            Self::Attaching => 512,
            Self::Inside => 64,
        }
    }
}

/// Counts the connections.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: BTreeMap<(What, u32), usize>,
}

impl Places {
    fn take(&mut self, uid: u32, is_inside: bool) -> Option<What> {
        let ways: &[What] = if is_inside {
            &[What::Inside]
        } else {
            &[What::Caller, What::Attaching]
        };
        let free = ways.iter().find(|what| {
            let of_user = self.taken.get(&(**what, uid)).copied().unwrap_or(0);
            // Of root's sessions too: they may do what they like, and are not root's own commands.
            let is_free = uid == 0 && **what != What::Inside || of_user < what.of_user_max();
            is_free && self.all(**what) < what.all_max()
        });
        let what = *free?;
        *self.taken.entry((what, uid)).or_default() += 1;
        Some(what)
    }

    fn all(&self, what: What) -> usize {
        let of_kind = self.taken.range((what, 0)..=(what, u32::MAX));
        of_kind.map(|(_, count)| count).sum()
    }

    fn leave(&mut self, what: What, uid: u32) {
        if let Some(count) = self.taken.get_mut(&(what, uid)) {
            *count -= 1;
            if *count == 0 {
                self.taken.remove(&(what, uid));
            }
        }
    }
}

/// One connection's place, as long as this is there.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Mutex<Places>>,
    uid: u32,
    what: What,
}

impl Place {
    /// Takes a place, if there is one.
    pub(super) fn take(places: &Arc<Mutex<Places>>, uid: u32, is_inside: bool) -> Option<Self> {
        let mut all = places.lock().unwrap_or_else(PoisonError::into_inner);
        let what = all.take(uid, is_inside)?;
        Some(Self {
            places: Arc::clone(places),
            uid,
            what,
        })
    }

    /// Tells what it is for.
    pub(super) fn what(&self) -> What {
        self.what
    }

    /// Makes it a caller's: it holds a session, of which there are only so many. The next one can be taken up.
    pub(super) fn stays(&mut self) {
        if self.what != What::Attaching {
            return;
        }
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.leave(self.what, self.uid);
        self.what = What::Caller;
        *all.taken.entry((self.what, self.uid)).or_default() += 1;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.leave(self.what, self.uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(places: &Arc<Mutex<Places>>, uid: u32, is_inside: bool) -> Vec<Place> {
        std::iter::from_fn(|| Place::take(places, uid, is_inside)).collect()
    }

    #[test]
    fn sessions_take_no_place_of_who_is_outside() {
        let places = Arc::default();
        let inside: Vec<Vec<Place>> = (1..100).map(|uid| fill(&places, uid, true)).collect();
        assert_eq!(inside.iter().map(Vec::len).sum::<usize>(), 64);
        assert_eq!(fill(&places, 1, false).len(), 512 + 64);
    }

    #[test]
    fn sessions_that_go_on_are_taken_up_one_after_the_other() {
        let places = Arc::default();
        let mut held = fill(&places, 1, false);
        let attaching = held.last_mut().unwrap();
        assert_eq!(attaching.what(), What::Attaching);
        assert!(Place::take(&places, 1, false).is_none());
        attaching.stays();
        let next = Place::take(&places, 1, false).unwrap();
        assert_eq!(next.what(), What::Attaching);
        // Another user has places of its own.
        let other = Place::take(&places, 2, false).unwrap();
        assert_eq!(other.what(), What::Caller);
        drop((held, next, other));
        assert!(places.lock().unwrap().taken.is_empty());
    }

    #[test]
    fn root_has_a_place_while_there_is_one() {
        let places = Arc::default();
        assert_eq!(fill(&places, 0, false).len(), 4096 + 512);
        assert_eq!(fill(&places, 0, true).len(), 16);
    }
}
