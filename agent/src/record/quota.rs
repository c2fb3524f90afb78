//! What each session may put into the spool, and when no new statement is taken at all.
//!
//! One session's excess refuses that session's statements: the room that others need is not its to fill. What has begun
//! is always let end. Bytes count from their commit until the store has the file that they were written to.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::error::RecordError;
use super::event::{EventRow, Phase, Row};
use super::refusals::Refusals;
use super::settings::{RecordLimits, RecordMode};
use super::spool::Segment;
use crate::clock::Clock;
use crate::id::SessionId;

/// Part of the spool, in percent, above which no statement begins: the rest is for the ends of those that have begun.
pub(super) const BEGIN_MAX_PERCENT: u64 = 90;

/// Part of the spool, in percent, above which nothing is recorded beside statements; and the part of a session's share.
/// What an agent has its model calls tell must not keep anybody's statements from beginning, its own neither.
const BESIDE_MAX_PERCENT: u64 = 75;
const BESIDE_SHARE_MAX_PERCENT: u64 = 50;

/// How many seconds of its rate a session may use at once.
const BURST_SECONDS: i64 = 10;

/// Nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;

/// Who may record how much.
pub(super) struct Quotas {
    limits: RecordLimits,
    root: PathBuf,
    spool_max_bytes: u64,
    used_bytes: Arc<AtomicU64>,
    /// Bytes in the file that is being written, which `used_bytes` does not count yet.
    wal_bytes: AtomicU64,
    clock: Clock,
    shares: Mutex<Shares>,
}

#[derive(Debug, Default)]
struct Shares {
    sessions: HashMap<SessionId, Share>,
    /// What was committed while each file of this chain was written.
    files: BTreeMap<u64, InFile>,
    /// Files of earlier chains, and when this process found them.
    inherited: BTreeMap<(String, u64), i64>,
    number: u64,
}

#[derive(Debug, Default)]
struct InFile {
    since_ns: Option<i64>,
    bytes: HashMap<SessionId, u64>,
}

#[derive(Debug, Default)]
struct Share {
    held_bytes: u64,
    /// When as many rows will have been recorded as the rate allows; the past where there is room.
    due_ns: i64,
    refusals: Refusals,
}

impl Quotas {
    /// Begins with nothing held.
    pub(super) fn new(
        limits: RecordLimits,
        (root, spool_max_bytes): (PathBuf, u64),
        used_bytes: Arc<AtomicU64>,
        clock: Clock,
    ) -> Self {
        Self {
            limits,
            root,
            spool_max_bytes,
            used_bytes,
            wal_bytes: AtomicU64::new(0),
            clock,
            shares: Mutex::default(),
        }
    }

    /// Says whether a session may begin something.
    ///
    /// # Errors
    /// The spool has no room for more, the store has been away for too long, or the session has used what it may.
    pub(super) fn ask(&self, session: SessionId, mode: RecordMode) -> Result<(), RecordError> {
        if mode.is_strict() {
            self.ask_for_all()?;
        }
        let now_ns = self.clock.mono_ns();
        let mut shares = self.shares();
        let share = shares.sessions.entry(session).or_default();
        if share.held_bytes > self.limits.session_spool_max_bytes {
            return Err(RecordError::Share {
                found: format!("{} bytes in the spool", share.held_bytes),
                limit: format!("{} bytes", self.limits.session_spool_max_bytes),
            });
        }
        if share.due_ns.saturating_sub(now_ns) > BURST_SECONDS * SECOND_NS {
            return Err(RecordError::Share {
                found: format!("recorded {BURST_SECONDS} s of rows ahead of its rate"),
                limit: format!("{} rows a second", self.limits.session_rows_per_second),
            });
        }
        Ok(())
    }

    /// Says whether rows of a session may be recorded that no statement waits for. They come after its statements: of what it
    /// may have they get half.
    ///
    /// # Errors
    /// The spool, the session's part of it or its rate is used so far that the rest is for statements.
    pub(super) fn ask_beside(&self, session: SessionId) -> Result<(), RecordError> {
        let waiting_bytes = self.unacked_bytes();
        if waiting_bytes > self.spool_max_bytes / 100 * BESIDE_MAX_PERCENT {
            return Err(RecordError::Full {
                path: self.root.clone(),
                cause: format!(
                    "{waiting_bytes} of its {} bytes wait for the store, and the rest is for statements",
                    self.spool_max_bytes
                ),
            });
        }
        let now_ns = self.clock.mono_ns();
        let shares = self.shares();
        let (held_bytes, due_ns) = shares
            .sessions
            .get(&session)
            .map_or((0, now_ns), |share| (share.held_bytes, share.due_ns));
        let most_bytes = self.limits.session_spool_max_bytes / 100 * BESIDE_SHARE_MAX_PERCENT;
        if held_bytes > most_bytes {
            return Err(RecordError::Share {
                found: format!("{held_bytes} bytes in the spool"),
                limit: format!("{most_bytes} bytes, and as many more for its statements"),
            });
        }
        if due_ns.saturating_sub(now_ns) > BURST_SECONDS * SECOND_NS / 2 {
            return Err(RecordError::Share {
                found: format!("recorded {} s of rows ahead of its rate", BURST_SECONDS / 2),
                limit: format!(
                    "{} rows a second, and as many seconds more for its statements",
                    self.limits.session_rows_per_second
                ),
            });
        }
        Ok(())
    }

    fn ask_for_all(&self) -> Result<(), RecordError> {
        let waiting_bytes = self.unacked_bytes();
        if waiting_bytes > self.spool_max_bytes / 100 * BEGIN_MAX_PERCENT {
            return Err(RecordError::Full {
                path: self.root.clone(),
                cause: format!(
                    "{waiting_bytes} of its {} bytes wait for the store, and the rest is for what has begun",
                    self.spool_max_bytes
                ),
            });
        }
        match (self.limits.max_unacked_age, self.oldest_unacked()) {
            (Some(max), Some(age)) if age > max => Err(RecordError::Unacked { age, max }),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// Counts rows of a session that go into the record, whether or not there is room: what has begun ends.
    pub(super) fn charge(&self, session: SessionId, bytes: u64, rows: usize) {
        let now_ns = self.clock.mono_ns();
        let row_ns = SECOND_NS / i64::from(self.limits.session_rows_per_second.max(1));
        let mut shares = self.shares();
        shares.hold(session, bytes, now_ns);
        let share = shares.sessions.entry(session).or_default();
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        share.due_ns = share
            .due_ns
            .max(now_ns)
            .saturating_add(row_ns.saturating_mul(rows));
    }

    /// Counts bytes of rows of results, if there is room for them.
    pub(super) fn take_bytes(&self, session: SessionId, bytes: u64) -> bool {
        let now_ns = self.clock.mono_ns();
        let mut shares = self.shares();
        let held = shares
            .sessions
            .get(&session)
            .map_or(0, |share| share.held_bytes);
        let has_room = held.saturating_add(bytes) <= self.limits.session_spool_max_bytes;
        if has_room {
            shares.hold(session, bytes, now_ns);
        }
        has_room
    }

    /// Counts a refusal of what a session was to begin.
    pub(super) fn refused(&self, session: SessionId, cause: &RecordError, now: DateTime<Utc>) {
        let mut shares = self.shares();
        let share = shares.sessions.entry(session).or_default();
        share.refusals.add(cause, now);
    }

    /// Gives the row that tells of a session's refusals, if there were any and the last such row is not too young.
    pub(super) fn untold(&self, session: SessionId, mode: RecordMode) -> Option<EventRow> {
        let now_ns = self.clock.mono_ns();
        let mut shares = self.shares();
        let refusals = &mut shares.sessions.get_mut(&session)?.refusals;
        refusals.due(session, mode, now_ns)
    }

    /// Takes back what a row was to tell that could not be recorded.
    pub(super) fn not_told(&self, row: &EventRow) {
        if let Some(session) = row.session_id
            && let Some(share) = self.shares().sessions.get_mut(&session)
        {
            share.refusals.not_told(row);
        }
    }

    /// Gives the last row that tells of a session's refusals, and forgets it; what it holds is the store's to take.
    pub(super) fn finish(&self, session: SessionId, mode: RecordMode) -> Option<EventRow> {
        let mut share = self.shares().sessions.remove(&session)?;
        share.refusals.last(session, mode)
    }

    /// Notes that a file of an earlier chain waits for the store.
    pub(super) fn inherit(&self, segment: &Segment) {
        let key = (segment.chain.clone(), segment.number);
        let now_ns = self.clock.mono_ns();
        self.shares().inherited.insert(key, now_ns);
    }

    /// Notes which file is being written, and how long it is.
    pub(super) fn writes(&self, number: u64, bytes: u64) {
        self.wal_bytes.store(bytes, Ordering::Relaxed);
        let mut shares = self.shares();
        shares.number = number;
    }

    /// Notes that the store has a file, and all before it; sessions of which nothing is left to know are forgotten.
    pub(super) fn released(&self, segment: &Segment) {
        let now_ns = self.clock.mono_ns();
        let mut shares = self.shares();
        let key = (segment.chain.clone(), segment.number);
        if shares.inherited.remove(&key).is_some() {
            return;
        }
        let later = shares.files.split_off(&(segment.number + 1));
        let gone = std::mem::replace(&mut shares.files, later);
        for (session, bytes) in gone.into_values().flat_map(|file| file.bytes) {
            if let Some(share) = shares.sessions.get_mut(&session) {
                share.held_bytes = share.held_bytes.saturating_sub(bytes);
            }
        }
        // A row that comes after its session's end would leave a share for good.
        shares.sessions.retain(|_, share| !share.is_new(now_ns));
    }

    /// Counts the bytes that the store does not have.
    pub(super) fn unacked_bytes(&self) -> u64 {
        let used_bytes = self.used_bytes.load(Ordering::Relaxed);
        used_bytes.saturating_add(self.wal_bytes.load(Ordering::Relaxed))
    }

    /// Tells how many bytes the store does not have, and how many the spool may hold.
    pub(super) fn room(&self) -> (u64, u64) {
        (self.unacked_bytes(), self.spool_max_bytes)
    }

    /// Tells for how long the oldest row has waited for the store.
    pub(super) fn oldest_unacked(&self) -> Option<Duration> {
        let now_ns = self.clock.mono_ns();
        self.shares().age(now_ns)
    }

    /// Counts the sessions that are known, for tests.
    #[cfg(test)]
    pub(super) fn sessions_for_tests(&self) -> usize {
        self.shares().sessions.len()
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        // Counts alone: a panic elsewhere leaves them good enough.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Share {
    /// Tells whether a share that is made at this moment would be the same.
    fn is_new(&self, now_ns: i64) -> bool {
        self.held_bytes == 0 && self.due_ns <= now_ns && self.refusals.is_over(now_ns)
    }
}

impl Shares {
    fn hold(&mut self, session: SessionId, bytes: u64, now_ns: i64) {
        let file = self.files.entry(self.number).or_default();
        file.since_ns.get_or_insert(now_ns);
        *file.bytes.entry(session).or_default() += bytes;
        self.sessions.entry(session).or_default().held_bytes += bytes;
    }

    fn age(&self, now_ns: i64) -> Option<Duration> {
        let own = self.files.values().filter_map(|file| file.since_ns);
        let since_ns = own.chain(self.inherited.values().copied()).min()?;
        let age_ns = now_ns.saturating_sub(since_ns);
        Some(Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0)))
    }
}

/// Names the session for which a commit begins a statement or a login, if it does.
pub(super) fn begins(rows: &[Row]) -> Option<SessionId> {
    rows.iter().find_map(|row| match row {
        Row::Statement(row) if row.revision == 0 => row.session_id,
        Row::Login(row) if row.phase == Phase::Open => row.session_id,
        Row::Statement(_)
        | Row::Login(_)
        | Row::Session(_)
        | Row::StatementText(_)
        | Row::Result(_)
        | Row::Transfer(_)
        | Row::Approval(_)
        | Row::ApprovalText(_)
        | Row::LlmCall(_)
        | Row::ToolCall(_)
        | Row::ToolCallArgs(_)
        | Row::Prompt(_)
        | Row::Link(_)
        | Row::Event(_) => None,
    })
}

/// Names the session that a row is of; none of rows about the host.
pub(super) fn session_of(row: &Row) -> Option<SessionId> {
    let session = match row {
        Row::Session(row) => row.session_id,
        Row::Login(row) => row.session_id,
        Row::Statement(row) => row.session_id,
        Row::StatementText(row) => row.session_id,
        Row::Result(row) => row.session_id,
        Row::Transfer(row) => row.session_id,
        Row::Approval(row) => row.session_id,
        Row::ApprovalText(row) => row.session_id,
        Row::LlmCall(row) => row.session_id,
        Row::ToolCall(row) => row.session_id,
        Row::ToolCallArgs(row) => row.session_id,
        Row::Prompt(row) => row.session_id,
        Row::Link(row) => row.session_id,
        Row::Event(row) => row.session_id,
    };
    session.filter(|session| *session != super::event::no_session())
}
