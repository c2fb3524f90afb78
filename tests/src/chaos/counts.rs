//! What a run of chaos comes to, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::fault::Fault;

/// What the rounds of one fault come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// How many there were.
    pub rounds: u64,
    /// Statements that failed in them.
    pub failed: u64,
    /// How often a driver connected in them.
    pub connects: u64,
    /// Sessions that ended.
    pub ended: u64,
    /// The longest time from the end of the fault until every session had an answer again.
    pub slowest: Duration,
    /// All of these times together.
    pub total: Duration,
}

/// What a run comes to, by fault.
#[derive(Debug, Default)]
pub struct Counts {
    /// By fault.
    pub of: BTreeMap<Fault, Count>,
}

impl Counts {
    /// Adds a round.
    pub fn add(&mut self, fault: Fault, round: Count) {
        let count = self.of.entry(fault).or_default();
        count.rounds += 1;
        count.failed += round.failed;
        count.connects += round.connects;
        count.ended += round.ended;
        count.slowest = count.slowest.max(round.slowest);
        count.total += round.slowest;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| fault | rounds | statements failed | connects | sessions ended | all answered again: mean | slowest |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (fault, count) in &self.of {
            let rounds = u32::try_from(count.rounds).unwrap_or(u32::MAX).max(1);
            let (mean, slowest) = ((count.total / rounds).as_secs_f64(), count.slowest);
            writeln!(
                f,
                "| {fault} | {} | {} | {} | {} | {mean:.1} s | {:.1} s |",
                count.rounds,
                count.failed,
                count.connects,
                count.ended,
                slowest.as_secs_f64()
            )?;
        }
        Ok(())
    }
}
