//! What a service manager is told: that sessions are taken, that the daemon stops, and that it is alive.
//!
//! Source: sd_notify(3). Without `NOTIFY_SOCKET` nobody is told. The variables outlive an upgrade, which is the same process.

use std::time::Duration;

use sd_notify::{NotifyState, notify};
use tracing::{error, warn};

use super::keeper::nanos;

/// Told that a proxy serves, once.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    is_told: bool,
}

impl Readiness {
    /// Tells the service manager once that sessions are taken.
    pub(super) fn look(&mut self, serves: bool) {
        if serves && !self.is_told {
            self.is_told = true;
            tell(&[
                NotifyState::Ready,
                NotifyState::Status("sessions are taken"),
            ]);
        }
    }
}

/// Tells the service manager that the daemon stops.
pub(super) fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("statements under way come to their end, the record is sealed"),
    ]);
}

/// How old the main thread's last turn may be; what it waits for longer leaves turns meanwhile.
const TURN_STALE: Duration = Duration::from_secs(20);

/// Tells the service manager again and again that the daemon is alive, if it asks for that: this thread, and the main one.
#[derive(Debug)]
pub(super) struct Watchdog {
    every: Option<Duration>,
    due_ns: i64,
}

impl Watchdog {
    /// Finds out how often: twice in the time after which the daemon counts as hung.
    pub(super) fn new() -> Self {
        Self {
            every: sd_notify::watchdog_enabled().map(|within| within / 2),
            due_ns: 0,
        }
    }

    /// Tells whether the service manager asks for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.every.is_some()
    }

    /// Says that the daemon is alive, if that is due and the main thread had a turn not long ago.
    pub(super) fn beat(&mut self, now_ns: i64, turned_ns: i64) {
        if self.is_due(now_ns, turned_ns) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn is_due(&mut self, now_ns: i64, turned_ns: i64) -> bool {
        let Some(every) = self.every.filter(|_| now_ns >= self.due_ns) else {
            return false;
        };
        self.due_ns = now_ns + nanos(every);
        let is_fresh = now_ns - turned_ns <= nanos(TURN_STALE);
        if !is_fresh {
            error!(
                "main thread had no turn for a while; the service manager is not told that it is alive"
            );
        }
        is_fresh
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Without it systemd ends the service after a while, and says so in its own words.
    if let Err(error) = notify(state) {
        warn!(%error, "service manager was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_thread_that_hangs_is_not_said_to_be_alive() {
        let mut watchdog = Watchdog {
            every: Some(Duration::from_secs(15)),
            due_ns: 0,
        };
        let second = nanos(Duration::from_secs(1));
        assert!(watchdog.is_due(100 * second, 99 * second));
        assert!(!watchdog.is_due(101 * second, 101 * second));
        assert!(watchdog.is_due(115 * second, 95 * second));
        assert!(!watchdog.is_due(130 * second, 109 * second));
        assert!(watchdog.is_due(145 * second, 145 * second));
        watchdog.every = None;
        assert!(!watchdog.is_due(200 * second, 200 * second));
    }
}
