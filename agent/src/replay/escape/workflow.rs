//! Text inside a command to GitHub's runner, such as `::error title=..::..`. Pure.
//!
//! Source: actions/toolkit, packages/core/src/command.ts, `escapeData` and `escapeProperty`.

use super::terminal;

/// Gives what stands behind a command's last `::`.
#[must_use]
pub fn workflow_data(text: &str) -> String {
    terminal(text).replace('%', "%25")
}

/// Gives the value of a command's property, such as `title`.
#[must_use]
pub fn workflow_property(text: &str) -> String {
    workflow_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_property_does_not_end_early() {
        assert_eq!(workflow_property("a,file=b::c"), "a%2Cfile=b%3A%3Ac");
        assert_eq!(workflow_data("50%\n::add-mask::x"), "50%25\\n::add-mask::x");
    }

    proptest! {
        #[test]
        fn a_command_stays_one_line(text in any::<String>()) {
            let line = format!("::error title={}::{}", workflow_property(&text), workflow_data(&text));
            prop_assert!(!line.contains(['\n', '\r']));
            let title = line.strip_prefix("::error title=").and_then(|rest| rest.split_once("::")).unwrap().0;
            prop_assert_eq!(title, workflow_property(&text));
        }
    }
}
