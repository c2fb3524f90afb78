//! Columns of Arrow batches, each type with each mask.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::mask::stream::{Batches, mask_stream};
use crate::mask::transform::Keyed;

fn treatment(mask: &str, kind: ColumnType) -> Treatment {
    let transform = Transform::read(mask).unwrap();
    Treatment::new(&transform, kind, Arc::new(Keyed::new(&[1; 32], b"s")))
}

fn number(scale: u8) -> ColumnType {
    ColumnType::Fixed {
        precision: 38,
        scale,
    }
}

fn stream(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    written(&batch.schema(), &[batch])
}

fn written(schema: &Schema, batches: &[RecordBatch]) -> Bytes {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    Bytes::from(writer.into_inner().unwrap())
}

fn read(bytes: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(bytes, None)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn masked(mask: &str, kind: ColumnType, array: ArrayRef) -> Result<ArrayRef, String> {
    let columns = [Some(treatment(mask, kind))];
    let (bytes, ..) =
        mask_stream(stream(vec![("C", array)]), &columns).map_err(|error| error.to_string())?;
    Ok(Arc::clone(read(&bytes)[0].column(0)))
}

#[test]
fn arrays_and_cells_say_the_same() {
    let cell = |mask: &str, kind, text: &str| treatment(mask, kind).cell(text).unwrap();
    for (mask, scale, value) in [
        ("hash", 0, -7_i64),
        ("bucket:100", 2, -123_456),
        ("bucket:5", 0, 9),
    ] {
        for array in [
            Arc::new(Int64Array::from(vec![Some(value), None])) as ArrayRef,
            Arc::new(PrimitiveArray::<Int32Type>::from(vec![
                i32::try_from(value).ok(),
                None,
            ])),
            Arc::new(
                Decimal128Array::from(vec![Some(i128::from(value)), None])
                    .with_precision_and_scale(38, 0)
                    .unwrap(),
            ),
        ] {
            let out = masked(mask, number(scale), array).unwrap();
            assert!(out.is_null(1) && out.is_valid(0));
            let out = if let Some(wide) = out.as_primitive_opt::<Int64Type>() {
                i128::from(wide.value(0))
            } else if let Some(narrow) = out.as_primitive_opt::<Int32Type>() {
                i128::from(narrow.value(0))
            } else {
                out.as_primitive::<Decimal128Type>().value(0)
            };
            let text = match scale {
                0 => value.to_string(),
                _ => format!("-{}.{}", value.abs() / 100, value.abs() % 100),
            };
            let text = cell(mask, number(scale), &text).unwrap();
            assert_eq!(text.replace('.', ""), out.to_string(), "{mask}");
        }
    }
    for mask in ["hash", "partial:1:1", "fixed:-"] {
        let out = masked(
            mask,
            ColumnType::Text,
            Arc::new(StringArray::from(vec![Some("canary"), None])),
        )
        .unwrap();
        assert_eq!(
            Some(out.as_string::<i32>().value(0).to_owned()),
            cell(mask, ColumnType::Text, "canary")
        );
        assert!(out.is_null(1));
    }
    let out = masked(
        "hash",
        ColumnType::Binary,
        Arc::new(BinaryArray::from(vec![Some(&b"\xca\xfe"[..])])),
    )
    .unwrap();
    let hex: String = out
        .as_binary::<i32>()
        .value(0)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert_eq!(Some(hex), cell("hash", ColumnType::Binary, "CAFE"));
    let out = masked(
        "month",
        ColumnType::Date,
        Arc::new(PrimitiveArray::<Date32Type>::from(vec![20_000])),
    )
    .unwrap();
    assert_eq!(out.as_primitive::<Date32Type>().value(0), 19_997);
    let out = masked(
        "json:a=fixed:-",
        ColumnType::Variant,
        Arc::new(StringArray::from(vec![r#"{"a":"canary"}"#, "canary"])),
    )
    .unwrap();
    assert_eq!(out.as_string::<i32>().value(0), r#"{"a":"-"}"#);
    assert!(out.is_null(1));
}

fn instant(columns: Vec<(&str, ArrayRef)>) -> ArrayRef {
    Arc::new(StructArray::from(
        columns
            .into_iter()
            .map(|(name, array)| {
                (
                    Arc::new(Field::new(name, array.data_type().clone(), true)),
                    array,
                )
            })
            .collect::<Vec<_>>(),
    ))
}

#[test]
fn instants_in_parts_start_their_month() {
    let epoch = |seconds| Arc::new(Int64Array::from(vec![seconds])) as ArrayRef;
    let small = |value| Arc::new(PrimitiveArray::<Int32Type>::from(vec![value])) as ArrayRef;
    let plain = instant(vec![
        ("epoch", epoch(40 * 86_400 + 5)),
        ("fraction", small(7)),
    ]);
    let out = masked("month", ColumnType::Timestamp { scale: 9 }, plain).unwrap();
    let out = out.as_struct();
    assert_eq!(
        out.column(0).as_primitive::<Int64Type>().value(0),
        31 * 86_400
    );
    assert_eq!(out.column(1).as_primitive::<Int32Type>().value(0), 0);
    let zoned = instant(vec![
        ("epoch", epoch(-1000)),
        ("fraction", small(7)),
        ("timezone", small(1500)),
    ]);
    let out = masked("year", ColumnType::TimestampTz { scale: 9 }, zoned).unwrap();
    assert_eq!(
        out.as_struct()
            .column(0)
            .as_primitive::<Int64Type>()
            .value(0),
        -3600
    );
    assert_eq!(
        out.as_struct()
            .column(2)
            .as_primitive::<Int32Type>()
            .value(0),
        1500
    );
    let scaled = instant(vec![("epoch", epoch(1_500)), ("timezone", small(1440))]);
    let out = masked("year", ColumnType::TimestampTz { scale: 3 }, scaled).unwrap();
    assert_eq!(
        out.as_struct()
            .column(0)
            .as_primitive::<Int64Type>()
            .value(0),
        0
    );
    let other = instant(vec![("epoch", epoch(0)), ("canary", small(1))]);
    assert!(masked("year", ColumnType::TimestampTz { scale: 3 }, other).is_err());
}

#[test]
fn columns_keep_their_names_and_metadata_and_say_their_new_width() {
    let metadata = [
        ("logicalType", "FIXED"),
        ("precision", "3"),
        ("scale", "0"),
        ("charLength", "9"),
    ];
    let field = Field::new("N", DataType::Int8, false).with_metadata(metadata);
    let kind = ColumnType::Fixed {
        precision: 3,
        scale: 0,
    };
    let now = treatment("hash", kind).field(&field);
    assert_eq!(
        (now.name().as_str(), now.data_type(), now.is_nullable()),
        ("N", &DataType::Int64, true)
    );
    assert_eq!(now.metadata()["precision"], "15");
    assert_eq!(now.metadata()["charLength"], "9");
    assert_eq!(now.metadata()["logicalType"], "FIXED");
    assert_eq!(
        treatment("null", kind).field(&field).data_type(),
        &DataType::Int8
    );
}

#[test]
fn what_is_no_such_stream_is_withheld() {
    let text = || Arc::new(StringArray::from(vec!["canary"])) as ArrayRef;
    assert!(masked("hash", number(0), text()).is_err());
    assert!(masked("month", ColumnType::Date, text()).is_err());
    let columns = [Some(treatment("null", ColumnType::Text))];
    let two = stream(vec![("A", text()), ("B", text())]);
    assert!(mask_stream(two, &columns).is_err());
    let one = stream(vec![("A", text())]);
    for end in 1..one.len() {
        let mut out = Vec::new();
        let mut batches = Batches::default();
        let pushed = batches.push(one.slice(..end), &columns, &mut out);
        drop(pushed.and_then(|()| batches.finish(&columns, &mut out)));
        assert!(!out.concat().windows(6).any(|window| window == b"canary"));
    }
}

#[test]
fn a_long_column_that_is_not_masked_leaves_without_a_copy() {
    let long: ArrayRef = Arc::new((0..10_000).collect::<PrimitiveArray<Int32Type>>());
    let texts = StringArray::from_iter_values((0..10_000).map(|_| "canary"));
    let source = stream(vec![("N", long), ("T", Arc::new(texts))]);
    let columns = [None, Some(treatment("fixed:-", ColumnType::Text))];
    let mut out = Vec::new();
    let mut batches = Batches::default();
    batches.push(source.clone(), &columns, &mut out).unwrap();
    batches.finish(&columns, &mut out).unwrap();
    let is_of_source = |piece: &&Bytes| source.as_ptr_range().contains(&piece.as_ptr());
    let lengths: Vec<usize> = out.iter().filter(is_of_source).map(Bytes::len).collect();
    assert_eq!(lengths, [40_000]);
    assert!(out.iter().all(|piece| !piece.is_empty()));
}

proptest! {
    #[test]
    fn pieces_are_masked_as_the_whole_and_others_stay(
        values in prop::collection::vec((prop::option::of(".{0,6}"), any::<Option<i32>>()), 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        batches in 0_usize..3,
    ) {
        let (texts, whole): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let array: ArrayRef = Arc::new(PrimitiveArray::<Int32Type>::from(whole));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("T", Arc::new(StringArray::from(texts)) as ArrayRef, true),
            ("N", Arc::clone(&array), true),
        ]).unwrap();
        let source = written(&batch.schema(), &vec![batch.clone(); batches]);
        let columns = [Some(treatment("partial:0:0", ColumnType::Text)), None];
        let (expected, rows, changed) = mask_stream(source.clone(), &columns).unwrap();
        let there = batch.column(0).len() - batch.column(0).null_count();
        prop_assert_eq!(rows, (batch.num_rows() * batches) as u64);
        prop_assert_eq!(changed, (there * batches) as u64);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(source.len() + 1)).collect();
        ends.push(source.len());
        ends.sort_unstable();
        let (mut at, mut out, mut pieces) = (0, Vec::new(), Batches::default());
        for end in ends {
            pieces.push(source.slice(at..end), &columns, &mut out).unwrap();
            at = end;
        }
        pieces.finish(&columns, &mut out).unwrap();
        let out = out.concat();
        prop_assert_eq!(&out, &expected);
        let read = read(&out);
        prop_assert_eq!(read.len(), batches);
        for one in read {
            prop_assert_eq!(one.column(1).as_primitive::<Int32Type>(), array.as_primitive::<Int32Type>());
            let stars = one.column(0).as_string::<i32>().iter().flatten().all(|text| text.chars().all(|sign| sign == '*'));
            prop_assert!(stars);
        }
    }

    #[test]
    fn no_bytes_break_the_reader(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let source = stream(vec![("A", Arc::new(StringArray::from(vec!["a", "b"])))]);
        let mut bytes = source.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(mask_stream(Bytes::from(bytes), &[Some(treatment("hash", ColumnType::Text))]));
    }
}
