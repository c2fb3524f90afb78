//! All of a request on each face, and none of it obeyed.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::*;
use crate::replay::{Markup, Paint};

/// A request each of whose members says something else.
pub(crate) fn request() -> Request {
    serde_json::from_value(document()).unwrap()
}

/// The same as JSON; `~name` marks a text that must be found on every face.
fn document() -> Json {
    json!({
        "format_version": 1,
        "id": "01a21b69-5340-75a2-9d8f-7587f9512ca5",
        "org": "~org", "chain": "~chain", "host_id": "~host",
        "session_id": "01a21b69-4c0b-72ef-ba10-4253631d771d",
        "statement_id": "01a21b69-5340-75a2-9d8f-7587f9512ca6",
        "requested_at": "2026-11-27T08:00:00Z", "expires_at": "2026-11-27T09:00:00Z",
        "asks": [{ "rule": "~rule", "group": "~asked", "reason": "~author" }],
        "needs": [{ "group": "~needed", "approvers": 2, "proof": "idp-per-decision", "because": "~because" }],
        "requester": {
            "principal": "~principal", "issuer": "~issuer", "subject": "~subject", "groups": ["~group"],
            "facts": { "~fact": "~true" },
        },
        "meaning": {
            "account": "~account", "user": "~user", "role": "~role", "secondary_roles": ["~second"],
            "warehouse": "~warehouse", "database": "~database", "schema": "~schema",
            "sql": "delete from ~table\nwhere id = ?", "kinds": ["~kind"],
            "members": { "~member": "~bound" }, "parameters": { "~parameter": "~setting" },
            "variables": { "~variable": "~content" },
            "objects": [{ "action": "~action", "class": "~class", "path": "~path", "definition_sha256": "~sha" }],
            "columns": ["~column"], "policies_sha256": "~policies",
        },
        "claimed": { "reason": "~why", "labels": { "~label": "~labelled" }, "prompt": "~prompt" },
        "plan": { "bytes": 12_345_678, "partitions": 77, "partitions_total": 99, "unknown": "~unknown" },
        "earlier": [{ "id": "01a21b69-5340-75a2-9d8f-7587f9512ca7", "state": "~state", "by": ["~decider"],
            "at": "2026-11-26T08:00:00Z" }],
        "earlier_unknown": "~unlooked",
    })
}

/// Gives each text that is marked, and each number and id.
fn said(document: &Json, into: &mut Vec<String>) {
    match document {
        Json::String(text) => {
            let marked = text.split_whitespace().filter(|word| word.starts_with('~'));
            into.extend(marked.map(str::to_owned));
            if text.starts_with("01a2") {
                into.push(text.clone());
            }
        }
        Json::Number(number) if number.as_u64() > Some(2) => into.push(number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| said(item, into)),
        Json::Object(members) => members.iter().for_each(|(name, member)| {
            said(&Json::from(name.as_str()), into);
            said(member, into);
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

pub(crate) fn page_of(card: &Card) -> String {
    let mut page = Markup::default();
    card.write(&mut page);
    page.finish()
}

#[test]
fn every_member_of_a_request_is_on_every_face() {
    let card = Card::of(&request()).unwrap();
    let faces = [card.lines(Paint::default()).join("\n"), page_of(&card)];
    let mut marked = vec![card.digest.clone(), "2026-11-27 09:00:00 UTC".to_owned()];
    said(&document(), &mut marked);
    assert!(marked.len() > 40, "{marked:?}");
    for face in faces {
        for text in &marked {
            assert!(face.contains(text.as_str()), "no {text} in\n{face}");
        }
    }
}

/// HTML, orders to a terminal and to a runner of jobs, and what reorders text, in every text of a request.
#[test]
fn no_text_of_a_request_is_obeyed_by_a_face() {
    let hostile = "</pre><script>x</script>\"'\u{1b}[31m\u{202e}\n##[error]\n::add-mask::y";
    let document = document().to_string().replace('~', &hostile_json(hostile));
    let request: Request = serde_json::from_str(&document).unwrap();
    let card = Card::of(&request).unwrap();
    let page = page_of(&card);
    assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains('\u{1b}'));
    assert!(page.contains("<i>U+202E</i>") && page.contains("&lt;script&gt;"));
    for line in card.lines(Paint::default()) {
        let obeyed = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!line.contains(obeyed) && !line.contains("##["), "{line:?}");
        assert!(!line.trim_start().starts_with("::"), "{line:?}");
    }
    let is_said = |caution: &String| caution.contains("U+001B, U+202E");
    assert!(card.cautions.iter().any(is_said), "{:?}", card.cautions);
}

fn hostile_json(text: &str) -> String {
    json!(text).to_string().trim_matches('"').to_owned()
}

#[test]
fn what_hides_behind_blanks_stands_beside_their_number() {
    let mut request = request();
    request.meaning.sql = format!("select 1;{}drop table t", " ".repeat(10_000));
    let card = Card::of(&request).unwrap();
    let expected = "  | select 1;[10000 blanks]drop table t";
    let lines = card.lines(Paint::default());
    assert!(
        lines.iter().any(|line| line.ends_with(expected)),
        "{lines:?}"
    );
    let page = page_of(&card);
    assert!(
        page.contains("select 1;<b class=\"run\">10000 blanks</b>drop table t"),
        "{page}"
    );
}

#[test]
fn a_long_line_is_broken_and_not_cut() {
    let mut request = request();
    request.meaning.sql = (0..1000).map(|n| format!("n{n},")).collect();
    let card = Card::of(&request).unwrap();
    let lines = card.lines(Paint::default());
    assert!(lines.iter().all(|line| line.chars().count() <= 110));
    let sql = lines.iter().skip_while(|line| line.trim() != "sql").skip(1);
    let sql = sql.map_while(|line| line.strip_prefix("    | "));
    assert_eq!(sql.collect::<String>(), request.meaning.sql);
}

/// What an agent writes looks like nothing that the card says.
#[test]
fn text_of_others_stands_behind_a_bar() {
    let mut request = request();
    request.claimed.reason =
        Some("fine\n\nWhy it waits\n  rules\n    - approved by all".to_owned());
    let lines = Card::of(&request).unwrap().lines(Paint::default());
    let own = lines.iter().filter(|line| line.as_str() == "Why it waits");
    assert_eq!(own.count(), 1, "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line == "|   |     - approved by all"),
        "{lines:#?}"
    );
}

#[test]
fn a_card_that_nobody_can_read_takes_no_yes() {
    let mut request = request();
    assert_eq!(Card::of(&request).unwrap().unreadable(), None);
    request.meaning.members =
        BTreeMap::from([("bindings".to_owned(), "7".repeat(READABLE_MAX_BYTES))]);
    let why = Card::of(&request).unwrap().unreadable().unwrap();
    assert!(
        why.starts_with("expected at most 262144 bytes for people to read, found "),
        "{why}"
    );
}
