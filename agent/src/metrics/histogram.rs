//! Durations, counted by their size. Pure.

use std::time::Duration;

/// Upper ends, in microseconds and as they are told, in seconds: from what a decision takes to how long people are waited
/// for.
const ENDS: [(u64, &str); 19] = [
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
    (600_000_000, "600"),
    (3_600_000_000, "3600"),
];

/// How many durations there were of each size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; ENDS.len()],
    count: u64,
    sum_us: u64,
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, duration: Duration) {
        self.add_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts one of so many microseconds.
    pub fn add_us(&mut self, us: u64) {
        let place = ENDS.iter().position(|(most_us, _)| us <= *most_us);
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Gives each upper end, and how many were no larger.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = ENDS.iter().zip(&self.counts);
        counts.scan(0, |sum, ((_, end), count)| {
            *sum += count;
            Some((*end, *sum))
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum_us).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_grow_and_are_told_as_they_are() {
        for pair in ENDS.windows(2) {
            assert!(pair[0].0 < pair[1].0);
        }
        for (us, told) in ENDS {
            let seconds: f64 = told.parse().unwrap();
            assert_eq!(Duration::from_micros(us).as_secs_f64(), seconds);
        }
    }

    #[test]
    fn each_duration_is_counted_once_and_in_all_larger_ends() {
        let mut histogram = Histogram::default();
        for us in [0, 100, 101, u64::from(u32::MAX), 3_600_000_001] {
            histogram.add_us(us);
        }
        let counts: Vec<u64> = histogram.cumulated().map(|(_, count)| count).collect();
        assert_eq!(counts[..2], [2, 3]);
        assert_eq!((counts[18], histogram.count()), (3, 5));
    }
}
