//! Statements of one session that were refused because they could not be recorded: counted, and told when there is room.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::error::RecordError;
use super::event::{Category, EventRow, Severity, code};
use super::settings::RecordMode;
use super::ship::told;
use crate::id::SessionId;

/// Least time between two rows that tell of a session's refusals, in nanoseconds: a flood is one row, not a flood of rows.
const TELL_EVERY_NS: i64 = 10_000_000_000;

/// What was refused since the last row that told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals {
    statements: u64,
    since_us: i64,
    cause: String,
    told_ns: Option<i64>,
}

impl Refusals {
    /// Counts a refusal.
    pub(super) fn add(&mut self, cause: &RecordError, now: DateTime<Utc>) {
        if self.statements == 0 {
            self.since_us = now.timestamp_micros();
        }
        self.statements += 1;
        self.cause = told(cause);
    }

    /// Gives the row that tells what was refused, if there is something and the last such row is not too young.
    pub(super) fn due(
        &mut self,
        session: SessionId,
        mode: RecordMode,
        now_ns: i64,
    ) -> Option<EventRow> {
        if self
            .told_ns
            .is_some_and(|told_ns| is_young(told_ns, now_ns))
        {
            return None;
        }
        let row = self.last(session, mode)?;
        self.told_ns = Some(now_ns);
        Some(row)
    }

    /// Gives the row that tells what was refused, if there is something.
    pub(super) fn last(&mut self, session: SessionId, mode: RecordMode) -> Option<EventRow> {
        if self.statements == 0 {
            return None;
        }
        let row = EventRow {
            session_id: Some(session),
            event_code: match mode {
                RecordMode::StrictLocal | RecordMode::StrictRemote => code::UNRECORDABLE,
                // They ran; what is lost is their record.
                RecordMode::BestEffort => code::GAP,
            },
            category: Category::Record,
            severity: Severity::High,
            detail: Some(json!({
                "since_us": self.since_us,
                "statements": self.statements,
                "cause": self.cause,
            })),
            ..EventRow::default()
        };
        self.statements = 0;
        Some(row)
    }

    /// Tells whether there is nothing to tell, and has not been for so long that a next row may tell at once.
    pub(super) fn is_over(&self, now_ns: i64) -> bool {
        self.statements == 0
            && !self
                .told_ns
                .is_some_and(|told_ns| is_young(told_ns, now_ns))
    }

    /// Takes back what a row was to tell that could not be recorded.
    pub(super) fn not_told(&mut self, row: &EventRow) {
        let detail = row.detail.as_ref();
        let number = |name| detail.and_then(|detail| detail.get(name));
        self.statements += number("statements").and_then(|n| n.as_u64()).unwrap_or(0);
        self.since_us = number("since_us")
            .and_then(|n| n.as_i64())
            .unwrap_or(self.since_us);
        self.told_ns = None;
    }
}

fn is_young(told_ns: i64, now_ns: i64) -> bool {
    now_ns.saturating_sub(told_ns) < TELL_EVERY_NS
}
