//! What `icecore doctor` found, a line each: told as it is found, or all at once as JSON.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::cli::Exit;
use crate::cli::tell::tell;
use crate::replay::{json_escaped, terminal};

/// How wide the names of lines are shown; the longest there is has this many letters.
const NAME_WIDTH: usize = 14;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It was proved.
    Ok,
    /// It holds, with something that a person should know.
    Warning,
    /// It does not hold.
    Failed,
    /// Nobody knows: it could not be tried.
    NotChecked,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
            Self::NotChecked => "not checked",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// Its name.
    pub(super) name: &'static str,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    pub(super) fix: Option<String>,
}

impl Line {
    /// Tells what was proved.
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::of(name, Outcome::Ok, found, None)
    }

    /// Tells what a person should know.
    pub(super) fn warning(name: &'static str, found: impl Into<String>, fix: &str) -> Self {
        Self::of(name, Outcome::Warning, found, Some(fix))
    }

    /// Tells what does not hold.
    pub(super) fn failed(name: &'static str, found: impl Into<String>, fix: &str) -> Self {
        Self::of(name, Outcome::Failed, found, Some(fix))
    }

    /// Tells why something could not be tried.
    pub(super) fn not_checked(name: &'static str, why: impl Into<String>) -> Self {
        Self::of(name, Outcome::NotChecked, why, None)
    }

    fn of(
        name: &'static str,
        outcome: Outcome,
        found: impl Into<String>,
        fix: Option<&str>,
    ) -> Self {
        Self {
            name,
            outcome,
            found: found.into(),
            fix: fix.map(str::to_owned),
        }
    }

    fn shown(&self) -> String {
        let Self { name, found, .. } = self;
        let word = self.outcome.word();
        let found = found.replace(['\n', '\r'], " ");
        let mut shown = format!("{word:<11}  {name:<NAME_WIDTH$}  {}", terminal(&found));
        if let Some(fix) = &self.fix {
            let indent = 11 + 2 + NAME_WIDTH + 2;
            shown.push_str(&format!("\n{:indent$}fix: {}", "", terminal(fix)));
        }
        shown
    }
}

/// Where lines are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// On standard output, each as it is found.
    Lines,
    /// As one document at the end.
    Json,
}

/// All lines so far.
#[derive(Debug)]
pub(super) struct Report {
    form: Form,
    lines: Vec<Line>,
    is_unreachable: bool,
}

impl Report {
    /// Begins a report.
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            lines: Vec::new(),
            is_unreachable: false,
        }
    }

    /// Adds a line.
    pub(super) fn add(&mut self, line: Line) {
        if self.form == Form::Lines
            && let Err(error) = writeln!(io::stdout().lock(), "{}", line.shown())
        {
            tell(format_args!("icecore: {error}"));
        }
        self.lines.push(line);
    }

    /// Adds lines.
    pub(super) fn extend(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            self.add(line);
        }
    }

    /// Notes that the daemon cannot be reached, so that most could not be tried.
    pub(super) fn unreachable(&mut self) {
        self.is_unreachable = true;
    }

    fn count(&self, outcome: Outcome) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.outcome == outcome).count()
    }

    /// Says how all ended, and gives the exit code.
    pub(super) fn finish(&self, user: &str) -> Exit {
        let exit = if self.is_unreachable {
            Exit::Unreachable
        } else if self.count(Outcome::Failed) > 0 {
            Exit::Refused
        } else {
            Exit::Done
        };
        self.finish_as(user, exit)
    }

    /// Says how all ended, by an exit code that is known.
    pub(super) fn finish_as(&self, user: &str, exit: Exit) -> Exit {
        let failed = self.count(Outcome::Failed);
        match self.form {
            Form::Lines => tell(format_args!(
                "icecore: for jobs of `{user}`: {} proved, {} with a warning, {failed} failed, {} not checked",
                self.count(Outcome::Ok),
                self.count(Outcome::Warning),
                self.count(Outcome::NotChecked),
            )),
            Form::Json => {
                let document = serde_json::json!({
                    "user": user,
                    "good": exit == Exit::Done,
                    "counts": {
                        "ok": self.count(Outcome::Ok),
                        "warning": self.count(Outcome::Warning),
                        "failed": failed,
                        "not_checked": self.count(Outcome::NotChecked),
                    },
                    "checks": self.lines,
                });
                let text = document.to_string();
                if let Err(error) = writeln!(io::stdout().lock(), "{}", json_escaped(&text)) {
                    tell(format_args!("icecore: {error}"));
                }
            }
        }
        exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_name_outcome_finding_and_fix_and_no_command_to_a_terminal() {
        let line = Line::failed("pins", "mode 777\u{1b}[2J\nok  all", "chmod 700");
        let shown = line.shown();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(
            lines[0].starts_with("FAILED       pins            mode 777"),
            "{shown}"
        );
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        assert_eq!(lines[1].trim_start(), "fix: chmod 700");
    }

    #[test]
    fn what_failed_decides_and_what_is_not_known_is_never_counted_as_proved() {
        let mut report = Report::new(Form::Json);
        report.add(Line::ok("a", "x"));
        report.add(Line::warning("b", "x", "y"));
        report.add(Line::not_checked("c", "x"));
        assert_eq!(report.finish("ci"), Exit::Done);
        assert_eq!(report.count(Outcome::Ok), 1);
        report.add(Line::failed("d", "x", "y"));
        assert_eq!(report.finish("ci"), Exit::Refused);
        report.unreachable();
        assert_eq!(report.finish("ci"), Exit::Unreachable);
    }
}
