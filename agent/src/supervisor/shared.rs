//! What the supervisor's threads share, and the order in which they may take it.
//!
//! Locks are taken in this order and held as shortly as their comment says: `telling`, `roster`, `gate`, `seat`;
//! a user's turn to refresh in `sign_ins` before any of them, the other locks there with none.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{error, info};

use super::cgroup::{Cgroups, Entered};
use super::proxy::Proxy;
use super::roster::Roster;
use super::signed_in::SignIns;
use crate::clock::Clock;
use crate::config::{Config, Owner};
use crate::connection::redirect::Kernel;

/// What the supervisor's threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) cgroups: Cgroups,
    pub(super) entered: Entered,
    /// Whom proxies run as; it stays so, whatever the host's list of users becomes.
    pub(super) owner: Owner,
    /// Held while one session, or all of them, are told to a proxy: none is missed between two proxies.
    pub(super) telling: Mutex<()>,
    /// Held for one look or change.
    pub(super) roster: Mutex<Roster>,
    pub(super) sign_ins: SignIns,
    gate: Mutex<Gate>,
    seat: Mutex<Option<Arc<Proxy>>>,
    seated: Condvar,
    stopping: AtomicBool,
}

/// The kernel's part, and which proxy it must not be armed for.
struct Gate {
    kernel: Kernel,
    /// The last proxy that was lost.
    lost: u64,
    /// Whether it was ever armed.
    armed: bool,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        config: Config,
        owner: Owner,
        clock: Clock,
        cgroups: Cgroups,
        entered: Entered,
        roster: Roster,
        kernel: Kernel,
    ) -> Self {
        Self {
            owner,
            config,
            clock,
            cgroups,
            entered,
            telling: Mutex::default(),
            roster: Mutex::new(roster),
            sign_ins: SignIns::default(),
            gate: Mutex::new(Gate {
                kernel,
                lost: 0,
                armed: false,
            }),
            seat: Mutex::default(),
            seated: Condvar::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Names the CA that sessions must trust.
    pub(super) fn ca(&self) -> PathBuf {
        self.config.daemon.state_dir.join("ca/ca.pem")
    }

    /// Does one thing with the kernel's part.
    pub(super) fn with_kernel<T>(&self, act: impl FnOnce(&mut Kernel) -> T) -> T {
        act(&mut lock(&self.gate).kernel)
    }

    /// Refuses sessions' connects from here on.
    pub(super) fn disarm(&self) {
        if let Err(failure) = self.with_kernel(Kernel::disarm) {
            error!(%failure, "kernel was not disarmed");
        }
    }

    /// Refuses sessions' connects, since this proxy is no more; it can never be armed for again.
    pub(super) fn lose(&self, number: u64) {
        let mut gate = lock(&self.gate);
        gate.lost = gate.lost.max(number);
        if let Err(failure) = gate.kernel.disarm() {
            error!(%failure, "kernel was not disarmed");
        }
        drop(gate);
        let mut seat = lock(&self.seat);
        if seat.as_ref().is_some_and(|proxy| proxy.number == number) {
            *seat = None;
        }
    }

    /// Lets sessions' connects go to this proxy, unless it was lost meanwhile or the supervisor stops.
    pub(super) fn seat(&self, proxy: &Arc<Proxy>) {
        let mut gate = lock(&self.gate);
        if gate.lost >= proxy.number || self.is_stopping() {
            return;
        }
        if let Err(failure) = gate.kernel.arm() {
            error!(%failure, "kernel was not armed");
            return;
        }
        gate.armed = true;
        *lock(&self.seat) = Some(Arc::clone(proxy));
        drop(gate);
        self.seated.notify_all();
        let since_start_ms = self.clock.mono_ns() / 1_000_000;
        info!(since_start_ms, proxy = proxy.number, "armed");
    }

    /// Tells whether any proxy was armed for.
    pub(super) fn was_armed(&self) -> bool {
        lock(&self.gate).armed
    }

    /// Gives the proxy that is armed for; waits for one for a while.
    pub(super) fn proxy(&self, patience: Duration) -> Option<Arc<Proxy>> {
        let seat = lock(&self.seat);
        let (seat, _) = self
            .seated
            .wait_timeout_while(seat, patience, |seat| seat.is_none() && !self.is_stopping())
            .unwrap_or_else(PoisonError::into_inner);
        seat.clone()
    }

    /// Says that the supervisor stops, and refuses sessions' connects from here on.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.disarm();
        self.seated.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(super) fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }

    /// Takes the right to tell a proxy of sessions.
    pub(super) fn telling(&self) -> MutexGuard<'_, ()> {
        lock(&self.telling)
    }
}

/// Locks; a thread that panicked held each of these for one whole change only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
