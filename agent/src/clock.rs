//! The one door to the time of day, so that stages take `now` as a value.

use std::time::Instant;

use chrono::{DateTime, Utc};

/// Tells the time of day and a time that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Makes the clock that the process runs by.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn system() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Tells the time of day, UTC.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// Tells the nanoseconds since this clock was made; never goes back.
    #[must_use]
    pub fn mono_ns(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}
