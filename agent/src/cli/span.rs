//! A range of time, as commands take it.

use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveTime};

use crate::replay::ReadError;

/// A range of time.
#[derive(Debug, clap::Args)]
pub(super) struct Span {
    /// Looks at what began then or later: on a day such as 2026-11-01 (UTC), or at a time of RFC 3339
    #[arg(long, value_name = "DAY|TIME", value_parser = begin_of)]
    pub(super) from: Option<i64>,

    /// Looks at what began before the end of this day (UTC), or before this time
    #[arg(long, value_name = "DAY|TIME", value_parser = end_of)]
    pub(super) to: Option<i64>,
}

impl Span {
    /// Tells whether any time is in it.
    pub(super) fn is_any(&self) -> bool {
        !matches!((self.from, self.to), (Some(from), Some(to)) if from >= to)
    }
}

/// Reads a day's beginning, or a time, in microseconds since 1970.
pub(super) fn begin_of(text: &str) -> Result<i64, String> {
    moment(text, 0)
}

/// Reads a day's end, or a time.
fn end_of(text: &str) -> Result<i64, String> {
    moment(text, 1)
}

/// Reads a day.
pub(super) fn day(text: &str) -> Result<NaiveDate, String> {
    let day = text.parse();
    day.map_err(|_| "expected a day such as 2026-11-01".to_owned())
}

/// Refuses a first day that is after the last.
pub(super) fn in_order(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<(), ReadError> {
    match (from, to) {
        (Some(from), Some(to)) if from > to => Err(ReadError::Usage(format!(
            "--from, --to: expected a first day and one that is not before it, found {from} and {to}"
        ))),
        (_, _) => Ok(()),
    }
}

/// Reads an id, whole.
pub(super) fn id<I: FromStr>(text: &str) -> Result<I, String> {
    let id = text.parse();
    id.map_err(|_| "expected a whole id such as 01a201de-aed4-743b-bc0b-1c7612d0b426".to_owned())
}

/// Reads a number that is not negative.
pub(super) fn number<N: FromStr>(text: &str) -> Result<N, String> {
    let number = text.parse();
    number.map_err(|_| "expected a whole number such as 45".to_owned())
}

fn moment(text: &str, days: u64) -> Result<i64, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_micros());
    }
    let day: Option<NaiveDate> = text.parse().ok();
    let day = day.and_then(|day| day.checked_add_days(Days::new(days)));
    day.map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros())
        .ok_or_else(|| {
            "expected a day such as 2026-11-01 or a time of RFC 3339 (in UTC: 2026-11-01T08:00:00Z)"
                .to_owned()
        })
}
