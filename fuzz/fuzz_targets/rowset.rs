//! Any bytes are rows or an error; in pieces they are what they are at once, and no masked value leaves.

#![no_main]

use std::sync::{Arc, LazyLock};

use icecore::mask::{Keyed, Rows, Treatment};
use icecore::policy::Transform;
use icecore::snowflake::column::ColumnType;
use libfuzzer_sys::fuzz_target;
use ring::hmac;

type Cells = Vec<Vec<Option<String>>>;

static TREATMENTS: LazyLock<Vec<Option<Treatment>>> = LazyLock::new(|| {
    let keyed = Arc::new(Keyed::of(
        &hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]),
        b"s",
    ));
    let fixed = Transform::read("fixed:-").expect("a mask");
    vec![Some(Treatment::new(&fixed, ColumnType::Text, keyed)), None]
});

fuzz_target!(|bytes: &[u8]| {
    let Some((size, text)) = bytes.split_first() else {
        return;
    };
    holds(text, usize::from(*size));
    // The same as the cells of good rows.
    let text = String::from_utf8_lossy(text);
    let cells: Vec<&str> = text.split('\n').collect();
    let rows: Vec<[Option<&str>; 2]> = cells
        .chunks(2)
        .map(|row| [row.first().copied(), row.get(1).copied()])
        .collect();
    let written = serde_json::to_string(&rows).expect("rows are written");
    let inner = &written.as_bytes()[1..written.len() - 1];
    assert!(holds(inner, usize::from(*size)), "good rows are taken");
});

/// Tells whether the rows were taken.
fn holds(rows: &[u8], size: usize) -> bool {
    let (whole, ended) = masked(rows, rows.len());
    let (pieces, again) = masked(rows, size);
    assert_eq!((&whole, ended), (&pieces, again));
    if ended.is_none() {
        return false;
    }
    let own = read(rows).expect("what is taken is rows");
    let left = read(&whole).expect("what leaves is rows");
    assert_eq!(own.len(), left.len());
    for (own, left) in own.iter().zip(&left) {
        assert_eq!(left[0].as_deref(), own[0].as_ref().map(|_| "-"));
        assert_eq!(left[1], own[1]);
    }
    true
}

fn masked(text: &[u8], size: usize) -> (Vec<u8>, Option<(u64, u64)>) {
    let (mut rows, mut left) = (Rows::default(), Vec::new());
    for piece in text.chunks(size.max(1)) {
        if rows.push(piece, &TREATMENTS, &mut left).is_err() {
            return (left, None);
        }
    }
    let ended = rows.finish();
    (left, ended.ok())
}

/// Reads rows; a cell that is not masked may be written in any way, also as what is no text.
fn read(rows: &[u8]) -> Option<Cells> {
    let text = [b"[", rows, b"]"].concat();
    let rows: Vec<Vec<serde_json::Value>> = serde_json::from_slice(&text).ok()?;
    let cell = |value: serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Some(
        rows.into_iter()
            .map(|row| row.into_iter().map(cell).collect())
            .collect(),
    )
}
