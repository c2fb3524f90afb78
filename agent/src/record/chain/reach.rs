//! Which chains a compaction does not have whole: what readers must know of its sources, which are far longer. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compaction::Sources;
use crate::record::object::Key;

/// A chain of which a compaction has a part, or whose end it did not see.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// The chain.
    pub chain: String,
    /// How many of its manifests were believed.
    pub manifests: u64,
    /// How many leaves its tree had.
    pub tree_size: u64,
    /// How many of them the compaction has or leaves where they are.
    pub rows: u64,
    /// Whether the chain had ended.
    pub closed: bool,
}

impl Sources {
    /// Lists the chains that these sources do not have whole.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
        for input in &self.inputs {
            add(rows.entry(&input.chain).or_default(), input.rows);
        }
        let kept: Vec<(String, u64)> = (self.kept.iter())
            .filter_map(|kept| Some((Key::parse(&kept.key)?.chain, kept.rows?)))
            .collect();
        for (chain, count) in &kept {
            add(rows.entry(chain).or_default(), *count);
        }
        let reached = self.chains.iter().map(|chain| Unfinished {
            chain: chain.chain.clone(),
            manifests: chain.manifests,
            tree_size: chain.tree_size,
            rows: rows.get(&*chain.chain).copied().unwrap_or_default(),
            closed: chain.closed,
        });
        reached.filter(|one| !one.is_whole()).collect()
    }
}

impl Unfinished {
    /// Tells whether nothing of the chain is elsewhere, or comes later.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.closed && self.rows == self.tree_size
    }

    /// Takes what another compaction says of the same chain.
    pub fn join(&mut self, other: &Self) {
        add(&mut self.rows, other.rows);
        self.manifests = self.manifests.max(other.manifests);
        self.tree_size = self.tree_size.max(other.tree_size);
        self.closed |= other.closed;
    }
}

/// Adds counts that others wrote: too many are no whole chain.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}
