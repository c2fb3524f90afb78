//! One statement told: what was said, what was decided and why, what came of it. Pure.

use super::lines::{Lines, or_unknown};
use crate::record::entry::Entry;
use crate::record::value::Value;
use crate::replay::beside::Beside;
use crate::replay::counted::counted;
use crate::replay::escape::terminal;
use crate::replay::json::time;
use crate::replay::rows::{Rows, ShownRows};
use crate::replay::steps::Session;

/// When each step of a statement was over: column and word.
pub(in crate::replay) const STEPS: [(&str, &str); 4] = [
    ("decided_at", "decided"),
    ("forwarded_at", "forwarded"),
    ("first_byte_at", "answered"),
    ("completed_at", "completed"),
];

/// Tells a statement; `place` is its number and when it began.
pub(super) fn statement(
    (row, text): (&Entry, Option<&Entry>),
    session: &Session<'_>,
    place: &str,
    lines: &mut Lines,
) {
    let beside = &session.beside;
    let verdict = lines
        .paint
        .verdict(&format!("{:<7}", or_unknown(row, "decision")));
    let (kind, status) = (or_unknown(row, "sql_kind"), or_unknown(row, "status"));
    let outcome = terminal(&outcome(row));
    lines.push(&format!("{place}  {verdict}  {kind}: {status}{outcome}"));
    came(beside, row, lines);
    match text.and_then(|text| text.text("sql_text")) {
        Some(sql) => {
            for part in sql.split('\n') {
                let part = lines.paint.strong(&terminal(part));
                lines.push(&format!("    | {part}"));
            }
        }
        None => lines.push(&format!("    ({})", session.no_text())),
    }
    if let Some(sql) = text.and_then(|text| text.text("rewritten_sql")) {
        lines.say("sent instead", sql);
    }
    for (rule, reason) in rules(row) {
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {}", terminal(reason))
        };
        lines.put("rule", &format!("{}{reason}", terminal(rule)));
    }
    if row.text("policy_mode") == Some("observe") {
        lines.put("mode", "observe: the decision was recorded and not made");
    }
    for (word, told) in beside.asked(row) {
        lines.say(word, &told);
    }
    for [name, method, rule] in masks(row) {
        let [name, method, rule] = [name, method, rule].map(terminal);
        lines.put("mask", &format!("{name}: {method} (rule {rule})"));
    }
    if let Some(hidden) = beside.hidden(row).told() {
        lines.say("hidden", &hidden);
    }
    lines.maybe(row, "parse", "parse_error");
    let pid = row
        .int("pid")
        .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
    lines.put(
        "process",
        &format!("{} (pid {pid})", or_unknown(row, "exe")),
    );
    lines.put("times", &times(row));
    lines.maybe(row, "query", "query_id");
    if let Some(error) = text.and_then(|text| text.text("error_text")) {
        let error = lines.paint.error(&terminal(error));
        lines.put("error", &error);
    }
    for file in beside.transfers(row) {
        let is_whole = !file.get("sha256").is_null();
        let state = if is_whole { "" } else { ", broken off" };
        let (way, name) = (or_unknown(file, "direction"), or_unknown(file, "file"));
        let bytes = file.int("bytes_plain").unwrap_or_default();
        lines.put("file", &format!("{way} {name}, {bytes} bytes{state}"));
    }
    lines.put("statement", &or_unknown(row, "statement_id"));
}

/// Longest beginning of a use's arguments, in characters; `icecore link` has them all.
const ARGUMENTS_MAX_CHARS: usize = 300;

/// Tells where a statement comes from: the prompt with its grade, and the use of a tool.
fn came(beside: &Beside<'_>, row: &Entry, lines: &mut Lines) {
    let Some(came) = beside.came(row) else {
        return;
    };
    let grade = or_unknown(came.link, "grade");
    let text = terminal(came.prompt_text());
    lines.put("prompt", &format!("[{grade}{}] {text}", came.remark()));
    if let Some(task) = came.task_text() {
        lines.say("handed on", task);
    }
    if let Some((tool, id)) = came.tool() {
        let text = came.arguments_text();
        let begin: String = text.chars().take(ARGUMENTS_MAX_CHARS).collect();
        let more = if begin.len() < text.len() { " .." } else { "" };
        lines.say("tool", &format!("{tool} {id} {begin}{more}"));
    }
}

/// Tells the first rows of a statement's result, a row a line.
pub(super) fn rows(statement: &Entry, shown: &ShownRows<'_>, lines: &mut Lines) {
    let Rows { names, cells } = match shown.of(statement) {
        Ok(Some(rows)) => rows,
        Ok(None) => return,
        Err(error) => return lines.say("rows", &error.to_string()),
    };
    let names: Vec<String> = names.iter().map(|name| terminal(name)).collect();
    lines.put("rows", &names.join(" | "));
    for row in &cells {
        let cell =
            |cell: &Option<String>| cell.as_deref().map_or_else(|| "NULL".to_owned(), terminal);
        let row: Vec<String> = row.iter().map(cell).collect();
        lines.push(&format!("    > {}", row.join(" | ")));
    }
}

/// Lists the rules that decided, each with its reason.
pub(in crate::replay) fn rules(row: &Entry) -> Vec<(&str, &str)> {
    let rules = row.get("rule_ids").as_list().unwrap_or_default();
    let reasons = row.get("rule_reasons").as_list().unwrap_or_default();
    let reason = |index| {
        let reason: Option<&Value> = reasons.get(index);
        reason.and_then(Value::as_text).unwrap_or_default()
    };
    let rules = rules.iter().enumerate();
    rules
        .map(|(index, rule)| (rule.as_text().unwrap_or_default(), reason(index)))
        .collect()
}

/// Lists the columns that rules mask: column, method, rule.
pub(in crate::replay) fn masks(row: &Entry) -> Vec<[&str; 3]> {
    let masked = row.get("masked_columns").as_list().unwrap_or_default();
    masked
        .iter()
        .map(|column| [0, 1, 2].map(|part| column.member(part).as_text().unwrap_or_default()))
        .collect()
}

/// Gives what Snowflake made of a statement, in a few words, not escaped.
pub(in crate::replay) fn outcome(row: &Entry) -> String {
    let mut words = String::new();
    for (column, done) in [("rows_returned", ""), ("rows_affected", " changed")] {
        if let Some(count) = row.int(column) {
            words.push_str(&format!(", {}{done}", counted(count, "row")));
        }
    }
    if let Some(code) = row.text("sf_error_code") {
        words.push_str(&format!(", error {code}"));
    }
    words
}

/// Gives when each step of a statement was over, from its start.
fn times(row: &Entry) -> String {
    let started_us = row.int("started_at").unwrap_or(0);
    let mut words = time(started_us);
    for (column, word) in STEPS {
        if let Some(at) = row.int(column) {
            words.push_str(&format!(", {word} {}", after(at, started_us)));
        }
    }
    words
}

/// Gives a time from another, in seconds.
pub(in crate::replay) fn after(at_us: i64, began_us: i64) -> String {
    let between_us = at_us.saturating_sub(began_us);
    let sign = if between_us < 0 { '-' } else { '+' };
    let ms = between_us.unsigned_abs() / 1000;
    format!("{sign}{}.{:03}s", ms / 1000, ms % 1000)
}
