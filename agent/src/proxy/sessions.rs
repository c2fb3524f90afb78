//! The sessions that live on this host, as the supervisor announced them.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusals::{Refusal, Refusals, Told};
use crate::connection::peer::Peer;
use crate::control::{Enforcement, SessionFacts, SessionSummary};
use crate::id::SessionId;
use crate::identity::Principal;
use crate::mask::Ended;
use crate::record::event::code;
use crate::record::{self, Category, EventRow, Phase, SessionRow};

/// Most rows of events that one session may put into the record; what does not fit is counted.
pub(super) const EVENTS_MAX: u64 = 1000;

/// Most results that one session may fetch at once, by their ids or to compare them, so that it leaves memory for others.
const FETCHES_OPEN_MAX: usize = 8;

/// Most connections that one session may have open, so that it leaves descriptors for others.
const CONNECTIONS_MAX: usize = 1024;

/// Most statements that one session may have under way, so that it leaves memory for others.
const STATEMENTS_OPEN_MAX: usize = 256;

/// Most requests that one session may have in the works, so that it leaves memory for others: each connection may bring
/// 100 at once, and a request goes on when its client has gone. Those that wait are bounded by the statements under way
/// and the chunks; the rest is for polls.
const REQUESTS_OPEN_MAX: usize = 512;

/// Most bodies that may hold a statement, each as large as the config allows, that one session may send at once.
const LARGE_BODIES_MAX: usize = 16;

/// Most chunks that one session may fetch at once, so that it leaves memory for others. Drivers fetch up to 10.
const CHUNKS_OPEN_MAX: usize = 128;

/// Most logins that one session may have open, so that it leaves memory here and sessions at Snowflake for others.
pub(super) const LOGINS_OPEN_MAX: usize = 256;

/// Most addresses of governed names that are remembered of one session.
const GOVERNED_MAX: usize = 4096;

/// A live session.
pub(super) struct Session {
    facts: SessionFacts,
    principal: Principal,
    over: AtomicBool,
    statements: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    events: AtomicU64,
    event_rows: AtomicU64,
    events_left_out: AtomicU64,
    refusals: Mutex<Refusals>,
    governed: Mutex<BTreeSet<IpAddr>>,
    connections: Arc<Semaphore>,
    statements_open: Arc<Semaphore>,
    requests_open: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
    chunks_open: Arc<Semaphore>,
    fetches_open: Arc<Semaphore>,
    logins_open: Arc<Semaphore>,
}

impl Session {
    pub(super) fn new(facts: SessionFacts) -> Self {
        Self {
            principal: Principal::host_user(facts.user.clone(), facts.uid),
            facts,
            over: AtomicBool::new(false),
            statements: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            events: AtomicU64::new(0),
            event_rows: AtomicU64::new(0),
            events_left_out: AtomicU64::new(0),
            refusals: Mutex::default(),
            governed: Mutex::new(BTreeSet::new()),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            statements_open: Arc::new(Semaphore::new(STATEMENTS_OPEN_MAX)),
            requests_open: Arc::new(Semaphore::new(REQUESTS_OPEN_MAX)),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
            chunks_open: Arc::new(Semaphore::new(CHUNKS_OPEN_MAX)),
            fetches_open: Arc::new(Semaphore::new(FETCHES_OPEN_MAX)),
            logins_open: Arc::new(Semaphore::new(LOGINS_OPEN_MAX)),
        }
    }

    pub(super) fn id(&self) -> SessionId {
        self.facts.id
    }

    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Tells whether the session has ended, so that nothing more is done for it.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Takes one of the connections that a session may have open.
    pub(super) fn take_connection(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).try_acquire_owned().ok()
    }

    /// Takes one of the requests that a session may have in the works.
    pub(super) fn take_request(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.requests_open).try_acquire_owned().ok()
    }

    /// Waits for one of the large bodies that a session may send at once.
    pub(super) async fn take_large_body(&self, limit: Duration) -> Option<OwnedSemaphorePermit> {
        let taken = Arc::clone(&self.large_bodies).acquire_owned();
        tokio::time::timeout(limit, taken).await.ok()?.ok()
    }

    /// Takes one of the statements that a session may have under way.
    pub(super) fn take_statement(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.statements_open).try_acquire_owned().ok()
    }

    /// Takes one of the logins that a session may have open.
    pub(super) fn take_login(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.logins_open).try_acquire_owned().ok()
    }

    /// Takes one of the chunks that a session may fetch at once.
    pub(super) fn take_chunk(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.chunks_open).try_acquire_owned().ok()
    }

    /// Gives the places of the results that a session may fetch at once; each may be large and is held whole.
    pub(super) fn fetches(&self) -> &Arc<Semaphore> {
        &self.fetches_open
    }

    /// Remembers that a governed name led this session to an address.
    pub(super) fn learn_governed(&self, address: IpAddr) {
        let mut governed = self.governed.lock().unwrap_or_else(PoisonError::into_inner);
        if governed.len() < GOVERNED_MAX {
            governed.insert(address);
        }
    }

    /// Tells whether a governed name has led this session to an address, so that it is no way around under another.
    pub(super) fn has_governed(&self, address: IpAddr) -> bool {
        self.governed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&address)
    }

    pub(super) fn count_statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, ended: Ended) {
        let counter = match ended {
            Ended::Succeeded => &self.succeeded,
            Ended::Failed => &self.failed,
            Ended::Refused => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an event; tells whether it may still go into the record.
    pub(super) fn count_event(&self) -> bool {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.take_event_row(1)
    }

    /// Takes room in the record for a row that tells so many events; where there is none they count as left out.
    fn take_event_row(&self, events: u64) -> bool {
        let has_room = self.event_rows.fetch_add(1, Ordering::Relaxed) < EVENTS_MAX;
        if !has_room {
            self.events_left_out.fetch_add(events, Ordering::Relaxed);
        }
        has_room
    }

    /// Counts the events that were left out of the record.
    pub(super) fn events_left_out(&self) -> u64 {
        self.events_left_out.load(Ordering::Relaxed)
    }

    /// Remembers that a process spoke to Snowflake.
    pub(super) fn learn_driver(&self, peer: &Peer) {
        self.refusals().learn_driver(peer);
    }

    /// Counts a way around that was refused; gives the row to record if it is the first of its kind and there is room.
    pub(super) fn refuse_way(
        &self,
        refusal: Refusal,
        peer: &Peer,
        now_ns: i64,
    ) -> Option<EventRow> {
        self.events.fetch_add(1, Ordering::Relaxed);
        let told = self.refusals().take(refusal, peer, now_ns)?;
        self.row_of(told)
    }

    /// Gives the rows of refusals that were counted for long enough.
    pub(super) fn repeats_due(&self, now_ns: i64) -> Vec<EventRow> {
        let due = self.refusals().due(now_ns);
        due.into_iter()
            .filter_map(|told| self.row_of(told))
            .collect()
    }

    /// Gives the rows of all refusals that were counted; any later one is told by itself.
    pub(super) fn last_repeats(&self, now_ns: i64) -> Vec<EventRow> {
        let last = self.refusals().finish(now_ns);
        last.into_iter()
            .filter_map(|told| self.row_of(told))
            .collect()
    }

    fn row_of(&self, told: Told) -> Option<EventRow> {
        self.take_event_row(told.refusals).then(|| EventRow {
            session_id: Some(self.id()),
            event_code: code::BYPASS_ATTEMPT,
            severity: told.severity,
            category: Category::Net,
            detail: Some(told.detail),
            ..EventRow::default()
        })
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn summary(&self, mode: &str, recorded: bool) -> SessionSummary {
        SessionSummary {
            statements: self.statements.load(Ordering::Relaxed),
            allowed: self.succeeded.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
            mode: mode.to_owned(),
            recorded,
        }
    }

    /// Writes what the record keeps of the session.
    pub(super) fn row(&self, phase: Phase) -> SessionRow {
        let facts = &self.facts;
        let count = |counter: &AtomicU64| i64::try_from(counter.load(Ordering::Relaxed)).ok();
        SessionRow {
            session_id: Some(facts.id),
            phase,
            is_final: matches!(phase, Phase::Close),
            opened_at: Some(facts.opened_at),
            cgroup_id: i64::try_from(facts.cgroup_id).ok(),
            root_pid: i32::try_from(facts.pid).ok(),
            root_start_ns: i64::try_from(facts.start_ns).ok(),
            root_exe: Some(facts.exe.clone()),
            root_cmdline_sha256: Some(facts.argv_sha256),
            proxy_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            statements: count(&self.statements),
            denied: count(&self.refused),
            enforcement: Some(match facts.enforcement {
                Enforcement::Enforced => record::Enforcement::Enforced,
                Enforcement::Advisory => record::Enforcement::Advisory,
            }),
            user: Some(facts.user.clone()),
            uid: Some(i64::from(facts.uid)),
            labels: facts.labels.clone(),
            resumed: Some(facts.resumed),
            ..SessionRow::default()
        }
    }
}

/// All live sessions.
#[derive(Default)]
pub(super) struct Sessions(RwLock<HashMap<SessionId, Arc<Session>>>);

impl Sessions {
    pub(super) fn insert(&self, session: Arc<Session>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session.id(), session);
    }

    /// Finds a session by its id and the nonce that tells it from an earlier one.
    pub(super) fn find(&self, id: SessionId, nonce: u64) -> Option<Arc<Session>> {
        self.get(id)
            .filter(|session| session.facts.nonce == nonce && !session.is_over())
    }

    pub(super) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Gives the rows of refusals that were counted for long enough, of all sessions.
    pub(super) fn repeats_due(&self, now_ns: i64) -> Vec<EventRow> {
        let sessions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let due = sessions.values().map(|session| session.repeats_due(now_ns));
        due.flatten().collect()
    }

    /// Gives the rows of all refusals that were counted, of all sessions, when the proxy stops.
    pub(super) fn last_repeats(&self, now_ns: i64) -> Vec<EventRow> {
        let sessions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let last = sessions
            .values()
            .map(|session| session.last_repeats(now_ns));
        last.flatten().collect()
    }

    pub(super) fn remove(&self, id: SessionId) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::*;
    use crate::proxy::refusals::WayAround;

    fn session() -> Session {
        Session::new(SessionFacts {
            id: SessionId::new(),
            nonce: 1,
            cgroup_id: 1,
            uid: 1000,
            user: "agent".to_owned(),
            pid: 1,
            start_ns: 1,
            exe: "/bin/true".to_owned(),
            argv_sha256: [0; 32],
            labels: BTreeMap::new(),
            opened_at: DateTime::UNIX_EPOCH,
            enforcement: Enforcement::Enforced,
            resumed: false,
        })
    }

    #[test]
    fn a_session_has_its_share_of_statements_and_another_has_its_own() {
        let (one, other) = (session(), session());
        let taken: Vec<_> = (0..STATEMENTS_OPEN_MAX)
            .map_while(|_| one.take_statement())
            .collect();
        assert_eq!(taken.len(), STATEMENTS_OPEN_MAX);
        assert!(one.take_statement().is_none());
        assert!(other.take_statement().is_some());
        drop(taken);
        assert!(one.take_statement().is_some());
    }

    #[tokio::test]
    async fn a_session_has_its_share_of_requests_and_large_bodies_and_another_has_its_own() {
        let (one, other) = (session(), session());
        let taken: Vec<_> = (0..=REQUESTS_OPEN_MAX)
            .map_while(|_| one.take_request())
            .collect();
        assert_eq!(taken.len(), REQUESTS_OPEN_MAX);
        assert!(other.take_request().is_some());
        drop(taken);
        assert!(one.take_request().is_some());
        let moment = Duration::from_millis(1);
        let mut bodies = Vec::new();
        while let Some(place) = one.take_large_body(moment).await {
            bodies.push(place);
        }
        assert_eq!(bodies.len(), LARGE_BODIES_MAX);
        assert!(other.take_large_body(moment).await.is_some());
    }

    #[test]
    fn refusals_that_find_no_room_are_counted_as_left_out() {
        let session = session();
        let refuse = || {
            let refusal = Refusal {
                way: WayAround::GovernedAddress,
                destination: ([127, 77, 0, 1], 443).into(),
                opening: "tls",
                name: None,
                exe: None,
            };
            session.refuse_way(refusal, &Peer::default(), 0)
        };
        assert!(refuse().is_some());
        let room = (0..2 * EVENTS_MAX)
            .filter(|_| session.count_event())
            .count();
        assert_eq!(room as u64, EVENTS_MAX - 1);
        assert_eq!(session.events_left_out(), EVENTS_MAX + 1);
        for _ in 0..5 {
            assert!(refuse().is_none());
        }
        assert_eq!(session.last_repeats(1), []);
        assert_eq!(session.events_left_out(), EVENTS_MAX + 1 + 5);
        let summary = session.summary("enforce", true);
        assert_eq!(summary.events, 1 + 2 * EVENTS_MAX + 5);
    }

    #[test]
    fn a_session_has_its_share_of_connections_and_another_has_its_own() {
        let (one, other) = (session(), session());
        let taken: Vec<_> = (0..CONNECTIONS_MAX)
            .map_while(|_| one.take_connection())
            .collect();
        assert_eq!(taken.len(), CONNECTIONS_MAX);
        assert!(one.take_connection().is_none());
        assert!(other.take_connection().is_some());
    }
}
