//! The time and what was used before a statement, as whoever asks about it states them.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use crate::clock::Clock;
use crate::policy::{LinkGrade, Stated, Usage, Used};

/// States what policies read of time and use.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct When {
    /// When the statement is judged, such as 2026-11-26T22:30:00Z; default: now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<DateTime<Utc>>,

    /// What was used before it, such as session.rows=5000; may be repeated; scopes: session, today; counts: statements,
    /// rows, bytes, failures, sensitive_columns; default: nothing
    #[arg(long, value_name = "SCOPE.COUNT=N", value_parser = count)]
    used: Vec<Scopes>,

    /// How sure it is which call of a model it comes from: A to E, or U; default: U
    #[arg(long, value_name = "GRADE", value_parser = grade)]
    link: Option<LinkGrade>,
}

impl When {
    /// Gives what is stated.
    pub(super) fn before(&self) -> Before {
        let all = self.used.iter().fold(Scopes::default(), |all, one| Scopes {
            session: sum(all.session, one.session),
            today: sum(all.today, one.today),
        });
        let now = self.at.unwrap_or_else(|| Clock::system().now());
        Before::new(now, all, self.link.unwrap_or(LinkGrade::UNKNOWN))
    }
}

/// What was used, by scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Scopes {
    session: Stated,
    today: Stated,
}

/// Which call of a model a statement comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatedLink {
    grade: String,
    #[serde(default)]
    mismatch: bool,
}

impl StatedLink {
    /// Reads it.
    pub(super) fn read(&self) -> Result<LinkGrade, String> {
        LinkGrade::of(&self.grade, self.mismatch).ok_or_else(|| no_grade(&self.grade))
    }
}

/// The time, what was used until then, and where the statement comes from.
pub(super) struct Before {
    now: DateTime<Utc>,
    link: LinkGrade,
    session: Used,
    today: Used,
}

impl Before {
    /// Takes all of it.
    pub(super) fn new(now: DateTime<Utc>, used: Scopes, link: LinkGrade) -> Self {
        Self {
            now,
            link,
            session: used.session.into(),
            today: used.today.into(),
        }
    }

    /// Gives it as policies read it.
    pub(super) fn usage(&self) -> Usage<'_> {
        Usage {
            now: self.now,
            session: Ok(&self.session),
            today: Ok(&self.today),
            found: None,
            link: self.link,
            discharged: None,
        }
    }
}

/// Reads a time.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text);
    let time = time.map_err(|error| {
        format!("expected a time such as `2026-11-26T22:30:00Z`, found `{text}`: {error}")
    })?;
    Ok(time.to_utc())
}

fn grade(text: &str) -> Result<LinkGrade, String> {
    LinkGrade::of(text, false).ok_or_else(|| no_grade(text))
}

fn no_grade(found: &str) -> String {
    format!("expected a grade, A to E or U, found `{found}`")
}

fn count(text: &str) -> Result<Scopes, String> {
    let wrong = || format!("expected SCOPE.COUNT=N, such as `session.rows=5000`, found `{text}`");
    let (name, number) = text.split_once('=').ok_or_else(wrong)?;
    let (scope, count) = name.split_once('.').ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    serde_json::from_value(json!({ scope: { count: number } })).map_err(|error| error.to_string())
}

fn sum(one: Stated, other: Stated) -> Stated {
    Stated {
        statements: one.statements.saturating_add(other.statements),
        rows: one.rows.saturating_add(other.rows),
        bytes: one.bytes.saturating_add(other.bytes),
        failures: one.failures.saturating_add(other.failures),
        sensitive_columns: one
            .sensitive_columns
            .saturating_add(other.sensitive_columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_stated_by_scope_and_count() {
        let when = When {
            at: Some(time("2026-11-26T23:30:00+01:00").unwrap()),
            used: [
                "session.rows=5",
                "today.sensitive_columns=2",
                "today.rows=7",
            ]
            .map(|text| count(text).unwrap())
            .to_vec(),
            link: None,
        };
        let before = when.before();
        assert_eq!(before.now.to_rfc3339(), "2026-11-26T22:30:00+00:00");
        let rows = |rows, sensitive_columns| {
            Used::from(Stated {
                rows,
                sensitive_columns,
                ..Stated::default()
            })
        };
        assert_eq!((before.session, before.today), (rows(5, 0), rows(7, 2)));
    }

    #[test]
    fn what_is_no_scope_or_count_is_told() {
        for (text, part) in [
            ("session.rows", "expected SCOPE.COUNT=N"),
            ("rows=5", "expected SCOPE.COUNT=N"),
            ("session.rows=-5", "expected SCOPE.COUNT=N"),
            ("week.rows=5", "unknown field `week`"),
            ("today.queries=5", "unknown field `queries`"),
        ] {
            let told = count(text).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
        assert!(
            time("tomorrow")
                .unwrap_err()
                .contains("2026-11-26T22:30:00Z")
        );
    }
}
