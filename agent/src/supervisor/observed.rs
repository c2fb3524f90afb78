//! Reads what the kernel tells and hands it on to the proxy, which records it.
//!
//! What no proxy takes yet waits, up to a number; what is more is counted, and the count is told.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{debug, error};

use super::lineage::Lineage;
use super::shared::Shared;
use crate::connection::peer::Traced;
use crate::connection::redirect::{Deed, Events, Seen, wait_for_events};
use crate::control::LinkError;
use crate::control::observed::{Observed, Offender};
use crate::id::SessionId;

/// Most that waits for a proxy.
const WAITING_MAX: usize = 4096;

/// Most that is handed on at once: with all that a process may be called by, it fits a packet.
const AT_ONCE_MAX: usize = 16;

/// How long the reader sleeps at most before it looks at what waits.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often the proxy is told what the kernel has counted, in nanoseconds.
const COUNT_EVERY_NS: i64 = 2_000_000_000;

/// What is read, and what waits to be handed on.
#[derive(Debug, Default)]
pub(super) struct Observations {
    /// The kernel's ring, and the execs that were told by it; taken before `waiting`.
    reading: Mutex<Reading>,
    waiting: Mutex<Waiting>,
    /// Held while something is handed on, so that it arrives in its order; taken before `waiting`.
    handing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Reading {
    events: Option<Events>,
    lineage: Lineage,
}

#[derive(Debug, Default)]
struct Waiting {
    all: VecDeque<Observed>,
    dropped: u64,
}

impl Observations {
    /// Begins to read the kernel's ring.
    pub(super) fn of(events: Option<Events>) -> Self {
        Self {
            reading: Mutex::new(Reading {
                events,
                lineage: Lineage::default(),
            }),
            ..Self::default()
        }
    }

    /// Has something wait to be handed on.
    pub(super) fn push(&self, observed: Observed) {
        let mut waiting = lock(&self.waiting);
        if waiting.all.len() < WAITING_MAX {
            waiting.all.push_back(observed);
        } else {
            waiting.dropped += 1;
        }
    }

    /// Takes the number of those that there was no room for.
    pub(super) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut lock(&self.waiting).dropped)
    }

    fn signal(&self) -> Option<io::Result<OwnedFd>> {
        lock(&self.reading).events.as_ref().map(Events::signal)
    }

    /// Reads all that the kernel has told so far.
    fn read(&self) {
        let mut reading = lock(&self.reading);
        let Reading { events, lineage } = &mut *reading;
        let Some(events) = events else { return };
        while let Some(seen) = events.take() {
            match seen.deed {
                Deed::Exec => lineage.learn(&seen),
                Deed::Denied(_) => self.push(Observed::Denied(Box::new(offender(seen, lineage)))),
            }
        }
    }

    /// Lists the execs that one descends from, itself first, by all that the kernel has told so far.
    pub(super) fn execs(&self, exec_id: u64) -> Vec<u64> {
        self.read();
        lock(&self.reading).lineage.ids(exec_id)
    }

    /// Tells whose session an exec was of, by all that the kernel has told so far.
    pub(super) fn session_of(&self, exec_id: u64) -> Option<SessionId> {
        self.read();
        lock(&self.reading).lineage.session_of(exec_id)
    }

    /// Tells whether a process has executed another program since an exec, by all that the kernel has told so far.
    pub(super) fn has_executed_since(&self, pid: u32, exec_id: u64) -> bool {
        self.read();
        lock(&self.reading).lineage.has_executed_since(pid, exec_id)
    }

    fn take(&self) -> Vec<Observed> {
        let mut waiting = lock(&self.waiting);
        let count = waiting.all.len().min(AT_ONCE_MAX);
        waiting.all.drain(..count).collect()
    }

    fn put_back(&self, all: Vec<Observed>) {
        let mut waiting = lock(&self.waiting);
        for observed in all.into_iter().rev() {
            waiting.all.push_front(observed);
        }
    }
}

impl Shared {
    /// Reads and hands on until the supervisor stops; needs a thread, since a proxy may be slow.
    fn keep_observed(&self, signal: &OwnedFd) {
        let mut due_ns = 0;
        while !self.is_stopping() {
            wait_for_events(signal, LOOK_INTERVAL);
            self.hand_on_observed();
            if self.clock.mono_ns() >= due_ns {
                due_ns = self.clock.mono_ns() + COUNT_EVERY_NS;
                self.hand_on_counts();
            }
        }
    }

    /// Tells the proxy what the kernel has counted by now, if there is one: the next time it is told all of it again.
    fn hand_on_counts(&self) {
        let Some(proxy) = self.proxy(Duration::ZERO) else {
            return;
        };
        match self.with_kernel(|kernel| kernel.stats()) {
            Ok(stats) => match proxy.link.counted(stats) {
                Ok(()) => {}
                Err(failure) => debug!(%failure, "what the kernel counted is told later"),
            },
            Err(failure) => error!(%failure, "kernel's counters could not be read"),
        }
    }

    /// Hands on all that was observed so far, if there is a proxy; what it does not take waits for the next one.
    pub(super) fn hand_on_observed(&self) {
        self.observations.read();
        let _handing = lock(&self.observations.handing);
        let Some(proxy) = self.proxy(Duration::ZERO) else {
            return;
        };
        loop {
            let all = self.observations.take();
            if all.is_empty() {
                return;
            }
            match proxy.link.observed(all.clone()) {
                Ok(()) => {}
                Err(failure @ LinkError::Refused(_)) => {
                    error!(%failure, count = all.len(), "what was observed was not recorded");
                }
                Err(failure) => {
                    debug!(%failure, "what was observed waits for the next proxy");
                    self.observations.put_back(all);
                    return;
                }
            }
        }
    }
}

/// Starts the thread that reads.
///
/// # Errors
/// When the system has no more threads or descriptors.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let Some(signal) = shared.observations.signal() else {
        return Ok(());
    };
    let (signal, shared) = (signal?, Arc::clone(shared));
    thread::Builder::new()
        .name("observed".to_owned())
        .spawn(move || shared.keep_observed(&signal))
        .map(|_| ())
}

/// Adds what /proc still knows of a process: evidence, not authority.
fn offender(seen: Seen, lineage: &Lineage) -> Offender {
    let traced = Traced::read(seen.pid);
    Offender {
        start_ns: traced.start_ns,
        exe: traced.exe,
        ancestors: traced.ancestors,
        execs: lineage.of(seen.exec_id),
        seen,
    }
}

/// Locks; a thread that panicked held each of these for one whole change only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(events: u64) -> Observed {
        Observed::Lost {
            events,
            over_rate: 0,
            flows: 0,
        }
    }

    #[test]
    fn what_was_not_taken_comes_first_the_next_time() {
        let observations = Observations::default();
        for number in 0..20 {
            observations.push(lost(number));
        }
        let first = observations.take();
        assert_eq!(first.len(), AT_ONCE_MAX);
        observations.put_back(first.clone());
        assert_eq!(observations.take(), first);
        assert_eq!(observations.take().first(), Some(&lost(16)));
        assert_eq!(observations.take(), []);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_once() {
        let observations = Observations::default();
        for number in 0..=WAITING_MAX {
            observations.push(lost(u64::try_from(number).unwrap()));
        }
        assert_eq!(observations.take_dropped(), 1);
        assert_eq!(observations.take_dropped(), 0);
    }
}
