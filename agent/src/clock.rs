//! The one door to the time of day, so that stages take `now` as a value.

use std::time::Instant;

use chrono::{DateTime, Utc};

/// Tells the time of day and a time that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// How far a test has moved the time of day, in seconds.
    #[cfg(test)]
    moved_s: Option<&'static std::sync::atomic::AtomicI64>,
}

impl Clock {
    /// Makes the clock that the process runs by.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn system() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(test)]
            moved_s: None,
        }
    }

    /// Makes a clock whose time of day a test can move, as an administrator or a time server can.
    #[cfg(test)]
    pub(crate) fn moved_by(seconds: &'static std::sync::atomic::AtomicI64) -> Self {
        Self {
            moved_s: Some(seconds),
            ..Self::system()
        }
    }

    /// Tells the time of day, UTC.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        #[cfg(test)]
        if let Some(seconds) = self.moved_s {
            let seconds = seconds.load(std::sync::atomic::Ordering::SeqCst);
            return Utc::now() + chrono::TimeDelta::seconds(seconds);
        }
        Utc::now()
    }

    /// Tells the nanoseconds since this clock was made; never goes back.
    #[must_use]
    pub fn mono_ns(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}
