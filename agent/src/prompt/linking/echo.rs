//! Whether a statement's answer came back to the model: T4 of the ladder.
//!
//! The agent writes the result of a tool's use, so that this lifts a link by the kernel's word and never stands alone.

use std::collections::{BTreeMap, BTreeSet};

/// Fewest values that must have come back, and most that are looked for.
const VALUES_MIN: usize = 3;
const VALUES_MAX: usize = 32;

/// Shortest and longest value that tells one answer from another, in characters.
const VALUE_MIN: usize = 6;
const VALUE_MAX: usize = 256;

/// Least information of such a value, in bits a character: `000000` and `aaaaab` have less.
const ENTROPY_MIN: f64 = 1.5;

/// Shortest error text that tells one from another, in bytes.
const ERROR_MIN_BYTES: usize = 24;

/// Most bytes of a result that are looked at.
pub(super) const RESULT_MAX_BYTES: usize = 64 << 10;

/// What was delivered for a statement, masked as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Snowflake's id of the query.
    pub query_id: Option<String>,
    /// The message of an error.
    pub error: Option<String>,
    /// Values of the answer, as texts.
    pub values: Vec<String>,
}

/// Keeps of an answer what may tell it from another: what is neither in the statement nor in what the model was told.
pub(super) fn distinctive(delivered: &Delivered, sql: &str) -> Delivered {
    let mut seen = BTreeSet::new();
    let values = delivered
        .values
        .iter()
        .filter(|value| is_distinctive(value) && !sql.contains(value.as_str()));
    Delivered {
        query_id: delivered
            .query_id
            .clone()
            .filter(|id| id.len() >= VALUE_MIN),
        error: delivered
            .error
            .clone()
            .filter(|error| error.len() >= ERROR_MIN_BYTES),
        values: values
            .filter(|value| seen.insert(value.as_str()))
            .take(VALUES_MAX)
            .cloned()
            .collect(),
    }
}

/// Tells whether a result holds what was delivered; `told` is what the model and the tool had before.
pub(super) fn is_echo(distinctive: &Delivered, result: &str, told: &str) -> bool {
    let came_back = |text: &String| result.contains(text.as_str()) && !told.contains(text.as_str());
    if distinctive
        .query_id
        .iter()
        .chain(&distinctive.error)
        .any(came_back)
    {
        return true;
    }
    let values = distinctive.values.iter().filter(|value| came_back(value));
    values.take(VALUES_MIN).count() == VALUES_MIN
}

fn is_distinctive(value: &str) -> bool {
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    let mut length = 0_u32;
    for letter in value.chars() {
        length += 1;
        *counts.entry(letter).or_default() += 1;
        if usize::try_from(length).is_ok_and(|length| length > VALUE_MAX) {
            return false;
        }
    }
    // Shannon's: the sum of -p log2 p.
    let entropy: f64 = counts
        .values()
        .map(|count| f64::from(*count) / f64::from(length))
        .map(|share| -share * share.log2())
        .sum();
    usize::try_from(length).is_ok_and(|length| length >= VALUE_MIN) && entropy >= ENTROPY_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Delivered {
        Delivered {
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..Delivered::default()
        }
    }

    #[test]
    fn three_values_of_their_own_are_an_echo() {
        let kept = distinctive(
            &of(&[
                "anna@x.org",
                "bert@y.org",
                "carl@z.org",
                "aaaaaaa",
                "7",
                "bert@y.org",
            ]),
            "select 1",
        );
        assert_eq!(kept.values, ["anna@x.org", "bert@y.org", "carl@z.org"]);
        assert!(is_echo(&kept, "anna@x.org | carl@z.org\nbert@y.org", ""));
        assert!(!is_echo(&kept, "anna@x.org carl@z.org", ""));
        assert!(!is_echo(
            &kept,
            "anna@x.org carl@z.org bert@y.org",
            "write to anna@x.org"
        ));
        assert_eq!(
            distinctive(&of(&["anna@x.org"]), "where a = 'anna@x.org'").values,
            [""; 0]
        );
    }

    #[test]
    fn a_query_id_or_an_error_is_one_by_itself() {
        let id = Delivered {
            query_id: Some("01b2c3d4-0000-1111-0000-000000000001".to_owned()),
            error: Some("Object 'T' does not exist or not authorized.".to_owned()),
            values: Vec::new(),
        };
        let kept = distinctive(&id, "select 1 from t");
        assert!(is_echo(
            &kept,
            "Query 01b2c3d4-0000-1111-0000-000000000001",
            ""
        ));
        assert!(is_echo(
            &kept,
            "ProgrammingError: Object 'T' does not exist or not authorized.",
            ""
        ));
        assert!(!is_echo(&kept, "done", ""));
    }
}
