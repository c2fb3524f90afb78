//! Days and instants: the start of their month or year.

use chrono::{Datelike, NaiveDate};

use crate::policy::Unit;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Gives the first day of the month or year of a day, both in days since 1970; none for a day that no calendar has.
pub(in crate::mask) fn days_at_start(days: i64, unit: Unit) -> Option<i64> {
    let date = NaiveDate::from_epoch_days(i32::try_from(days).ok()?)?;
    let month = match unit {
        Unit::Month => date.month(),
        Unit::Year => 1,
    };
    let start = NaiveDate::from_ymd_opt(date.year(), month, 1)?;
    Some(i64::from(start.to_epoch_days()))
}

/// The same of an instant in seconds since 1970, in the calendar of a zone `offset_s` east of UTC.
pub(in crate::mask) fn seconds_at_start(seconds: i64, unit: Unit, offset_s: i64) -> Option<i64> {
    let local = seconds.checked_add(offset_s)?;
    let start = days_at_start(local.div_euclid(DAY_S), unit)?;
    start.checked_mul(DAY_S)?.checked_sub(offset_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(year: i32, month: u32, day: u32) -> i64 {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        i64::from(date.to_epoch_days())
    }

    #[test]
    fn a_day_becomes_the_first_of_its_month_or_year() {
        for (year, month, day) in [
            (2026, 11, 26),
            (1969, 12, 31),
            (1600, 2, 29),
            (9999, 12, 31),
        ] {
            let of = |unit| days_at_start(days(year, month, day), unit);
            assert_eq!(of(Unit::Month), Some(days(year, month, 1)));
            assert_eq!(of(Unit::Year), Some(days(year, 1, 1)));
        }
        assert_eq!(days_at_start(i64::MAX, Unit::Year), None);
    }

    #[test]
    fn an_instant_starts_in_its_own_zone() {
        // 2026-03-01 00:30 at +02:00 is still February in UTC.
        let instant = days(2026, 3, 1) * DAY_S + 1800 - 7200;
        let start = seconds_at_start(instant, Unit::Month, 7200);
        assert_eq!(start, Some(days(2026, 3, 1) * DAY_S - 7200));
        let start = seconds_at_start(instant, Unit::Month, 0);
        assert_eq!(start, Some(days(2026, 2, 1) * DAY_S));
        assert_eq!(
            seconds_at_start(-1, Unit::Year, 0),
            Some(days(1969, 1, 1) * DAY_S)
        );
        assert_eq!(seconds_at_start(i64::MAX, Unit::Year, 1), None);
    }
}
