//! Times as Snowflake, its tools and CI systems write them. Pure.

use chrono::{DateTime, NaiveDateTime};

/// What a time without an offset means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// It is not known: such a time is refused, for a session's zone is not UTC unless somebody made it so.
    Unknown,
    /// UTC.
    Utc,
}

const EXPECTED: &str = "a time with its offset (RFC 3339, `2026-11-01 08:00:00.000 -0800`, or seconds since 1970), or --utc where the export's times are UTC";

/// Forms with an offset. Sources: Snowflake's default TIMESTAMP_LTZ_OUTPUT_FORMAT, its documentation's ISO forms.
const WITH_OFFSET: [&str; 2] = ["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%dT%H:%M:%S%.f%z"];

const WITHOUT: [&str; 2] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];

/// Reads a time, in microseconds since 1970.
pub(super) fn read(text: &str, zone: Zone) -> Result<i64, &'static str> {
    let text = text.trim();
    if let Some(micros) = number(text) {
        return Ok(micros);
    }
    let spaced = text.replacen(' ', "T", 1);
    let known = DateTime::parse_from_rfc3339(&spaced)
        .or_else(|_| DateTime::parse_from_rfc2822(text))
        .ok()
        .or_else(|| {
            WITH_OFFSET
                .iter()
                .find_map(|form| DateTime::parse_from_str(text, form).ok())
        });
    if let Some(time) = known {
        return Ok(time.timestamp_micros());
    }
    if zone == Zone::Utc {
        let time = WITHOUT
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
        if let Some(time) = time {
            return Ok(time.and_utc().timestamp_micros());
        }
    }
    Err(EXPECTED)
}

/// Reads seconds since 1970 with a fraction, or a whole number of milli-, micro- or nanoseconds: which it is its size
/// tells, for any time between 1973 and 5138.
fn number(text: &str) -> Option<i64> {
    if let Some((whole, part)) = text.split_once('.') {
        let is_plain = part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
        let whole: i64 = whole.parse().ok()?;
        let micros: String = part.chars().chain("000000".chars()).take(6).collect();
        let micros: i64 = micros.parse().ok().filter(|_| is_plain)?;
        return whole.checked_mul(1_000_000)?.checked_add(micros);
    }
    let number: i64 = text.parse().ok()?;
    let size = number.unsigned_abs();
    if size < 100_000_000_000 {
        number.checked_mul(1_000_000)
    } else if size < 100_000_000_000_000 {
        number.checked_mul(1000)
    } else if size < 100_000_000_000_000_000 {
        Some(number)
    } else {
        Some(number / 1000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(
            read(text, Zone::Unknown),
            Ok(1_793_520_000_250_000),
            "{text}"
        );
    }

    #[test]
    fn one_moment_has_many_texts() {
        check("2026-11-01T08:00:00.250Z");
        check("2026-11-01T00:00:00.250-08:00");
        check("2026-11-01 00:00:00.250 -0800");
        check("2026-11-01 08:00:00.25 +0000");
        check("2026-11-01 08:00:00.250Z");
        check("2026-11-01T00:00:00.250-0800");
        check("1793520000.250000000");
        check("1793520000250");
        check("1793520000250000");
        check("1793520000250000000");
    }

    #[test]
    fn a_time_without_an_offset_is_refused_unless_it_is_utc() {
        let text = "2026-11-01 08:00:00.250";
        assert!(read(text, Zone::Unknown).is_err());
        assert_eq!(read(text, Zone::Utc), Ok(1_793_520_000_250_000));
        assert!(read("yesterday", Zone::Utc).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in any::<String>()) {
            let time = read(&text, Zone::Utc);
            prop_assert!(time.is_ok() || time == Err(EXPECTED));
        }
    }
}
