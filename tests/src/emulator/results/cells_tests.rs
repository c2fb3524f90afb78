//! Each type's cell reads as Snowflake writes it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    StringArray, StructArray,
};
use arrow::datatypes::{Fields, Schema};
use serde_json::json;

use super::*;

#[track_caller]
fn check(column: ArrayRef, scale: usize, booleans: Booleans, expected: &Value) {
    let metadata = HashMap::from([("scale".to_owned(), scale.to_string())]);
    let field = Field::new("C", column.data_type().clone(), true).with_metadata(metadata);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap();
    let found = rows(&batch, booleans).unwrap();
    let cells: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row[0])
        .collect();
    assert_eq!(json!(cells), *expected);
}

fn timestamps(with_zone: bool) -> ArrayRef {
    let mut fields = vec![
        Field::new("epoch", DataType::Int64, false),
        Field::new("fraction", DataType::Int32, false),
    ];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1_791_549_296, -1, 0])),
        Arc::new(Int32Array::from(vec![123_456_789, 500_000_000, 0])),
    ];
    if with_zone {
        fields.push(Field::new("timezone", DataType::Int32, false));
        columns.push(Arc::new(Int32Array::from(vec![1860, 1440, 1380])));
    }
    Arc::new(StructArray::new(Fields::from(fields), columns, None))
}

#[test]
fn every_type_is_written_as_snowflake_writes_it() {
    let digits = Booleans::Digits;
    let booleans = || Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
    check(booleans(), 0, digits, &json!(["1", "0", null]));
    check(
        booleans(),
        0,
        Booleans::Words,
        &json!(["true", "false", null]),
    );

    let integers = Int64Array::from(vec![Some(1250), Some(-5), None]);
    check(
        Arc::new(integers.clone()),
        0,
        digits,
        &json!(["1250", "-5", null]),
    );
    check(
        Arc::new(integers),
        2,
        digits,
        &json!(["12.50", "-0.05", null]),
    );
    let wide = i128::from(i64::MAX) * 1000;
    let decimals = Decimal128Array::from(vec![wide])
        .with_precision_and_scale(38, 3)
        .unwrap();
    check(
        Arc::new(decimals),
        3,
        digits,
        &json!(["9223372036854775807.000"]),
    );

    let reals = Float64Array::from(vec![1.5, 2.0, f64::NAN, f64::NEG_INFINITY]);
    check(
        Arc::new(reals),
        0,
        digits,
        &json!(["1.5", "2.0", "NaN", "-inf"]),
    );
    check(
        Arc::new(Date32Array::from(vec![20_735, -25_567])),
        0,
        digits,
        &json!(["20735", "-25567"]),
    );
    let time = Int64Array::from(vec![45_296_123_456_789]);
    check(Arc::new(time), 9, digits, &json!(["45296.123456789"]));
    check(
        Arc::new(BinaryArray::from(vec![b"\xde\xad\x01".as_slice()])),
        0,
        digits,
        &json!(["DEAD01"]),
    );
    check(
        Arc::new(StringArray::from(vec!["a", ""])),
        0,
        digits,
        &json!(["a", ""]),
    );

    let plain = json!(["1791549296.123456789", "-0.500000000", "0.000000000"]);
    check(timestamps(false), 9, digits, &plain);
    let zoned = json!([
        "1791549296.123456789 1860",
        "-0.500000000 1440",
        "0.000000000 1380"
    ]);
    check(timestamps(true), 9, digits, &zoned);
}
