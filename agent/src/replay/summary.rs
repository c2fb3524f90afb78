//! One line a session. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::archive::Archive;
use super::escape::terminal;
use super::json::time;
use super::steps::last_rows;
use crate::record::event::no_session;

/// What a session came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The session's id.
    pub session_id: String,
    /// When it opened.
    pub opened_at: Option<String>,
    /// When it closed; none while it runs, or where its end was not recorded.
    pub closed_at: Option<String>,
    /// Why it closed.
    pub close_reason: Option<String>,
    /// Host account.
    pub user: Option<String>,
    /// Program that the session began with.
    pub command: Option<String>,
    /// `enforce` or `observe`.
    pub mode: Option<String>,
    /// `enforced` or `advisory`.
    pub enforcement: Option<String>,
    /// Statements that it sent.
    pub statements: u64,
    /// Statements that were allowed.
    pub allowed: u64,
    /// Statements that were refused.
    pub refused: u64,
    /// Statements that were allowed and have no end, or were abandoned.
    pub unfinished: u64,
    /// Events about it.
    pub events: u64,
}

impl Summary {
    /// Gives the session as one line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let shown =
            |text: &Option<String>| text.as_deref().map_or_else(|| "?".to_owned(), terminal);
        let unfinished = match self.unfinished {
            0 => String::new(),
            count => format!(", {count} unfinished"),
        };
        format!(
            "{}  {}  {}  {} allowed, {} refused{unfinished}  {}  {}  {}",
            self.session_id,
            shown(&self.opened_at),
            shown(&self.user),
            self.allowed,
            self.refused,
            shown(&self.mode),
            shown(&self.enforcement),
            shown(&self.command),
        )
    }
}

/// Sums up each session, the oldest first.
#[must_use]
pub fn summaries(archive: &Archive) -> Vec<Summary> {
    let sessions = last_rows(archive.table("sessions"), "session_id");
    let mut sums: BTreeMap<&str, Summary> = BTreeMap::new();
    let statements = last_rows(archive.table("statements"), "statement_id");
    let ids: BTreeSet<&str> = sessions
        .keys()
        .copied()
        .chain(statements.values().filter_map(|row| row.text("session_id")))
        .collect();
    for id in ids {
        let row = sessions.get(id);
        let text = |column| row.and_then(|row| row.text(column)).map(str::to_owned);
        let when = |column| row.and_then(|row| row.int(column)).map(time);
        let sum = Summary {
            session_id: id.to_owned(),
            opened_at: when("opened_at"),
            closed_at: when("closed_at"),
            close_reason: text("close_reason"),
            user: text("user"),
            command: text("root_exe"),
            mode: text("mode"),
            enforcement: text("enforcement"),
            ..Summary::default()
        };
        sums.insert(id, sum);
    }
    for statement in statements.values() {
        let Some(sum) = statement.text("session_id").and_then(|id| sums.get_mut(id)) else {
            continue;
        };
        sum.statements += 1;
        match statement.text("decision") {
            Some("block" | "error") => sum.refused += 1,
            _ => {
                sum.allowed += 1;
                let over =
                    statement.is("is_final") && statement.text("status") != Some("abandoned");
                sum.unfinished += u64::from(!over);
            }
        }
    }
    for event in archive.table("events") {
        if let Some(sum) = event.text("session_id").and_then(|id| sums.get_mut(id)) {
            sum.events += 1;
        }
    }
    sums.remove(no_session().to_string().as_str());
    let mut sums: Vec<_> = sums.into_values().collect();
    sums.sort_by(|one, other| one.opened_at.cmp(&other.opened_at));
    sums
}
