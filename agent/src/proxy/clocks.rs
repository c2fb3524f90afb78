//! How this host's clock stands against Snowflake's, for the record: times in it are the host's word.

use chrono::{DateTime, TimeDelta, Utc};

/// What a `Date` header leaves open: it tells whole seconds (RFC 9110 section 5.6.7).
const TOLD_IN: TimeDelta = TimeDelta::seconds(1);

/// Tells by how many milliseconds the host's clock is ahead at least, or behind where that is negative.
///
/// The other clock showed `dated` at some time between two of the host's; where that can be, they agree.
pub(crate) fn ahead_ms(sent: DateTime<Utc>, received: DateTime<Utc>, dated: DateTime<Utc>) -> i64 {
    let (earliest, latest) = (sent - (dated + TOLD_IN), received - dated);
    if earliest > TimeDelta::zero() {
        return earliest.num_milliseconds();
    }
    latest.num_milliseconds().min(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent_ms: i64, received_ms: i64, dated_s: i64, expected: i64) {
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        let found = ahead_ms(at(sent_ms), at(received_ms), at(dated_s * 1000));
        assert_eq!(found, expected);
    }

    #[test]
    fn clocks_differ_where_no_moment_of_the_request_fits() {
        check(100_200, 100_900, 100, 0);
        // The answer was made as the second turned, or the request took long.
        check(99_900, 100_100, 100, 0);
        check(90_000, 130_000, 100, 0);
        check(107_000, 107_500, 100, 6_000);
        check(92_000, 93_500, 100, -6_500);
    }
}
