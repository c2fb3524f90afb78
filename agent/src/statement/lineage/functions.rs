//! The built-in functions whose result is made of their arguments alone, and which do nothing else.
//!
//! A closed list: whatever is not on it is a call that a policy must allow by name. Functions that read objects, files,
//! models or other results, run code, give credentials or reach other hosts are not on it.
//!
//! Source: Snowflake's reference, "All functions (alphabetical)", read 2026-11.

use std::collections::HashSet;
use std::sync::LazyLock;

static PURE: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("functions.txt").split_whitespace().collect());

/// Tells whether a function, by its folded name, is on the list.
pub(super) fn is_pure(name: &str) -> bool {
    PURE.contains(name)
}

/// Tells whether a function is one of MATCH_RECOGNIZE alone.
pub(super) fn is_of_match(name: &str) -> bool {
    matches!(
        name,
        "CLASSIFIER" | "FIRST" | "LAST" | "MATCH_NUMBER" | "MATCH_SEQUENCE_NUMBER"
    )
}

/// Snowflake's own functions that are not on the list, as far as they are known by name.
///
/// Source: as above.
static OWN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("own_functions.txt")
        .split_whitespace()
        .collect()
});

/// Tells whether a function, by its folded name, is Snowflake's own and so in no schema.
pub(super) fn is_own(name: &str) -> bool {
    let is_method = name.contains('!');
    !is_method && (name.starts_with("SYSTEM$") || name.starts_with("AI_") || OWN.contains(name))
}

/// Words for parts of dates and times. Source: as above, "Supported date and time parts".
const DATE_PARTS: &str = "YEAR Y YY YYY YYYY YR YEARS YRS MONTH MM MON MONS MONTHS DAY D DD DAYS DAYOFMONTH DAYOFWEEK \
    WEEKDAY DOW DW DAYOFWEEKISO WEEKDAY_ISO DOW_ISO DW_ISO DAYOFWEEK_ISO DAYOFYEAR YEARDAY DOY DY WEEK W WK WEEKOFYEAR WOY WY \
    WEEKISO WEEK_ISO WEEKOFYEARISO WEEKOFYEAR_ISO QUARTER Q QTR QTRS QUARTERS YEAROFWEEK YEAROFWEEKISO HOUR H HH HR HOURS HRS \
    MINUTE M MI MIN MINUTES MINS SECOND S SEC SECONDS SECS MILLISECOND MS MSEC MILLISECONDS MICROSECOND US USEC MICROSECONDS \
    NANOSECOND NS NSEC NANOSEC NSECOND NANOSECONDS NANOSECS NSECONDS EPOCH_SECOND EPOCH EPOCH_SECONDS EPOCH_MILLISECOND \
    EPOCH_MILLISECONDS EPOCH_MICROSECOND EPOCH_MICROSECONDS EPOCH_NANOSECOND EPOCH_NANOSECONDS TIMEZONE_HOUR TZH \
    TIMEZONE_MINUTE TZM";

/// Tells whether a word is one for a part of a date.
pub(super) fn is_date_part(word: &str) -> bool {
    DATE_PARTS.split_whitespace().any(|part| part == word)
}

/// Gives the place of the argument that is such a word, for the functions that have one.
pub(super) fn date_part_at(function: &str) -> Option<usize> {
    match function {
        "DATEADD" | "DATEDIFF" | "DATE_PART" | "DATE_TRUNC" | "TIMEADD" | "TIMEDIFF"
        | "TIMESTAMPADD" | "TIMESTAMPDIFF" => Some(0),
        "LAST_DAY" | "TRUNC" => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_more_than_its_arguments_say_is_not_on_it() {
        for name in [
            "SYSTEM$WAIT",
            "GET_DDL",
            "GET_PRESIGNED_URL",
            "BUILD_SCOPED_FILE_URL",
            "AI_COMPLETE",
            "RESULT_SCAN",
            "LAST_QUERY_ID",
            "INFER_SCHEMA",
            "VALIDATE",
            "GETVARIABLE",
            "TO_FILE",
            "TO_QUERY",
        ] {
            assert!(!is_pure(name), "{name}");
        }
        assert!(is_pure("COUNT") && is_pure("SHA2"));
        assert!(
            PURE.iter()
                .all(|name| !name.contains('$') && !name.starts_with("AI_"))
        );
    }
}
