//! One session that lives on this host, as the supervisor announced it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::arrivals::Arrivals;
use super::budget::{EventBudget, Room};
use super::refusals::{Refusal, Refusals, Told};
use super::seen::Seen;
use super::tap;
use crate::connection::peer::Peer;
use crate::control::{Enforcement, SessionFacts, SessionSummary};
use crate::id::SessionId;
use crate::identity::Principal;
use crate::mask::Ended;
use crate::record::event::code;
use crate::record::{self, Category, EventRow, Phase, SessionRow, Severity};

/// Most results that one session may fetch at once, by their ids or to compare them, so that it leaves memory for others.
const FETCHES_OPEN_MAX: usize = 8;

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

/// Most results that one session may have delivered after their statements' replies, by their ids or in partitions: each
/// is a row of the record. As many as it may have chunks.
pub(super) const DELIVERIES_MAX: u64 = 20_000;

/// Most logins that one session may have open, so that it leaves memory here and sessions at Snowflake for others.
pub(super) const LOGINS_OPEN_MAX: usize = 256;

/// Most addresses of governed names that are remembered of one session.
const GOVERNED_MAX: usize = 4096;

/// A live session.
pub(super) struct Session {
    facts: SessionFacts,
    /// For whom it acts, by the last token that showed it.
    principal: RwLock<Principal>,
    /// Until when it may act for that principal, in seconds since 1970.
    identity_until_s: AtomicI64,
    over: AtomicBool,
    statements: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    events: AtomicU64,
    budget: Mutex<EventBudget>,
    deliveries: AtomicU64,
    refusals: Mutex<Refusals>,
    governed: Mutex<BTreeSet<IpAddr>>,
    arrivals: Arrivals,
    models: tap::Standing,
    seen: Seen,
    statements_open: Arc<Semaphore>,
    requests_open: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
    chunks_open: Arc<Semaphore>,
    fetches_open: Arc<Semaphore>,
    logins_open: Arc<Semaphore>,
}

impl Session {
    /// Makes a session; one whose principal a token showed acts for it so long at most.
    pub(super) fn new(facts: SessionFacts, principal: Principal, max_age: Duration) -> Self {
        let until_s = acts_until_s(&principal, facts.opened_at, max_age);
        Self {
            principal: RwLock::new(principal),
            identity_until_s: AtomicI64::new(until_s),
            facts,
            over: AtomicBool::new(false),
            statements: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            events: AtomicU64::new(0),
            budget: Mutex::default(),
            deliveries: AtomicU64::new(0),
            refusals: Mutex::default(),
            governed: Mutex::new(BTreeSet::new()),
            arrivals: Arrivals::default(),
            models: tap::Standing::default(),
            seen: Seen::default(),
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

    /// Tells whether an earlier proxy served it, of whose statements this one knows nothing.
    pub(super) fn is_resumed(&self) -> bool {
        self.facts.resumed
    }

    /// Gives the labels that its caller gave it.
    pub(super) fn labels(&self) -> &BTreeMap<String, String> {
        &self.facts.labels
    }

    pub(super) fn principal(&self) -> Principal {
        let principal = self.principal.read();
        principal.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives what the supervisor knows of it.
    pub(super) fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// Tells whether the user's `icecore login` showed who it acts for.
    pub(super) fn by_login(&self) -> bool {
        self.facts.by_login
    }

    /// Tells of a session that acts by a job's token whether its command can read what its caller has.
    pub(super) fn same_uid(&self) -> Option<bool> {
        let is_job = self.principal().identity().is_job();
        is_job.then_some(self.facts.shares_uid.is_some())
    }

    /// Goes on for the same party, as a fresh token shows it.
    pub(super) fn identify(&self, fresh: Principal, now: DateTime<Utc>, max_age: Duration) {
        let until_s = acts_until_s(&fresh, now, max_age);
        let held = self.principal.write();
        *held.unwrap_or_else(PoisonError::into_inner) = fresh;
        self.identity_until_s.store(until_s, Ordering::SeqCst);
    }

    /// Tells whether it acts for nobody any more.
    pub(super) fn is_identity_over(&self, now: DateTime<Utc>) -> bool {
        now.timestamp() >= self.identity_until_s.load(Ordering::SeqCst)
    }

    /// Lets it act for nobody from here on.
    pub(super) fn end_identity(&self) {
        self.identity_until_s.store(i64::MIN, Ordering::SeqCst);
    }

    /// Tells whether the session has ended, so that nothing more is done for it.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Gives what it may bring to the door, and has brought.
    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Gives how its connections to model APIs stand.
    pub(super) fn models(&self) -> &tap::Standing {
        &self.models
    }

    /// Gives what the host sees of it.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
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

    /// Tells whether one more result may be delivered after its statement's reply.
    pub(super) fn has_deliveries_left(&self) -> bool {
        self.deliveries.load(Ordering::Relaxed) < DELIVERIES_MAX
    }

    /// Counts a result that was delivered after its statement's reply.
    pub(super) fn count_delivery(&self) {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an event; gives what goes into the record for it.
    pub(super) fn admit(&self, row: EventRow) -> Option<EventRow> {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.make_room(row, 1)
    }

    /// Takes room in the record for a row that tells so many events; the first that finds none is told as a gap.
    fn make_room(&self, row: EventRow, events: u64) -> Option<EventRow> {
        let room = self.budget().take(row.event_code, row.severity, events);
        match room {
            Room::Row => Some(row),
            Room::FirstLeftOut => self.gap(),
            Room::LeftOut => None,
        }
    }

    /// Gives the row that tells what was left out of the record so far, if anything was.
    pub(super) fn gap(&self) -> Option<EventRow> {
        let left_out = self.budget().left_out()?;
        Some(EventRow {
            session_id: Some(self.id()),
            event_code: code::GAP,
            severity: Severity::Medium,
            category: Category::Record,
            detail: Some(left_out),
            ..EventRow::default()
        })
    }

    fn budget(&self) -> MutexGuard<'_, EventBudget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a process logged in to Snowflake.
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

    /// Gives the rows of all refusals that were counted, and of what was left out; any later refusal is told by itself.
    pub(super) fn last_counts(&self, now_ns: i64) -> Vec<EventRow> {
        let last = self.refusals().finish(now_ns);
        let mut rows: Vec<EventRow> = last
            .into_iter()
            .filter_map(|told| self.row_of(told))
            .filter(|row| row.event_code != code::GAP)
            .collect();
        rows.extend(self.gap());
        rows.extend(self.models.last_unkept(self.id()));
        rows
    }

    fn row_of(&self, told: Told) -> Option<EventRow> {
        let row = EventRow {
            session_id: Some(self.id()),
            event_code: told.code,
            severity: told.severity,
            category: Category::Net,
            detail: Some(told.detail),
            ..EventRow::default()
        };
        self.make_room(row, told.refusals)
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
            resumed: self.is_resumed(),
            seen: self.seen.told(),
        }
    }

    /// Writes what the record keeps of the session.
    pub(super) fn row(&self, phase: Phase) -> SessionRow {
        let facts = &self.facts;
        let principal = self.principal();
        let identity = principal.identity();
        let shown = identity.is_verified().then_some(identity);
        // What a caller claims of its job stands in for what a token showed, and is told from it, in the record alone.
        let claimed = facts.claimed_job.as_ref().filter(|_| shown.is_none());
        let (ci, ci_facts) = match claimed {
            Some(claimed) => (claimed.clone(), Some("claimed")),
            None => {
                let is_job = identity.ci().provider.is_some();
                (identity.ci().clone(), is_job.then_some("verified"))
            }
        };
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
            scope: Some(facts.scope.as_str().to_owned()),
            user: Some(facts.user.clone()),
            uid: Some(i64::from(facts.uid)),
            labels: facts.labels.clone(),
            resumed: Some(facts.resumed),
            caller_user: Some(
                (facts.caller.as_ref()).map_or_else(|| facts.user.clone(), |by| by.user.clone()),
            ),
            caller_uid: Some(i64::from(facts.caller_uid())),
            same_uid: self.same_uid(),
            ci_facts: ci_facts.map(str::to_owned),
            idp_issuer: principal.issuer().map(str::to_owned),
            idp_subject: shown.map(|shown| shown.subject().to_owned()),
            idp_protocol: shown.map(|shown| shown.protocol().as_str().to_owned()),
            id_token_jti_sha256: principal.token_sha256(),
            idp_keys_sha256: principal.keys_sha256(),
            principal_type: identity.kind().map(|kind| kind.as_str().to_owned()),
            ci_provider: ci.provider,
            ci_repository: ci.repository,
            ci_repository_id: ci.repository_id,
            ci_ref: ci.git_ref,
            ci_sha: ci.sha,
            ci_workflow_ref: ci.workflow_ref,
            ci_job_workflow_ref: ci.job_workflow_ref,
            ci_run_id: ci.run_id,
            ci_run_attempt: ci.run_attempt,
            ci_actor: ci.actor,
            ci_actor_id: ci.actor_id,
            ci_event: ci.event,
            ci_environment: ci.environment,
            runner_environment: ci.runner_environment,
            agent_id: identity.agent().map(str::to_owned),
            agent_detect_method: identity.agent().map(|_| "token".to_owned()),
            ..SessionRow::default()
        }
    }
}

/// Tells until when a session may act for whom a token showed at `shown_at`: as long as the config says, and no longer
/// than the token's issuer. Host users are known by the kernel, always.
fn acts_until_s(principal: &Principal, shown_at: DateTime<Utc>, max_age: Duration) -> i64 {
    if !principal.identity().is_verified() {
        return i64::MAX;
    }
    let max_age_s = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
    let until_s = shown_at.timestamp().saturating_add(max_age_s);
    let ends_at = principal.session_ends_at();
    ends_at.map_or(until_s, |ends_at| until_s.min(ends_at.timestamp()))
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
pub(super) mod tests;
