//! What a session may bring to the door: so many connections at once, so many new ones a second, so many look-ups.
//!
//! All sessions share the accept loops, the threads and the supervisor. A session that connects in a storm is slowed, then
//! reset, before any of these is asked for anything.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lent_sockets::SESSION_SOCKETS_MAX;
use super::refusals::WayAround;
use crate::connection::environment::Environment;
use crate::connection::peer::{Peer, Traced};
use crate::control::{Borrower, Connected};
use crate::tasks;

/// Most connections that one session may have open, so that it leaves descriptors for others.
const CONNECTIONS_MAX: usize = 1024;

/// So long a session may have been silent for the connections that come at once: drivers open pools of 100, tests and builds more.
const SAVED: Duration = Duration::from_secs(5);

/// Longest that a connection waits for its turn; drivers wait 10 s for the handshake.
const TURN_WITHIN: Duration = Duration::from_secs(1);

/// Most processes that are looked up at once: of one session, and of all. A look-up takes a tenth of a millisecond.
const SESSION_LOOKS_MAX: usize = 4;
const LOOKS_MAX: usize = 16;

/// Most environments that are read at once: of one session, and of all. One that keeps whoever reads it waiting is given up.
const SESSION_ENVIRONMENTS_MAX: usize = 2;
const ENVIRONMENTS_MAX: usize = 8;

/// Longest wait for a look-up, its turn included: then the connection goes on, and the record says that nobody looked.
const LOOK_WITHIN: Duration = Duration::from_millis(500);

const SECOND_NS: i64 = 1_000_000_000;

/// What one session brought, and may bring.
#[derive(Debug)]
pub(super) struct Arrivals {
    open: Arc<Semaphore>,
    taken: AtomicU64,
    /// When the next connection would be due if they came evenly (the cell rate algorithm of ITU-T I.371, annex A).
    due_ns: Mutex<i64>,
    looks: Arc<Semaphore>,
    environments: Arc<Semaphore>,
    /// For what asks for sockets of the session's networks.
    pub(super) sockets: Arc<Semaphore>,
    has_failed_handshake: AtomicBool,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            open: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            taken: AtomicU64::new(0),
            due_ns: Mutex::new(i64::MIN),
            looks: Arc::new(Semaphore::new(SESSION_LOOKS_MAX)),
            environments: Arc::new(Semaphore::new(SESSION_ENVIRONMENTS_MAX)),
            sockets: Arc::new(Semaphore::new(SESSION_SOCKETS_MAX)),
            has_failed_handshake: AtomicBool::new(false),
        }
    }
}

impl Arrivals {
    /// Lets a connection in when its turn has come; gives its place among those that are open.
    ///
    /// # Errors
    /// Why it is to be reset.
    pub(super) async fn admit(
        &self,
        per_second: u32,
        now_ns: i64,
    ) -> Result<OwnedSemaphorePermit, WayAround> {
        let open = Arc::clone(&self.open).try_acquire_owned();
        let open = open.map_err(|_| WayAround::TooMany)?;
        let wait = self.turn(per_second, now_ns).ok_or(WayAround::TooFast)?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(open)
    }

    /// Tells how many were let in.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Tells of a handshake that failed whether it is the first of the session.
    pub(super) fn is_first_failed_handshake(&self) -> bool {
        !self.has_failed_handshake.swap(true, Ordering::Relaxed)
    }

    /// Tells how long a connection has to wait for its turn; none if that is too long. Such a one takes no turn.
    fn turn(&self, per_second: u32, now_ns: i64) -> Option<Duration> {
        let each_ns = SECOND_NS / i64::from(per_second.max(1));
        let mut due_ns = self.due_ns.lock().unwrap_or_else(PoisonError::into_inner);
        let even_ns = (*due_ns).max(now_ns);
        let ahead = Duration::from_nanos(u64::try_from(even_ns - now_ns).unwrap_or(0));
        let wait = ahead.saturating_sub(SAVED);
        if wait > TURN_WITHIN {
            return None;
        }
        *due_ns = even_ns.saturating_add(each_ns);
        Some(wait)
    }
}

/// Has the supervisor look processes up, a few at a time.
#[derive(Debug)]
pub(super) struct Looks {
    borrower: Borrower,
    at_once: Arc<Semaphore>,
    environments: Arc<Semaphore>,
}

impl Looks {
    pub(super) fn new(borrower: Borrower) -> Self {
        let at_once = Arc::new(Semaphore::new(LOOKS_MAX));
        Self {
            borrower,
            at_once,
            environments: Arc::new(Semaphore::new(ENVIRONMENTS_MAX)),
        }
    }

    /// Has the environment of a session's process read meanwhile; nobody waits for it, and it stays unknown where it cannot be
    /// read soon.
    pub(super) fn environment(
        &self,
        arrivals: &Arrivals,
        peer: &Peer,
    ) -> Arc<OnceLock<Environment>> {
        let told = Arc::<OnceLock<Environment>>::default();
        // Without the kernel's number nothing tells it from another program in its place.
        if peer.exec_id == 0 {
            return told;
        }
        let of = Connected {
            pid: peer.pid,
            exec_id: peer.exec_id,
            at_ns: peer.connected_ns,
        };
        let (own, any) = (
            Arc::clone(&arrivals.environments),
            Arc::clone(&self.environments),
        );
        let (borrower, into) = (self.borrower.clone(), Arc::clone(&told));
        drop(tasks::spawn("environment", async move {
            let places = async {
                Some((
                    own.acquire_owned().await.ok()?,
                    any.acquire_owned().await.ok()?,
                ))
            };
            let Ok(Some(held)) = tokio::time::timeout(LOOK_WITHIN, places).await else {
                return;
            };
            let looking = tokio::task::spawn_blocking(move || {
                let _held = held;
                borrower.environment(of)
            });
            if let Ok(Some(environment)) = looking.await {
                // There is one look a cell.
                drop(into.set(environment));
            }
        }));
        told
    }

    /// Looks a session's process up, if that can be done soon.
    pub(super) async fn process(&self, arrivals: &Arrivals, pid: u32, exec_id: u64) -> Traced {
        let looked = tokio::time::timeout(LOOK_WITHIN, self.look(arrivals, pid, exec_id)).await;
        (looked.ok().flatten()).unwrap_or_else(Traced::not_looked_up)
    }

    async fn look(&self, arrivals: &Arrivals, pid: u32, exec_id: u64) -> Option<Traced> {
        // The session's own first: of those that wait for the others each session has a few.
        let own = Arc::clone(&arrivals.looks).acquire_owned().await.ok()?;
        let any = Arc::clone(&self.at_once).acquire_owned().await.ok()?;
        let borrower = self.borrower.clone();
        let looking = tokio::task::spawn_blocking(move || {
            // Until the thread is done, whether anybody still waits or not.
            let _held = (own, any);
            borrower.process(pid, exec_id)
        });
        looking.await.ok()?
    }
}

/// Does both at once; where a connection breaks before its first words, nobody waits for the look-up.
pub(super) async fn with_words<T, E>(
    looking: impl Future<Output = Traced>,
    reading: impl Future<Output = Result<T, E>>,
) -> (Result<T, E>, Traced) {
    let (mut looking, mut reading) = (pin!(looking), pin!(reading));
    let read = tokio::select! {
        traced = &mut looking => return (reading.await, traced),
        read = &mut reading => read,
    };
    let traced = match &read {
        Ok(_) => looking.await,
        Err(_) => Traced::not_looked_up(),
    };
    (read, traced)
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
