//! Arrow cells as the strings of Snowflake's JSON results (reference protocol 5.3).

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use serde_json::Value;

/// How a boolean is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Booleans {
    /// `1` and `0`: JSON rowsets of v1.
    Digits,
    /// `true` and `false`: SQL API v2.
    Words,
}

/// Gives all rows of a batch.
pub(super) fn rows(batch: &RecordBatch, booleans: Booleans) -> Result<Value, String> {
    let schema = batch.schema();
    let columns: Vec<(&Field, &ArrayRef)> = schema
        .fields()
        .iter()
        .map(AsRef::as_ref)
        .zip(batch.columns())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|(field, column)| cell(field, column, row, booleans))
                .collect::<Result<Value, String>>()
        })
        .collect()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what Snowflake's results do not have is an error"
)]
fn cell(field: &Field, column: &ArrayRef, row: usize, booleans: Booleans) -> Result<Value, String> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let integer = |n: i64| number(field, i128::from(n));
    let text = match column.data_type() {
        DataType::Null => return Ok(Value::Null),
        DataType::Boolean => boolean(column.as_boolean().value(row), booleans).to_owned(),
        DataType::Int8 => integer(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => integer(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => integer(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Decimal128(..) => {
            number(field, column.as_primitive::<Decimal128Type>().value(row))
        }
        DataType::Float64 => real(column.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => column.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => column.as_string_view().value(row).to_owned(),
        DataType::Binary => hex(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => hex(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => hex(column.as_binary_view().value(row)),
        DataType::Struct(_) => timestamp(field, column, row)?,
        other => {
            return Err(format!(
                "column `{}`: no JSON form of {other}",
                field.name()
            ));
        }
    };
    Ok(Value::String(text))
}

fn boolean(value: bool, booleans: Booleans) -> &'static str {
    match (booleans, value) {
        (Booleans::Digits, true) => "1",
        (Booleans::Digits, false) => "0",
        (Booleans::Words, true) => "true",
        (Booleans::Words, false) => "false",
    }
}

/// Writes an unscaled integer with the point where the column's scale has it: decimals, and times in fractions of a second.
fn number(field: &Field, unscaled: i128) -> String {
    let scale = field.metadata().get("scale").and_then(|s| s.parse().ok());
    with_point(unscaled, scale.unwrap_or(0))
}

fn with_point(unscaled: i128, scale: usize) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    format!("{sign}{whole}.{fraction}")
}

/// Writes a double; Snowflake's words for what is no number are `NaN`, `inf` and `-inf`.
fn real(value: f64) -> String {
    if value.is_finite() {
        format!("{value:?}")
    } else {
        value.to_string()
    }
}

/// Writes bytes as hexadecimal, upper case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Writes seconds and fraction, for `timestamp_tz` with the offset in minutes plus 1440.
fn timestamp(field: &Field, column: &ArrayRef, row: usize) -> Result<String, String> {
    let parts = column.as_struct();
    let missing = |part: &str| format!("column `{}`: no `{part}`", field.name());
    let epoch = parts
        .column_by_name("epoch")
        .and_then(|part| part.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| missing("epoch"))?
        .value(row);
    let fraction = parts
        .column_by_name("fraction")
        .and_then(|part| part.as_primitive_opt::<Int32Type>())
        .map_or(0, |part| part.value(row));
    // The fraction counts up from the whole second, before 1970 too.
    let nanoseconds = i128::from(epoch) * 1_000_000_000 + i128::from(fraction);
    let seconds = with_point(nanoseconds, 9);
    let zone = parts
        .column_by_name("timezone")
        .and_then(|part| part.as_primitive_opt::<Int32Type>());
    Ok(match zone {
        Some(zone) => format!("{seconds} {}", zone.value(row)),
        None => seconds,
    })
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
