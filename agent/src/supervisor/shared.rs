//! What the supervisor's threads share, and the order in which they may take it.
//!
//! Locks are taken in this order and held as shortly as their comment says: `changing`, `telling`, `roster`, `gate`, `seat`;
//! a user's turn to refresh in `sign_ins` before any of them, the other locks there with none.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use tracing::{error, info};

use super::cgroup::{Cgroups, Entered};
use super::foreign;
use super::networks::Networks;
use super::observed::Observations;
use super::proxy::{Event, Proxy};
use super::remembered::Remembered;
use super::roster::Roster;
use super::signed_in::SignIns;
use super::still::Stills;
use crate::clock::Clock;
use crate::config::{Config, Identity, Owner};
use crate::connection::redirect::Kernel;

/// Where the CA's certificate is in `state_dir`.
const CA_FILE: &str = "ca/ca.pem";

/// Longest such file that is handed on; with it an answer fits a line of the control socket.
pub(super) const CA_MAX_BYTES: u64 = 16 << 10;

/// What the supervisor's threads share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The config as it was at the start; `identity` may have changed since.
    pub(super) config: Config,
    pub(super) identity: RwLock<Arc<Identity>>,
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
    /// Where the proxy listens beside the host's network; its lock is taken after `roster`'s was given back, before `gate`'s. Who
    /// is about to listen somewhere claims that before `telling`.
    pub(super) networks: Arc<Networks>,
    /// Containers that stand still while they are looked at; its lock is taken with none of these.
    pub(super) stills: Arc<Stills>,
    /// Which containers once had rights that are ways; its lock is taken with none of these.
    pub(super) had_rights: Remembered,
    /// What was observed and is to be recorded; its locks are taken with none of these.
    pub(super) observations: Arc<Observations>,
    /// Held while policies are reloaded or a proxy is replaced: the next proxy begins with what is in force. Before any other.
    pub(super) changing: Mutex<()>,
    /// What happens, for the main thread.
    pub(super) events: Sender<Event>,
    /// What became of programs that were to take over in this process.
    pub(super) taken: Mutex<Taken>,
    /// Callers that wait for an answer.
    pub(super) asking: AtomicUsize,
    /// Callers that are about to ask for something, or have asked for a part of it.
    pub(super) early: AtomicUsize,
    /// Whether callers that come from here on wait in the control socket.
    pub(super) door_closed: AtomicBool,
    /// Whether all is about to be handed to another program: no session is ended here any more.
    handing_over: AtomicBool,
    gate: Mutex<Gate>,
    seat: Mutex<Option<Arc<Proxy>>>,
    seated: Condvar,
    stopping: AtomicBool,
    /// When the main thread had its last turn, by the clock.
    turned_ns: AtomicI64,
    /// Whether the programs are known not to be at work.
    broken: AtomicBool,
}

/// The kernel's part, and which proxy it must not be armed for.
struct Gate {
    kernel: Kernel,
    /// The proxies that were lost, from the one on that was armed for last.
    lost: BTreeSet<u64>,
    /// Whether it was ever armed, by a supervisor that handed over perhaps.
    armed: bool,
    /// The proxy that was armed for last; 0 is none.
    seated: u64,
    /// The proxy that gives way to the next one: its end disarms nothing.
    giving_way: Option<u64>,
    /// Since when connects wait for the next proxy.
    paused_ns: Option<i64>,
}

/// What became of programs that were to take over in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    /// How many were tried.
    pub(super) upgrades: u64,
    /// Why the last one did not, if it did not.
    pub(super) failure: Option<String>,
}

/// How long connects may wait for the next proxy. Drivers give a connection up after 10 s at the earliest, the handshake
/// with it (`REQUEST_CONNECTION_TIMEOUT` of the Python connector 4); after that they are refused at once.
const PAUSE_MAX: Duration = Duration::from_secs(10);

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        (config, owner): (Config, Owner),
        clock: Clock,
        cgroups: Cgroups,
        entered: Entered,
        (roster, networks): (Roster, Arc<Networks>),
        mut kernel: Kernel,
        (events, taken): (Sender<Event>, Option<Taken>),
    ) -> Self {
        // Who takes over finds the kernel armed, and connects that wait.
        let armed = taken.is_some();
        let paused_ns = armed.then(|| clock.mono_ns());
        Self {
            observations: Arc::new(Observations::of(kernel.take_events())),
            identity: RwLock::new(Arc::new(config.identity.clone())),
            owner,
            stills: Arc::new(Stills::below(&config.daemon.run_dir)),
            had_rights: Remembered::default(),
            config,
            clock,
            cgroups,
            entered,
            telling: Mutex::default(),
            roster: Mutex::new(roster),
            sign_ins: SignIns::default(),
            networks,
            changing: Mutex::default(),
            events,
            taken: Mutex::new(taken.unwrap_or_default()),
            asking: AtomicUsize::new(0),
            early: AtomicUsize::new(0),
            door_closed: AtomicBool::new(false),
            handing_over: AtomicBool::new(false),
            gate: Mutex::new(Gate {
                kernel,
                lost: BTreeSet::new(),
                armed,
                seated: 0,
                giving_way: None,
                paused_ns,
            }),
            seat: Mutex::default(),
            seated: Condvar::new(),
            stopping: AtomicBool::new(false),
            turned_ns: AtomicI64::new(clock.mono_ns()),
            broken: AtomicBool::new(false),
        }
    }

    /// Names the CA that sessions must trust, and gives its certificate: its file is the proxy's, and callers may be root.
    pub(super) fn ca(&self) -> io::Result<(PathBuf, String)> {
        let state_dir = &self.config.daemon.state_dir;
        let path = state_dir.join(CA_FILE);
        let certificate = foreign::read(state_dir, CA_FILE, CA_MAX_BYTES)
            .and_then(|text| String::from_utf8(text).map_err(io::Error::other))
            .map_err(|error| {
                let text = format!("the CA's certificate, `{}`: {error}", path.display());
                io::Error::new(error.kind(), text)
            })?;
        Ok((path, certificate))
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

    /// Notes that this proxy is no more: it can never be armed for again. If it is the one that serves, sessions' connects
    /// are refused; one that was made ready in vain, or has given way, served nobody.
    pub(super) fn lose(&self, number: u64) {
        let mut gate = lock(&self.gate);
        gate.lost.insert(number);
        let serves = gate.seated == number && gate.giving_way != Some(number);
        if serves && let Err(failure) = gate.kernel.disarm() {
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
        if gate.lost.contains(&proxy.number) || self.is_stopping() {
            return;
        }
        // Where the programs are gone the watch arms, once they are back.
        if !self.is_broken()
            && let Err(failure) = gate.kernel.arm()
        {
            error!(%failure, "kernel was not armed");
            return;
        }
        gate.armed = true;
        gate.seated = proxy.number;
        gate.lost = gate.lost.split_off(&proxy.number);
        (gate.giving_way, gate.paused_ns) = (None, None);
        *lock(&self.seat) = Some(Arc::clone(proxy));
        drop(gate);
        self.seated.notify_all();
        let since_start_ms = self.clock.mono_ns() / 1_000_000;
        info!(since_start_ms, proxy = proxy.number, "armed");
    }

    /// Arms again for the proxy that was armed for, if there still is one.
    pub(super) fn rearm(&self) {
        let mut gate = lock(&self.gate);
        let seated = lock(&self.seat).as_ref().map(|proxy| proxy.number);
        if seated.is_none_or(|number| gate.lost.contains(&number)) || self.is_stopping() {
            return;
        }
        if let Err(failure) = gate.kernel.arm() {
            error!(%failure, "kernel was not armed");
        }
    }

    /// Tells whether a proxy is armed for.
    pub(super) fn is_armed(&self) -> bool {
        lock(&self.seat).is_some()
    }

    /// Says whether the programs are known not to be at work: no session begins then.
    pub(super) fn set_broken(&self, is_broken: bool) {
        self.broken.store(is_broken, Ordering::SeqCst);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Tells whether any proxy was armed for.
    pub(super) fn was_armed(&self) -> bool {
        lock(&self.gate).armed
    }

    /// Tells which proxy was armed for last, by this supervisor; 0 is none.
    pub(super) fn seated(&self) -> u64 {
        lock(&self.gate).seated
    }

    /// Tells whether the proxy of this number is armed for.
    pub(super) fn is_seated(&self, number: u64) -> bool {
        let seat = lock(&self.seat);
        seat.as_ref().is_some_and(|proxy| proxy.number == number)
    }

    /// Has connects wait for another proxy from here on, and nobody ask this one any more. [`Shared::seat`] takes it back.
    pub(super) fn begin_pause(&self, number: u64) {
        // Whoever opens a session has it recorded before.
        let _telling = self.telling();
        let mut gate = lock(&self.gate);
        gate.giving_way = Some(number);
        gate.paused_ns = Some(self.clock.mono_ns());
        *lock(&self.seat) = None;
    }

    /// Tells whether connects wait for a proxy.
    pub(super) fn is_paused(&self) -> bool {
        lock(&self.gate).paused_ns.is_some()
    }

    /// Notes that the main thread goes on; the service manager hears of it.
    pub(super) fn note_turn(&self) {
        self.turned_ns.store(self.clock.mono_ns(), Ordering::SeqCst);
    }

    pub(super) fn turned_ns(&self) -> i64 {
        self.turned_ns.load(Ordering::SeqCst)
    }

    /// Stands in for the accept loop while connects wait for a proxy, for a while: then they are refused until there is one.
    /// The main thread calls it, and notes its turns so.
    pub(super) fn keep_alive(&self) {
        self.note_turn();
        let mut gate = lock(&self.gate);
        let Some(began_ns) = gate.paused_ns else {
            return;
        };
        let most_ns = i64::try_from(PAUSE_MAX.as_nanos()).unwrap_or(i64::MAX);
        if self.clock.mono_ns() - began_ns <= most_ns {
            return beat(&mut gate.kernel);
        }
        gate.paused_ns = None;
        gate.giving_way = None;
        match gate.kernel.disarm() {
            Ok(()) => error!("the next proxy takes too long; disarmed until it serves"),
            Err(failure) => error!(%failure, "kernel was not disarmed"),
        }
    }

    /// Gives the proxy that is armed for, or the next one where one gives way.
    pub(super) fn proxy_soon(&self) -> Option<Arc<Proxy>> {
        let patience = if self.is_paused() {
            PAUSE_MAX
        } else {
            Duration::ZERO
        };
        self.proxy(patience)
    }

    /// Says whether all is about to be handed to another program.
    pub(super) fn set_handing_over(&self, is_handing_over: bool) {
        self.handing_over.store(is_handing_over, Ordering::SeqCst);
    }

    pub(super) fn is_handing_over(&self) -> bool {
        self.handing_over.load(Ordering::SeqCst)
    }

    /// Waits as long as the control socket is closed.
    pub(super) fn wait_for_door(&self) {
        while self.door_closed.load(Ordering::SeqCst) && !self.is_stopping() {
            thread::sleep(HAND_OVER_POLL);
        }
    }

    /// Waits, for a while, as long as all is about to be handed to another program.
    pub(super) fn wait_for_hand_over(&self) {
        let mut waited = Duration::ZERO;
        while self.is_handing_over() && waited < PAUSE_MAX * 2 {
            thread::sleep(HAND_OVER_POLL);
            waited += HAND_OVER_POLL;
        }
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

/// How often whoever waits for a hand-over looks whether it is over.
const HAND_OVER_POLL: Duration = Duration::from_millis(20);

/// Gives the heartbeat while no accept loop does.
fn beat(kernel: &mut Kernel) {
    if let Err(failure) = kernel.beat() {
        error!(%failure, "heartbeat could not be given for a proxy that is replaced");
    }
}

/// Locks; a thread that panicked held each of these for one whole change only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
