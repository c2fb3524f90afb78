//! The first values of a reply as it leaves, by which it can be known again where they come back. Nothing that was masked is
//! among them but as it is delivered, and no value is kept longer than whoever asks keeps it.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::types::{Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use arrow::ipc::reader::StreamDecoder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};

use super::cell::scaled;
use crate::snowflake::column::ColumnType;
use crate::snowflake::json::Object;

/// Longest reply that is looked at: it is read on the way to its client, at about 2 ms a MiB.
const BODY_MAX_BYTES: usize = 512 << 10;

/// Most rows that are looked at, most values that are taken, and the shortest and longest of them in bytes.
const ROWS_MAX: usize = 64;
const VALUES_MAX: usize = 64;
const VALUE_MIN_BYTES: usize = 6;
const VALUE_MAX_BYTES: usize = 256;

/// Longest text of an error that is taken.
const ERROR_MAX_BYTES: usize = 1024;

/// Codes of a statement that goes on: of the drivers' endpoint, and of the SQL API.
const RUNNING: [&str; 2] = ["333333", "333334"];

/// What a reply says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// The message of an error.
    pub error: Option<String>,
    /// Values of texts and numbers, each once.
    pub values: Vec<String>,
}

/// Values of customers are in no log.
impl fmt::Debug for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sample of {} values", self.values.len())
    }
}

/// Takes the first values of a reply; nothing of one that is long, or has another shape than a driver's or the SQL API's.
#[must_use]
pub fn sample(body: &[u8]) -> Sample {
    if body.len() > BODY_MAX_BYTES {
        return Sample::default();
    }
    let Ok(whole) = Object::read(body) else {
        return Sample::default();
    };
    let code: Option<String> = whole.read_as("code");
    let metadata: Option<Object> = whole.read_as("resultSetMetaData");
    let has_failed = match whole.read_as::<bool>("success") {
        Some(success) => !success,
        // The SQL API's errors have none of it.
        None => metadata.is_none(),
    };
    if has_failed || code.as_deref().is_some_and(|code| RUNNING.contains(&code)) {
        let is_error = !code.is_some_and(|code| RUNNING.contains(&code.as_str()));
        let message: Option<String> = whole.read_as("message");
        return Sample {
            error: message.filter(|text| is_error && text.len() <= ERROR_MAX_BYTES),
            values: Vec::new(),
        };
    }
    let mut taken = Taken::default();
    if let Some(metadata) = metadata {
        taken.kinds = kinds(&metadata, "rowType");
        taken.rows(whole.raw("data").map_or("", |rows| rows.get()));
    } else if let Some(data) = whole.read_as::<Object>("data") {
        taken.kinds = kinds(&data, "rowtype");
        match data.read_as::<String>("rowsetBase64") {
            Some(stream) => taken.stream(&stream),
            None => taken.rows(data.raw("rowset").map_or("", |rows| rows.get())),
        }
    }
    Sample {
        error: None,
        values: taken.values,
    }
}

/// Reads what kind of a value each column has.
fn kinds(of: &Object, member: &str) -> Vec<ColumnType> {
    let columns: Vec<Object> = of.read_as(member).unwrap_or_default();
    let kind = |column: &Object| {
        let name: String = column.read_as("type").unwrap_or_default();
        ColumnType::read(
            &name,
            column.read_as("precision"),
            column.read_as("scale"),
            false,
        )
    };
    columns.iter().map(kind).collect()
}

#[derive(Default)]
struct Taken {
    kinds: Vec<ColumnType>,
    values: Vec<String>,
    seen: BTreeSet<String>,
    row_count: usize,
}

impl Taken {
    fn is_full(&self) -> bool {
        self.values.len() >= VALUES_MAX || self.row_count >= ROWS_MAX
    }

    /// Tells whether values of a column come back as they are: drivers give days, instants and truths another form.
    fn kind(&self, place: usize) -> Option<ColumnType> {
        let kind = self.kinds.get(place).copied()?;
        let comes_back = match kind {
            ColumnType::Fixed { .. } | ColumnType::Real | ColumnType::Text => true,
            ColumnType::Binary
            | ColumnType::Boolean
            | ColumnType::Date
            | ColumnType::Timestamp { .. }
            | ColumnType::TimestampTz { .. }
            | ColumnType::Variant
            | ColumnType::Object
            | ColumnType::Array
            | ColumnType::Other => false,
        };
        comes_back.then_some(kind)
    }

    fn take(&mut self, value: &str) {
        let fits = (VALUE_MIN_BYTES..=VALUE_MAX_BYTES).contains(&value.len());
        if fits && self.values.len() < VALUES_MAX && !self.seen.contains(value) {
            self.seen.insert(value.to_owned());
            self.values.push(value.to_owned());
        }
    }

    /// Takes a list of rows, as far as it is needed.
    fn rows(&mut self, text: &str) {
        let mut reader = serde_json::Deserializer::from_str(text);
        // Breaks off once there is enough, and at what is no list of rows.
        let _enough = reader.deserialize_seq(Rows(self));
    }

    /// Takes an Arrow stream, as far as it is needed.
    fn stream(&mut self, text: &str) {
        let Ok(bytes) = STANDARD.decode(text) else {
            return;
        };
        // The reader panics at some frames whose lengths do not fit.
        let read = AssertUnwindSafe(|| {
            let mut decoder = StreamDecoder::new();
            let mut rest = Buffer::from(bytes);
            while !rest.is_empty() && !self.is_full() {
                match decoder.decode(&mut rest) {
                    Ok(Some(batch)) => self.batch(&batch),
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        });
        drop(catch_unwind(read));
    }

    fn batch(&mut self, batch: &RecordBatch) {
        for row in 0..batch.num_rows() {
            if self.is_full() {
                return;
            }
            self.row_count += 1;
            for (place, column) in batch.columns().iter().enumerate() {
                let value = self.kind(place).and_then(|kind| value(column, row, kind));
                if let Some(value) = value {
                    self.take(&value);
                }
            }
        }
    }
}

/// Writes a value as drivers do. Source: protocol reference section 5.4.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "values of every other type of Arrow's are not taken"
)]
fn value(column: &dyn Array, row: usize, kind: ColumnType) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    let whole = match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string_opt::<i32>()?.value(row);
            return (text.len() <= VALUE_MAX_BYTES).then(|| text.to_owned());
        }
        DataType::Float64 => {
            return Some(
                column
                    .as_primitive_opt::<Float64Type>()?
                    .value(row)
                    .to_string(),
            );
        }
        DataType::Int8 => column.as_primitive_opt::<Int8Type>()?.value(row).into(),
        DataType::Int16 => column.as_primitive_opt::<Int16Type>()?.value(row).into(),
        DataType::Int32 => column.as_primitive_opt::<Int32Type>()?.value(row).into(),
        DataType::Int64 => column.as_primitive_opt::<Int64Type>()?.value(row).into(),
        DataType::Decimal128(..) => column.as_primitive_opt::<Decimal128Type>()?.value(row),
        _ => return None,
    };
    match kind {
        ColumnType::Fixed { scale, .. } => Some(scaled(whole, scale)),
        _ => None,
    }
}

/// Reads a list of rows.
struct Rows<'t>(&'t mut Taken);

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Self(taken) = self;
        while let Some(row) = rows.next_element::<Vec<Option<String>>>()? {
            taken.row_count += 1;
            for (place, cell) in row.iter().enumerate() {
                if let (Some(_), Some(cell)) = (taken.kind(place), cell) {
                    taken.take(cell);
                }
            }
            if taken.is_full() {
                return Err(A::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
