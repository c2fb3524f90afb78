//! How results are slowed when the spool fills: what is read from Snowflake waits, and TCP makes the sender wait too.
//!
//! Up to half of the spool nothing is slowed. From there the pause before each piece of a result grows, up to the part of
//! the spool at which no statement begins any more (`quota`).

use std::time::Duration;

use super::Recorder;
use super::quota::BEGIN_MAX_PERCENT;

/// Part of the spool, in percent, up to which nothing is slowed.
const EASE_FROM_PERCENT: u64 = 50;

/// The pause where no statement begins any more.
const LONGEST: Duration = Duration::from_millis(500);

/// Gives the pause before a piece of a result.
fn pause(waiting_bytes: u64, spool_max_bytes: u64) -> Duration {
    let percent = u128::from(waiting_bytes) * 100_000 / u128::from(spool_max_bytes.max(1));
    // Thousandths of a percent, so that the pause grows evenly in small spools too.
    let at = |percent: u64| u128::from(percent * 1000);
    let (from, to) = (at(EASE_FROM_PERCENT), at(BEGIN_MAX_PERCENT));
    let over = percent.clamp(from, to) - from;
    let nanos = LONGEST.as_nanos() * over / (to - from);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Recorder {
    /// Waits before a piece of a result is taken, if the spool fills and statements depend on it.
    pub(super) async fn ease(&self) {
        let pause = self.pause();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Tells how long that is.
    pub(super) fn pause(&self) -> Duration {
        let shared = &self.shared;
        if !shared.mode.is_strict() {
            return Duration::ZERO;
        }
        let (waiting_bytes, spool_max_bytes) = shared.quotas.room();
        pause(waiting_bytes, spool_max_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_half_of_the_spool_to_nine_tenths() {
        let pauses: Vec<u64> = [0, 500, 501, 600, 700, 800, 900, 2000]
            .map(|bytes| u64::try_from(pause(bytes, 1000).as_micros()).unwrap())
            .to_vec();
        assert_eq!(
            pauses,
            [0, 0, 1_250, 125_000, 250_000, 375_000, 500_000, 500_000]
        );
        assert_eq!(pause(1, 0), LONGEST);
    }
}
