//! What objects are read, of which versions, and which are refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};

use super::*;

/// Reads one row of `events` with other columns than this version's.
fn read_with(
    footer_version: i32,
    change: impl FnOnce(Vec<(String, ArrayRef)>) -> Vec<(String, ArrayRef)>,
) -> Result<Content, Unread> {
    let bytes = written(footer_version, change);
    let checked = read(
        &key(&bytes),
        bytes.clone(),
        &KeyRing::empty(),
        Rows::Checked,
    );
    let given = read(&key(&bytes), bytes, &KeyRing::empty(), Rows::Given);
    // Rows that are only checked are believed and refused as those that are given.
    let of = |read: &Result<Content, Unread>| match read {
        Ok(content) => Ok(content.unknown.clone()),
        Err(error) => Err(error.to_string()),
    };
    assert_eq!(of(&checked), of(&given));
    assert!(checked.is_ok_and(|content| content.rows.is_empty()) || given.is_err());
    given
}

/// Writes one row of `events` with other columns than this version's.
fn written(
    footer_version: i32,
    change: impl FnOnce(Vec<(String, ArrayRef)>) -> Vec<(String, ArrayRef)>,
) -> Bytes {
    let table = Table::by_name("events").unwrap();
    let mut row = Entry::empty(table);
    row.set("schema_version", i64::from(FORMAT_VERSION));
    row.set("org_id", "acme".to_owned());
    row.set(
        "chain_id",
        "01890000-0000-7000-8000-000000000000".to_owned(),
    );
    row.set("seq", 3_i64);
    row.set("event_code", "NT001".to_owned());
    row.set("ts", 0_i64);
    row.set("mono_ns", 0_i64);
    row.set("integrity_flags", 0_i64);
    row.set("severity", 1_i64);
    for text in ["record_id", "session_id", "category"] {
        row.set(text, "x".to_owned());
    }
    let batch = columns::batch(table, &[row]).unwrap();
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    let columns = names.zip(batch.columns().iter().cloned()).collect();
    let batch = RecordBatch::try_from_iter(change(columns)).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.append_key_value_metadata(said("schema_version", footer_version.to_string()));
    writer.into_inner().unwrap().into()
}

fn key(bytes: &[u8]) -> Key {
    Key {
        org: "acme".into(),
        tier: "t0".into(),
        chain: "01890000-0000-7000-8000-000000000000".into(),
        table: "events".into(),
        day: NaiveDate::default(),
        seq_min: 3,
        seq_max: 3,
        hash: hex(&sha256(bytes)).chars().take(16).collect(),
    }
}

#[test]
fn a_file_of_fewer_columns_is_read() {
    let content = read_with(FORMAT_VERSION, |mut columns| {
        columns.retain(|(name, _)| name != "dst_host" && name != "detail");
        columns
    });
    let content = content.unwrap();
    assert_eq!(content.rows[0].text("event_code"), Some("NT001"));
    assert_eq!(content.rows[0].text("dst_host"), None);
    assert_eq!(content.unknown, [""; 0]);
}

#[test]
fn a_later_column_is_told_and_the_rest_is_read() {
    let content = read_with(FORMAT_VERSION, |mut columns| {
        let later: ArrayRef = Arc::new(StringArray::from(vec!["y"]));
        columns.push(("later".to_owned(), later));
        columns
    });
    let content = content.unwrap();
    assert_eq!(content.rows[0].text("event_code"), Some("NT001"));
    assert_eq!(content.unknown, ["later"]);
}

#[test]
fn a_later_format_is_refused_with_what_to_do() {
    let later: ArrayRef = Arc::new(Int32Array::from(vec![FORMAT_VERSION + 1]));
    let by_row = read_with(FORMAT_VERSION, |mut columns| {
        columns[0].1 = Arc::clone(&later);
        columns
    });
    // Before the columns are looked at, which that format may have with other types.
    let by_footer = read_with(FORMAT_VERSION + 1, |mut columns| {
        columns[1].1 = Arc::clone(&later);
        columns
    });
    for refused in [by_row, by_footer] {
        let refused = refused.unwrap_err().to_string();
        let told = "expected format version 1 at most, found 2; read it with that icecore";
        assert!(refused.ends_with(told), "{refused}");
    }
}

#[test]
fn rows_of_another_organisation_chain_or_range_are_refused() {
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text.to_owned()])) };
    let seq: ArrayRef = Arc::new(Int64Array::from(vec![4]));
    for (column, values) in [
        ("org_id", text("other")),
        ("chain_id", text("01890000-0000-7000-8000-000000000001")),
        ("seq", seq),
    ] {
        let read = read_with(FORMAT_VERSION, |mut columns| {
            for (name, found) in &mut columns {
                if name == column {
                    *found = Arc::clone(&values);
                }
            }
            columns
        });
        let refused = read.unwrap_err().to_string();
        assert!(refused.contains("the key names another"), "{refused}");
    }
    let bytes = written(FORMAT_VERSION, |columns| columns);
    for rows in [Rows::Given, Rows::Checked] {
        assert!(read_compacted(("acme", "events"), bytes.clone(), rows).is_ok());
        assert!(read_compacted(("other", "events"), bytes.clone(), rows).is_err());
    }
}
