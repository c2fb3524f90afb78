//! How many rows of events a session may put into the record, so that it does not drown it, and what was left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::record::Severity;

/// Most rows of events that one session may put into the record.
pub(super) const EVENTS_MAX: usize = 1000;

/// Most of them that are not severe: trivial events leave room for severe ones.
pub(super) const MILD_EVENTS_MAX: usize = 800;

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It goes into the record.
    Row,
    /// It is the first of its weight that is left out, which goes into the record instead.
    FirstLeftOut,
    /// It is counted.
    LeftOut,
}

/// What one session has put into the record, and what was left out.
#[derive(Debug, Default)]
pub(super) struct EventBudget {
    rows: usize,
    /// Events by code and severity.
    left_out: BTreeMap<(&'static str, i32), u64>,
    told: [bool; 2],
}

impl EventBudget {
    /// Takes room for a row that tells so many events of a code; where there is none they count as left out.
    pub(super) fn take(
        &mut self,
        event_code: &'static str,
        severity: Severity,
        events: u64,
    ) -> Room {
        let is_severe = match severity {
            Severity::Informational | Severity::Low | Severity::Medium => false,
            Severity::High | Severity::Critical => true,
        };
        let max = if is_severe {
            EVENTS_MAX
        } else {
            MILD_EVENTS_MAX
        };
        if self.rows < max {
            self.rows += 1;
            return Room::Row;
        }
        let key = (event_code, severity.as_i32());
        *self.left_out.entry(key).or_default() += events;
        let [mild, severe] = &mut self.told;
        let told = if is_severe { severe } else { mild };
        if std::mem::replace(told, true) {
            Room::LeftOut
        } else {
            Room::FirstLeftOut
        }
    }

    /// Tells what was left out so far, if anything was.
    pub(super) fn left_out(&self) -> Option<Value> {
        tell_left_out(&self.left_out)
    }
}

/// Tells events that were left out, by code and severity, if there are any.
pub(super) fn tell_left_out(left_out: &BTreeMap<(&'static str, i32), u64>) -> Option<Value> {
    let by: Vec<Value> = left_out
        .iter()
        .map(|((event_code, severity), events)| {
            json!({ "event_code": event_code, "severity": severity, "events": events })
        })
        .collect();
    let sum: u64 = left_out.values().sum();
    (sum > 0).then(|| json!({ "events_left_out": sum, "by": by }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trivial_events_leave_room_for_severe_ones_and_are_counted_by_code() {
        let mut budget = EventBudget::default();
        let mut taken = |code, severity, times: usize| {
            let rooms: Vec<Room> = (0..times).map(|_| budget.take(code, severity, 1)).collect();
            [Room::Row, Room::FirstLeftOut, Room::LeftOut]
                .map(|room| rooms.iter().filter(|found| **found == room).count())
        };
        assert_eq!(taken("RQ001", Severity::Low, 900), [800, 1, 99]);
        assert_eq!(taken("NT002", Severity::Medium, 5), [0, 0, 5]);
        assert_eq!(taken("AU003", Severity::High, 300), [200, 1, 99]);
        let left_out = json!({
            "events_left_out": 205,
            "by": [
                { "event_code": "AU003", "severity": 4, "events": 100 },
                { "event_code": "NT002", "severity": 3, "events": 5 },
                { "event_code": "RQ001", "severity": 2, "events": 100 },
            ],
        });
        assert_eq!(budget.left_out(), Some(left_out));
        assert_eq!(EventBudget::default().left_out(), None);
    }
}
