//! Replies in each form, and what is taken of them.

use std::sync::Arc;

use arrow::array::{Decimal128Array, Int64Array, StringArray};
use arrow::datatypes::{Field, Schema};
use arrow::ipc::writer::StreamWriter;
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn check(body: &serde_json::Value, error: Option<&str>, values: &[&str]) {
    let found = sample(body.to_string().as_bytes());
    assert_eq!(found.error.as_deref(), error);
    assert_eq!(found.values, values);
}

#[test]
fn rows_of_json_give_texts_and_numbers_each_once() {
    let body = json!({"success": true, "code": null, "data": {
        "rowtype": [
            {"name": "A", "type": "text"},
            {"name": "B", "type": "fixed", "precision": 38, "scale": 2},
            {"name": "C", "type": "date"},
            {"name": "D", "type": "timestamp_ntz", "scale": 9},
        ],
        "rowset": [
            ["anna@x.org", "123456.78", "1826200", "1700000000.000000000"],
            ["anna@x.org", null, null, null],
            ["short", "7", "1", "2"],
        ],
    }});
    check(&body, None, &["anna@x.org", "123456.78"]);
    let api = json!({
        "resultSetMetaData": {"rowType": [{"name": "A", "type": "text"}]},
        "data": [["bert@y.org"]], "code": "090001", "message": "Statement executed successfully.",
    });
    check(&api, None, &["bert@y.org"]);
}

#[test]
fn rows_of_arrow_give_them_as_drivers_write_them() {
    let fields = [
        DataType::Utf8,
        DataType::Int64,
        DataType::Decimal128(38, 0),
        DataType::Int64,
    ];
    let names = ["A", "B", "C", "D"].into_iter().zip(fields);
    let fields: Vec<Field> = names
        .map(|(name, kind)| Field::new(name, kind, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let whole = Decimal128Array::from(vec![90_071_992_547_409_931, 5]);
    let whole = whole.with_precision_and_scale(38, 0);
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(StringArray::from(vec![Some("carl@z.org"), None])),
            Arc::new(Int64Array::from(vec![-12_345_678, 1])),
            Arc::new(whole.unwrap()),
            Arc::new(Int64Array::from(vec![18_262_000, 1])),
        ],
    );
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch.unwrap()).unwrap();
    let stream = writer.into_inner().unwrap();
    let body = |stream: &[u8]| {
        json!({"success": true, "data": {
            "rowtype": [
                {"type": "text"},
                {"type": "fixed", "precision": 18, "scale": 2},
                {"type": "fixed", "precision": 38, "scale": 0},
                {"type": "date"},
            ],
            "rowsetBase64": STANDARD.encode(stream),
        }})
    };
    check(
        &body(&stream),
        None,
        &["carl@z.org", "-123456.78", "90071992547409931"],
    );
    // Whatever it is, it is a value or none.
    for end in 0..stream.len() {
        drop(sample(body(&stream[..end]).to_string().as_bytes()));
        let mut other = stream.clone();
        other[end] ^= 0xff;
        drop(sample(body(&other).to_string().as_bytes()));
    }
}

#[test]
fn an_error_gives_its_text_and_what_goes_on_none() {
    let text = "SQL compilation error: Object 'T' does not exist or not authorized.";
    check(
        &json!({"success": false, "code": "002003", "message": text, "data": {}}),
        Some(text),
        &[],
    );
    check(
        &json!({"code": "002003", "sqlState": "42S02", "message": text}),
        Some(text),
        &[],
    );
    check(
        &json!({"success": false, "code": "333333", "message": text}),
        None,
        &[],
    );
    check(&json!({"code": "333334", "message": text}), None, &[]);
    assert_eq!(sample(b"no JSON"), Sample::default());
}

#[test]
fn so_much_is_taken_and_no_more() {
    let rows = |count: usize, width: usize| {
        let row = |row: usize| -> Vec<String> {
            (0..width)
                .map(|place| format!("value-{row}-{place}"))
                .collect()
        };
        let rowtype: Vec<_> = (0..width).map(|_| json!({"type": "text"})).collect();
        let rowset: Vec<_> = (0..count).map(row).collect();
        let body = json!({"success": true, "data": {"rowtype": rowtype, "rowset": rowset}});
        sample(body.to_string().as_bytes()).values
    };
    assert_eq!(rows(1000, 1).len(), ROWS_MAX);
    assert_eq!(rows(10, 50).len(), VALUES_MAX);
    assert_eq!(rows(100_000, 1).len(), 0, "it is too long to look at");
    let long = "x".repeat(VALUE_MAX_BYTES + 1);
    let body =
        json!({"success": true, "data": {"rowtype": [{"type": "text"}], "rowset": [[long]]}});
    check(&body, None, &[]);
    let shown = format!(
        "{:?}",
        Sample {
            error: None,
            values: vec!["canary".to_owned()]
        }
    );
    assert!(!shown.contains("canary"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_a_reply_or_none(bytes: Vec<u8>, text: String) {
        drop(sample(&bytes));
        let body = json!({"success": true, "data": {"rowtype": [{"type": "text"}], "rowset": [[text]]}});
        let taken = sample(body.to_string().as_bytes()).values;
        prop_assert_eq!(taken.len(), usize::from((VALUE_MIN_BYTES..=VALUE_MAX_BYTES).contains(&text.len())));
    }
}
