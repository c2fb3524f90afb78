//! Columns of results as they are stored: every form in which Snowflake sends a type becomes the same Arrow type. Pure.
//!
//! Source of the forms: protocol reference sections 5.3 and 5.4. Numbers are decimals of 38 digits, which all of Snowflake's
//! fit in. Times of day and timestamps are text with the digits of their column: neither of Parquet's units holds both
//! their range and their precision.

use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float64Array, StringArray,
};
use arrow::compute::kernels::cast_utils::parse_decimal;
use arrow::datatypes::{DataType, Field};
use chrono::DateTime;

/// Digits of stored numbers.
const DECIMAL_DIGITS: u8 = 38;

/// Digits of a second that are told at most.
const SECOND_DIGITS: u8 = 9;

const NANOS: i128 = 1_000_000_000;

/// Minutes that are added to the offset of a zone, so that it is never negative.
const OFFSET_BASE_MIN: i128 = 1440;

/// What the values of a column are; of times, how many digits of a second they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number(i8),
    Real,
    Bool,
    Date,
    Time(u8),
    Instant(u8),
    /// An instant that clients show in their own zone.
    Local(u8),
    Zoned(u8),
    Bytes,
    Text,
    /// What has no form of its own here, and is stored as it came.
    Own(DataType),
}

impl Kind {
    /// Reads a type as `rowtype` tells it.
    pub(super) fn told(name: &str, scale: Option<u32>) -> Self {
        let digits = scale.and_then(|scale| u8::try_from(scale).ok());
        let digits = digits.unwrap_or(SECOND_DIGITS).min(SECOND_DIGITS);
        match name.to_ascii_lowercase().as_str() {
            "fixed" => Self::Number(scale.and_then(|scale| scale.try_into().ok()).unwrap_or(0)),
            "real" => Self::Real,
            "boolean" => Self::Bool,
            "date" => Self::Date,
            "time" => Self::Time(digits),
            "timestamp_ntz" => Self::Instant(digits),
            "timestamp_ltz" => Self::Local(digits),
            "timestamp_tz" => Self::Zoned(digits),
            "binary" => Self::Bytes,
            _ => Self::Text,
        }
    }

    /// Reads the type of an Arrow column.
    pub(super) fn of(field: &Field) -> Self {
        let told = |name| field.metadata().get(name);
        let scale = told("scale").and_then(|scale| scale.parse().ok());
        let named = told("logicalType").map(|name| Self::told(name, scale));
        match (named, field.data_type()) {
            (Some(Self::Text) | None, DataType::Utf8) => Self::Text,
            (Some(Self::Text) | None, other) => Self::Own(other.clone()),
            (Some(kind), _) => kind,
        }
    }

    /// Gives the type that is stored.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Number(scale) => DataType::Decimal128(DECIMAL_DIGITS, *scale),
            Self::Real => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Bytes => DataType::Binary,
            Self::Time(_) | Self::Instant(_) | Self::Local(_) | Self::Zoned(_) | Self::Text => {
                DataType::Utf8
            }
            Self::Own(own) => own.clone(),
        }
    }

    /// Gives an Arrow column as it is stored; an error says what was expected.
    pub(super) fn column(&self, array: &ArrayRef) -> Result<ArrayRef, &'static str> {
        match self {
            Self::Number(scale) => {
                let numbers = numbers(array).ok_or("whole numbers")?;
                decimals(numbers.collect(), *scale)
            }
            Self::Time(digits) => {
                let nanos = nanos(array, *digits).ok_or("times of day")?;
                let texts = nanos.map(|nanos| nanos.map(|nanos| time(nanos, *digits)));
                Ok(Arc::new(texts.collect::<StringArray>()))
            }
            Self::Instant(digits) | Self::Local(digits) => {
                let nanos = nanos(array, *digits).ok_or("timestamps")?;
                let texts: Option<StringArray> = nanos
                    .map(|nanos| nanos.map(|nanos| self.instant(nanos, *digits)).transposed())
                    .collect();
                Ok(Arc::new(texts.ok_or("timestamps of known years")?))
            }
            Self::Zoned(digits) => {
                let nanos = nanos(array, *digits).ok_or("timestamps with a zone")?;
                let zones = array
                    .as_struct_opt()
                    .and_then(|all| all.column_by_name("timezone"));
                let zones = zones.and_then(|zones| zones.as_primitive_opt::<Int32Type>());
                let zones = zones.ok_or("timestamps with a zone")?.iter();
                let texts: Option<StringArray> = nanos
                    .zip(zones)
                    .map(|(nanos, zone)| match (nanos, zone) {
                        (Some(nanos), Some(zone)) => zoned(nanos, zone.into(), *digits).map(Some),
                        (_, _) => Some(None),
                    })
                    .collect();
                Ok(Arc::new(texts.ok_or("timestamps of known years")?))
            }
            Self::Real | Self::Bool | Self::Date | Self::Bytes | Self::Text | Self::Own(_) => {
                let is_own = *array.data_type() == self.data_type();
                is_own
                    .then(|| Arc::clone(array))
                    .ok_or("values of the column's type")
            }
        }
    }

    /// Makes a column of the cells of JSON rows; an error says what was expected.
    pub(super) fn cells<'c>(
        &self,
        cells: impl Iterator<Item = Option<&'c str>>,
    ) -> Result<ArrayRef, &'static str> {
        /// Reads every cell that holds something, or says that one could not be read.
        fn read<'c, T>(
            cells: impl Iterator<Item = Option<&'c str>>,
            read: impl Fn(&str) -> Option<T>,
        ) -> Option<Vec<Option<T>>> {
            cells.map(|cell| cell.map(&read).transposed()).collect()
        }
        Ok(match self {
            Self::Number(scale) => {
                let number = |text: &str| decimal(text, *scale);
                decimals(read(cells, number).ok_or("numbers of 38 digits")?, *scale)?
            }
            Self::Real => {
                let reals = read(cells, |text| text.parse().ok());
                Arc::new(Float64Array::from(reals.ok_or("numbers")?))
            }
            Self::Bool => {
                let truths = read(cells, |text| match text {
                    "1" | "true" | "TRUE" => Some(true),
                    "0" | "false" | "FALSE" => Some(false),
                    _ => None,
                });
                Arc::new(BooleanArray::from(truths.ok_or("`1` or `0`")?))
            }
            Self::Date => {
                let days = read(cells, |text| text.parse().ok());
                Arc::new(Date32Array::from(days.ok_or("days since 1970")?))
            }
            Self::Bytes => {
                let bytes = read(cells, bytes).ok_or("hexadecimal digits")?;
                Arc::new(bytes.into_iter().collect::<BinaryArray>())
            }
            Self::Time(digits) => {
                let times = read(cells, |text| Some(time(decimal(text, 9)?, *digits)));
                Arc::new(StringArray::from(times.ok_or("seconds of a day")?))
            }
            Self::Instant(digits) | Self::Local(digits) => {
                let times = read(cells, |text| self.instant(decimal(text, 9)?, *digits));
                Arc::new(StringArray::from(times.ok_or("seconds since 1970")?))
            }
            Self::Zoned(digits) => {
                let times = read(cells, |text| {
                    let (seconds, zone) = text.split_once(' ')?;
                    zoned(decimal(seconds, 9)?, zone.parse().ok()?, *digits)
                });
                Arc::new(StringArray::from(
                    times.ok_or("seconds since 1970 and an offset")?,
                ))
            }
            Self::Text | Self::Own(_) => Arc::new(cells.collect::<StringArray>()),
        })
    }

    fn instant(&self, nanos: i128, digits: u8) -> Option<String> {
        let mut text = stamp(nanos, digits)?;
        if matches!(self, Self::Local(_)) {
            text.push('Z');
        }
        Some(text)
    }
}

/// Turns a reading that failed of a value that is there into a failure.
trait Transposed<T> {
    fn transposed(self) -> Option<Option<T>>;
}

impl<T> Transposed<T> for Option<Option<T>> {
    fn transposed(self) -> Option<Option<T>> {
        match self {
            Some(Some(value)) => Some(Some(value)),
            Some(None) => None,
            None => Some(None),
        }
    }
}

fn decimals(values: Vec<Option<i128>>, scale: i8) -> Result<ArrayRef, &'static str> {
    let decimals = Decimal128Array::from(values);
    let decimals = decimals.with_precision_and_scale(DECIMAL_DIGITS, scale);
    Ok(Arc::new(decimals.map_err(|_| "numbers of 38 digits")?))
}

fn decimal(text: &str, scale: i8) -> Option<i128> {
    parse_decimal::<Decimal128Type>(text, DECIMAL_DIGITS, scale).ok()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_plain =
        text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| text.as_bytes().chunks_exact(2).map(pair).collect())?
}

/// Numbers of a column, one a row.
type Numbers<'a> = Box<dyn Iterator<Item = Option<i128>> + 'a>;

/// Gives the numbers of a column of any width.
fn numbers(array: &ArrayRef) -> Option<Numbers<'_>> {
    fn of<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef) -> Option<Numbers<'_>> {
        let own = array.as_primitive_opt::<T>()?.iter();
        Some(Box::new(own.map(|number| number.map(Into::into))))
    }
    of::<Int8Type>(array)
        .or_else(|| of::<Int16Type>(array))
        .or_else(|| of::<Int32Type>(array))
        .or_else(|| of::<Int64Type>(array))
        .or_else(|| of::<Decimal128Type>(array))
}

/// Gives the nanoseconds that a column of times tells: in units of its own, or as whole seconds and a fraction.
fn nanos(array: &ArrayRef, digits: u8) -> Option<Numbers<'_>> {
    let unit = 10_i128.pow(u32::from(SECOND_DIGITS.saturating_sub(digits)));
    let Some(parts) = array.as_struct_opt() else {
        let units = numbers(array)?;
        return Some(Box::new(units.map(move |one| one.map(|one| one * unit))));
    };
    let epochs = numbers(parts.column_by_name("epoch")?)?;
    let is_there = move |row| !array.is_null(row);
    Some(match parts.column_by_name("fraction") {
        Some(fractions) => Box::new(epochs.zip(numbers(fractions)?).enumerate().map(
            move |(row, (epoch, fraction))| {
                let nanos = epoch? * NANOS + fraction?;
                is_there(row).then_some(nanos)
            },
        )),
        None => Box::new(epochs.enumerate().map(move |(row, epoch)| {
            let nanos = epoch? * unit;
            is_there(row).then_some(nanos)
        })),
    })
}

fn time(nanos: i128, digits: u8) -> String {
    let seconds = nanos.div_euclid(NANOS);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let mut text = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    push_fraction(&mut text, nanos, digits);
    text
}

fn stamp(nanos: i128, digits: u8) -> Option<String> {
    let seconds = i64::try_from(nanos.div_euclid(NANOS)).ok()?;
    let whole = DateTime::from_timestamp(seconds, 0)?;
    let mut text = whole.format("%Y-%m-%d %H:%M:%S").to_string();
    push_fraction(&mut text, nanos, digits);
    Some(text)
}

fn zoned(nanos: i128, told_min: i128, digits: u8) -> Option<String> {
    let offset_min = told_min - OFFSET_BASE_MIN;
    let mut text = stamp(nanos.checked_add(offset_min * 60 * NANOS)?, digits)?;
    let sign = if offset_min < 0 { '-' } else { '+' };
    let offset_min = offset_min.abs();
    text.push_str(&format!(
        " {sign}{:02}:{:02}",
        offset_min / 60,
        offset_min % 60
    ));
    Some(text)
}

fn push_fraction(text: &mut String, nanos: i128, digits: u8) {
    let fraction = format!("{:09}", nanos.rem_euclid(NANOS));
    if let Some(fraction) = fraction.get(..usize::from(digits)).filter(|_| digits > 0) {
        text.push('.');
        text.push_str(fraction);
    }
}

#[cfg(test)]
#[path = "column_tests.rs"]
mod tests;
