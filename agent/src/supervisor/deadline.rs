//! A time by which a look must be over: what is looked at decides how much there is of it.

use std::io;
use std::time::Duration;

use crate::clock::Clock;

/// A time of the clock, and how long was given until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    clock: Clock,
    given: Duration,
    at_ns: i64,
}

impl Deadline {
    /// Begins now.
    #[must_use]
    pub(super) fn within(clock: Clock, given: Duration) -> Self {
        let given_ns = i64::try_from(given.as_nanos()).unwrap_or(i64::MAX);
        let at_ns = clock.mono_ns().saturating_add(given_ns);
        Self {
            clock,
            given,
            at_ns,
        }
    }

    /// Fails from that time on.
    ///
    /// # Errors
    /// As said.
    pub(super) fn look(&self) -> io::Result<()> {
        if self.clock.mono_ns() < self.at_ns {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "expected to have seen all of it within {:?}, found more: too many processes, descriptors, sockets or cgroups",
            self.given
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_fails_once_its_time_is_over_and_not_before() {
        let clock = Clock::system();
        Deadline::within(clock, Duration::from_secs(600))
            .look()
            .unwrap();
        let over = Deadline::within(clock, Duration::ZERO).look();
        assert!(over.unwrap_err().to_string().contains("within 0ns"));
    }
}
