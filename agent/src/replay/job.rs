//! A session as a CI job's summary shows it: what it did, and what was refused and why. Pure.
//!
//! The text goes to a page that others read with their own rights, so that whatever a session chose stands in code spans.

use std::collections::BTreeMap;

use super::escape::markdown;
use super::json::time;
use super::render::statement::rules;
use super::steps::{Session, Step};
use crate::record::entry::Entry;

/// Most refusals that are listed; the rest is counted.
/// GitHub takes 1 MiB a step (docs.github.com, "Workflow commands", "Job summaries").
const LISTED_MAX: usize = 50;

/// Most signs of a reason that are shown.
const SHOWN_MAX: usize = 400;

/// Writes a session as Markdown.
#[must_use]
pub fn job_summary(session: &Session<'_>) -> String {
    let statements: Vec<&Entry> = session
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Statement(row, _) => Some(*row),
            Step::Login(_) | Step::Event(_) => None,
        })
        .collect();
    let refused: Vec<&Entry> = statements
        .iter()
        .copied()
        .filter(|row| is_refused(row))
        .collect();
    let of_session = |column| session.row.and_then(|row| row.text(column)).unwrap_or("?");
    let mut lines = vec![
        "### Icecore".to_owned(),
        String::new(),
        "| | |".to_owned(),
        "|---|---|".to_owned(),
        format!("| session | {} |", markdown(session.id)),
        format!("| user | {} |", markdown(of_session("user"))),
        format!(
            "| mode | {}, {} |",
            markdown(of_session("mode")),
            markdown(of_session("enforcement"))
        ),
        format!(
            "| statements | {}: {} allowed, {} refused |",
            statements.len(),
            statements.len() - refused.len(),
            refused.len()
        ),
    ];
    let mut events: BTreeMap<&str, usize> = BTreeMap::new();
    for step in &session.steps {
        if let Step::Event(row) = step {
            *events
                .entry(row.text("event_code").unwrap_or("?"))
                .or_default() += 1;
        }
    }
    if !events.is_empty() {
        let told = events
            .iter()
            .map(|(code, count)| format!("{count} {}", markdown(code)));
        lines.push(format!(
            "| events | {} |",
            told.collect::<Vec<_>>().join(", ")
        ));
    }
    if !refused.is_empty() {
        lines.extend([
            String::new(),
            "| refused at | kind | rule | why |".to_owned(),
            "|---|---|---|---|".to_owned(),
        ]);
        lines.extend(refused.iter().take(LISTED_MAX).map(|row| refusal(row)));
        let more = refused.len().saturating_sub(LISTED_MAX);
        if more > 0 {
            lines.extend([String::new(), format!("{more} more were refused.")]);
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn is_refused(row: &Entry) -> bool {
    matches!(row.text("decision"), Some("block" | "error"))
}

fn refusal(row: &Entry) -> String {
    let found = rules(row);
    let (ids, reasons): (Vec<&str>, Vec<&str>) = found.into_iter().unzip();
    let reason: String = reasons.join("; ").chars().take(SHOWN_MAX).collect();
    format!(
        "| {} | {} | {} | {} |",
        row.int("started_at").map(time).as_deref().unwrap_or("?"),
        markdown(row.text("sql_kind").unwrap_or("?")),
        markdown(&ids.join(", ")),
        markdown(&reason)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::session;
    use crate::replay::tests::recorded;

    #[test]
    fn what_was_refused_is_told_with_its_rule_and_nothing_of_it_is_markup() {
        let (_dir, archive) = recorded();
        let text = job_summary(&session(&archive, "07").unwrap());
        assert!(
            text.contains("| statements | 3: 2 allowed, 1 refused |"),
            "{text}"
        );
        assert!(text.contains("| ` drop ` | ` no-ddl ` |"), "{text}");
        assert!(text.contains("4 ` NT001 `"), "{text}");
        for line in text.lines() {
            let is_ours = line.is_empty() || line.starts_with('|') || line.starts_with("### ");
            assert!(is_ours, "a line of another's: {line}");
            // What is outside of code spans: every second part between backticks.
            let outside: String = line.split('`').step_by(2).collect();
            for markup in ["<", "[", "::", "@", "http"] {
                assert!(!outside.contains(markup), "{markup}: {line}");
            }
        }
    }
}
