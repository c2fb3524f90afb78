//! The execs of sessions' tasks, as far as they are remembered: names the programs that a process descends from, also once
//! they are gone.

use std::collections::{BTreeMap, VecDeque};

use crate::connection::redirect::Seen;

/// Most execs that are remembered.
const EXECS_MAX: usize = 16_384;

/// Most that are told of one process.
const TOLD_MAX: usize = 16;

/// One exec.
#[derive(Debug)]
struct Exec {
    comm: String,
    parent: u64,
}

/// The latest execs, by their number.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    execs: BTreeMap<u64, Exec>,
    order: VecDeque<u64>,
}

impl Lineage {
    /// Remembers an exec, and forgets the oldest one where there is no more room.
    pub(super) fn learn(&mut self, seen: &Seen) {
        let exec = Exec {
            comm: seen.comm.clone(),
            parent: seen.parent_exec_id,
        };
        if self.execs.insert(seen.exec_id, exec).is_none() {
            self.order.push_back(seen.exec_id);
        }
        while self.order.len() > EXECS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.execs.remove(&oldest);
            }
        }
    }

    /// Names the programs that an exec descends from, itself last.
    pub(super) fn of(&self, exec_id: u64) -> Vec<String> {
        let mut names = Vec::new();
        let mut next = exec_id;
        while let Some(exec) = self.execs.get(&next).filter(|_| names.len() < TOLD_MAX) {
            names.push(exec.comm.clone());
            next = exec.parent;
        }
        names.reverse();
        names
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
    fn the_oldest_is_forgotten_and_a_ring_of_parents_ends() {
        let mut lineage = Lineage::default();
        for number in 1..=u64::try_from(EXECS_MAX).unwrap() + 10 {
            lineage.learn(&exec(number, number, "loop"));
        }
        assert_eq!(lineage.execs.len(), EXECS_MAX);
        assert_eq!(lineage.of(1), [""; 0]);
        assert_eq!(lineage.of(20).len(), TOLD_MAX);
    }
}
