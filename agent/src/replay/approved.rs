//! What people were asked of a statement and what they said, told a line each. Pure.

use serde_json::Value as Json;

use super::json::time;
use crate::record::entry::Entry;
use crate::record::value::Value;

/// Tells the rows of a statement's approvals with what is in their documents; not escaped.
pub(super) fn lines(rows: &[&Entry], texts: &[&Entry]) -> Vec<(&'static str, String)> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (row.int("ts"), row.int("seq")));
    let mut lines = Vec::new();
    for row in rows {
        let text = |column| row.text(column).unwrap_or("?");
        let at = |column| row.int(column).map(time).unwrap_or_default();
        let told = match text("state") {
            "requested" => {
                let groups = words(row, "asked_groups").join(", ");
                let rules = words(row, "rule_ids").join(", ");
                let (from, until) = (at("requested_at"), at("expires_at"));
                format!("asked {groups} at {from}, until {until}, by rule {rules}")
            }
            "decision" => {
                let by = format!("{}:{}", text("approver_issuer"), text("approver_subject"));
                let (answer, channel, grade) =
                    (text("answer"), text("channel"), text("approver_auth"));
                let groups = words(row, "groups").join(", ");
                let reason =
                    reason(row, texts).map_or_else(String::new, |reason| format!(": {reason}"));
                format!(
                    "{answer} by {by} for {groups} at {}, {channel}, {grade}{reason}",
                    at("decided_at")
                )
            }
            state => {
                let by = words(row, "approvers").join(", ");
                let by = if by.is_empty() {
                    by
                } else {
                    format!(" by {by}")
                };
                let alone = if row.is("break_glass") {
                    ", alone for an emergency"
                } else {
                    ""
                };
                format!("{state}{by}{alone} at {}", at("decided_at"))
            }
        };
        lines.push(("approval", told));
        if text("state") == "requested" {
            lines.extend(claimed(texts).map(|claimed| ("claimed", claimed)));
        }
    }
    lines
}

/// Gives why a person decided so, in their words, where the document can be read.
fn reason(row: &Entry, texts: &[&Entry]) -> Option<String> {
    let text = texts.iter().find(|text| {
        text.text("kind") == Some("decision") && text.get("sha256") == row.get("decision_sha256")
    })?;
    let decision: Json = serde_json::from_str(text.text("decision")?).ok()?;
    decision
        .pointer("/said/reason")?
        .as_str()
        .map(str::to_owned)
}

/// Gives what the agent said about the statement, which nobody checked.
fn claimed(texts: &[&Entry]) -> Option<String> {
    let text = texts
        .iter()
        .find(|text| text.text("kind") == Some("request"))?;
    let request: Json = serde_json::from_str(text.text("request")?).ok()?;
    request
        .pointer("/claimed/reason")?
        .as_str()
        .map(str::to_owned)
}

fn words<'r>(row: &'r Entry, column: &str) -> Vec<&'r str> {
    let all = row.get(column).as_list().unwrap_or_default().iter();
    all.filter_map(Value::as_text).collect()
}
