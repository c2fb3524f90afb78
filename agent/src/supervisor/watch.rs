//! Looks again and again whether the programs are at work and the proxy shows its heartbeat.
//!
//! Whoever takes the programs away is root, and root is out of reach; but no session runs on as if nothing had happened.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::{error, info, warn};

use super::service::Watchdog;
use super::shared::Shared;
use crate::connection::redirect::Stats;
use crate::control::observed::Observed;
use crate::id::SessionId;

/// How often is looked: sessions are ended within a second of what ends them.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// How often what was lost is told.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// What the watch remembers.
#[derive(Default)]
struct Watched {
    /// Since when the heartbeat is lost, by the clock.
    lost_since_ns: Option<i64>,
    /// The counters that were told last.
    told: Stats,
    told_ns: i64,
}

impl Shared {
    fn keep_watched(self: &Arc<Self>) {
        let mut watched = Watched {
            told: self
                .with_kernel(|kernel| kernel.stats())
                .unwrap_or_default(),
            told_ns: self.clock.mono_ns(),
            ..Watched::default()
        };
        let mut watchdog = Watchdog::new();
        while !self.is_stopping() {
            self.look_at_programs();
            self.look_at_heartbeat(&mut watched);
            if self.clock.mono_ns() - watched.told_ns >= nanos(TELL_INTERVAL) {
                watched.told_ns = self.clock.mono_ns();
                self.tell_lost(&mut watched);
            }
            watchdog.beat(self.clock.mono_ns(), self.turned_ns());
            thread::sleep(LOOK_INTERVAL);
        }
        // To stop may take longer than the service manager waits for one that hangs; its own limit of a stop ends it.
        while watchdog.is_wanted() {
            let now_ns = self.clock.mono_ns();
            watchdog.beat(now_ns, now_ns);
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Ends all sessions if the programs are not at work, and brings them back.
    fn look_at_programs(self: &Arc<Self>) {
        let Err(tampered) = self.with_kernel(|kernel| kernel.check()) else {
            if self.is_broken() {
                self.set_broken(false);
                self.rearm();
            }
            return;
        };
        let is_first = !self.is_broken();
        // First of all: no session begins, none goes on.
        self.set_broken(true);
        self.disarm();
        let sessions = self.kill_sessions();
        let problem = match self.with_kernel(|kernel| kernel.mend()) {
            Ok(()) => None,
            Err(failure) => Some(format!("{:#}", anyhow::Error::from(failure))),
        };
        if is_first || !sessions.is_empty() {
            let found = tampered.found.join("; ");
            error!(
                found,
                ?problem,
                sessions = sessions.len(),
                "kernel programs were taken away; sessions were ended"
            );
            self.observations.push(Observed::Tampered {
                found: tampered.found,
                sessions: sessions.clone(),
                problem: problem.clone(),
            });
        }
        if problem.is_none() {
            info!("kernel programs are back");
            self.set_broken(false);
            self.rearm();
        }
        self.end_soon(sessions);
    }

    /// Ends sessions that are killed, on a thread of its own: to have it recorded may take a while.
    fn end_soon(self: &Arc<Self>, sessions: Vec<SessionId>) {
        if sessions.is_empty() {
            return;
        }
        let shared = Arc::clone(self);
        let started = thread::Builder::new()
            .name("ends".to_owned())
            .spawn(move || {
                for id in sessions {
                    shared.end(id, "kernel programs were taken away");
                }
            });
        if let Err(failure) = started {
            error!(%failure, "sessions that were killed are ended by whoever holds them");
        }
    }

    /// Kills what runs in any session; gives the sessions.
    fn kill_sessions(&self) -> Vec<SessionId> {
        let roster = self.roster();
        let mut sessions = Vec::new();
        for (id, live) in &roster.live {
            if let Err(failure) = live.cgroup.kill() {
                error!(session = %id, %failure, "session was not killed");
            }
            sessions.push(*id);
        }
        sessions
    }

    /// Tells of a heartbeat that is lost, and of how long it was once it is back.
    fn look_at_heartbeat(&self, watched: &mut Watched) {
        let now_ns = self.clock.mono_ns();
        let (age, stale) =
            self.with_kernel(|kernel| (kernel.heartbeat_age(), kernel.heartbeat_stale()));
        let is_lost = match age {
            Ok(age) => self.is_armed() && age > stale,
            Err(failure) => {
                error!(%failure, "heartbeat could not be looked at");
                return;
            }
        };
        match (watched.lost_since_ns, is_lost) {
            (None, true) => {
                watched.lost_since_ns = Some(now_ns - nanos(stale));
                warn!("proxy shows no heartbeat; sessions' connects are refused");
            }
            (Some(since_ns), false) => {
                watched.lost_since_ns = None;
                let lasted_ms = u64::try_from((now_ns - since_ns) / 1_000_000).unwrap_or(0);
                info!(
                    lasted_ms,
                    "proxy shows its heartbeat again, or another one does"
                );
                self.observations
                    .push(Observed::HeartbeatLost { lasted_ms });
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// Tells what the kernel or the supervisor could not tell since the last time.
    fn tell_lost(&self, watched: &mut Watched) {
        let stats = match self.with_kernel(|kernel| kernel.stats()) {
            Ok(stats) => stats,
            Err(failure) => return error!(%failure, "kernel's counters could not be read"),
        };
        let told = std::mem::replace(&mut watched.told, stats.clone());
        let events = stats.events_lost.saturating_sub(told.events_lost);
        let events = events.saturating_add(self.observations.take_dropped());
        let over_rate = stats.events_limited.saturating_sub(told.events_limited);
        let flows = stats.flows_lost.saturating_sub(told.flows_lost);
        if events + over_rate + flows > 0 {
            self.observations.push(Observed::Lost {
                events,
                over_rate,
                flows,
            });
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system has no more threads.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || shared.keep_watched())
        .map(|_| ())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 2)
}
