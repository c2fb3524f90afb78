//! One file at a time: length, first line, name, open ends, folders that are compiled in.

use super::Source;

/// Longest file, in lines (style rule 5).
const LINES_MAX: usize = 500;

/// Names that say nothing about what a file holds.
const BANNED_NAMES: [&str; 11] = [
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "helper.rs",
    "types.rs",
    "common.rs",
    "errors.rs",
    "misc.rs",
    "prelude.rs",
    "manager.rs",
    "data.rs",
];

/// Marks of unfinished work; spelled apart, or this file would find itself.
const OPEN_ENDS: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
];

/// What compiles a checkout's folder in: two checkouts may build into one target folder. Spelled apart, as above.
const COMPILED_IN_FOLDER: &str = concat!("env!(\"CARGO_", "MANIFEST_DIR\")");

pub(super) fn check(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut findings = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!(
            "{path}: {lines} lines, at most {LINES_MAX}: split where the idea splits (rule 5)"
        ));
    }
    if !source.text.starts_with("//! ") {
        findings.push(format!(
            "{path}: line 1 must be `//! What this is and why it exists.` (rule 5)"
        ));
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    if BANNED_NAMES.contains(&name) {
        findings.push(format!(
            "{path}: name the file after the one idea in it (rule 3)"
        ));
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        if OPEN_ENDS.iter().any(|mark| is_open_end(line, mark)) {
            findings.push(format!(
                "{path}:{number}: finish it, or name the issue: `{}(#123): ...` (rule 23)",
                concat!("TO", "DO")
            ));
        }
        if line.contains(COMPILED_IN_FOLDER) {
            findings.push(format!(
                "{path}:{number}: ask for the package's folder at run time (`std::env::var_os`), it may be another checkout's"
            ));
        }
    }
    findings
}

/// Tells whether the line holds the mark as a word without an issue's number behind it.
fn is_open_end(line: &str, mark: &str) -> bool {
    let Some((before, after)) = line.split_once(mark) else {
        return false;
    };
    let is_word =
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
    let digits = after
        .strip_prefix("(#")
        .and_then(|rest| rest.split_once(')'));
    let has_issue = digits.is_some_and(|(issue, _)| issue.parse::<u32>().is_ok());
    is_word && !has_issue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let source = Source {
            path: path.into(),
            text: text.into(),
        };
        let findings = check(&source);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expected) {
            assert!(finding.contains(part), "{finding}");
        }
    }

    #[test]
    fn small_documented_file_passes() {
        check_text("agent/src/id.rs", "//! Ids.\n", &[]);
    }

    #[test]
    fn long_file_is_found() {
        check_text(
            "agent/src/id.rs",
            &format!("//! Ids.\n{}", "\n".repeat(500)),
            &["501 lines"],
        );
    }

    #[test]
    fn missing_first_line_and_banned_name_are_found() {
        check_text(
            "agent/src/utils.rs",
            "use std::fs;\n",
            &["line 1", "one idea"],
        );
    }

    #[test]
    fn open_end_needs_an_issue() {
        let mark = concat!("TO", "DO");
        check_text("a.rs", &format!("//! A.\n// {mark}: later\n"), &["a.rs:2"]);
        check_text("a.rs", &format!("//! A.\n// {mark}(#12): later\n"), &[]);
    }

    #[test]
    fn a_compiled_in_folder_is_found() {
        let text = format!("//! A.\nlet root = {COMPILED_IN_FOLDER};\n");
        check_text("a.rs", &text, &["a.rs:2: ask for the package's folder"]);
    }
}
