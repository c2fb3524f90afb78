//! Any bytes are a masked stream or an error; in pieces they are what they are at once, and no masked value leaves.
//!
//! Bytes are tried as they are, and put into a stream that is good.

#![no_main]

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Float64Array, Int16Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use icecore::mask::{Batches, Keyed, Treatment};
use icecore::policy::Transform;
use icecore::snowflake::column::ColumnType;
use libfuzzer_sys::fuzz_target;
use ring::hmac;

const VALUE: &str = "canary-4111111111111111";

/// A column's mask, its type, and two values.
fn columns() -> Vec<(&'static str, ColumnType, ArrayRef)> {
    let fixed = |scale| ColumnType::Fixed {
        precision: 18,
        scale,
    };
    let text = || Arc::new(StringArray::from(vec![Some(VALUE), None])) as ArrayRef;
    let json = format!(r#"{{"a":{{"b":"{VALUE}"}}}}"#);
    vec![
        (
            "",
            ColumnType::Text,
            Arc::new(StringArray::from(vec!["b", "c"])),
        ),
        ("hash", ColumnType::Text, text()),
        ("partial:1:1", ColumnType::Text, text()),
        ("detect:card+email", ColumnType::Text, text()),
        (
            "json:a.b=null",
            ColumnType::Variant,
            Arc::new(StringArray::from(vec![json.as_str(), "1"])),
        ),
        (
            "hash",
            ColumnType::Binary,
            Arc::new(BinaryArray::from(vec![VALUE.as_bytes(), b""])),
        ),
        (
            "hash",
            fixed(0),
            Arc::new(Int64Array::from(vec![Some(7), None])),
        ),
        (
            "bucket:10",
            fixed(2),
            Arc::new(Int16Array::from(vec![700, -1])),
        ),
        (
            "bucket:10",
            ColumnType::Real,
            Arc::new(Float64Array::from(vec![7.5, f64::NAN])),
        ),
        (
            "month",
            ColumnType::Date,
            Arc::new(Date32Array::from(vec![Some(20_000), None])),
        ),
        ("null", ColumnType::Text, text()),
    ]
}

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let named = columns().into_iter().enumerate();
    let named = named.map(|(place, (_, _, array))| (format!("C{place}"), array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(named).expect("a batch");
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a stream");
    for _ in 0..2 {
        writer.write(&batch).expect("a batch is written");
    }
    let good = writer.into_inner().expect("the stream's end");
    let (left, rows) = masked(&good, good.len());
    let left = left.concat();
    assert_eq!(rows, Some(4));
    assert!(
        !left
            .windows(VALUE.len())
            .any(|part| part == VALUE.as_bytes())
    );
    good
});

static TREATMENTS: LazyLock<Vec<Option<Treatment>>> = LazyLock::new(|| {
    let keyed = Arc::new(Keyed::of(
        &hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]),
        b"s",
    ));
    let treat = |mask: &str, kind| {
        let transform = Transform::read(mask).expect("a mask");
        Treatment::new(&transform, kind, Arc::clone(&keyed))
    };
    let all = columns().into_iter();
    all.map(|(mask, kind, _)| (!mask.is_empty()).then(|| treat(mask, kind)))
        .collect()
});

/// Arrow's reader panics at some lengths, and `Batches` catches that: only what it lets through ends the target.
static CAUGHT: LazyLock<()> = LazyLock::new(|| std::panic::set_hook(Box::new(|_| {})));

fuzz_target!(|bytes: &[u8]| {
    LazyLock::force(&CAUGHT);
    holds(bytes);
    if let Some(changed) = changed(bytes) {
        holds(&changed);
    }
});

fn holds(stream: &[u8]) {
    let (whole, rows) = masked(stream, stream.len());
    let (pieces, again) = masked(stream, 61);
    assert_eq!(rows, again);
    if rows.is_some() {
        assert_eq!(whole.concat(), pieces.concat());
    }
}

/// Gives what leaves, and the rows if the stream was good.
fn masked(stream: &[u8], size: usize) -> (Vec<Bytes>, Option<u64>) {
    let (mut batches, mut left) = (Batches::default(), Vec::new());
    for piece in stream.chunks(size.max(1)) {
        let piece = Bytes::copy_from_slice(piece);
        if batches.push(piece, &TREATMENTS, &mut left).is_err() {
            return (left, None);
        }
    }
    let ended = batches.finish(&TREATMENTS, &mut left);
    (left, ended.ok().map(|(rows, _)| rows))
}

/// Puts the bytes into the good stream, in place of as many of its own: where, the first two say.
fn changed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (place, instead) = bytes.split_first_chunk::<2>()?;
    let mut changed = GOOD.clone();
    let at = usize::from(u16::from_le_bytes(*place)) % changed.len();
    let behind = (at + instead.len()).min(changed.len());
    changed.splice(at..behind, instead.iter().copied());
    Some(changed)
}
