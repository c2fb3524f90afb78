//! Rows of model calls for which the record has no room: counted, and told in few rows.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::id::SessionId;
use crate::record::event::code;
use crate::record::{Category, EventRow, RecordError, Row, Severity};

/// Least time between two rows that tell of it.
const TELL_EVERY_NS: i64 = 60_000_000_000;

/// What was not recorded of one session's model calls since that was told last.
#[derive(Debug, Default)]
pub(super) struct Unkept {
    calls: u64,
    rows: u64,
    since_us: i64,
    cause: String,
    told_ns: Option<i64>,
}

impl Unkept {
    /// Leaves out of some rows what is no link, and counts it: which statements are linked is known in every case.
    pub(super) fn leave_out(
        &mut self,
        rows: Vec<Row>,
        cause: &RecordError,
        now: DateTime<Utc>,
    ) -> Vec<Row> {
        let is_kept = |row: &Row| matches!(row, Row::Link(_) | Row::Event(_));
        let (kept, left): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_kept);
        if left.is_empty() {
            return kept;
        }
        if self.rows == 0 {
            self.since_us = now.timestamp_micros();
        }
        let calls = left.iter().filter(|row| matches!(row, Row::LlmCall(_)));
        self.calls = self.calls.saturating_add(calls.count() as u64);
        self.rows = self.rows.saturating_add(left.len() as u64);
        self.cause = cause.to_string();
        kept
    }

    /// Gives the row that tells of it, if there is something and the last one is not too young.
    pub(super) fn due(&mut self, session: SessionId, now_ns: i64) -> Option<EventRow> {
        let is_young = |told_ns: i64| now_ns.saturating_sub(told_ns) < TELL_EVERY_NS;
        if self.told_ns.is_some_and(is_young) {
            return None;
        }
        let row = self.last(session)?;
        self.told_ns = Some(now_ns);
        Some(row)
    }

    /// Gives the row that tells of it, if there is something.
    pub(super) fn last(&mut self, session: SessionId) -> Option<EventRow> {
        if self.rows == 0 {
            return None;
        }
        let row = EventRow {
            session_id: Some(session),
            event_code: code::GAP,
            severity: Severity::Medium,
            category: Category::Record,
            detail: Some(json!({
                "since_us": self.since_us,
                "model_calls": self.calls,
                "rows": self.rows,
                "cause": self.cause,
            })),
            ..EventRow::default()
        };
        (self.calls, self.rows) = (0, 0);
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::event::{LinkRow, LlmCallRow, ToolCallRow};

    #[test]
    fn calls_are_counted_links_stay_and_a_flood_is_told_once_a_minute() {
        let session = SessionId::from_bytes([7; 16]);
        let cause = RecordError::Share {
            found: "much".to_owned(),
            limit: "less".to_owned(),
        };
        let mut unkept = Unkept::default();
        let mut told = Vec::new();
        for second in 0..150 {
            let rows = vec![
                Row::from(LlmCallRow::default()),
                Row::from(LinkRow::default()),
                Row::from(ToolCallRow::default()),
            ];
            let kept = unkept.leave_out(rows, &cause, DateTime::UNIX_EPOCH);
            assert!(matches!(kept[..], [Row::Link(_)]), "{kept:?}");
            told.extend(unkept.due(session, second * 1_000_000_000));
        }
        told.extend(unkept.last(session));
        assert_eq!((told.len(), unkept.last(session)), (4, None));
        let of = |name: &str| -> u64 {
            let details = told.iter().filter_map(|row| row.detail.as_ref());
            details.filter_map(|detail| detail[name].as_u64()).sum()
        };
        assert_eq!((of("model_calls"), of("rows")), (150, 300));
        assert!(told.iter().all(|row| row.session_id == Some(session)));
    }
}
