//! ARCHITECTURE.md against the tree: the stages in `lib.rs`'s order, and a test that exists behind each invariant.

use std::path::Path;

use super::Source;

/// Longest ARCHITECTURE.md, in lines, without its decisions: those are looked up one by one, and grow.
const LINES_MAX: usize = 250;

/// Heading over the decisions.
const DECISIONS_HEADING: &str = "Decisions";

/// Heading over the numbered list or table of stages; each entry starts with the stage's name in backticks.
const STAGES_HEADING: &str = "Life of an execution";

/// Heading over the numbered invariants; each names its tests in backticks after the word `Test`.
const INVARIANTS_HEADING: &str = "Invariants";

pub(super) fn check(architecture: &str, sources: &[Source], root: &Path) -> Vec<String> {
    if architecture.is_empty() {
        return vec!["ARCHITECTURE.md: missing or empty".into()];
    }
    let mut findings = Vec::new();
    let decisions = section(architecture, DECISIONS_HEADING).lines().count();
    let lines = architecture.lines().count() - decisions;
    if lines > LINES_MAX {
        findings.push(format!(
            "ARCHITECTURE.md: {lines} lines, at most {LINES_MAX}: a page that nobody reads"
        ));
    }
    let declared = sources
        .iter()
        .find(|source| source.path == "agent/src/lib.rs")
        .map(|source| declared_stages(&source.text))
        .unwrap_or_default();
    let told = told_stages(architecture);
    if declared != told {
        findings.push(format!(
            "ARCHITECTURE.md: under `{STAGES_HEADING}` the stages are {told:?}, in agent/src/lib.rs {declared:?}: \
             make them agree"
        ));
    }
    findings.extend(invariants(architecture, sources, root));
    findings
}

/// Gives the modules of `lib.rs` that stand above `session`.
fn declared_stages(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .take_while(|name| *name != "session")
        .map(str::to_owned)
        .collect()
}

/// Gives the stages of the numbered entries, each once, where it stands first.
fn told_stages(architecture: &str) -> Vec<String> {
    let mut stages: Vec<String> = Vec::new();
    for (_, entry) in numbered(&section(architecture, STAGES_HEADING)) {
        let Some(name) = quoted(&entry).into_iter().next() else {
            continue;
        };
        let name = name.split("::").next().unwrap_or_default().to_owned();
        if !stages.contains(&name) {
            stages.push(name);
        }
    }
    stages
}

fn invariants(architecture: &str, sources: &[Source], root: &Path) -> Vec<String> {
    let entries = numbered(&section(architecture, INVARIANTS_HEADING));
    if entries.is_empty() {
        return vec![format!(
            "ARCHITECTURE.md: no numbered invariants under `{INVARIANTS_HEADING}`"
        )];
    }
    let mut findings = Vec::new();
    for (number, entry) in entries {
        let tests = entry.split_once("Test").map(|(_, tests)| quoted(tests));
        let tests = tests.unwrap_or_default();
        if tests.is_empty() {
            findings.push(format!(
                "ARCHITECTURE.md: invariant {number} names no test: write `Test: \\`name\\`` behind it"
            ));
        }
        for test in tests {
            if !exists(&test, sources, root) {
                findings.push(format!(
                    "ARCHITECTURE.md: invariant {number}: there is no test `{test}`"
                ));
            }
        }
    }
    findings
}

/// Tells whether a test function of this name, or a file at this path, exists.
fn exists(test: &str, sources: &[Source], root: &Path) -> bool {
    let name = test.rsplit("::").next().unwrap_or(test);
    let function = format!("fn {name}(");
    let is_file = test.contains('/') && root.join(test).is_file();
    is_file || sources.iter().any(|source| source.text.contains(&function))
}

/// Gives the lines under the first heading that starts so, up to the next heading of the same or a higher level.
fn section(text: &str, heading: &str) -> String {
    let mut level = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        let hashes = line.chars().take_while(|c| *c == '#').count();
        match level {
            None if hashes > 0 && line.trim_start_matches('#').trim().starts_with(heading) => {
                level = Some(hashes)
            }
            None => {}
            Some(own) if hashes > 0 && hashes <= own => break,
            Some(_) => lines.push(line),
        }
    }
    lines.join("\n")
}

/// Gives the entries `1. ...` of a list or `| 1 | ...` of a table, each with the lines that belong to it.
fn numbered(section: &str) -> Vec<(u32, String)> {
    let mut entries: Vec<(u32, String)> = Vec::new();
    for line in section.lines() {
        let start = line.trim_start().trim_start_matches('|').trim_start();
        let digits: String = start.chars().take_while(char::is_ascii_digit).collect();
        let rest = start.get(digits.len()..).unwrap_or_default().trim_start();
        match digits.parse() {
            Ok(number) if rest.starts_with(['.', '|']) => entries.push((number, rest.to_owned())),
            Ok(_) | Err(_) => {
                if let Some((_, entry)) = entries.last_mut() {
                    entry.push('\n');
                    entry.push_str(line);
                }
            }
        }
    }
    entries
}

/// Gives the words in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "//! A.\npub mod connection;\npub mod record;\n\npub mod session;\n";
    const TOLD: &str = "# A\n## Life of an execution\n1. `connection` gives\n2. `record::intend` and\n\n\
                        ## Invariants\n1. Nothing leaves.\n   Test: `agent::nothing_leaves`.\n";

    #[track_caller]
    fn check_told(told: &str, expected: &[&str]) {
        let source = |path: &str, text: &str| Source {
            path: path.into(),
            text: text.into(),
        };
        let sources = [
            source("agent/src/lib.rs", LIB),
            source("tests/a.rs", "fn nothing_leaves() {}"),
        ];
        let findings = check(told, &sources, Path::new("/nonexistent"));
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expected) {
            assert!(finding.contains(part), "{finding}");
        }
    }

    #[test]
    fn page_that_agrees_passes() {
        check_told(TOLD, &[]);
    }

    #[test]
    fn stage_out_of_order_is_found() {
        check_told(
            &TOLD.replace("connection", "identity"),
            &["make them agree"],
        );
    }

    #[test]
    fn invariant_without_an_existing_test_is_found() {
        check_told(
            &TOLD.replace("agent::nothing_leaves", "nowhere"),
            &["no test `nowhere`"],
        );
        check_told(
            &TOLD.replace("Test: `agent::nothing_leaves`", ""),
            &["names no test"],
        );
    }

    #[test]
    fn empty_page_is_found() {
        check_told("", &["missing"]);
    }
}
