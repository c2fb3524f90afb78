//! Columns of Arrow results: arrays of one batch.
//!
//! Source of the physical types: protocol reference section 5.4.

use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, Int64Array, PrimitiveArray,
    StringArray, StructArray, new_null_array,
};
use arrow::datatypes::{DataType, Field};

use super::cell::OFFSET_BASE_MIN;
use super::transform::{bucket_of, bucket_of_real, days_at_start, mask_places, seconds_at_start};
use super::treatment::Treatment;
use crate::policy::{Transform, Unit};
use crate::snowflake::column::ColumnType;

/// Digits of a hashed number that came as a decimal of 128 bits.
const DECIMAL_DIGITS: u8 = 38;

impl Treatment {
    /// Gives the field that a column has once it is masked: its name and metadata stay.
    pub(super) fn field(&self, own: &Field) -> Field {
        let is_number = matches!(self.kind(), ColumnType::Fixed { .. });
        let kind = match (self.transform(), own.data_type()) {
            (Transform::Hash(_), DataType::Decimal128(_, scale)) => {
                DataType::Decimal128(DECIMAL_DIGITS, *scale)
            }
            (Transform::Hash(_), _) if is_number => DataType::Int64,
            (_, kind) => kind.clone(),
        };
        let mut metadata = own.metadata().clone();
        for name in ["precision", "charLength", "byteLength"] {
            let own = metadata.get(name).and_then(|value| value.parse().ok());
            let now = match (name, self.kind()) {
                ("precision", ColumnType::Fixed { .. }) => own.map(|own| self.precision(own)),
                ("charLength" | "byteLength", ColumnType::Text | ColumnType::Binary) => {
                    own.map(|own| self.length(own))
                }
                (_, _) => None,
            };
            if let Some(now) = now {
                metadata.insert(name, now.to_string());
            }
        }
        Field::new(own.name(), kind, true).with_metadata(metadata)
    }

    /// Masks a column of a batch; an error says what was expected of its array.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other type of Arrow's is an error"
    )]
    pub(super) fn column(&self, array: &ArrayRef) -> Result<ArrayRef, &'static str> {
        let keyed = self.keyed();
        match (self.transform(), self.kind()) {
            (Transform::Null, _) => Ok(new_null_array(array.data_type(), array.len())),
            (Transform::Hash(scope), ColumnType::Fixed { scale: 0, .. }) => {
                let hash = |value| Some(keyed.number(*scope, value));
                match array.data_type() {
                    DataType::Int8 => Ok(numbers::<Int8Type>(array, hash)),
                    DataType::Int16 => Ok(numbers::<Int16Type>(array, hash)),
                    DataType::Int32 => Ok(numbers::<Int32Type>(array, hash)),
                    DataType::Int64 => Ok(numbers::<Int64Type>(array, hash)),
                    DataType::Decimal128(_, scale) => {
                        let own = array.as_primitive::<Decimal128Type>();
                        let hashed: Decimal128Array =
                            own.unary(|value| i128::from(keyed.number(*scope, value)));
                        let hashed = hashed.with_precision_and_scale(DECIMAL_DIGITS, *scale);
                        Ok(Arc::new(hashed.map_err(|_| "a decimal of 38 digits")?))
                    }
                    _ => Err("whole numbers"),
                }
            }
            (Transform::Hash(scope), ColumnType::Binary) => {
                let own = array.as_binary_opt::<i32>().ok_or("bytes")?;
                let hashed: BinaryArray = own
                    .iter()
                    .map(|value| Some(keyed.bytes(*scope, value?)))
                    .collect();
                Ok(Arc::new(hashed))
            }
            (Transform::Hash(scope), _) => texts(array, |value| Some(keyed.text(*scope, value))),
            (Transform::Fixed(_) | Transform::Partial { .. }, _) => {
                // Neither says that a text is not of its type.
                texts(array, |value| self.cell(value).ok().flatten())
            }
            (Transform::Json(places), _) => texts(array, |value| mask_places(places, value, keyed)),
            (Transform::Detect(detectors), ColumnType::Fixed { .. }) => {
                let keep = |value: i128| {
                    let text = value.to_string();
                    detectors.hide_and_count(&text, self.tally()).is_none()
                };
                match array.data_type() {
                    DataType::Int8 => kept::<Int8Type>(array, keep),
                    DataType::Int16 => kept::<Int16Type>(array, keep),
                    DataType::Int32 => kept::<Int32Type>(array, keep),
                    DataType::Int64 => kept::<Int64Type>(array, keep),
                    DataType::Decimal128(_, _) => kept::<Decimal128Type>(array, keep),
                    _ => Err("whole numbers"),
                }
            }
            (Transform::Detect(_), _) => {
                // Of a text no cell is an error.
                texts(array, |value| self.cell(value).ok().flatten())
            }
            (Transform::Bucket(width), ColumnType::Fixed { scale, .. }) => {
                let bucket = |value| bucket_of(value, *width, scale);
                match array.data_type() {
                    DataType::Int8 => same::<Int8Type>(array, bucket),
                    DataType::Int16 => same::<Int16Type>(array, bucket),
                    DataType::Int32 => same::<Int32Type>(array, bucket),
                    DataType::Int64 => same::<Int64Type>(array, bucket),
                    DataType::Decimal128(precision, digits) => {
                        let own = array.as_primitive::<Decimal128Type>();
                        let bucket: Decimal128Array = own.unary(bucket);
                        let bucket = bucket.with_precision_and_scale(*precision, *digits);
                        Ok(Arc::new(bucket.map_err(|_| "a decimal")?))
                    }
                    _ => Err("numbers"),
                }
            }
            (Transform::Bucket(width), _) => {
                let own = array.as_primitive_opt::<Float64Type>();
                let bucket: PrimitiveArray<Float64Type> = own
                    .ok_or("numbers with a floating point")?
                    .unary_opt(|value| bucket_of_real(value, *width));
                Ok(Arc::new(bucket))
            }
            (Transform::Start(unit), ColumnType::Date) => {
                let own = array.as_primitive_opt::<Date32Type>().ok_or("days")?;
                let starts: PrimitiveArray<Date32Type> = own.unary_opt(|days| {
                    let start = days_at_start(i64::from(days), *unit)?;
                    i32::try_from(start).ok()
                });
                Ok(Arc::new(starts))
            }
            (Transform::Start(unit), ColumnType::Timestamp { scale }) => {
                instants(array, scale, *unit)
            }
            (Transform::Start(unit), ColumnType::TimestampTz { scale }) => {
                zoned(array, scale, *unit)
            }
            // No other type takes it: `Transform::on` made it null.
            (Transform::Start(_), _) => Ok(new_null_array(array.data_type(), array.len())),
        }
    }
}

/// Makes numbers of 64 bits of whole numbers.
fn numbers<T>(array: &ArrayRef, make: impl Fn(i128) -> Option<i64>) -> ArrayRef
where
    T: ArrowPrimitiveType,
    i128: From<T::Native>,
{
    let own = array.as_primitive::<T>();
    let made: Int64Array = own.unary_opt(|value| make(i128::from(value)));
    Arc::new(made)
}

/// Makes numbers of the same width of whole numbers; none grows.
fn same<T>(array: &ArrayRef, make: impl Fn(i128) -> i128) -> Result<ArrayRef, &'static str>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
    i128: From<T::Native>,
{
    let own = array.as_primitive_opt::<T>().ok_or("whole numbers")?;
    let made: PrimitiveArray<T> =
        own.unary_opt(|value| T::Native::try_from(make(i128::from(value))).ok());
    Ok(Arc::new(made))
}

/// Keeps some numbers of whole ones.
fn kept<T>(array: &ArrayRef, keep: impl Fn(i128) -> bool) -> Result<ArrayRef, &'static str>
where
    T: ArrowPrimitiveType,
    i128: From<T::Native>,
{
    let own = array.as_primitive_opt::<T>().ok_or("whole numbers")?;
    let made: PrimitiveArray<T> = own.unary_opt(|value| keep(i128::from(value)).then_some(value));
    Ok(Arc::new(made.with_data_type(own.data_type().clone())))
}

fn texts(
    array: &ArrayRef,
    make: impl Fn(&str) -> Option<String>,
) -> Result<ArrayRef, &'static str> {
    let own = array.as_string_opt::<i32>().ok_or("texts")?;
    let made: StringArray = own.iter().map(|value| make(value?)).collect();
    Ok(Arc::new(made))
}

/// Whole numbers of 10^-scale seconds, or seconds and nanoseconds apart.
fn instants(array: &ArrayRef, scale: u8, unit: Unit) -> Result<ArrayRef, &'static str> {
    if let Some(own) = array.as_primitive_opt::<Int64Type>() {
        let starts: Int64Array = own.unary_opt(|value| start_of(value, scale, unit, 0));
        return Ok(Arc::new(starts));
    }
    parts(array, &["epoch", "fraction"], |epoch, _| {
        seconds_at_start(epoch, unit, 0)
    })
}

/// Instants with the zone's offset: seconds and nanoseconds apart, or whole numbers of 10^-scale seconds.
fn zoned(array: &ArrayRef, scale: u8, unit: Unit) -> Result<ArrayRef, &'static str> {
    let offset_s = |minutes: i32| (i64::from(minutes) - OFFSET_BASE_MIN) * 60;
    let has_fraction = matches!(array.data_type(), DataType::Struct(fields) if fields.len() == 3);
    if has_fraction {
        return parts(array, &["epoch", "fraction", "timezone"], |epoch, zone| {
            seconds_at_start(epoch, unit, offset_s(zone?))
        });
    }
    parts(array, &["epoch", "timezone"], |epoch, zone| {
        start_of(epoch, scale, unit, offset_s(zone?))
    })
}

fn start_of(value: i64, scale: u8, unit: Unit, offset_s: i64) -> Option<i64> {
    let second = 10_i64.checked_pow(u32::from(scale))?;
    seconds_at_start(value.div_euclid(second), unit, offset_s)?.checked_mul(second)
}

/// Makes new instants of those that come in parts: no fraction is left, the zone stays.
fn parts(
    array: &ArrayRef,
    names: &[&str],
    start: impl Fn(i64, Option<i32>) -> Option<i64>,
) -> Result<ArrayRef, &'static str> {
    const EXPECTED: &str = "instants in parts";
    let own = array.as_struct_opt().ok_or(EXPECTED)?;
    if !own
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .eq(names.iter().copied())
    {
        return Err(EXPECTED);
    }
    let whole = |name| own.column_by_name(name);
    let epochs = whole("epoch")
        .and_then(|part| part.as_primitive_opt::<Int64Type>())
        .ok_or(EXPECTED)?;
    let zones = match whole("timezone") {
        Some(part) => Some(part.as_primitive_opt::<Int32Type>().ok_or(EXPECTED)?),
        None => None,
    };
    let zone = |row| {
        zones
            .filter(|zones| zones.is_valid(row))
            .map(|zones| zones.value(row))
    };
    let starts: Vec<Option<i64>> = (0..own.len())
        .map(|row| {
            let is_there = own.is_valid(row) && epochs.is_valid(row);
            is_there
                .then(|| start(epochs.value(row), zone(row)))
                .flatten()
        })
        .collect();
    let validity = starts.iter().map(Option::is_some).collect();
    let columns = names
        .iter()
        .map(|name| -> Result<ArrayRef, &'static str> {
            match *name {
                "epoch" => {
                    let epochs = starts.iter().map(|start| Some(start.unwrap_or_default()));
                    Ok(Arc::new(epochs.collect::<Int64Array>()))
                }
                "fraction" => {
                    let none = PrimitiveArray::<Int32Type>::from_value(0, own.len());
                    Ok(Arc::new(none))
                }
                _ => whole(name).cloned().ok_or(EXPECTED),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let made = StructArray::try_new(own.fields().clone(), columns, Some(validity));
    Ok(Arc::new(made.map_err(|_| EXPECTED)?))
}

#[cfg(test)]
#[path = "column_tests.rs"]
mod tests;
