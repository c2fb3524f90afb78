//! The one door of this package to the clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells an instant to measure from.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Tells the time since 1970, UTC.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
