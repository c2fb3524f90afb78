//! Requests as JSON, and as lines of a table.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::approval::{Decision, Request};
use crate::inbox::item::{Item, Standing, span};
use crate::record::hex;
use crate::replay::terminal;

/// Columns that a table gives to what an agent chose.
const WIDE: usize = 40;

/// Gives a request as JSON: the document itself, its digest, and how it stands.
pub(super) fn as_json(item: &Item, now: DateTime<Utc>) -> Value {
    let request = match &item.request {
        Ok(request) => request,
        Err(unbelieved) => {
            return json!({ "believed": false, "place": unbelieved.place, "why": unbelieved.why });
        }
    };
    let digest = request.digest().map(|digest| hex(&digest)).ok();
    let said: Vec<_> = item.decisions.iter().map(word).collect();
    json!({
        "believed": true,
        "signed_by": item.signed_by,
        "standing": standing(item.standing(request, now)),
        "digest": digest,
        "request": request,
        "said": said,
        "outcome": item.outcome,
    })
}

/// Gives a word without its proof, which is a token of somebody.
fn word(decision: &Decision) -> Value {
    json!({ "said": decision.said, "grade": decision.proof.grade().as_str() })
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting { .. } => "requested",
        Standing::Over => "expired",
        Standing::Ended(state) => state.as_str(),
    }
}

/// What a table says above its columns.
pub(super) const COLUMNS: [&str; 8] = [
    "id", "asked", "expires", "who", "kind", "objects", "rule", "stands",
];

/// Gives the cells of a request in a table.
pub(super) fn cells(item: &Item, request: &Request, now: DateTime<Utc>) -> [String; 8] {
    let standing = item.standing(request, now);
    let expires = match standing.is_open() {
        true => format!("in {}", span(request.expires_at - now)),
        false => "-".to_owned(),
    };
    let paths = request.meaning.objects.iter();
    let paths: Vec<&str> = paths.map(|touched| touched.path.as_str()).collect();
    let rules: Vec<&str> = request.asks.iter().map(|ask| ask.rule.as_str()).collect();
    [
        request.id.to_string(),
        format!("{} ago", span(now - request.requested_at)),
        expires,
        short(&request.requester.principal),
        short(&request.meaning.kinds.join(",")),
        short(&paths.join(",")),
        short(&rules.join(",")),
        standing.told(),
    ]
}

/// Cuts what is too wide for a table, in which nobody decides; `show` has it whole.
fn short(text: &str) -> String {
    let text = terminal(text);
    match text.chars().nth(WIDE) {
        None => text,
        Some(_) => format!("{}...", text.chars().take(WIDE - 3).collect::<String>()),
    }
}

/// Writes rows below each other, each column as wide as its widest cell.
pub(super) fn table(rows: &[[String; 8]]) -> String {
    let widths: Vec<usize> = (0..8)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
