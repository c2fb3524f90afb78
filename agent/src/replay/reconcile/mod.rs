//! What Snowflake and CI systems say of a time, beside what the record says: what went around Icecore, what never ran. Pure.
//!
//! Query ids decide. Text and time never do: where nothing else is there, that is told as what it is. `QUERY_TAG` has no
//! part in it, for an agent can set it.

mod covered;
mod export;
mod finding;
mod forms;
mod jobs;
mod logins;
mod moment;
mod queries;
mod recorded;
mod told;

#[cfg(test)]
mod tests;

pub use export::{Export, ExportError};
pub use finding::{Counts, Finding, Kind, Report};
pub use moment::Zone;

use super::archive::Archive;
use super::json::time;
use covered::List;
use recorded::Recorded;

/// How long Snowflake's view QUERY_HISTORY may lag behind. Source: Snowflake's reference, "Account Usage".
pub const QUERY_LAG_US: i64 = 45 * 60 * 1_000_000;

/// Most characters of a statement that a finding shows.
const TEXT_MAX_CHARS: usize = 200;

/// The lists that an administrator exported.
#[derive(Debug, Default)]
pub struct Exports {
    /// Of QUERY_HISTORY.
    pub queries: Vec<Export>,
    /// Of LOGIN_HISTORY or SESSIONS.
    pub logins: Vec<Export>,
    /// Of CI runs.
    pub runs: Vec<Export>,
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The first moment that counts.
    pub from_us: Option<i64>,
    /// The first moment that does not.
    pub to_us: Option<i64>,
    /// How long Snowflake's history lags behind.
    pub lag_us: i64,
    /// When the lists were exported; else their newest rows tell the least that it can be.
    pub exported_us: Option<i64>,
    /// What times without an offset are.
    pub zone: Zone,
    /// Snowflake's users that count; all if empty.
    pub users: Vec<String>,
    /// Workflows that count; all if empty.
    pub workflows: Vec<String>,
    /// The account that the exports are of; of all if none.
    pub account: Option<String>,
}

impl Settings {
    fn holds(&self, at_us: i64) -> bool {
        self.from_us.is_none_or(|from| at_us >= from) && self.to_us.is_none_or(|to| at_us < to)
    }

    fn is_of_user(&self, user: &str) -> bool {
        self.users.is_empty() || self.users.iter().any(|one| one.eq_ignore_ascii_case(user))
    }

    fn is_of_workflow(&self, workflow: &str) -> bool {
        self.workflows.is_empty() || self.workflows.iter().any(|one| one == workflow)
    }

    /// Gives the moment up to which a history surely has all, by its newest row or its time.
    fn query_horizon_us(&self, newest_us: Option<i64>) -> Option<i64> {
        let at_us = self.exported_us.or(newest_us)?;
        Some(at_us.saturating_sub(self.lag_us))
    }
}

/// Compares exports with a record.
///
/// # Errors
/// An export lacks a column, or a value of it cannot be read: then nothing is decided.
pub fn reconcile(
    archive: &Archive,
    exports: &Exports,
    settings: &Settings,
) -> Result<Report, ExportError> {
    let recorded = Recorded::of(archive, settings.account.as_deref());
    let mut report = Report {
        from: settings.from_us.map(when),
        to: settings.to_us.map(when),
        record_newest: recorded.newest_us.map(when),
        ..Report::default()
    };
    let queries = queries::read(&exports.queries, settings)?;
    if !exports.queries.is_empty() {
        queries::compare(&queries, &recorded, settings, &mut report);
    }
    logins::compare(&exports.logins, &queries, &recorded, settings, &mut report)?;
    for list in lists(exports, settings) {
        list.check(settings, &mut report)?;
    }
    jobs::compare(&exports.runs, &recorded, settings, &mut report)?;
    Ok(report.finish())
}

/// Gives the exports by list, each with how late it is from.
fn lists<'e>(exports: &'e Exports, settings: &Settings) -> [List<'e>; 3] {
    [
        List {
            name: "queries",
            exports: &exports.queries,
            time: &["START_TIME"],
            reach_us: settings.query_horizon_us(None),
        },
        List {
            name: "logins",
            exports: &exports.logins,
            time: &logins::TIME,
            reach_us: settings.exported_us,
        },
        List {
            name: "runs",
            exports: &exports.runs,
            time: &jobs::STARTED,
            reach_us: settings.exported_us,
        },
    ]
}

fn when(at_us: i64) -> String {
    time(at_us)
}

/// Gives the beginning of a text.
fn begin(text: &str) -> String {
    let mut begin: String = text.chars().take(TEXT_MAX_CHARS).collect();
    if begin.len() < text.len() {
        begin.push('\u{2026}');
    }
    begin
}
