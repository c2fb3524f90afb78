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
