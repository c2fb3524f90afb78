//! One session told step by step, for a terminal.
//!
//! Whatever a row holds was chosen, or could have been, by the agent: every value passes `terminal`.

use std::io::{self, Write};

use serde_json::Value as Json;

use super::escape::terminal;
use super::json::time;
use super::rows::{Rows, ShownRows};
use super::steps::{Session, Step};
use crate::record::entry::Entry;
use crate::record::hex;
use crate::record::value::Value;

/// Writes a session step by step.
pub fn replay(session: &Session<'_>, rows: &ShownRows<'_>, out: &mut impl Write) -> io::Result<()> {
    let began_us = header(session, out)?;
    for step in &session.steps {
        writeln!(out)?;
        let after = after(step.at_us(), began_us);
        match step {
            Step::Login(login) => self::login(login, &after, out)?,
            Step::Statement(statement, text) => {
                self::statement(statement, *text, &after, out)?;
                self::rows(statement, rows, out)?;
            }
            Step::Event(event) => self::event(event, &after, out)?,
        }
    }
    if session.steps.is_empty() {
        writeln!(out, "\nnothing else was recorded")?;
    }
    Ok(())
}

fn header(session: &Session<'_>, out: &mut impl Write) -> io::Result<i64> {
    writeln!(out, "session {}", terminal(session.id))?;
    let first_us = session.steps.first().map_or(0, Step::at_us);
    let Some(row) = session.row else {
        writeln!(out, "  its opening was not recorded")?;
        return Ok(first_us);
    };
    let opened_us = row.int("opened_at").unwrap_or(first_us);
    line(out, "opened", &time(opened_us))?;
    let closed = row
        .int("closed_at")
        .map(|at| format!("{}, {}", time(at), or_unknown(row, "close_reason")));
    line(out, "closed", closed.as_deref().unwrap_or("not recorded"))?;
    let uid = row
        .int("uid")
        .map_or_else(String::new, |uid| format!(" (uid {uid})"));
    line(out, "user", &format!("{}{uid}", or_unknown(row, "user")))?;
    let pid = row
        .int("root_pid")
        .map_or_else(String::new, |pid| format!(" (pid {pid})"));
    line(
        out,
        "command",
        &format!("{}{pid}", or_unknown(row, "root_exe")),
    )?;
    let (mode, enforcement) = (or_unknown(row, "mode"), or_unknown(row, "enforcement"));
    line(out, "mode", &format!("{mode}, {enforcement}"))?;
    line(out, "host", &or_unknown(row, "host_id"))?;
    for column in [
        "idp_subject",
        "ci_repository",
        "ci_ref",
        "ci_run_id",
        "agent_name",
    ] {
        maybe(out, row, column, column)?;
    }
    for label in row.get("labels").as_list().unwrap_or_default() {
        let [name, value] = [0, 1].map(|part| label.member(part).as_text().unwrap_or_default());
        line(
            out,
            "label",
            &format!("{}={}", terminal(name), terminal(value)),
        )?;
    }
    line(
        out,
        "record",
        &format!(
            "chain {}, {}",
            or_unknown(row, "chain_id"),
            or_unknown(row, "recording_mode")
        ),
    )?;
    Ok(opened_us)
}

fn login(row: &Entry, after: &str, out: &mut impl Write) -> io::Result<()> {
    let (account, user) = (or_unknown(row, "account"), or_unknown(row, "sf_user"));
    writeln!(
        out,
        "{after}  login    {account} as {user}, role {}",
        or_unknown(row, "sf_role")
    )?;
    if let (Some(app), Some(version)) = (row.text("client_app"), row.text("client_version")) {
        line(
            out,
            "client",
            &format!("{} {}", terminal(app), terminal(version)),
        )?;
    }
    maybe(out, row, "credential", "auth_injected")?;
    maybe(out, row, "principal", "principal")?;
    if let Some(at) = row.int("closed_at") {
        line(
            out,
            "closed",
            &format!("{}, {}", time(at), or_unknown(row, "close_reason")),
        )?;
    }
    Ok(())
}

fn statement(
    row: &Entry,
    text: Option<&Entry>,
    after: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let (decision, kind) = (or_unknown(row, "decision"), or_unknown(row, "sql_kind"));
    let status = or_unknown(row, "status");
    writeln!(
        out,
        "{after}  {decision:<7}  {kind}: {status}{}",
        outcome(row)
    )?;
    match text.and_then(|text| text.text("sql_text")) {
        Some(sql) => {
            for part in sql.split('\n') {
                writeln!(out, "    | {}", terminal(part))?;
            }
        }
        None => writeln!(out, "    (text not in this store)")?,
    }
    let rules = row.get("rule_ids").as_list().unwrap_or_default();
    let reasons = row.get("rule_reasons").as_list().unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        let reason = reasons
            .get(index)
            .and_then(Value::as_text)
            .unwrap_or_default();
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {}", terminal(reason))
        };
        line(
            out,
            "rule",
            &format!("{}{reason}", terminal(rule.as_text().unwrap_or_default())),
        )?;
    }
    if row.text("policy_mode") == Some("observe") {
        line(
            out,
            "mode",
            "observe: the decision was recorded and not made",
        )?;
    }
    maybe(out, row, "parse", "parse_error")?;
    let pid = row
        .int("pid")
        .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
    line(
        out,
        "process",
        &format!("{} (pid {pid})", or_unknown(row, "exe")),
    )?;
    line(out, "times", &times(row))?;
    maybe(out, row, "query", "query_id")?;
    if let Some(error) = text.and_then(|text| text.text("error_text")) {
        line(out, "error", &terminal(error))?;
    }
    line(out, "statement", &or_unknown(row, "statement_id"))
}

/// Writes the first rows of a statement's result, a row a line.
fn rows(statement: &Entry, shown: &ShownRows<'_>, out: &mut impl Write) -> io::Result<()> {
    let Rows { names, cells } = match shown.of(statement) {
        Ok(Some(rows)) => rows,
        Ok(None) => return Ok(()),
        Err(error) => return line(out, "rows", &terminal(&error.to_string())),
    };
    let names: Vec<String> = names.iter().map(|name| terminal(name)).collect();
    line(out, "rows", &names.join(" | "))?;
    for row in &cells {
        let cell =
            |cell: &Option<String>| cell.as_deref().map_or_else(|| "NULL".to_owned(), terminal);
        let row: Vec<String> = row.iter().map(cell).collect();
        writeln!(out, "    > {}", row.join(" | "))?;
    }
    Ok(())
}

fn event(row: &Entry, after: &str, out: &mut impl Write) -> io::Result<()> {
    let (code, category) = (or_unknown(row, "event_code"), or_unknown(row, "category"));
    let severity = row.int("severity").map_or("?", severity_word);
    let detail = row.text("detail").unwrap_or_default();
    if let Some(refusal) = serde_json::from_str(detail).ok().and_then(refusal) {
        let refusal = terminal(&refusal);
        return writeln!(
            out,
            "{after}  event    {code} ({category}, {severity}): {refusal}"
        );
    }
    writeln!(out, "{after}  event    {code} ({category}, {severity})")?;
    maybe(out, row, "host", "dst_host")?;
    maybe(out, row, "detail", "detail")
}

/// Says in one line what a refused way around was; none if the event is another.
fn refusal(detail: Json) -> Option<String> {
    let text = |key: &str| detail.get(key).and_then(Json::as_str);
    let mut line = String::new();
    if let Some(repeats) = detail.get("repeats").and_then(Json::as_u64) {
        let times = if repeats == 1 { "time" } else { "times" };
        line.push_str(&format!("{repeats} more {times}: "));
    }
    line.push_str(&format!(
        "{} refused, {}",
        text("destination")?,
        text("reason")?
    ));
    if let Some(name) = text("name") {
        line.push_str(&format!(" `{name}`"));
    }
    if let Some(exe) = text("exe") {
        line.push_str(&format!(", to {exe}"));
    }
    if let Some(pid) = detail.get("pid").and_then(Json::as_u64) {
        line.push_str(&format!(" (pid {pid})"));
    }
    if let Some(asked_by) = text("asked_by") {
        line.push_str(&format!(", {asked_by}"));
    }
    if let Some(likely) = text("likely") {
        line.push_str(&format!("; likely {likely}"));
    }
    Some(line)
}

/// Gives the word of an OCSF severity, as the record numbers them.
fn severity_word(severity: i64) -> &'static str {
    match severity {
        1 => "informational",
        2 => "low",
        3 => "medium",
        4 => "high",
        5 => "critical",
        _ => "?",
    }
}

/// Gives what Snowflake made of a statement, in a few words.
fn outcome(row: &Entry) -> String {
    let mut words = String::new();
    for (column, unit) in [("rows_returned", "rows"), ("rows_affected", "rows changed")] {
        if let Some(count) = row.int(column) {
            words.push_str(&format!(", {count} {unit}"));
        }
    }
    if let Some(code) = row.text("sf_error_code") {
        words.push_str(&format!(", error {}", terminal(code)));
    }
    words
}

/// Gives when each step of a statement was over, from its start.
fn times(row: &Entry) -> String {
    let started_us = row.int("started_at").unwrap_or(0);
    let mut words = time(started_us);
    for (column, word) in [
        ("decided_at", "decided"),
        ("forwarded_at", "forwarded"),
        ("first_byte_at", "answered"),
        ("completed_at", "completed"),
    ] {
        if let Some(at) = row.int(column) {
            words.push_str(&format!(", {word} {}", after(at, started_us)));
        }
    }
    words
}

fn after(at_us: i64, began_us: i64) -> String {
    let between_us = at_us.saturating_sub(began_us);
    let sign = if between_us < 0 { '-' } else { '+' };
    let ms = between_us.unsigned_abs() / 1000;
    format!("{sign}{}.{:03}s", ms / 1000, ms % 1000)
}

fn line(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<13} {value}")
}

fn maybe(out: &mut impl Write, row: &Entry, name: &str, column: &str) -> io::Result<()> {
    match row.get(column) {
        Value::Text(text) => line(out, name, &terminal(text)),
        Value::Int(number) => line(out, name, &number.to_string()),
        Value::Bytes(bytes) => line(out, name, &hex(bytes)),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::List(_) | Value::Struct(_) => {
            Ok(())
        }
    }
}

fn or_unknown(row: &Entry, column: &str) -> String {
    row.text(column).map_or_else(|| "?".to_owned(), terminal)
}
