//! One session's rows, put together. Pure.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::archive::{Archive, ReadError};
use super::beside::{Beside, shown};
use super::json::object;
use super::rows::{Rows, ShownRows};
use crate::record::entry::Entry;

/// One session with all that happened in it.
#[derive(Debug)]
pub struct Session<'a> {
    /// Whether there is content in the store that its reader cannot open.
    pub(super) has_closed_texts: bool,
    /// How many of its rows no signed object has, only frames that the store acknowledged.
    pub(super) acknowledged_rows: usize,
    /// The session's id.
    pub id: &'a str,
    /// What is known of the session itself: its last row.
    pub row: Option<&'a Entry>,
    /// Its steps in the order of time.
    pub steps: Vec<Step<'a>>,
    pub(super) beside: Beside<'a>,
}

/// One thing that happened in a session.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A login opened.
    Login(&'a Entry),
    /// A statement, by its last row, with what it said.
    Statement(&'a Entry, Option<&'a Entry>),
    /// Something else.
    Event(&'a Entry),
}

impl<'a> Step<'a> {
    /// Tells when it began, in microseconds since 1970.
    #[must_use]
    pub fn at_us(&self) -> i64 {
        let (entry, column) = match self {
            Self::Login(entry) => (entry, "opened_at"),
            Self::Statement(entry, _) => (entry, "started_at"),
            Self::Event(entry) => (entry, "ts"),
        };
        entry.int(column).unwrap_or(0)
    }
}

impl Session<'_> {
    /// Says why a statement's text cannot be shown.
    pub(super) fn no_text(&self) -> &'static str {
        if self.has_closed_texts {
            "SQL text is encrypted; give --identity"
        } else {
            "text not in this store"
        }
    }

    /// Gives what the token showed by which its principal is known; none for a user of the host.
    pub(super) fn shown(&self) -> Option<Json> {
        let events = self.steps.iter().filter_map(|step| match step {
            Step::Event(event) => Some(*event),
            Step::Login(_) | Step::Statement(..) => None,
        });
        shown(&events.collect::<Vec<_>>())
    }

    /// Gives the session as one JSON document, with rows of results as lists of text and null.
    #[must_use]
    pub fn to_json(&self, rows: &ShownRows<'_>) -> Json {
        let mut logins = Vec::new();
        let mut statements = Vec::new();
        let mut events = Vec::new();
        for step in &self.steps {
            match step {
                Step::Login(login) => logins.push(Json::Object(object(login))),
                Step::Event(event) => events.push(Json::Object(object(event))),
                Step::Statement(statement, text) => {
                    let mut all = object(statement);
                    let said = text.map(object).unwrap_or_default();
                    for column in ["sql_text", "salt", "binds", "error_text", "rewritten_sql"] {
                        if let Some(value) = said.get(column) {
                            all.insert(column.to_owned(), value.clone());
                        }
                    }
                    if let Some(came) = self.beside.came(statement) {
                        let rows = [
                            ("link", Some(came.link)),
                            ("prompt", came.prompt),
                            ("root_prompt", came.root),
                            ("tool_call", came.used),
                            ("tool_call_args", came.arguments),
                        ];
                        let rows = rows
                            .into_iter()
                            .filter_map(|(name, row)| Some((name, row?)));
                        all.extend(rows.map(|(name, row)| (name.to_owned(), object(row).into())));
                    }
                    let deliveries = self.beside.results(statement).iter();
                    let deliveries: Vec<_> =
                        deliveries.map(|row| Json::Object(object(row))).collect();
                    if !deliveries.is_empty() {
                        all.insert("deliveries".to_owned(), deliveries.into());
                    }
                    let approvals = self.beside.approvals(statement).iter();
                    let approvals: Vec<_> =
                        approvals.map(|row| Json::Object(object(row))).collect();
                    if !approvals.is_empty() {
                        all.insert("approvals".to_owned(), approvals.into());
                    }
                    match rows.of(statement) {
                        Ok(Some(Rows { names, cells })) => {
                            all.insert("result_columns".to_owned(), names.into());
                            all.insert("result_rows".to_owned(), cells.into());
                        }
                        Ok(None) => {}
                        Err(error) => {
                            all.insert("result_rows_error".to_owned(), error.to_string().into());
                        }
                    }
                    statements.push(Json::Object(all));
                }
            }
        }
        json!({
            "session_id": self.id,
            "acknowledged_rows": self.acknowledged_rows,
            "session": self.row.map(object),
            "logins": logins,
            "statements": statements,
            "events": events,
        })
    }
}

/// Finds the one session whose id begins with a text.
pub fn session<'a>(archive: &'a Archive, prefix: &str) -> Result<Session<'a>, ReadError> {
    let wanted = prefix.trim().to_ascii_lowercase();
    let rows = last_rows(archive.table("sessions"), "session_id");
    let mut ids: Vec<&str> = rows.keys().copied().collect();
    ids.extend(
        archive
            .table("statements")
            .iter()
            .filter_map(|row| row.text("session_id")),
    );
    ids.sort_unstable();
    ids.dedup();
    ids.retain(|id| !wanted.is_empty() && id.starts_with(&wanted));
    let id = match *ids {
        [] => return Err(ReadError::Unknown(prefix.to_owned())),
        [id] => id,
        [..] => {
            return Err(ReadError::Ambiguous {
                prefix: prefix.to_owned(),
                count: ids.len(),
                some: ids.iter().take(5).copied().collect::<Vec<_>>().join(", "),
            });
        }
    };
    let texts = last_rows(archive.table("statement_texts"), "statement_id");
    let of_session = |row: &&Entry| row.text("session_id") == Some(id);
    let logins = last_rows(archive.table("logins"), "login_id");
    let statements = last_rows(archive.table("statements"), "statement_id");
    let mut steps: Vec<Step<'_>> = Vec::new();
    steps.extend(logins.into_values().filter(of_session).map(Step::Login));
    steps.extend(
        statements
            .into_iter()
            .filter(|(_, row)| of_session(row))
            .map(|(statement, row)| Step::Statement(row, texts.get(statement).copied())),
    );
    steps.extend(
        archive
            .table("events")
            .iter()
            .filter(of_session)
            .map(Step::Event),
    );
    steps.sort_by_key(Step::at_us);
    Ok(Session {
        id,
        acknowledged_rows: archive.acknowledged_of(id),
        has_closed_texts: archive.is_partly_closed(),
        row: rows.get(id).copied(),
        steps,
        beside: Beside::of(archive, id),
    })
}

/// Gives the row that counts for each id: the final one, or the one of the highest revision, or the last.
pub(super) fn last_rows<'a>(rows: &'a [Entry], id: &str) -> BTreeMap<&'a str, &'a Entry> {
    let rank = |row: &Entry| (row.is("is_final"), row.int("revision"), row.int("ts"));
    let mut last: BTreeMap<&str, &Entry> = BTreeMap::new();
    for row in rows {
        let Some(id) = row.text(id) else { continue };
        let held = last.entry(id).or_insert(row);
        if rank(row) >= rank(held) {
            *held = row;
        }
    }
    last
}
