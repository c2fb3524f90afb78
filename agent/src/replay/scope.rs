//! What of a store a reader asks for, and which objects can hold it. Pure.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How far clocks may be apart where what ended before something began is left out.
pub(super) const CLOCKS_APART: TimeDelta = TimeDelta::days(1);

/// How far the time in a session's id may be from that in its first row: both are taken as it opens.
const OPENING: TimeDelta = TimeDelta::hours(1);

/// What of a store is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    #[default]
    All,
    /// Objects of these days.
    Days(Days),
    /// What may tell of the sessions whose ids begin so.
    Session(String),
}

/// Days, both included, in UTC.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Days {
    /// The first.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
}

impl Days {
    /// Tells whether an object is of these days, by the folder `dt=` that it lies in.
    pub(super) fn have(self, key: &str) -> bool {
        day(key).is_some_and(|day| self.has(day))
    }

    /// Tells whether a day is one of these.
    pub(super) fn has(self, day: NaiveDate) -> bool {
        (self.from..=self.to).contains(&day)
    }
}

/// Reads the day of an object, as the folder `dt=` says it.
pub(super) fn day(key: &str) -> Option<NaiveDate> {
    let folder = key.split('/').find_map(|part| part.strip_prefix("dt="));
    folder.and_then(|day| day.parse().ok())
}

/// When ids with the same beginning were made: the first 48 bits of a UUID of version 7 are a time in milliseconds
/// (RFC 9562 section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl Made {
    /// Reads an id or its beginning; none where that tells no time.
    pub(super) fn of(begin: &str) -> Option<Self> {
        let is_of_version = begin.chars().nth(14).is_none_or(|version| version == '7');
        let digits: String = begin.chars().filter(|one| *one != '-').take(12).collect();
        if !is_of_version || digits.is_empty() {
            return None;
        }
        let at = |fill: char| {
            let digits = digits.chars().chain(std::iter::repeat(fill)).take(12);
            let ms = i64::from_str_radix(&digits.collect::<String>(), 16).ok()?;
            DateTime::from_timestamp_millis(ms)
        };
        Some(Self {
            first: at('0')?,
            last: at('f')?,
        })
    }

    /// Gives the time before which nothing was written of it.
    pub(super) fn floor(self) -> DateTime<Utc> {
        self.first - CLOCKS_APART
    }

    /// Gives the days of first rows.
    pub(super) fn days(self) -> Days {
        Days {
            from: (self.first - OPENING).date_naive(),
            to: (self.last + OPENING).date_naive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(begin: &str, expected: Option<(&str, &str)>) {
        let made = Made::of(begin).map(|made| (made.first.to_rfc3339(), made.last.to_rfc3339()));
        let expected = expected.map(|(first, last)| (first.to_owned(), last.to_owned()));
        assert_eq!(made, expected, "{begin}");
    }

    #[test]
    fn an_id_tells_when_it_was_made_and_its_beginning_from_when_to_when() {
        let at = "2025-11-25T10:53:40.724+00:00";
        check("019abaa5-d1f4-7a10-8d55-1f2e3d4c5b6a", Some((at, at)));
        check(
            "019abaa5-d1",
            Some((
                "2025-11-25T10:53:40.480+00:00",
                "2025-11-25T10:53:40.735+00:00",
            )),
        );
        check("07070707-0707-0707-0707-070707070707", None);
        check("", None);
        check("zz", None);
    }

    #[test]
    fn the_day_of_an_object_is_that_of_its_folder() {
        let days = Days {
            from: "2026-11-02".parse().unwrap(),
            to: "2026-11-03".parse().unwrap(),
        };
        let of = |day: &str| days.have(&format!("o/v1/t0/c/events/dt={day}/x.parquet"));
        assert_eq!(
            ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04", "x"].map(of),
            [false, true, true, false, false]
        );
        assert!(!days.have("o/v1/chains/c/genesis.json"));
    }
}
