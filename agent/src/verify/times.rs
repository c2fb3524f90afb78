//! When manifests were signed, by their host's clock and by that of a witness. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::chain::Checked;
use super::report::Finding;
use crate::record::chain::problem::Code;

/// How far a manifest's time may be from a witness's: a recorder asks when the store has the manifest, and again every 10 s.
const APART: TimeDelta = TimeDelta::hours(1);

/// When a manifest was signed, and when a witness saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) manifest: String,
    pub(super) signed: DateTime<Utc>,
    pub(super) seen: DateTime<Utc>,
}

impl Times {
    /// Reads a witness's time, in seconds since 1970; one that is none is the end of all times.
    pub(super) fn of(manifest: &str, signed: DateTime<Utc>, seen_s: Option<u64>) -> Self {
        let seen_s = seen_s.and_then(|seconds| i64::try_from(seconds).ok());
        let seen = seen_s.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Self {
            manifest: manifest.to_owned(),
            signed,
            seen: seen.unwrap_or(DateTime::<Utc>::MAX_UTC),
        }
    }

    /// Tells how far they are apart.
    pub(super) fn apart(&self) -> TimeDelta {
        (self.seen - self.signed).abs()
    }
}

/// Tells of chains that signed at another time than a witness saw, by what is furthest apart.
pub(super) fn told(chains: &[Checked]) -> Vec<Finding> {
    let told = |chain: &Checked| {
        let times = chain.times.iter().max_by_key(|times| times.apart())?;
        let way = if times.seen < times.signed {
            "before it was signed"
        } else {
            "after it was signed"
        };
        let expected = format!(
            "a time at most {} min from a witness's",
            APART.num_minutes()
        );
        let found = format!(
            "{}, which a witness saw {} min {way}",
            times.signed.format("%Y-%m-%dT%H:%M:%SZ"),
            times.apart().num_minutes()
        );
        let place = (&*chain.chain, &*times.manifest);
        (times.apart() > APART).then(|| Finding::new(Code::W73, place, expected, found))
    };
    chains.iter().filter_map(told).collect()
}
