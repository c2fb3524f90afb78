//! From rows' canonical bytes to columns, without making rows of them: what sealing spends its time on.
//!
//! Gives what `columns` reads back as the same rows; a test holds the two together.

use std::mem;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, FixedSizeBinaryBuilder, Float64Builder, Int32Builder,
    Int64Builder, ListArray, NullBufferBuilder, RecordBatch, StringBuilder, StructArray,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::error::ArrowError;

use super::cbor::{self, CborError, Reader};
use super::columns;
use super::schema::{Column, Table, Type};

/// Rows that are filled in before they are encoded: enough for the columns' encoders, few enough for the cache.
const PIECE_ROWS: usize = 1024;

/// Bytes of rows after which a piece is full: a column's texts end below the 2 GiB that Arrow's offsets reach.
const PIECE_BYTES: usize = 16 << 20;

/// Columns of one table that are being filled.
pub(super) struct Filling {
    table: &'static Table,
    columns: Vec<Values>,
    rows: usize,
    bytes: usize,
}

impl Filling {
    /// Begins without a row.
    pub(super) fn new(table: &'static Table) -> Self {
        Self {
            table,
            columns: table
                .columns()
                .map(|column| Values::of(&column.kind))
                .collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Adds a row of the table; one that is refused leaves columns that are of no use.
    pub(super) fn add(&mut self, row: Reader<'_>) -> Result<(), CborError> {
        let (at, columns) = (self.rows, &mut self.columns);
        self.bytes += row.len();
        row.read(|decoder, place, _| match columns.get_mut(place) {
            Some(values) => values.put(at, decoder),
            None => Err(CborError::Form("a column of the table")),
        })?;
        self.rows += 1;
        Ok(())
    }

    /// Tells whether there are as many rows as are encoded at a time.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= PIECE_ROWS || self.bytes >= PIECE_BYTES
    }

    /// Gives the rows so far, and begins again.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = mem::take(&mut self.rows);
        self.bytes = 0;
        let arrays: Result<_, _> = self
            .columns
            .iter_mut()
            .map(|values| values.take(rows))
            .collect();
        RecordBatch::try_new(columns::schema(self.table), arrays?)
    }
}

/// Values of one column, of a struct's field or of lists. A row without a value is filled in when one after it comes.
enum Values {
    Bool(BooleanBuilder),
    I32(Int32Builder),
    I64(Int64Builder),
    F64(Float64Builder),
    Text(StringBuilder),
    Bytes(FixedSizeBinaryBuilder),
    Time(TimestampMicrosecondBuilder),
    List {
        inner: &'static Type,
        values: Box<Self>,
        lengths: Vec<usize>,
        nulls: NullBufferBuilder,
    },
    Struct {
        columns: &'static [Column],
        members: Vec<Self>,
        nulls: NullBufferBuilder,
    },
}

impl Values {
    fn of(kind: &'static Type) -> Self {
        match kind {
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::I32 => Self::I32(Int32Builder::new()),
            Type::I64 => Self::I64(Int64Builder::new()),
            Type::F64 => Self::F64(Float64Builder::new()),
            Type::Text | Type::Json => Self::Text(StringBuilder::new()),
            Type::Hash => Self::Bytes(FixedSizeBinaryBuilder::new(32)),
            Type::Salt => Self::Bytes(FixedSizeBinaryBuilder::new(16)),
            Type::Time => Self::Time(
                TimestampMicrosecondBuilder::new().with_data_type(columns::data_type(kind)),
            ),
            Type::List(inner) => Self::List {
                inner,
                values: Box::new(Self::of(inner)),
                lengths: Vec::new(),
                nulls: NullBufferBuilder::new(0),
            },
            Type::Struct(columns) => Self::Struct {
                columns,
                members: columns
                    .iter()
                    .map(|column| Self::of(&column.kind))
                    .collect(),
                nulls: NullBufferBuilder::new(0),
            },
        }
    }

    /// Takes a row's value from its bytes.
    fn put(&mut self, row: usize, decoder: &mut cbor::Decoder<'_>) -> Result<(), CborError> {
        self.pad(row);
        match self {
            Self::Bool(values) => values.append_value(decoder.bool()?),
            Self::I32(values) => values.append_value(decoder.i32()?),
            Self::I64(values) => values.append_value(decoder.i64()?),
            Self::F64(values) => values.append_value(cbor::take_float(decoder)?),
            Self::Text(values) => values.append_value(decoder.str()?),
            Self::Bytes(values) => values
                .append_value(decoder.bytes()?)
                .map_err(|_: ArrowError| CborError::LENGTH)?,
            Self::Time(values) => values.append_value(decoder.i64()?),
            Self::List {
                values,
                lengths,
                nulls,
                ..
            } => {
                let before = values.len();
                for _ in 0..cbor::list(decoder)? {
                    values.put(values.len(), decoder)?;
                }
                lengths.push(values.len() - before);
                nulls.append_non_null();
            }
            Self::Struct {
                columns,
                members,
                nulls,
            } => {
                cbor::fields(
                    decoder,
                    columns.iter().enumerate(),
                    |decoder, place, _| match members.get_mut(place) {
                        Some(values) => values.put(row, decoder),
                        None => Err(CborError::Form("a field of the struct")),
                    },
                )?;
                nulls.append_non_null();
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Time(values) => values.len(),
            Self::List { nulls, .. } | Self::Struct { nulls, .. } => nulls.len(),
        }
    }

    /// Leaves the rows before this one without a value that have none.
    fn pad(&mut self, row: usize) {
        let missing = row.saturating_sub(self.len());
        if missing == 0 {
            return;
        }
        match self {
            Self::Bool(values) => values.append_nulls(missing),
            Self::I32(values) => values.append_nulls(missing),
            Self::I64(values) => values.append_nulls(missing),
            Self::F64(values) => values.append_nulls(missing),
            Self::Text(values) => values.append_nulls(missing),
            Self::Bytes(values) => values.append_nulls(missing),
            Self::Time(values) => values.append_nulls(missing),
            Self::List { lengths, nulls, .. } => {
                lengths.resize(row, 0);
                nulls.append_n_nulls(missing);
            }
            Self::Struct { nulls, .. } => nulls.append_n_nulls(missing),
        }
    }

    /// Gives the column of as many rows, and begins again.
    fn take(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        Ok(match self {
            Self::Bool(values) => Arc::new(values.finish()),
            Self::I32(values) => Arc::new(values.finish()),
            Self::I64(values) => Arc::new(values.finish()),
            Self::F64(values) => Arc::new(values.finish()),
            Self::Text(values) => Arc::new(values.finish()),
            Self::Bytes(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
            Self::List {
                inner,
                values,
                lengths,
                nulls,
            } => Arc::new(ListArray::try_new(
                columns::element(inner),
                OffsetBuffer::from_lengths(mem::take(lengths)),
                values.take(values.len())?,
                nulls.finish(),
            )?),
            Self::Struct {
                columns,
                members,
                nulls,
            } => {
                let arrays: Result<_, _> =
                    members.iter_mut().map(|values| values.take(rows)).collect();
                Arc::new(StructArray::try_new(
                    columns::members(columns),
                    arrays?,
                    nulls.finish(),
                )?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cbor::encode_entry;
    use super::super::entry::Entry;
    use super::*;

    fn text(bytes: usize) -> Vec<u8> {
        let mut row = Entry::empty(Table::by_name("statement_texts").unwrap());
        row.set("sql_text", "x".repeat(bytes));
        encode_entry(&row).unwrap()
    }

    #[test]
    fn a_piece_is_full_by_rows_or_by_bytes() {
        let (short, long) = (text(1), text(PIECE_BYTES));
        for (row, rows) in [(short, PIECE_ROWS), (long, 1)] {
            let mut filling = Filling::new(Table::by_name("statement_texts").unwrap());
            for _ in 0..rows {
                assert!(!filling.is_full());
                filling.add(Reader::begin(&row).unwrap()).unwrap();
            }
            assert!(filling.is_full());
        }
    }
}
