//! What the pages for operators and newcomers must tell of: every code of an event, every page.

use std::collections::BTreeSet;

use super::Source;

/// The page with the codes of events.
const OPERATIONS: &str = "docs/operations.md";

/// Compares the codes of events in the agent with those in the table of `docs/operations.md`.
pub(super) fn events(operations: &str, sources: &[Source]) -> Vec<String> {
    let agent = sources.iter().filter(|source| {
        source.path.starts_with("agent/src/")
            && !source.is_tests()
            && !source.path.contains("/cli/")
    });
    let recorded: BTreeSet<&str> = agent
        .flat_map(|source| literals(source.before_tests()))
        .collect();
    let rows = operations
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let told: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split(", "))
        .filter(|word| is_code(word))
        .collect();
    let untold = recorded.difference(&told).map(|code| {
        format!("{OPERATIONS}: event {code} is recorded and not told: add a row under \"Events\"")
    });
    let unknown = told.difference(&recorded).map(|code| {
        format!(
            "{OPERATIONS}: event {code} is told and nothing records it: take it out of \"Events\""
        )
    });
    untold.chain(unknown).collect()
}

/// Finds pages that README.md does not name.
pub(super) fn pages(readme: &str, pages: &[String]) -> Vec<String> {
    let unnamed = pages.iter().filter(|page| !readme.contains(page.as_str()));
    unnamed
        .map(|page| format!("README.md: {page} is named nowhere: add it to \"More\""))
        .collect()
}

/// Lists the string literals that have the form of an event's code.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|part| is_code(part))
}

fn is_code(text: &str) -> bool {
    // The 0 tells them from names of algorithms, such as ES256.
    let (letters, digits) = text.split_once('0').unwrap_or_default();
    let is_of = |part: &str, is: fn(&u8) -> bool| part.bytes().all(|byte| is(&byte));
    (letters.len(), digits.len()) == (2, 2)
        && is_of(letters, u8::is_ascii_uppercase)
        && is_of(digits, u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_only_one_side_has_is_found() {
        let source = Source {
            path: "agent/src/record/event.rs".to_owned(),
            text: "pub const A: &str = \"CH001\";\npub const B: &str = \"AP001\";\n".to_owned(),
        };
        let table = "| code | says |\n|---|---|\n| CH001, CH002 | a chain began |\n";
        let found = events(table, &[source]);
        let codes: Vec<bool> = found
            .iter()
            .map(|one| one.contains("AP001 is recorded"))
            .collect();
        assert_eq!(codes, [true, false], "{found:?}");
        assert!(
            found.iter().any(|one| one.contains("CH002 is told")),
            "{found:?}"
        );
    }

    #[test]
    fn a_page_that_the_readme_does_not_name_is_found() {
        let all = ["docs/a.md".to_owned(), "docs/b.md".to_owned()];
        assert_eq!(pages("More: docs/a.md", &all).len(), 1);
    }
}
