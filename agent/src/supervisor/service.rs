//! What a service manager is told: that sessions are taken, that the daemon stops, and that it is alive.
//!
//! Source: sd_notify(3). Without `NOTIFY_SOCKET` nobody is told. The variables outlive an upgrade, which is the same process.

use std::time::Duration;

use sd_notify::{NotifyState, notify};
use tracing::warn;

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

/// Tells the service manager again and again that the daemon is alive, if it asks for that.
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

    /// Says that the daemon is alive, if that is due.
    pub(super) fn beat(&mut self, now_ns: i64) {
        let Some(every) = self.every.filter(|_| now_ns >= self.due_ns) else {
            return;
        };
        self.due_ns = now_ns + nanos(every);
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Without it systemd ends the service after a while, and says so in its own words.
    if let Err(error) = notify(state) {
        warn!(%error, "service manager was not told");
    }
}
