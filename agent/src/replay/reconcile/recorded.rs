//! What the record has of statements, logins and jobs, by the ids that Snowflake and CI systems know. Pure.

use std::collections::BTreeMap;

use crate::record::entry::Entry;
use crate::replay::archive::Archive;
use crate::replay::steps::last_rows;

/// The record, by others' ids.
#[derive(Debug)]
pub(super) struct Recorded<'a> {
    /// Statements that were sent, each by its last row.
    pub(super) sent: Vec<&'a Entry>,
    /// What statements said.
    pub(super) texts: BTreeMap<&'a str, &'a Entry>,
    /// Statements by query id, in lower case.
    pub(super) by_query: BTreeMap<String, &'a Entry>,
    /// Logins, each by its last row, in the order of time.
    pub(super) logins: Vec<&'a Entry>,
    /// Logins by Snowflake's session id.
    pub(super) by_session: BTreeMap<String, &'a Entry>,
    /// Sessions by the id of their CI run.
    pub(super) by_run: BTreeMap<&'a str, Vec<&'a Entry>>,
    /// The time of the newest row.
    pub(super) newest_us: Option<i64>,
}

impl<'a> Recorded<'a> {
    /// Reads it from a store; an account leaves out what is of others.
    pub(super) fn of(archive: &'a Archive, account: Option<&str>) -> Self {
        let is_of = |login: &Entry| {
            let name = login.text("account").unwrap_or_default();
            account.is_none_or(|account| account.eq_ignore_ascii_case(name))
        };
        let by_id = last_rows(archive.table("logins"), "login_id");
        let mut logins: Vec<&Entry> = by_id.values().copied().filter(|row| is_of(row)).collect();
        logins.sort_by_key(|row| row.int("opened_at"));
        let is_wanted = |row: &&Entry| {
            let login = row.text("login_id").and_then(|id| by_id.get(id));
            row.int("forwarded_at").is_some()
                && login.map_or(account.is_none(), |login| is_of(login))
        };
        let statements = last_rows(archive.table("statements"), "statement_id");
        // One that was not sent has an id that Icecore made up for the client.
        let was_sent = |row: &&&Entry| row.int("forwarded_at").is_some();
        let by_query = statements.values().filter(was_sent);
        let by_query =
            by_query.filter_map(|row| Some((row.text("query_id")?.to_lowercase(), *row)));
        let by_query = by_query.collect();
        let mut by_run: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for row in last_rows(archive.table("sessions"), "session_id").into_values() {
            if let Some(run) = row.text("ci_run_id") {
                by_run.entry(run).or_default().push(row);
            }
        }
        let tables = ["sessions", "logins", "statements", "events"];
        let rows = tables.iter().flat_map(|table| archive.table(table));
        Self {
            sent: statements.into_values().filter(is_wanted).collect(),
            texts: last_rows(archive.table("statement_texts"), "statement_id"),
            by_query,
            by_session: (logins.iter())
                .filter_map(|row| Some((row.int("sf_session_id")?.to_string(), *row)))
                .collect(),
            logins,
            by_run,
            newest_us: rows.filter_map(|row| row.int("ts")).max(),
        }
    }

    /// Tells whether something may be newer than what the record holds.
    pub(super) fn may_lack(&self, at_us: i64) -> bool {
        self.newest_us.is_none_or(|newest| at_us > newest)
    }

    /// Gives the text that was sent to Snowflake.
    pub(super) fn sent_text(&self, statement: &Entry) -> Option<&'a str> {
        let text = self.texts.get(statement.text("statement_id")?)?;
        text.text("rewritten_sql").or_else(|| text.text("sql_text"))
    }
}
