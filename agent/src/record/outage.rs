//! What the recorder did not take: known to callers at once, and recorded as soon as it takes rows again.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tracing::{error, info, warn};

use super::body::{Body, Facts};
use super::error::RecordError;
use super::event::{Category, EventRow, Row, Severity, code};
use super::settings::RecordMode;
use super::ship::told;

/// What callers may know about the recorder without asking it.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Whether commits are being refused, or lost in `best_effort`.
    pub(super) refusing: AtomicBool,
    /// Rows that `best_effort` lost since the last gap was recorded.
    pub(super) lost_rows: AtomicU64,
    /// How many manifests of this chain are signed.
    pub(super) manifests: AtomicU64,
    /// How far sealing, storing and witnessing came.
    pub(super) progress: Progress,
    /// Why the store does not acknowledge rows that must wait for it, if it does not.
    unacknowledged: Mutex<Option<RecordError>>,
}

/// How far the threads behind the recorder came.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When a file was sealed last, and when the store had all of one last, in microseconds since 1970.
    pub(super) sealed_us: AtomicI64,
    pub(super) stored_us: AtomicI64,
    /// Objects that the store took.
    pub(super) objects: AtomicU64,
    /// How often sealing or storing failed.
    pub(super) store_failures: AtomicU64,
    /// How many manifests of this chain a witness has signed; those before the last are signed with it.
    pub(super) witnessed: AtomicU64,
    /// How often the witness did not sign, or its signature could not be stored.
    pub(super) witness_failures: AtomicU64,
}

/// How far the threads behind the recorder came, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// When a file was sealed last, in microseconds since 1970.
    pub sealed_us: Option<i64>,
    /// When the store had all of a file last, in microseconds since 1970.
    pub stored_us: Option<i64>,
    /// Objects that the store took.
    pub objects: u64,
    /// How often sealing or storing failed.
    pub store_failures: u64,
    /// How many manifests of this chain a witness has signed.
    pub witnessed: u64,
    /// How often the witness did not sign, or its signature could not be stored.
    pub witness_failures: u64,
}

impl Progress {
    /// Adds one to a count.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives all of it.
    pub(super) fn told(&self) -> Told {
        let time = |at: &AtomicI64| Some(at.load(Ordering::Relaxed)).filter(|us| *us != 0);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Told {
            sealed_us: time(&self.sealed_us),
            stored_us: time(&self.stored_us),
            objects: count(&self.objects),
            store_failures: count(&self.store_failures),
            witnessed: count(&self.witnessed),
            witness_failures: count(&self.witness_failures),
        }
    }
}

impl Health {
    /// Says why the store does not acknowledge rows, or that it does; gives what was said before.
    pub(super) fn unacknowledged(&self, error: Option<RecordError>) -> Option<RecordError> {
        let mut slot = self.lock();
        std::mem::replace(&mut *slot, error)
    }

    /// Says whether rows that must wait for the store may come.
    ///
    /// # Errors
    /// It does not acknowledge those before.
    pub(super) fn acknowledges(&self) -> Result<(), RecordError> {
        self.lock().clone().map_or(Ok(()), Err)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<RecordError>> {
        // One value, which is always whole.
        self.unacknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the event of a time in which the store acknowledged nothing.
pub(super) fn degraded(facts: &Facts, since_us: i64, cause: &str) -> Option<Body> {
    let row = EventRow {
        event_code: code::DEGRADED,
        category: Category::Record,
        severity: Severity::High,
        detail: Some(json!({ "since_us": since_us, "cause": cause })),
        ..EventRow::default()
    };
    Body::of(Row::from(row), facts)
        .inspect_err(|error| error!(%error, "an outage could not be recorded"))
        .ok()
}

/// Keeps count of what is refused or lost.
#[derive(Debug)]
pub(super) struct Outages {
    mode: RecordMode,
    health: Arc<Health>,
    current: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since_us: i64,
    commits: u64,
    cause: String,
}

/// An event about an outage, on its way into the record.
pub(super) struct Notice {
    /// The event.
    pub(super) row: Body,
    lost_rows: u64,
}

impl Outages {
    /// Begins with none.
    pub(super) fn new(mode: RecordMode, health: Arc<Health>) -> Self {
        Self {
            mode,
            health,
            current: None,
        }
    }

    /// Tells whether the last rows were refused.
    pub(super) fn is_one(&self) -> bool {
        self.current.is_some()
    }

    /// Counts commits that were refused.
    pub(super) fn refused(&mut self, commits: usize, rows: i64, cause: &RecordError, now_us: i64) {
        if !self.health.refusing.swap(true, Ordering::AcqRel) {
            warn!(error = told(cause), "records are refused");
        }
        let current = self.current.get_or_insert_with(|| Outage {
            since_us: now_us,
            commits: 0,
            cause: told(cause),
        });
        current.commits += commits as u64;
        if self.mode == RecordMode::BestEffort {
            let rows = u64::try_from(rows).unwrap_or(0);
            self.health.lost_rows.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// Gives the event that tells of an outage or of lost rows, where there is something to tell.
    pub(super) fn notice(&self, facts: &Facts) -> Option<Notice> {
        let lost_rows = self.health.lost_rows.load(Ordering::Relaxed);
        if self.current.is_none() && lost_rows == 0 {
            return None;
        }
        let current = self.current.as_ref();
        let row = EventRow {
            event_code: match self.mode {
                RecordMode::StrictLocal | RecordMode::StrictRemote => code::DEGRADED,
                RecordMode::BestEffort => code::GAP,
            },
            category: Category::Record,
            severity: Severity::High,
            detail: Some(json!({
                "since_us": current.map(|outage| outage.since_us),
                "cause": current.map(|outage| outage.cause.as_str()),
                "refused_commits": current.map(|outage| outage.commits),
                "lost_rows": lost_rows,
            })),
            ..EventRow::default()
        };
        let row = Body::of(Row::from(row), facts)
            .inspect_err(|error| error!(%error, "an outage could not be recorded"))
            .ok()?;
        Some(Notice { row, lost_rows })
    }

    /// Says that rows were written, and with them the notice if there was one.
    pub(super) fn over(&mut self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            info!("records are taken again");
            self.current = None;
            self.health
                .lost_rows
                .fetch_sub(notice.lost_rows, Ordering::Relaxed);
        }
        self.health.refusing.store(false, Ordering::Release);
    }
}
