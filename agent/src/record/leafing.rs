//! From an object's columns to the leaves of its rows, without making rows of them: what `verify --deep` spends its time on.
//!
//! Gives byte for byte what `cbor` gives of the same row; a test holds the two together.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::cbor;
use super::chain::tree::Hash;
use super::columns;
use super::digest::sha256;
use super::encryption::{KeyRing, Opener};
use super::facts::Facts;
use super::object::{Key, Unread};
use super::schema::{FORMAT_VERSION, SCHEMA_VERSION_ID, Table, Type};

/// Rows that are decoded at a time: enough to decode columns in one go, few enough for the cache.
pub(super) const PIECE_ROWS: usize = 4096;

/// What an object's rows came to.
#[derive(Debug, Default)]
pub(crate) struct Leafed {
    /// Each row's place in its chain and its leaf, in the order of the file.
    pub(crate) leaves: Vec<(u64, Hash)>,
    /// What other tables must agree with.
    pub(crate) facts: Facts,
    /// What tells its columns from others.
    pub(crate) columns: String,
}

/// Reads an object's rows, and refuses one whose content is not what its key says.
///
/// What is encrypted and cannot be opened has no leaves here.
pub(crate) fn leaves(key: &Key, bytes: Bytes, ring: &Arc<KeyRing>) -> Result<Leafed, Unread> {
    let opener = Opener::new(ring, &key.org);
    let leafed = opened(key, bytes, &opener);
    opener.outcome()?;
    Ok(leafed?)
}

fn opened(key: &Key, bytes: Bytes, opener: &Opener) -> Result<Leafed, ParquetError> {
    let table = Table::by_name(&key.table).ok_or_else(|| differs("table", &key.table))?;
    let options = opener.options(&bytes)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)?;
    known(table, reader.schema())?;
    let mut leafed = Leafed {
        columns: columns::told_apart(reader.schema()),
        ..Leafed::default()
    };
    for batch in reader.with_batch_size(PIECE_ROWS).build()? {
        let batch = batch.map_err(ParquetError::from)?;
        let begin = leafed.leaves.len();
        piece(table, &batch, |_, seq, payload| {
            if !(key.seq_min..=key.seq_max).contains(&seq) {
                return Err(other("range", &seq.to_string()));
            }
            // The payload stands behind the byte that marks a leaf (RFC 6962 section 2.1).
            let seq = u64::try_from(seq).map_err(|_| other("range", &seq.to_string()))?;
            leafed.leaves.push((seq, sha256(payload)));
            Ok(())
        })?;
        belongs(key, &batch)?;
        let seqs = leafed.leaves.get(begin..).unwrap_or_default();
        let seqs: Vec<u64> = seqs.iter().map(|(seq, _)| *seq).collect();
        leafed.facts.take(table, &batch, &seqs);
    }
    Ok(leafed)
}

/// Refuses columns that this version does not know: what they add to a leaf is not known either.
pub(super) fn known(table: &Table, found: &Schema) -> Result<(), ArrowError> {
    match columns::unknown(table, found)?.first() {
        Some(column) => Err(ArrowError::SchemaError(format!(
            "a later icecore wrote its column `{column}`: check it with that icecore"
        ))),
        None => Ok(()),
    }
}

/// A row that names a statement.
#[derive(Debug)]
pub(crate) struct RowOf {
    pub(crate) seq: u64,
    pub(crate) statement: String,
    /// Its canonical bytes.
    pub(crate) cbor: Vec<u8>,
}

/// Reads an object's rows that name one of some statements.
pub(crate) fn rows_of(
    key: &Key,
    bytes: Bytes,
    ring: &Arc<KeyRing>,
    statements: &BTreeSet<String>,
) -> Result<Vec<RowOf>, Unread> {
    let opener = Opener::new(ring, &key.org);
    let rows = opened_rows_of(key, bytes, &opener, statements);
    opener.outcome()?;
    Ok(rows?)
}

fn opened_rows_of(
    key: &Key,
    bytes: Bytes,
    opener: &Opener,
    statements: &BTreeSet<String>,
) -> Result<Vec<RowOf>, ParquetError> {
    let table = Table::by_name(&key.table).ok_or_else(|| differs("table", &key.table))?;
    let mut rows = Vec::new();
    if table.position("statement_id").is_none() {
        return Ok(rows);
    }
    let options = opener.options(&bytes)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)?;
    known(table, reader.schema())?;
    for batch in reader.with_batch_size(PIECE_ROWS).build()? {
        let batch = batch.map_err(ParquetError::from)?;
        let Some(named) = batch.column_by_name("statement_id") else {
            continue;
        };
        let named: &StringArray = typed(named, named.as_string_opt::<i32>())?;
        let is_one = |named: &str| statements.contains(named);
        if !named.iter().flatten().any(is_one) {
            continue;
        }
        belongs(key, &batch)?;
        piece(table, &batch, |row, seq, payload| {
            if named.is_valid(row) && is_one(named.value(row)) {
                rows.push(RowOf {
                    seq: u64::try_from(seq).map_err(|_| other("range", &seq.to_string()))?,
                    statement: named.value(row).to_owned(),
                    cbor: payload.get(1..).unwrap_or_default().to_vec(),
                });
            }
            Ok(())
        })?;
    }
    Ok(rows)
}

/// Refuses rows of another chain or organisation.
fn belongs(key: &Key, batch: &RecordBatch) -> Result<(), ArrowError> {
    for (name, expected) in [("chain_id", &key.chain), ("org_id", &key.org)] {
        let found = batch
            .column_by_name(name)
            .and_then(|column| column.as_string_opt::<i32>());
        let found = found.ok_or_else(|| lacks(name))?;
        if let Some(found) = found.iter().find(|found| *found != Some(expected.as_str())) {
            return Err(other(name, found.unwrap_or("none")));
        }
    }
    Ok(())
}

/// Encodes each row of a batch behind a byte 0, and hands on its index, place and bytes.
pub(super) fn piece(
    table: &Table,
    batch: &RecordBatch,
    mut each: impl FnMut(usize, i64, &[u8]) -> Result<(), ArrowError>,
) -> Result<(), ArrowError> {
    let mut fields = Vec::new();
    for column in table.columns() {
        let Some(array) = batch.column_by_name(column.name) else {
            if column.required {
                return Err(lacks(column.name));
            }
            continue;
        };
        if column.required && array.null_count() > 0 {
            return Err(lacks(column.name));
        }
        // A column without any value takes no time.
        if column.id != SCHEMA_VERSION_ID && array.null_count() < array.len() {
            fields.push(Field {
                key: head_of(0, column.id.into()),
                cells: Cells::of(&column.kind, array)?,
            });
        }
    }
    let number = |name| batch.column_by_name(name).ok_or_else(|| lacks(name));
    let seqs: &Int64Array = typed(
        number("seq")?,
        number("seq")?.as_primitive_opt::<Int64Type>(),
    )?;
    let versions = number("schema_version")?;
    let versions: &Int32Array = typed(versions, versions.as_primitive_opt::<Int32Type>())?;
    let mut payload = Vec::with_capacity(2048);
    for row in 0..batch.num_rows() {
        let version = versions.value(row);
        if !(1..=FORMAT_VERSION).contains(&version) {
            return Err(other("schema version", &version.to_string()));
        }
        payload.clear();
        payload.push(0);
        head(&mut payload, ARRAY, 3);
        head(&mut payload, UNSIGNED, table.id.into());
        integer(&mut payload, version.into());
        map(&mut payload, &fields, row)?;
        each(row, seqs.value(row), &payload)?;
    }
    Ok(())
}

/// A column of a row or a member of a struct: its id as CBOR, and its values.
struct Field<'a> {
    key: Vec<u8>,
    cells: Cells<'a>,
}

fn map(out: &mut Vec<u8>, fields: &[Field<'_>], row: usize) -> Result<(), ArrowError> {
    let present = fields.iter().filter(|field| field.cells.is_some(row));
    head(out, MAP, present.count() as u64);
    for field in fields {
        if field.cells.is_some(row) {
            out.extend_from_slice(&field.key);
            field.cells.put(out, row)?;
        }
    }
    Ok(())
}

struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Bool(&'a BooleanArray),
    I32(&'a Int32Array),
    I64(&'a Int64Array),
    Time(&'a TimestampMicrosecondArray),
    F64(&'a Float64Array),
    Text(&'a StringArray),
    Bytes(&'a FixedSizeBinaryArray),
    List(&'a ListArray, Box<Cells<'a>>),
    Struct(Vec<Field<'a>>),
}

impl<'a> Cells<'a> {
    fn of(kind: &Type, array: &'a ArrayRef) -> Result<Self, ArrowError> {
        let values = match kind {
            Type::Bool => Values::Bool(typed(array, array.as_boolean_opt())?),
            Type::I32 => Values::I32(typed(array, array.as_primitive_opt::<Int32Type>())?),
            Type::I64 => Values::I64(typed(array, array.as_primitive_opt::<Int64Type>())?),
            Type::F64 => Values::F64(typed(array, array.as_primitive_opt::<Float64Type>())?),
            Type::Text | Type::Json => Values::Text(typed(array, array.as_string_opt::<i32>())?),
            Type::Hash | Type::Salt => {
                Values::Bytes(typed(array, array.as_fixed_size_binary_opt())?)
            }
            Type::Time => {
                let times = array.as_primitive_opt::<TimestampMicrosecondType>();
                Values::Time(typed(array, times)?)
            }
            Type::List(inner) => {
                let list: &ListArray = typed(array, array.as_list_opt::<i32>())?;
                Values::List(list, Box::new(Cells::of(inner, list.values())?))
            }
            Type::Struct(columns) => {
                let members = typed(array, array.as_struct_opt())?;
                let members = columns.iter().zip(members.columns());
                let fields = members.map(|(column, array)| {
                    Ok(Field {
                        key: head_of(0, column.id.into()),
                        cells: Cells::of(&column.kind, array)?,
                    })
                });
                Values::Struct(fields.collect::<Result<_, ArrowError>>()?)
            }
        };
        Ok(Self {
            nulls: array.nulls().filter(|nulls| nulls.null_count() > 0),
            values,
        })
    }

    fn is_some(&self, row: usize) -> bool {
        self.nulls.is_none_or(|nulls| nulls.is_valid(row))
    }

    fn put(&self, out: &mut Vec<u8>, row: usize) -> Result<(), ArrowError> {
        match &self.values {
            Values::Bool(values) => out.push(if values.value(row) { 0xf5 } else { 0xf4 }),
            Values::I32(values) => integer(out, values.value(row).into()),
            Values::I64(values) => integer(out, values.value(row)),
            Values::Time(values) => integer(out, values.value(row)),
            Values::F64(values) => cbor::float(out, values.value(row))
                .map_err(|error| ArrowError::CastError(error.to_string()))?,
            Values::Text(values) => {
                let text = values.value(row);
                head(out, TEXT, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            Values::Bytes(values) => {
                let bytes = values.value(row);
                head(out, BYTES, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Values::List(list, cells) => {
                let offsets = list.value_offsets();
                let at = |row: usize| offsets.get(row).and_then(|at| usize::try_from(*at).ok());
                let (Some(begin), Some(end)) = (at(row), at(row + 1)) else {
                    return Err(ArrowError::CastError("a list without bounds".to_owned()));
                };
                head(out, ARRAY, (end - begin) as u64);
                for element in begin..end {
                    if !cells.is_some(element) {
                        let text = "a list has an element without a value".to_owned();
                        return Err(ArrowError::CastError(text));
                    }
                    cells.put(out, element)?;
                }
            }
            Values::Struct(fields) => map(out, fields, row)?,
        }
        Ok(())
    }
}

/// Major types of CBOR (RFC 8949 section 3.1).
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

fn integer(out: &mut Vec<u8>, number: i64) {
    match u64::try_from(number) {
        Ok(number) => head(out, UNSIGNED, number),
        Err(_) => head(out, NEGATIVE, (!number).cast_unsigned()),
    }
}

/// Writes a head in its shortest form.
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    let [.., e, f, g, h] = number.to_be_bytes();
    match number {
        0..=23 => out.push(major | h),
        24..=0xff => out.extend_from_slice(&[major | 24, h]),
        0x100..=0xffff => out.extend_from_slice(&[major | 25, g, h]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[major | 26, e, f, g, h]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn head_of(major: u8, number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(3);
    head(&mut bytes, major, number);
    bytes
}

fn typed<'a, T: ?Sized>(array: &'a ArrayRef, found: Option<&'a T>) -> Result<&'a T, ArrowError> {
    found.ok_or_else(|| {
        let found = array.data_type();
        ArrowError::CastError(format!("found {found} in a column of another type"))
    })
}

fn lacks(column: &str) -> ArrowError {
    ArrowError::SchemaError(format!("expected a value in `{column}`, found none"))
}

fn other(what: &str, found: &str) -> ArrowError {
    ArrowError::SchemaError(format!(
        "a row is of another {what} than its key: `{found}`"
    ))
}

fn differs(what: &str, found: &str) -> ParquetError {
    ParquetError::from(other(what, found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::any::entries_of_one_table;
    use super::*;

    proptest! {
        #[test]
        fn columns_give_the_bytes_that_rows_give(rows in entries_of_one_table()) {
            let table = rows[0].table;
            let mut rows = rows;
            for row in &mut rows {
                row.place(0, FORMAT_VERSION.into());
            }
            let batch = columns::batch(table, &rows).unwrap();
            let mut payloads = Vec::new();
            let pieced = piece(table, &batch, |_, _, payload| {
                payloads.push(payload[1..].to_vec());
                Ok(())
            });
            let expected: Vec<Vec<u8>> = rows.iter().map(|row| cbor::encode_entry(row).unwrap()).collect();
            // A row that lacks what it must have is refused.
            prop_assert_eq!(pieced.is_ok(), rows.iter().all(|row| row.lacks().is_none()));
            if pieced.is_ok() {
                prop_assert_eq!(payloads, expected);
            }
        }
    }
}
