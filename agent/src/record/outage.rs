//! What the recorder did not take: known to callers at once, and recorded as soon as it takes rows again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// Why the store does not acknowledge rows that must wait for it, if it does not.
    unacknowledged: Mutex<Option<RecordError>>,
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
