//! Who may say yes to what, as the config says it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc, Weekday};
use serde::{Deserialize, Serialize};

use super::request::Grade;
use crate::identity::Issuer;

/// All rules of approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// Whose ID tokens prove who decides; its one audience is a client of approvals' own.
    pub issuer: Issuer,
    /// Who stands behind whom: `ISSUER:ACTOR` or `ISSUER:#ACTOR_ID` of a CI system, a principal's name, `slack:USER`; each
    /// with the `ISSUER:SUBJECT` of a person.
    pub people: BTreeMap<String, String>,
    /// The groups, by the names that policies use in `hold:GROUP`.
    pub groups: BTreeMap<String, Group>,
    /// Whether Snowflake is asked what a statement would read before people are.
    pub explain: bool,
}

/// One `[[approvals.group]]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Who is in it, each as `ISSUER:SUBJECT`.
    pub members: BTreeSet<String>,
    /// Groups of the issuer whose members are in it, each as `ISSUER:GROUP`.
    pub groups: BTreeSet<String>,
    /// How many must say yes.
    pub approvers: u32,
    /// How long a request waits.
    pub expires_after: Duration,
    /// When a yes counts; always where nothing is said.
    pub hours: Option<Hours>,
    /// How well each must be proved.
    pub proof: Grade,
    /// Contexts of authentication (`acr`), one of which the token must have; any where there is none.
    pub acr: BTreeSet<String>,
    /// Methods of authentication (`amr`), all of which the token must have.
    pub amr: BTreeSet<String>,
    /// Longest time for which a yes may cover statements of the same shape; none: a yes is for one statement.
    pub grant_max: Option<Duration>,
    /// Whether a member may say yes alone to whatever is held, which is told loudly.
    pub break_glass: bool,
}

/// Hours of days of the week in one offset from UTC.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Hours {
    /// The days.
    pub days: Vec<Weekday>,
    /// Minute of the day from which on.
    pub from_minute: u32,
    /// Minute of the day before which.
    pub to_minute: u32,
    /// East of UTC.
    pub offset_minutes: i32,
}

impl Hours {
    /// Tells whether a time is in them.
    #[must_use]
    pub fn include(&self, at: DateTime<Utc>) -> bool {
        let there = at.naive_utc() + TimeDelta::minutes(self.offset_minutes.into());
        let minute = there.hour() * 60 + there.minute();
        self.days.contains(&there.weekday()) && (self.from_minute..self.to_minute).contains(&minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_those_of_their_own_offset() {
        let hours = Hours {
            days: vec![Weekday::Mon],
            from_minute: 8 * 60,
            to_minute: 18 * 60,
            offset_minutes: 120,
        };
        let includes = |text: &str| hours.include(text.parse().unwrap());
        // 2026-11-30 is a Monday.
        assert!(includes("2026-11-30T06:00:00Z"));
        assert!(!includes("2026-11-30T05:59:59Z"));
        assert!(includes("2026-11-30T15:59:59Z"));
        assert!(!includes("2026-11-30T16:00:00Z"));
        assert!(!includes("2026-12-01T08:00:00Z"));
    }
}
