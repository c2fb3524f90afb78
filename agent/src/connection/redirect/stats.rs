//! What the programs count.

use std::collections::BTreeMap;

use icecore_ebpf::{reason, stat};
use serde::{Deserialize, Serialize};

use super::error::{KernelError, map};
use super::{DenyReason, Kernel};

/// Counters of the programs, of all CPUs together, since the maps were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Connects that were redirected.
    pub redirected: u64,
    /// Connects that were refused since the proxy was away or its heartbeat was lost.
    pub proxy_down: u64,
    /// What was denied, by reason.
    pub denied: BTreeMap<DenyReason, u64>,
    /// Redirected connections whose destination could not be carried to the proxy.
    pub flows_lost: u64,
    /// Events that found the ring full.
    pub events_lost: u64,
    /// Events that were over their session's rate.
    pub events_limited: u64,
    /// Packets that the backstop dropped.
    pub packets_dropped: u64,
    /// Programs that sessions' tasks executed, where lineage is observed.
    pub execs: u64,
}

impl Kernel {
    /// Reads the counters.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn stats(&self) -> Result<Stats, KernelError> {
        let mut stats = Stats {
            redirected: self.count(stat::REDIRECTED)?,
            proxy_down: self.count(reason::PROXY_DOWN)?,
            flows_lost: self.count(stat::FLOWS_LOST)?,
            events_lost: self.count(stat::EVENTS_LOST)?,
            events_limited: self.count(stat::EVENTS_LIMITED)?,
            packets_dropped: self.count(reason::PACKET)?,
            execs: self.count(stat::EXECS)?,
            ..Stats::default()
        };
        for reason in DenyReason::ALL {
            let count = self.count(reason.number())?;
            stats.denied.insert(reason, count);
        }
        Ok(stats)
    }

    fn count(&self, place: u32) -> Result<u64, KernelError> {
        let counts = self
            .stats
            .get(&place, 0)
            .map_err(map("STATS", "read a counter"))?;
        Ok(counts.iter().fold(0, |sum, one| sum.wrapping_add(*one)))
    }
}
