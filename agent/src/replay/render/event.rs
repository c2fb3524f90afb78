//! A login or an event told. Pure.

use serde_json::Value as Json;

use super::lines::{Lines, or_unknown};
use crate::record::entry::Entry;
use crate::replay::counted::counted;
use crate::replay::escape::terminal;
use crate::replay::json::time;

/// Tells that a login opened.
pub(super) fn login(row: &Entry, place: &str, lines: &mut Lines) {
    let (account, user) = (or_unknown(row, "account"), or_unknown(row, "sf_user"));
    let role = or_unknown(row, "sf_role");
    let word = lines.paint.strong("login  ");
    lines.push(&format!(
        "{place}  {word}  {account} as {user}, role {role}"
    ));
    if let (Some(app), Some(version)) = (row.text("client_app"), row.text("client_version")) {
        lines.put(
            "client",
            &format!("{} {}", terminal(app), terminal(version)),
        );
    }
    for (name, column) in [
        ("credential", "auth_injected"),
        ("principal", "principal"),
        ("secondary", "secondary_roles"),
    ] {
        lines.maybe(row, name, column);
    }
    if let Some(at) = row.int("closed_at") {
        let reason = or_unknown(row, "close_reason");
        lines.put("closed", &format!("{}, {reason}", time(at)));
    }
}

/// Tells an event.
pub(super) fn event(row: &Entry, place: &str, lines: &mut Lines) {
    let (code, category) = (or_unknown(row, "event_code"), or_unknown(row, "category"));
    let severity = row.int("severity").map_or("?", severity_word);
    let word = lines.paint.strong("event  ");
    let line = format!("{place}  {word}  {code} ({category}, {severity})");
    let detail = row.text("detail").unwrap_or_default();
    let detail: Option<Json> = serde_json::from_str(detail).ok();
    if let Some(refusal) = detail.as_ref().and_then(refusal) {
        return lines.push(&format!("{line}: {}", terminal(&refusal)));
    }
    lines.push(&line);
    lines.maybe(row, "host", "dst_host");
    lines.maybe(row, "detail", "detail");
}

/// Says in one line what a refused way around was; none if the event is another.
pub(in crate::replay) fn refusal(detail: &Json) -> Option<String> {
    let text = |key: &str| detail.get(key).and_then(Json::as_str);
    let mut line = String::new();
    if let Some(repeats) = detail.get("repeats").and_then(Json::as_u64) {
        line.push_str(&format!("{}: ", counted(repeats, "more time")));
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
pub(in crate::replay) fn severity_word(severity: i64) -> &'static str {
    match severity {
        1 => "informational",
        2 => "low",
        3 => "medium",
        4 => "high",
        5 => "critical",
        _ => "?",
    }
}
