//! Connections at the door that no open session made: a few are told singly, their like are counted and told later.
//!
//! Any local user may dial the proxy's port, and what a session left running may connect in a loop. Neither is to fill the
//! record, nor to hide what else happened, and none of them is to go untold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::refusals::TOLD_AFTER;
use crate::connection::peer::Peer;
use crate::connection::redirect::LookUpError;
use crate::id::SessionId;
use crate::record::event::{code, no_session};
use crate::record::{Category, EventRow, Severity};

/// So many of a kind are told by themselves in a window.
const SINGLY_MAX: u32 = 5;

/// Most sessions that are named where connections of several are told together.
const NAMED_MAX: usize = 8;

/// What a connection at the door is, if it is no open session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The kernel did not redirect it: somebody dialled the proxy.
    Dialled,
    /// It has a tag of another kind.
    Foreign,
    /// Its tag could not be read.
    Unread,
    /// It is of a session that is over, or of an earlier one in the same cgroup.
    Over,
}

/// Counts them for all cores.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    kinds: BTreeMap<Kind, Counted>,
    is_over: bool,
}

/// One kind's window.
#[derive(Debug)]
struct Counted {
    since_ns: i64,
    singly: u32,
    repeats: u64,
    /// As the first that was counted says it.
    reason: String,
    sessions: BTreeSet<SessionId>,
}

impl Strangers {
    /// Takes one whose socket could not be identified; gives its row, if it is one of the first.
    pub(super) fn unknown(&self, error: &LookUpError, now_ns: i64) -> Option<EventRow> {
        let kind = match error {
            LookUpError::NotRedirected => Kind::Dialled,
            LookUpError::Foreign { .. } => Kind::Foreign,
            LookUpError::NotTheMap { .. } | LookUpError::Map { .. } => Kind::Unread,
        };
        let reason = error.to_string();
        let detail = json!({ "reason": reason });
        self.take(kind, (&reason, None), detail, now_ns)
    }

    /// Takes one whose session is over; gives its row, if it is one of the first.
    pub(super) fn of_the_past(
        &self,
        session: SessionId,
        peer: &Peer,
        now_ns: i64,
    ) -> Option<EventRow> {
        let reason = "the session is over";
        let detail = json!({ "reason": reason, "session": session.to_string(), "pid": peer.pid });
        self.take(Kind::Over, (reason, Some(session)), detail, now_ns)
    }

    /// Gives the rows of those that were counted for long enough.
    pub(super) fn due(&self, now_ns: i64) -> Vec<EventRow> {
        self.counts().tell(|counted| counted.is_due(now_ns))
    }

    /// Gives the rows of all that were counted; what comes after is told one by one.
    pub(super) fn finish(&self) -> Vec<EventRow> {
        let mut counts = self.counts();
        counts.is_over = true;
        counts.tell(|_| true)
    }

    fn take(
        &self,
        kind: Kind,
        (reason, session): (&str, Option<SessionId>),
        detail: Value,
        now_ns: i64,
    ) -> Option<EventRow> {
        let mut counts = self.counts();
        let is_over = counts.is_over;
        // A window that is over has its count told first: its entry stays until then.
        let stale = |counted: &Counted| counted.repeats == 0 && counted.is_due(now_ns);
        if counts.kinds.get(&kind).is_some_and(stale) {
            counts.kinds.remove(&kind);
        }
        let counted = counts.kinds.entry(kind).or_insert_with(|| Counted {
            since_ns: now_ns,
            singly: 0,
            repeats: 0,
            reason: reason.to_owned(),
            sessions: BTreeSet::new(),
        });
        if is_over || counted.singly < SINGLY_MAX {
            counted.singly = counted.singly.saturating_add(1);
            return Some(row(kind, detail));
        }
        counted.repeats = counted.repeats.saturating_add(1);
        if counted.sessions.len() < NAMED_MAX {
            counted.sessions.extend(session);
        }
        None
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counts alone: a panic elsewhere leaves them good enough.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn tell(&mut self, is_due: impl Fn(&Counted) -> bool) -> Vec<EventRow> {
        let mut rows = Vec::new();
        self.kinds.retain(|kind, counted| {
            let is_due = is_due(counted);
            if is_due && counted.repeats > 0 {
                rows.push(row(*kind, counted.detail()));
            }
            !is_due
        });
        rows
    }
}

impl Counted {
    fn is_due(&self, now_ns: i64) -> bool {
        let wait_ns = i64::try_from(TOLD_AFTER.as_nanos()).unwrap_or(i64::MAX);
        now_ns.saturating_sub(self.since_ns) >= wait_ns
    }

    fn detail(&self) -> Value {
        let sessions: Vec<String> = self.sessions.iter().map(ToString::to_string).collect();
        match sessions.is_empty() {
            true => json!({ "reason": self.reason, "repeats": self.repeats }),
            false => {
                json!({ "reason": self.reason, "repeats": self.repeats, "sessions": sessions })
            }
        }
    }
}

fn row(kind: Kind, detail: Value) -> EventRow {
    EventRow {
        session_id: Some(no_session()),
        event_code: code::BYPASS_ATTEMPT,
        severity: match kind {
            Kind::Dialled | Kind::Foreign | Kind::Unread => Severity::Medium,
            Kind::Over => Severity::Low,
        },
        category: Category::Net,
        detail: Some(detail),
        ..EventRow::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_NS: i64 = 60_000_000_000;

    /// How many connections a row tells.
    fn told(row: &EventRow) -> u64 {
        let detail = row.detail.as_ref().unwrap();
        detail.get("repeats").map_or(1, |it| it.as_u64().unwrap())
    }

    #[test]
    fn a_loop_of_connects_is_a_few_events_and_a_count() {
        let strangers = Strangers::default();
        let (session, peer) = (SessionId::new(), Peer::default());
        let mut rows = Vec::new();
        for step in 0..1000 {
            rows.extend(strangers.of_the_past(session, &peer, step));
            rows.extend(strangers.unknown(&LookUpError::NotRedirected, step));
        }
        assert_eq!(rows.len(), 10, "five of each kind");
        assert_eq!(strangers.due(MINUTE_NS - 1), []);
        let [dialled, over] = <[EventRow; 2]>::try_from(strangers.due(MINUTE_NS)).unwrap();
        let reason = LookUpError::NotRedirected.to_string();
        assert_eq!(
            (dialled.severity, dialled.detail),
            (
                Severity::Medium,
                Some(json!({ "reason": reason, "repeats": 995 }))
            )
        );
        let names = [session.to_string()];
        let detail = json!({ "reason": "the session is over", "repeats": 995, "sessions": names });
        assert_eq!(
            (over.event_code, over.severity, over.detail),
            ("NT001", Severity::Low, Some(detail))
        );
        assert_eq!(strangers.due(2 * MINUTE_NS), [], "told once");
        assert_eq!(strangers.finish(), []);
    }

    #[test]
    fn many_sessions_are_counted_whole_and_a_few_of_them_named() {
        let (strangers, peer) = (Strangers::default(), Peer::default());
        for _ in 0..100 {
            strangers.of_the_past(SessionId::new(), &peer, 0);
        }
        let [row] = <[EventRow; 1]>::try_from(strangers.finish()).unwrap();
        let detail = row.detail.unwrap();
        assert_eq!(detail["repeats"], 95);
        assert_eq!(detail["sessions"].as_array().unwrap().len(), NAMED_MAX);
    }

    proptest! {
        #[test]
        fn every_connection_is_told_exactly_once_and_few_rows_tell_them(
            steps in prop::collection::vec((0_u8..4, 0_i64..MINUTE_NS), 0..400),
            ends in 0_usize..800,
        ) {
            let strangers = Strangers::default();
            let (mut now_ns, mut rows) = (0, Vec::new());
            for (number, (what, wait_ns)) in steps.iter().enumerate() {
                now_ns += wait_ns / 50;
                if number == ends {
                    rows.extend(strangers.finish());
                }
                if number.is_multiple_of(7) {
                    rows.extend(strangers.due(now_ns));
                }
                rows.extend(match what {
                    0 => strangers.unknown(&LookUpError::NotRedirected, now_ns),
                    1 => strangers.unknown(&LookUpError::Foreign { kind: 9 }, now_ns),
                    _ => strangers.of_the_past(SessionId::new(), &Peer::default(), now_ns),
                });
            }
            rows.extend(strangers.finish());
            prop_assert_eq!(rows.iter().map(told).sum::<u64>(), steps.len() as u64);
            if ends >= steps.len() {
                let windows = usize::try_from(now_ns / MINUTE_NS).unwrap() + 1;
                prop_assert!(rows.len() <= 3 * 6 * windows, "{} rows in {windows}", rows.len());
            }
        }
    }
}
