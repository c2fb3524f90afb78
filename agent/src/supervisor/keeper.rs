//! The supervisor's main thread: keeps a proxy running, and stops in order.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tracing::{error, info, warn};

use super::SupervisorError;
use super::door::Door;
use super::lender::Lender;
use super::lock::Lock;
use super::proxy::{Backoff, Ending, Event, Proxy};
use super::service::{self, Readiness};
use super::shared::Shared;
use crate::control::{Handover, LinkError};

/// Longest wait for an event before the thread looks at the clock again.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The same while connects wait for a proxy.
pub(super) const BEAT_INTERVAL: Duration = Duration::from_millis(100);

/// How long a proxy may take to seal and store its record after it was drained.
const SEAL_PATIENCE: Duration = Duration::from_secs(60);

/// How long a program that took over may take until its first proxy serves, before the one that was before has all back.
const SERVES_WITHIN: Duration = Duration::from_secs(20);

/// The main thread's part.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) handover: Handover,
    pub(super) lender: Arc<Lender>,
    pub(super) happened: Receiver<Event>,
    pub(super) door: Door,
    pub(super) lock: Lock,
    /// Whether another program waits for word that this one serves.
    pub(super) is_on_trial: bool,
    /// What was handed over, until this one serves: it holds tokens.
    pub(super) handed: Option<File>,
    /// The proxy that serves, or is about to.
    pub(super) proxy: Option<Arc<Proxy>>,
    /// Those that carry connections to their end.
    pub(super) replaced: Vec<Arc<Proxy>>,
    /// Of the proxy that was started last.
    pub(super) number: u64,
    pub(super) started_ns: i64,
    /// When the next one is to be started.
    pub(super) due_ns: Option<i64>,
    pub(super) backoff: Backoff,
    pub(super) readiness: Readiness,
    /// What happened meanwhile, to be looked at before anything else.
    pub(super) later: VecDeque<Event>,
}

impl Keeper {
    /// Keeps a proxy running until the supervisor is to stop.
    ///
    /// # Errors
    /// When the config does not let any proxy start, or the first one of a program that took over does not serve.
    pub(super) fn keep_proxy(&mut self) -> Result<(), SupervisorError> {
        let began_ns = self.now_ns();
        loop {
            self.start_if_due();
            match self.next_event() {
                Some(Event::Stop) => return Ok(()),
                Some(Event::Reload) => self.shared.reload_unasked(),
                Some(Event::Ready(ready)) => {
                    let proxy = self.proxy.clone();
                    if let Some(proxy) = proxy.filter(|proxy| proxy.number == ready) {
                        self.introduce(&proxy);
                    }
                }
                Some(Event::Ended(ended, how)) => self.has_ended(ended, how)?,
                Some(Event::Replace(asked)) => self.replace(asked),
                Some(Event::Prepared(_) | Event::Closed(_)) | None => {}
            }
            self.readiness.look(self.shared.seated() > 0);
            if self.shared.seated() > 0
                && let Some(handed) = self.handed.take()
                && let Err(failure) = handed.set_len(0)
            {
                error!(%failure, "what was handed over stays in memory");
            }
            if self.is_on_trial {
                self.is_on_trial = self.shared.seated() == 0;
                if self.is_on_trial && since(self.now_ns(), began_ns) > SERVES_WITHIN {
                    self.hang_up();
                    return Err(SupervisorError::Proxy);
                }
            }
        }
    }

    fn start_if_due(&mut self) {
        if self.due_ns.is_none_or(|due_ns| due_ns > self.now_ns()) {
            return;
        }
        self.number += 1;
        self.started_ns = self.now_ns();
        self.due_ns = None;
        self.handover.is_next = self.shared.was_armed();
        match Proxy::start(self.number, &self.handover, &self.shared, &self.lender) {
            Ok(next) => self.proxy = Some(Arc::new(next)),
            Err(failure) => {
                error!(%failure, "proxy was not started");
                self.put_off(Duration::ZERO);
            }
        }
    }

    /// Waits for what happens next, no longer than something is due.
    fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.later.pop_front() {
            return Some(event);
        }
        self.shared.keep_alive();
        let most = if self.shared.is_paused() {
            BEAT_INTERVAL
        } else {
            LOOK_INTERVAL
        };
        let due = self
            .due_ns
            .map_or(most, |due_ns| since(due_ns, self.now_ns()));
        // Whatever is shared holds a sender, so nothing but the time can run out.
        self.happened.recv_timeout(due.min(most)).ok()
    }

    fn has_ended(&mut self, ended: u64, how: Ending) -> Result<(), SupervisorError> {
        self.replaced.retain(|proxy| proxy.number != ended);
        if self
            .proxy
            .as_ref()
            .is_none_or(|proxy| proxy.number != ended)
        {
            return Ok(());
        }
        self.proxy = None;
        let has_served = self.shared.seated() > 0;
        if self.is_on_trial && !has_served || how.is_config() && !self.shared.was_armed() {
            return Err(SupervisorError::Proxy);
        }
        let lived = since(self.now_ns(), self.started_ns);
        let wait_ms = self.put_off(lived).as_millis();
        error!(proxy = ended, %how, wait_ms, "proxy ended; disarmed");
        Ok(())
    }

    /// Has the next proxy started after a wait.
    pub(super) fn put_off(&mut self, lived: Duration) -> Duration {
        let wait = self.backoff.after(lived);
        self.due_ns = Some(self.now_ns() + nanos(wait));
        wait
    }

    pub(super) fn introduce(&self, proxy: &Arc<Proxy>) {
        let shared = &self.shared;
        match super::replacing::beating(shared, || shared.introduce(proxy)) {
            Ok(()) => {}
            Err(LinkError::Gone) => warn!(proxy = proxy.number, "proxy ended before it was armed"),
            Err(failure) => {
                error!(proxy = proxy.number, %failure, "proxy was not told of all sessions");
                proxy.link.hang_up();
            }
        }
    }

    /// Ends the proxy that is about to serve, if there is one, and waits for that.
    pub(super) fn hang_up(&mut self) {
        let Some(proxy) = self.proxy.take() else {
            return;
        };
        proxy.link.hang_up();
        let deadline_ns = self.now_ns() + nanos(SEAL_PATIENCE);
        while let Some(event) = self.wait_until(deadline_ns) {
            if matches!(event, Event::Ended(number, _) if number == proxy.number) {
                return;
            }
            self.later.push_back(event);
        }
        error!("proxy did not end in time");
    }

    /// Disarms, takes no more callers, lets open statements finish, and has the record sealed.
    pub(super) fn stop(&self) {
        service::stopping();
        self.shared.stop();
        // The threads end with the process.
        self.shared.stills.close();
        info!("disarmed");
        self.door.close();
        let Some(proxy) = &self.proxy else {
            return;
        };
        let grace = self.shared.config.daemon.shutdown_grace;
        if let Err(failure) = proxy.link.drain(grace) {
            error!(%failure, "proxy was not drained");
        }
        let deadline_ns = self.now_ns() + nanos(SEAL_PATIENCE);
        loop {
            let left = since(deadline_ns, self.now_ns());
            match self.happened.recv_timeout(left) {
                Ok(Event::Ended(number, how)) if number == proxy.number => {
                    return info!(%how, "stopped");
                }
                Ok(_) => {}
                Err(_) => return error!("proxy did not end in time"),
            }
        }
    }

    pub(super) fn now_ns(&self) -> i64 {
        self.shared.clock.mono_ns()
    }
}

/// Tells how long after `earlier_ns` a time of the clock is; nothing if it is not.
pub(super) fn since(later_ns: i64, earlier_ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(later_ns - earlier_ns).unwrap_or(0))
}

pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 2)
}
