//! How much one installation may have signed, so that a host that runs wild takes neither the disk nor the turn of others. Pure.
//!
//! Only those count whose signature was verified: nobody spends another's share.

use std::collections::BTreeMap;

/// Most checkpoints of one installation in a minute: a recorder sends one a manifest.
const CHECKPOINTS: Share = Share {
    most: 600,
    within_s: 60,
};

/// Most chains that one installation may begin in a day: a recorder begins one each time it starts. Each is a file of at
/// most 64 KiB for good.
const CHAINS: Share = Share {
    most: 1000,
    within_s: 86_400,
};

struct Share {
    most: u32,
    within_s: u64,
}

/// What installations have spent; there are as many as are trusted.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<[u8; 32], Spent>);

#[derive(Debug, Default)]
struct Spent {
    checkpoints: Window,
    chains: Window,
}

#[derive(Debug, Default)]
struct Window {
    began_s: u64,
    count: u32,
}

impl Pace {
    /// Counts a checkpoint; false where that is one too many.
    pub(super) fn takes_checkpoint(&mut self, installation: [u8; 32], now_s: u64) -> bool {
        let spent = self.0.entry(installation).or_default();
        spent.checkpoints.takes(&CHECKPOINTS, now_s)
    }

    /// Counts a chain that begins; false where that is one too many.
    pub(super) fn takes_chain(&mut self, installation: [u8; 32], now_s: u64) -> bool {
        let spent = self.0.entry(installation).or_default();
        spent.chains.takes(&CHAINS, now_s)
    }
}

impl Window {
    fn takes(&mut self, share: &Share, now_s: u64) -> bool {
        // A clock that was set back begins anew too, and holds nobody up until it has caught up.
        if self.count == 0 || now_s.abs_diff(self.began_s) >= share.within_s {
            *self = Self {
                began_s: now_s,
                count: 0,
            };
        }
        let is_free = self.count < share.most;
        self.count += u32::from(is_free);
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_installation_has_a_share_that_comes_again() {
        let mut pace = Pace::default();
        let (one, other) = ([1; 32], [2; 32]);
        for now_s in [1_000_000, 1_000_060, 900_000] {
            for _ in 0..CHECKPOINTS.most {
                assert!(pace.takes_checkpoint(one, now_s));
            }
            assert!(!pace.takes_checkpoint(one, now_s + 59), "{now_s}");
            assert!(pace.takes_checkpoint(other, now_s), "{now_s}");
        }
        for _ in 0..CHAINS.most {
            assert!(pace.takes_chain(one, 7));
        }
        assert!(!pace.takes_chain(one, 86_406));
        assert!(pace.takes_chain(one, 86_407));
    }
}
