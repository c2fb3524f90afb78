//! Secrets in what a row says: nothing of them is in any file, and the row says so.

use super::*;
use crate::record::body::REDACTED;

const SECRET: &str = "AKIAIOSFODNN7EXAMPLE";

fn rows() -> Vec<Row> {
    let id = StatementId::new();
    let session = Some(SessionId::from_bytes([7; 16]));
    vec![
        Row::from(StatementRow {
            sql_normalized: Some(format!("select \"{SECRET}\"")),
            rule_reasons: vec![format!("reads {SECRET}")],
            objects: vec![Object {
                name: Some(SECRET.to_owned()),
                ..Object::default()
            }],
            ..statement(id)
        }),
        Row::from(StatementTextRow {
            session_id: session,
            statement_id: Some(id),
            sql_text: Some(format!("select '{SECRET}', '{SECRET}' -- jürgen")),
            binds: Some(serde_json::json!({ "1": { "type": "TEXT", "value": SECRET } })),
            error_text: Some(format!("bad value {SECRET}")),
            rewritten_sql: Some(format!("select '{SECRET}'")),
            ..StatementTextRow::default()
        }),
        Row::from(EventRow {
            session_id: session,
            detail: Some(serde_json::json!({ "label": SECRET, "password": "hunter2", "n": 1 })),
            ..EventRow::default()
        }),
    ]
}

fn flags(row: &Entry) -> i64 {
    row.int("integrity_flags").unwrap()
}

#[test]
fn a_secret_is_in_no_file_of_spool_or_store_and_its_rows_say_so() {
    let place = Place::new();
    let recorder = place.open();
    put(&recorder, rows());
    let holds = |bytes: &Vec<u8>| {
        bytes
            .windows(SECRET.len())
            .any(|piece| piece == SECRET.as_bytes())
    };
    assert!(!files(place.dir.path()).values().any(holds), "in the spool");
    recorder.close_blocking().unwrap();
    assert!(!files(place.dir.path()).values().any(holds), "in the store");

    let archive = place.archive();
    let redacted = |table: &str| {
        let rows = archive.table(table).iter();
        rows.filter(|row| flags(row) & i64::from(REDACTED) != 0)
            .cloned()
            .collect::<Vec<_>>()
    };
    let [text] = &redacted("statement_texts")[..] else {
        panic!("no redacted text");
    };
    let sql = text.text("sql_text").unwrap();
    let mark = sql.split('\'').nth(1).unwrap();
    assert!(
        mark.starts_with("[icecore:key:") && mark.len() == "[icecore:key:01234567]".len(),
        "{sql}"
    );
    assert_eq!(sql, format!("select '{mark}', '{mark}' -- jürgen"));
    assert_eq!(text.text("error_text"), Some(&*format!("bad value {mark}")));
    assert!(text.text("binds").unwrap().contains(mark));
    assert_eq!(
        redacted("statements").len(),
        2,
        "the intent, and its end at the close"
    );
    let [event] = &redacted("events")[..] else {
        panic!("no redacted event");
    };
    let detail: serde_json::Value = serde_json::from_str(event.text("detail").unwrap()).unwrap();
    assert_eq!((&detail["label"], &detail["n"]), (&mark.into(), &1.into()));
    assert!(
        detail["password"]
            .as_str()
            .unwrap()
            .starts_with("[icecore:password:")
    );
}

#[test]
fn what_the_config_wants_unscanned_stays_as_it_is() {
    let mut place = Place::new();
    place.settings.scan_secrets = false;
    let recorder = place.open();
    put(&recorder, rows());
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    let text = &archive.table("statement_texts")[0];
    assert!(text.text("sql_text").unwrap().contains(SECRET));
    assert_eq!(flags(text), 0);
}

#[test]
fn each_text_has_a_salt_so_that_its_leaf_hides_it() {
    let place = Place::new();
    let recorder = place.open();
    put(&recorder, rows());
    put(&recorder, rows());
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    let salts: std::collections::BTreeSet<String> = archive
        .table("statement_texts")
        .iter()
        .map(|row| format!("{:?}", row.get("salt")))
        .collect();
    assert_eq!(salts.len(), 2);
    assert!(salts.iter().all(|salt| salt.starts_with("Bytes")));
}

#[test]
fn what_was_taken_out_cannot_be_tried_by_the_commitment_to_the_text() {
    let place = Place::new();
    let recorder = place.open();
    let salt = [7; 16];
    let text = |sql: &str| {
        Row::from(StatementTextRow {
            session_id: Some(SessionId::from_bytes([7; 16])),
            statement_id: Some(StatementId::new()),
            sql_text: Some(sql.to_owned()),
            salt: Some(salt),
            ..StatementTextRow::default()
        })
    };
    put(
        &recorder,
        vec![text(&format!("select '{SECRET}'")), text("select 1")],
    );
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    let salts = archive.table("statement_texts").iter();
    let kept = salts.map(|row| *row.get("salt") == value::Value::from(salt));
    assert_eq!(kept.collect::<Vec<_>>(), [false, true]);
}
