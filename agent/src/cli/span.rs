//! A range of time, as commands take it.

use chrono::{DateTime, Days, NaiveDate, NaiveTime};

/// A range of time.
#[derive(Debug, clap::Args)]
pub(super) struct Span {
    /// Looks at what began on this day or at this time, or later (`2026-11-01`, or RFC 3339)
    #[arg(long, value_name = "D", value_parser = begin_of)]
    pub(super) from: Option<i64>,

    /// Looks at what began on this day, before this time, or earlier
    #[arg(long, value_name = "D", value_parser = end_of)]
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
