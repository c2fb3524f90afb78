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
                let said_at = said_at(row);
                format!("{answer} by {by} for {groups} at {said_at}, {channel}, {grade}{reason}")
            }
            "used" => format!("used by {} at {}{}", user(row), at("decided_at"), yes(row)),
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

/// Tells when a person decided. A token and a chat's message have whole seconds, so that a yes may seem to be before its
/// question; when the host saw it stands beside.
fn said_at(row: &Entry) -> String {
    let at = row.int("decided_at").map(time).unwrap_or_default();
    let Some(whole) = at.strip_suffix(".000000Z") else {
        return at;
    };
    let seen = row.int("seen_at").map(time);
    let seen = seen.map_or_else(String::new, |seen| format!("; seen by the host at {seen}"));
    format!("{whole}Z (to the second{seen})")
}

/// Names the statement that ran by an approval.
fn user(row: &Entry) -> String {
    match row.text("used_by_statement_id") {
        Some(id) if row.text("statement_id") == Some(id) => "this statement".to_owned(),
        Some(id) => format!("statement {id}"),
        None => "a statement".to_owned(),
    }
}

/// Says whose yes it was, and to which earlier request if to another.
fn yes(row: &Entry) -> String {
    let by = words(row, "approvers").join(", ");
    let earlier = row.text("granted_by");
    let earlier = earlier.map_or_else(String::new, |id| format!(" to the earlier request {id}"));
    match by.is_empty() {
        true => earlier,
        false => format!(", by the yes of {by}{earlier}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::schema::Table;

    fn row(state: &str, more: &[(&str, Value)]) -> Entry {
        let mut row = Entry::empty(Table::by_name("approvals").unwrap());
        row.set("state", state);
        row.set("statement_id", "s-1");
        row.set("ts", 1_i64);
        let by = Value::List(vec!["corp:olga".into()]);
        row.set("approvers", by);
        for (column, value) in more {
            row.set(column, value.clone());
        }
        row
    }

    #[track_caller]
    fn check(row: &Entry, expected: &str) {
        assert_eq!(lines(&[row], &[]), [("approval", expected.to_owned())]);
    }

    #[test]
    fn a_statement_uses_what_a_person_approved() {
        let at = ("decided_at", Value::Int(1_500_000));
        let used = |id: &str| ("used_by_statement_id", Value::from(id));
        check(
            &row("approved", std::slice::from_ref(&at)),
            "approved by corp:olga at 1970-01-01T00:00:01.500000Z",
        );
        check(
            &row("used", &[at.clone(), used("s-1")]),
            "used by this statement at 1970-01-01T00:00:01.500000Z, by the yes of corp:olga",
        );
        check(
            &row("used", &[at, used("s-2"), ("granted_by", "a-1".into())]),
            "used by statement s-2 at 1970-01-01T00:00:01.500000Z, by the yes of corp:olga to the earlier request a-1",
        );
    }

    #[test]
    fn a_token_tells_when_it_was_said_to_the_second() {
        let of = |decided: i64| {
            let said = [
                ("decided_at", Value::Int(decided)),
                ("seen_at", Value::Int(2_250_000)),
                ("answer", "approve".into()),
                ("channel", "cli".into()),
                ("approver_issuer", "corp".into()),
                ("approver_subject", "olga".into()),
                ("approver_auth", "idp-per-decision".into()),
                ("groups", Value::List(vec!["owners".into()])),
            ];
            row("decision", &said)
        };
        check(
            &of(1_000_000),
            "approve by corp:olga for owners at 1970-01-01T00:00:01Z (to the second; seen by the host at 1970-01-01T00:00:02.250000Z), cli, idp-per-decision",
        );
        check(
            &of(1_000_001),
            "approve by corp:olga for owners at 1970-01-01T00:00:01.000001Z, cli, idp-per-decision",
        );
    }
}
