//! A report for its faces: a terminal, CSV, Markdown, annotations of a CI job. Pure.
//!
//! Texts of statements and names are an agent's, or could be: each passes its face's function.

use super::finding::{Finding, Kind, Report};
use crate::replay::counted::counted;
use crate::replay::escape::{csv, markdown, terminal, workflow_data, workflow_property};

impl Finding {
    fn cells(&self) -> [&str; 5] {
        [&self.at, &self.id, &self.who, &self.why, &self.text]
    }
}

impl Report {
    /// Tells it for a terminal, each kind under a head.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let mut text = String::new();
        for kind in Kind::ALL {
            let mut findings = self.of(kind).peekable();
            if findings.peek().is_none() {
                continue;
            }
            text.push_str(&format!("{} ({})\n", kind.title(), self.count(kind)));
            for finding in findings {
                let [at, id, who, why, said] = finding.cells().map(terminal);
                let at = if at.is_empty() { "-" } else { &at };
                text.push_str(&format!("  {at}  {id}  {who}\n      {why}\n"));
                if !said.is_empty() {
                    text.push_str(&format!("      | {said}\n"));
                }
            }
            text.push('\n');
        }
        text + &self.sums()
    }

    /// Tells it as CSV with a head.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = "kind,at,id,who,why,text\n".to_owned();
        for finding in &self.findings {
            let cells = finding.cells().map(csv).join(",");
            text.push_str(&format!("{},{cells}\n", csv(finding.kind.title())));
        }
        text
    }

    /// Tells it as Markdown, such as a job's summary takes.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = "# Icecore: reconciliation\n\n".to_owned();
        for line in self.sums().lines() {
            text.push_str(&format!("- {line}\n"));
        }
        for kind in Kind::ALL {
            if self.count(kind) == 0 {
                continue;
            }
            text.push_str(&format!(
                "\n## {} ({})\n\n| at | id | who | why | text |\n|---|---|---|---|---|\n",
                kind.title(),
                self.count(kind)
            ));
            for finding in self.of(kind) {
                let cells = finding.cells().map(markdown).join(" | ");
                text.push_str(&format!("| {cells} |\n"));
            }
        }
        text
    }

    /// Tells it as commands to GitHub's runner: an error for each finding, a warning for each doubt.
    #[must_use]
    pub fn to_annotations(&self) -> String {
        let mut text = String::new();
        for finding in self.findings.iter().filter(|one| !one.kind.is_clean()) {
            let word = match finding.kind {
                Kind::NotCovered | Kind::Undecided | Kind::TooRecent | Kind::Assumed => "warning",
                Kind::UnrecordedQuery
                | Kind::UnrecordedLogin
                | Kind::JobWithoutSession
                | Kind::NotInSnowflake => "error",
            };
            let title = workflow_property(&format!("icecore: {}", finding.kind.title()));
            let [at, id, who, why, said] = finding.cells().map(workflow_data);
            text.push_str(&format!(
                "::{word} title={title}::{at} {id} {who}: {why} {said}\n"
            ));
        }
        text
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |one| one.kind == kind)
    }

    fn count(&self, kind: Kind) -> usize {
        self.found.get(&kind).copied().unwrap_or_default()
    }

    fn sums(&self) -> String {
        let counts = &self.counts;
        let mut lines = vec![
            format!(
                "{} of Snowflake: {} recorded, {} inside of recorded ones, {} of Icecore itself",
                counted(counts.queries, "query"),
                counts.queries_recorded,
                counts.queries_inside,
                counts.queries_own
            ),
            format!(
                "{} of the record sent",
                counted(counts.statements, "statement")
            ),
            format!(
                "{} of Snowflake: {} recorded, {} of Icecore itself",
                counted(counts.logins, "login"),
                counts.logins_recorded,
                counts.logins_own
            ),
            format!(
                "{}: {} with a verified session",
                counted(counts.runs, "CI run"),
                counts.runs_recorded
            ),
            format!("{} left out", counted(counts.left_out, "row")),
        ];
        if let Some(newest) = &self.record_newest {
            lines.push(format!("the record's newest row is of {newest}"));
        }
        lines.push(if self.is_clean() {
            "clean".to_owned()
        } else {
            "not clean".to_owned()
        });
        lines.join("\n") + "\n"
    }
}
