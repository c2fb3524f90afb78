//! How many events of no session go into the record, so that no local user drowns it or hides another's events in a flood.
//!
//! Each code has a budget of its own, and so has each user whom an event is about: a flood of connections to the proxy's
//! port costs no sign-in its row, and one user's refusals cost no other's.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::budget::tell_left_out;
use crate::record::event::{code, no_session};
use crate::record::{Category, EventRow, Severity};

/// Most events of a code in a minute that name no user.
const NAMELESS_MAX: u32 = 60;

/// Most events of a code about one user in a minute.
const USER_MAX: u32 = 20;

/// Most events of a code about users in a minute: whoever has a range of subordinate ids is many.
const USERS_MAX: u32 = 600;

/// Counts events of no session, minute by minute.
#[derive(Default)]
pub(super) struct HostEvents(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    minute: i64,
    nameless: BTreeMap<&'static str, u32>,
    users: BTreeMap<&'static str, Users>,
    /// Events by code and severity that are not told yet.
    left_out: BTreeMap<(&'static str, i32), u64>,
}

/// The events of one code about users.
#[derive(Default)]
struct Users {
    all: u32,
    by_uid: BTreeMap<u64, u32>,
}

impl HostEvents {
    /// Takes room in the record for an event; where there is none it is counted.
    pub(super) fn admit(&self, row: EventRow, now: DateTime<Utc>) -> Option<EventRow> {
        let mut counted = self.counted();
        counted.begin(minute(now));
        let (event_code, severity) = (row.event_code, row.severity.as_i32());
        let has_room = match cause(&row) {
            Some(uid) => counted.users.entry(event_code).or_default().take(uid),
            None => take(
                counted.nameless.entry(event_code).or_default(),
                NAMELESS_MAX,
            ),
        };
        if has_room {
            return Some(row);
        }
        *counted.left_out.entry((event_code, severity)).or_default() += 1;
        None
    }

    /// Gives the row that tells what was left out since the last one, once the minute is over.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<EventRow> {
        let is_over = self.counted().minute != minute(now);
        is_over.then(|| self.gap()).flatten()
    }

    /// Gives the row that tells what was left out since the last one.
    pub(super) fn gap(&self) -> Option<EventRow> {
        let left_out = std::mem::take(&mut self.counted().left_out);
        Some(EventRow {
            session_id: Some(no_session()),
            event_code: code::GAP,
            severity: Severity::Medium,
            category: Category::Record,
            detail: Some(tell_left_out(&left_out)?),
            ..EventRow::default()
        })
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // Counts alone: a panic elsewhere leaves them good enough.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn begin(&mut self, minute: i64) {
        if self.minute != minute {
            self.minute = minute;
            self.nameless.clear();
            self.users.clear();
        }
    }
}

impl Users {
    fn take(&mut self, uid: u64) -> bool {
        // In this order no more users are remembered than have rows.
        if self.all >= USERS_MAX || !take(self.by_uid.entry(uid).or_default(), USER_MAX) {
            return false;
        }
        self.all += 1;
        true
    }
}

fn take(taken: &mut u32, max: u32) -> bool {
    let has_room = *taken < max;
    *taken += u32::from(has_room);
    has_room
}

/// Names the user that caused an event: who asked, where root asked for another.
fn cause(row: &EventRow) -> Option<u64> {
    let detail = row.detail.as_ref()?;
    let uid = |name| detail.get(name).and_then(Value::as_u64);
    uid("caller_uid").or_else(|| uid("uid"))
}

fn minute(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn recorded(events: &HostEvents, code: &'static str, detail: &Value, times: usize) -> usize {
        let row = || EventRow {
            event_code: code,
            severity: Severity::Medium,
            detail: Some(detail.clone()),
            ..EventRow::default()
        };
        let admitted = (0..times).filter(|_| events.admit(row(), START).is_some());
        admitted.count()
    }

    #[test]
    fn no_flood_hides_another_code_or_another_user() {
        let events = HostEvents::default();
        assert_eq!(recorded(&events, "NT001", &json!({}), 1000), 60);
        assert_eq!(recorded(&events, "AU002", &json!({ "uid": 7 }), 1000), 20);
        let by_caller = json!({ "uid": 7, "caller_uid": 0 });
        assert_eq!(recorded(&events, "AU002", &by_caller, 1), 1);
        assert_eq!(recorded(&events, "AU002", &json!({ "uid": 8 }), 1), 1);
        assert_eq!(recorded(&events, "AU001", &json!({ "uid": 7 }), 1), 1);
        let many = (100..1000).map(|uid| recorded(&events, "AU002", &json!({ "uid": uid }), 1));
        assert_eq!(many.sum::<usize>(), 578);
        let next = START + TimeDelta::minutes(1);
        assert!(events.admit(EventRow::default(), next).is_some());
    }

    #[test]
    fn what_is_left_out_is_told_once_after_its_minute() {
        let (events, next) = (HostEvents::default(), START + TimeDelta::minutes(1));
        recorded(&events, "NT001", &json!({}), 65);
        recorded(&events, "AU002", &json!({ "uid": 7 }), 21);
        assert_eq!(events.due(START), None);
        let told = events.due(next).unwrap();
        assert_eq!(
            (told.event_code, told.session_id),
            ("GP001", Some(no_session()))
        );
        let left_out = json!({
            "events_left_out": 6,
            "by": [
                { "event_code": "AU002", "severity": 3, "events": 1 },
                { "event_code": "NT001", "severity": 3, "events": 5 },
            ],
        });
        assert_eq!(told.detail, Some(left_out));
        assert_eq!((events.due(next), events.gap()), (None, None));
    }
}
