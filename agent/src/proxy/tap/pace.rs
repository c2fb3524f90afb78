//! How much of the reader's time a session may take: one thread reads for all.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Parts of the thread's time, of which a session may have one for good.
const PARTS: i64 = 4;

/// How much of the thread's time a session may have at once, before it is held to that: an agent that begins with a long
/// history needs some 50 ms.
const AT_ONCE_NS: i64 = 500_000_000;

/// What one session has taken.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When it will have as much to come again as it had in the beginning; the past where nothing is owed.
    due_ns: Mutex<i64>,
}

impl Pace {
    /// Tells how long its connections are to rest before more of them is read, so that others come first; nothing is owed by one
    /// that took little.
    ///
    /// What it sends meanwhile waits, and is dropped where too much waits: its own loss.
    pub(super) fn owed(&self, now_ns: i64) -> Duration {
        let due_ns = *self.due_ns.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead_ns = due_ns.saturating_sub(now_ns);
        let over_ns = ahead_ns.saturating_sub(AT_ONCE_NS.saturating_mul(PARTS));
        Duration::from_nanos(u64::try_from(over_ns).unwrap_or(0))
    }

    /// Takes note of time that was spent on it.
    pub(super) fn spent(&self, now_ns: i64, took_ns: i64) {
        let mut due_ns = self.due_ns.lock().unwrap_or_else(PoisonError::into_inner);
        *due_ns = (*due_ns)
            .max(now_ns)
            .saturating_add(took_ns.max(0).saturating_mul(PARTS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn a_session_that_takes_much_is_held_to_its_part_and_one_that_takes_little_never_rests() {
        let (greedy, modest) = (Pace::default(), Pace::default());
        let (mut now_ns, mut worked_ns) = (0, 0);
        while now_ns < 60_000 * MS {
            now_ns += 400 * MS;
            worked_ns += 400 * MS;
            greedy.spent(now_ns, 400 * MS);
            now_ns += i64::try_from(greedy.owed(now_ns).as_nanos()).unwrap();
            assert_eq!(greedy.owed(now_ns), Duration::ZERO);
        }
        let part = now_ns / worked_ns;
        assert!((3..=4).contains(&part), "{part}");
        for second in 0..600 {
            // A fifth of the time, and a history of half a second between.
            let took = if second % 60 == 0 { 450 } else { 200 };
            modest.spent(second * 1000 * MS, took * MS);
            assert_eq!(modest.owed(second * 1000 * MS), Duration::ZERO);
        }
    }
}
