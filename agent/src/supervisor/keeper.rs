//! The supervisor's main thread: keeps a proxy running, and stops in order.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tracing::{error, info, warn};

use super::SupervisorError;
use super::door::Door;
use super::lender::Lender;
use super::proxy::{Backoff, Event, Proxy};
use super::shared::Shared;
use crate::control::{Handover, LinkError};

/// Longest wait for an event before the thread looks at the clock again.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a proxy may take to seal and store its record after it was drained.
const SEAL_PATIENCE: Duration = Duration::from_secs(60);

/// The main thread's part.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) handover: Handover,
    pub(super) lender: Arc<Lender>,
    pub(super) events: Sender<Event>,
    pub(super) happened: Receiver<Event>,
}

impl Keeper {
    /// Keeps a proxy running until the supervisor is to stop; gives the one that runs then.
    ///
    /// # Errors
    /// When the config does not let any proxy start: waiting would not help.
    pub(super) fn keep_proxy(&mut self) -> Result<Option<Arc<Proxy>>, SupervisorError> {
        let clock = self.shared.clock;
        let mut backoff = Backoff::default();
        let mut number = 0;
        let mut proxy: Option<Arc<Proxy>> = None;
        let mut started_ns = clock.mono_ns();
        let mut due_ns = Some(started_ns);
        loop {
            if due_ns.is_some_and(|due_ns| due_ns <= clock.mono_ns()) {
                number += 1;
                started_ns = clock.mono_ns();
                due_ns = None;
                self.handover.is_next = self.shared.was_armed();
                let (shared, lender) = (&self.shared, &self.lender);
                match Proxy::start(number, &self.handover, shared, lender, &self.events) {
                    Ok(next) => proxy = Some(Arc::new(next)),
                    Err(failure) => {
                        error!(%failure, "proxy was not started");
                        due_ns = Some(started_ns + nanos(backoff.after(Duration::ZERO)));
                    }
                }
            }
            let due = due_ns.map_or(LOOK_INTERVAL, |due_ns| since(due_ns, clock.mono_ns()));
            match self.happened.recv_timeout(due.min(LOOK_INTERVAL)) {
                Ok(Event::Stop) => return Ok(proxy),
                Ok(Event::Reload) => self.shared.reload_unasked(),
                Ok(Event::Ready(ready)) => {
                    if let Some(proxy) = proxy.as_ref().filter(|proxy| proxy.number == ready) {
                        self.introduce(proxy);
                    }
                }
                Ok(Event::Ended(ended, how)) if ended == number => {
                    if how.is_config() && !self.shared.was_armed() {
                        return Err(SupervisorError::Proxy);
                    }
                    let lived = since(clock.mono_ns(), started_ns);
                    let wait = backoff.after(lived);
                    let wait_ms = wait.as_millis();
                    error!(proxy = ended, %how, wait_ms, "proxy ended; disarmed");
                    proxy = None;
                    due_ns = Some(clock.mono_ns() + nanos(wait));
                }
                Ok(Event::Ended(..)) | Err(RecvTimeoutError::Timeout) => {}
                // The supervisor itself holds a sender, so this cannot come.
                Err(RecvTimeoutError::Disconnected) => return Ok(proxy),
            }
        }
    }

    fn introduce(&self, proxy: &Arc<Proxy>) {
        match self.shared.introduce(proxy) {
            Ok(()) => {}
            Err(LinkError::Gone) => warn!(proxy = proxy.number, "proxy ended before it was armed"),
            Err(failure) => {
                error!(proxy = proxy.number, %failure, "proxy was not told of all sessions");
                proxy.link.hang_up();
            }
        }
    }

    /// Disarms, takes no more callers, lets open statements finish, and has the record sealed.
    pub(super) fn stop(&self, door: &Door, proxy: Option<&Proxy>) {
        self.shared.stop();
        info!("disarmed");
        door.close();
        let Some(proxy) = proxy else {
            return;
        };
        let grace = self.shared.config.daemon.shutdown_grace;
        if let Err(failure) = proxy.link.drain(grace) {
            error!(%failure, "proxy was not drained");
        }
        let deadline_ns = self.shared.clock.mono_ns() + nanos(SEAL_PATIENCE);
        loop {
            let left = since(deadline_ns, self.shared.clock.mono_ns());
            match self.happened.recv_timeout(left) {
                Ok(Event::Ended(number, how)) if number == proxy.number => {
                    return info!(%how, "stopped");
                }
                Ok(_) => {}
                Err(_) => return error!("proxy did not end in time"),
            }
        }
    }
}

/// Tells how long after `earlier_ns` a time of the clock is; nothing if it is not.
fn since(later_ns: i64, earlier_ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(later_ns - earlier_ns).unwrap_or(0))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 2)
}
