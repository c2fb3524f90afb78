//! The execs of sessions' tasks, as far as they are remembered: names the programs that a process descends from, also once
//! they are gone.
//!
//! Each session has a share of its own, so that one that starts programs in a storm has its own forgotten, and no other's.
//! Where a lineage ends in what was forgotten, that is told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::connection::peer::GAP;
use crate::connection::redirect::Seen;
use crate::id::SessionId;

/// Most execs that are remembered, of all sessions and of one.
const EXECS_MAX: usize = 16_384;
const SESSION_EXECS_MAX: usize = 2048;

/// Most that are told of one process.
const TOLD_MAX: usize = 16;

/// Most numbers that are told of one process: more than it is plausible for shells in shells to be deep.
const IDS_MAX: usize = 64;

/// Stands at the beginning of a lineage for what was forgotten of it.
const FORGOTTEN: &str = "(forgotten)";

/// Whose share it is: a session's, or that of the processes in none.
type Whose = Option<SessionId>;

/// One exec.
#[derive(Debug)]
struct Exec {
    pid: u32,
    comm: String,
    parent: u64,
    whose: Whose,
}

/// The latest execs, by their number.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    execs: BTreeMap<u64, Exec>,
    shares: BTreeMap<Whose, VecDeque<u64>>,
    /// The shares by how many execs each has; of those with as many the one with the oldest exec is the last.
    sizes: BTreeSet<(usize, Reverse<u64>, Whose)>,
    /// Sessions of which some were forgotten, and whose lineages may have a gap.
    forgotten: BTreeSet<Whose>,
}

impl Lineage {
    /// Remembers an exec, and forgets the oldest one of a share where there is no more room.
    pub(super) fn learn(&mut self, seen: &Seen) {
        let whose = seen.session;
        let exec = Exec {
            pid: seen.pid,
            comm: seen.comm.clone(),
            parent: seen.parent_exec_id,
            whose,
        };
        if self.execs.insert(seen.exec_id, exec).is_some() {
            return;
        }
        self.change(whose, |share| share.push_back(seen.exec_id));
        if self.shares.get(&whose).map_or(0, VecDeque::len) > SESSION_EXECS_MAX {
            self.forget_oldest(whose);
        }
        while self.execs.len() > EXECS_MAX {
            let Some((_, _, largest)) = self.sizes.last().copied() else {
                return;
            };
            self.forget_oldest(largest);
        }
    }

    /// Names the programs that an exec descends from, itself last.
    pub(super) fn of(&self, exec_id: u64) -> Vec<String> {
        let mut names = Vec::new();
        let mut whose = None;
        let mut next = exec_id;
        while names.len() < TOLD_MAX {
            let Some(exec) = self.execs.get(&next) else {
                // A session's first program has a parent outside, which was never known.
                let has_gap = next != 0 && !names.is_empty() && self.forgotten.contains(&whose);
                if has_gap {
                    names.push(FORGOTTEN.to_owned());
                }
                break;
            };
            names.push(exec.comm.clone());
            (whose, next) = (exec.whose, exec.parent);
        }
        names.reverse();
        names
    }

    /// Lists the numbers of the execs that one descends from, itself first, as far as they are remembered. [`GAP`] stands at the
    /// end where there may be more: some were forgotten, or there are more than are told.
    pub(super) fn ids(&self, exec_id: u64) -> Vec<u64> {
        let mut ids = Vec::new();
        let mut whose = None;
        let mut next = exec_id;
        while next != 0 {
            if ids.len() >= IDS_MAX {
                ids.push(GAP);
                break;
            }
            ids.push(next);
            let Some(exec) = self.execs.get(&next) else {
                // Of one that is forgotten itself it is not known whose it was.
                let has_gap = if next == exec_id {
                    !self.forgotten.is_empty()
                } else {
                    self.forgotten.contains(&whose)
                };
                ids.extend(has_gap.then_some(GAP));
                break;
            };
            (whose, next) = (exec.whose, exec.parent);
        }
        ids
    }

    /// Tells whose session an exec was of; none where it is not remembered, or was of none.
    pub(super) fn session_of(&self, exec_id: u64) -> Option<SessionId> {
        self.execs.get(&exec_id)?.whose
    }

    /// Tells whether a process has executed another program since an exec, as far as that is remembered.
    pub(super) fn has_executed_since(&self, pid: u32, exec_id: u64) -> bool {
        let since = exec_id.saturating_add(1)..;
        self.execs.range(since).any(|(_, exec)| exec.pid == pid)
    }

    fn forget_oldest(&mut self, whose: Whose) {
        let mut oldest = None;
        self.change(whose, |share| oldest = share.pop_front());
        if let Some(oldest) = oldest {
            self.execs.remove(&oldest);
            self.forgotten.insert(whose);
        }
        // What no exec is remembered of has no lineage either.
        if !self.shares.contains_key(&whose) {
            self.forgotten.remove(&whose);
        }
    }

    /// Changes a share, and keeps the order by size.
    fn change(&mut self, whose: Whose, change: impl FnOnce(&mut VecDeque<u64>)) {
        let place = |share: &VecDeque<u64>| {
            let oldest = share.front().copied().unwrap_or(u64::MAX);
            (share.len(), Reverse(oldest), whose)
        };
        let share = self.shares.entry(whose).or_default();
        self.sizes.remove(&place(share));
        change(share);
        if share.is_empty() {
            self.shares.remove(&whose);
        } else {
            self.sizes.insert(place(share));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::redirect::Deed;

    fn exec(exec_id: u64, parent_exec_id: u64, comm: &str) -> Seen {
        Seen {
            session: None,
            boot_ns: exec_id,
            pid: 1,
            tid: 1,
            uid: 1,
            comm: comm.to_owned(),
            exec_id,
            parent_exec_id,
            parent_pid: 0,
            deed: Deed::Exec,
        }
    }

    #[test]
    fn programs_are_named_from_the_first_on() {
        let mut lineage = Lineage::default();
        lineage.learn(&exec(1, 0, "sh"));
        lineage.learn(&exec(2, 1, "make"));
        lineage.learn(&exec(3, 2, "curl"));
        assert_eq!(lineage.of(3), ["sh", "make", "curl"]);
        assert_eq!(lineage.of(0), [""; 0]);
    }

    #[test]
    fn a_number_is_told_once_its_exec_was_forgotten_but_not_beyond() {
        let mut lineage = Lineage::default();
        lineage.learn(&exec(1, 0, "agent"));
        lineage.learn(&exec(2, 1, "sh"));
        lineage.learn(&exec(3, 2, "python3"));
        assert_eq!(lineage.ids(3), [3, 2, 1]);
        assert_eq!(lineage.ids(0), [0; 0]);
        // One of which nothing is known yet is itself.
        assert_eq!(lineage.ids(9), [9]);
        for number in 4..=u64::try_from(SESSION_EXECS_MAX).unwrap() + 1 {
            lineage.learn(&exec(number, 1, "loop"));
        }
        lineage.learn(&exec(900_000, 1, "last"));
        assert_eq!(lineage.ids(900_000), [900_000, 1, GAP]);
        // Its own is forgotten: it may have descended from any.
        assert_eq!(lineage.ids(2), [2, GAP]);
        // A ring of parents ends, and so do more than are told.
        lineage.learn(&exec(900_001, 900_001, "loop"));
        let ids = lineage.ids(900_001);
        assert_eq!((ids.len(), ids.last()), (IDS_MAX + 1, Some(&GAP)));
    }

    #[test]
    fn a_process_that_executes_another_program_is_no_more_what_it_was() {
        let session = SessionId::new();
        let of = |exec_id, pid| Seen {
            session: Some(session),
            pid,
            ..exec(exec_id, 1, "sh")
        };
        let mut lineage = Lineage::default();
        lineage.learn(&of(5, 70));
        lineage.learn(&of(6, 71));
        assert!(!lineage.has_executed_since(70, 5));
        lineage.learn(&of(7, 70));
        assert!(lineage.has_executed_since(70, 5) && !lineage.has_executed_since(70, 7));
        assert_eq!(lineage.session_of(5), Some(session));
        assert_eq!(lineage.session_of(8), None);
    }

    #[test]
    fn the_oldest_is_forgotten_and_a_ring_of_parents_ends() {
        let mut lineage = Lineage::default();
        for number in 1..=u64::try_from(SESSION_EXECS_MAX).unwrap() + 10 {
            lineage.learn(&exec(number, number, "loop"));
        }
        assert_eq!(lineage.execs.len(), SESSION_EXECS_MAX);
        assert_eq!(lineage.of(1), [""; 0]);
        assert_eq!(lineage.of(20).len(), TOLD_MAX);
    }

    #[test]
    fn a_storm_of_execs_forgets_its_own_alone_and_the_gap_is_told() {
        let (quiet, storm) = (SessionId::new(), SessionId::new());
        let of = |session, exec_id, parent, comm: &str| Seen {
            session: Some(session),
            ..exec(exec_id, parent, comm)
        };
        let mut lineage = Lineage::default();
        lineage.learn(&of(quiet, 1, 900_000, "sh"));
        lineage.learn(&of(quiet, 2, 1, "curl"));
        for number in 10..100_000 {
            lineage.learn(&of(storm, number, 10, "true"));
        }
        // What its parent outside was is not a gap.
        assert_eq!(lineage.of(2), ["sh", "curl"]);
        assert_eq!(lineage.of(99_999), [FORGOTTEN, "true"]);
        assert_eq!(lineage.execs.len(), SESSION_EXECS_MAX + 2);
    }

    #[test]
    fn many_sessions_share_the_room_and_the_largest_shares_give_way() {
        let quiet = SessionId::new();
        let mut lineage = Lineage::default();
        lineage.learn(&Seen {
            session: Some(quiet),
            ..exec(1, 0, "sh")
        });
        let mut number = 1;
        for storm in (0..20).map(|_| SessionId::new()) {
            for _ in 0..SESSION_EXECS_MAX {
                number += 1;
                lineage.learn(&Seen {
                    session: Some(storm),
                    ..exec(number, 0, "true")
                });
            }
        }
        assert_eq!(lineage.execs.len(), EXECS_MAX);
        assert_eq!(lineage.of(1), ["sh"]);
        let shares: usize = lineage.shares.values().map(VecDeque::len).sum();
        assert_eq!(
            (shares, lineage.sizes.len()),
            (EXECS_MAX, lineage.shares.len())
        );
    }
}
