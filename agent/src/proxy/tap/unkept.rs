//! Rows of model calls for which the record has no room: counted, and told in few rows.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::id::SessionId;
use crate::prompt::provenance::Fact;
use crate::record::event::code;
use crate::record::{Category, EventRow, RecordError, Severity};

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
    /// Leaves out of what is to be recorded what is no link, and counts it: which statements are linked is known in every case.
    /// Gives both parts, what is kept first.
    pub(super) fn leave_out(
        &mut self,
        facts: Vec<Fact>,
        cause: &RecordError,
        now: DateTime<Utc>,
    ) -> (Vec<Fact>, Vec<Fact>) {
        let is_kept = |fact: &Fact| matches!(fact, Fact::Link(_));
        let (kept, left): (Vec<Fact>, Vec<Fact>) = facts.into_iter().partition(is_kept);
        if left.is_empty() {
            return (kept, left);
        }
        if self.rows == 0 {
            self.since_us = now.timestamp_micros();
        }
        let calls = left.iter().filter(|fact| matches!(fact, Fact::Call(_)));
        self.calls = self.calls.saturating_add(calls.count() as u64);
        self.rows = self.rows.saturating_add(left.len() as u64);
        self.cause = cause.to_string();
        (kept, left)
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
    use crate::id::StatementId;
    use crate::prompt::Api;
    use crate::prompt::exchange::{At, Call};
    use crate::prompt::linking::Link;
    use crate::prompt::provenance::ArgsFact;

    fn facts() -> Vec<Fact> {
        let call = Call {
            id: "c".to_owned(),
            api: Api::Messages,
            provider: "anthropic",
            host: "a".to_owned(),
            model: None,
            ids: crate::prompt::Ids::default(),
            prompt: None,
            credentials: Vec::new(),
            started: At {
                time: DateTime::UNIX_EPOCH,
                boot_ns: 0,
            },
            first_byte: None,
            completed: None,
            http_status: None,
            request_id: None,
            answer: None,
            process: None,
            status: String::new(),
        };
        let args = ArgsFact {
            call: "c".to_owned(),
            id: "u".to_owned(),
            args: "{}".to_owned(),
        };
        vec![
            Fact::Call(Box::new(call)),
            Fact::Link(Box::new(Link::late(StatementId::new()))),
            Fact::Args(Box::new(args)),
        ]
    }

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
            let (kept, left) = unkept.leave_out(facts(), &cause, DateTime::UNIX_EPOCH);
            assert!(matches!(kept[..], [Fact::Link(_)]), "{kept:?}");
            // What was taken for it goes back.
            assert!(
                matches!(left[..], [Fact::Call(_), Fact::Args(_)]),
                "{left:?}"
            );
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
