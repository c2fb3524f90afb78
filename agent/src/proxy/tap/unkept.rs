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
    counted: Counted,
    told_ns: Option<i64>,
    /// The session has ended, and its last row was given.
    is_ended: bool,
}

/// What was not recorded, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    calls: u64,
    rows: u64,
    since_us: i64,
    cause: String,
}

impl Counted {
    /// Counts what is no link: that goes with what is recorded next, and is never left out.
    pub(super) fn of(facts: &[Fact], now: DateTime<Utc>) -> Self {
        let rows = facts.iter().filter(|fact| !is_link(fact));
        let calls = facts.iter().filter(|fact| matches!(fact, Fact::Call(_)));
        Self {
            calls: calls.count() as u64,
            rows: rows.count() as u64,
            since_us: now.timestamp_micros(),
            cause: String::new(),
        }
    }

    /// Says why.
    pub(super) fn because(self, cause: &RecordError) -> Self {
        Self {
            cause: cause.to_string(),
            ..self
        }
    }
}

fn is_link(fact: &Fact) -> bool {
    matches!(fact, Fact::Link(_))
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
        let (kept, left): (Vec<Fact>, Vec<Fact>) = facts.into_iter().partition(is_link);
        self.add(Counted::of(&left, now).because(cause));
        (kept, left)
    }

    /// Counts what was to be recorded and was not, or was to be told and was not.
    pub(super) fn add(&mut self, more: Counted) {
        if more.rows == 0 {
            return;
        }
        let before = std::mem::take(&mut self.counted);
        self.counted = Counted {
            calls: before.calls.saturating_add(more.calls),
            rows: before.rows.saturating_add(more.rows),
            since_us: match before.rows {
                0 => more.since_us,
                _ => before.since_us.min(more.since_us),
            },
            cause: more.cause,
        };
    }

    /// Takes back what a row was to tell that is not on record: it is told with the next.
    pub(super) fn take_back(&mut self, untold: Counted) {
        self.told_ns = None;
        self.add(untold);
    }

    /// Gives the row that tells of it, if there is something and the last one is not too young; with what goes back where it is
    /// not recorded.
    pub(super) fn due(&mut self, session: SessionId, now_ns: i64) -> Option<(Counted, EventRow)> {
        let is_young = |told_ns: i64| now_ns.saturating_sub(told_ns) < TELL_EVERY_NS;
        if self.told_ns.is_some_and(is_young) {
            return None;
        }
        let counted = self.counted.clone();
        let row = self.last(session)?;
        self.told_ns = Some(now_ns);
        Some((counted, row))
    }

    /// Gives the last row of a session that has ended. What is counted after it is told where a connection's reading ends.
    pub(super) fn at_end(&mut self, session: SessionId) -> Option<EventRow> {
        self.is_ended = true;
        self.last(session)
    }

    /// Gives the row that tells what was counted since the session's last one; with what goes back where it is not recorded.
    pub(super) fn after_end(&mut self, session: SessionId) -> Option<(Counted, EventRow)> {
        let counted = self.counted.clone();
        let row = self.is_ended.then(|| self.last(session)).flatten()?;
        Some((counted, row))
    }

    /// Gives the row that tells of it, if there is something.
    pub(super) fn last(&mut self, session: SessionId) -> Option<EventRow> {
        let Counted {
            calls,
            rows,
            since_us,
            cause,
        } = std::mem::take(&mut self.counted);
        (rows > 0).then(|| EventRow {
            session_id: Some(session),
            event_code: code::GAP,
            severity: Severity::Medium,
            category: Category::Record,
            detail: Some(json!({
                "since_us": since_us,
                "model_calls": calls,
                "rows": rows,
                "cause": cause,
            })),
            ..EventRow::default()
        })
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
            let due = unkept.due(session, second * 1_000_000_000);
            told.extend(due.map(|(_, row)| row));
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
