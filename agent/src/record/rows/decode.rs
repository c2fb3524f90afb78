//! The rows of a part of a result, read from the very bytes that are delivered, batch by batch. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;

use super::column::Kind;
use crate::snowflake::column_told::ColumnTold;

/// JSON rows that become one batch.
const BATCH_ROWS: usize = 1024;

/// JSON bytes that become one batch, however few rows they are.
const BATCH_BYTES: usize = 1 << 20;

/// Longest JSON row. Snowflake's longest value has 128 MB.
const ROW_MAX_BYTES: usize = 256 << 20;

/// Names of the columns that are added to those of a result.
pub(super) const ADDED: [&str; 3] = ["_statement_id", "_chunk", "_row"];

/// In which form a result's rows are delivered.
#[derive(Clone, Debug)]
pub(crate) enum RowsForm {
    /// JSON rows joined by commas, of these columns.
    Json(Arc<[ColumnTold]>),
    /// An Arrow stream, which tells its columns.
    Arrow,
}

/// Why rows cannot be stored. Holds nothing of their values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// A column's values are not of its type.
    #[error("column {column}: expected {expected}, found others")]
    Values {
        column: usize,
        expected: &'static str,
    },
    /// The bytes are no such rows.
    #[error("expected {0}, found something else")]
    Shape(&'static str),
}

/// Reads the rows of one part.
pub(super) enum Decoder {
    Json(JsonRows),
    Arrow {
        stream: StreamDecoder,
        columns: Option<Columns>,
    },
}

impl Decoder {
    pub(super) fn new(form: &RowsForm) -> Self {
        match form {
            RowsForm::Json(told) => {
                let columns = told.iter();
                let columns = columns.map(|one| (&*one.name, Kind::told(&one.kind, one.scale)));
                Self::Json(JsonRows::new(Columns::new(columns.collect())))
            }
            RowsForm::Arrow => Self::Arrow {
                stream: StreamDecoder::new(),
                columns: None,
            },
        }
    }

    /// Gives the columns, as soon as they are known.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        match self {
            Self::Json(rows) => Some(&rows.columns.schema),
            Self::Arrow { columns, .. } => columns.as_ref().map(|columns| &columns.schema),
        }
    }

    /// Takes what is delivered next; gives what became whole by it to `out`.
    pub(super) fn push<E: From<Unfit>>(
        &mut self,
        piece: Bytes,
        mut out: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Json(rows) => rows.push(&piece, out),
            Self::Arrow { stream, columns } => {
                let mut rest = Buffer::from(piece);
                while !rest.is_empty() {
                    let batch = stream.decode(&mut rest).map_err(|_| NO_STREAM)?;
                    if let (None, Some(own)) = (&columns, stream.schema()) {
                        *columns = Some(Columns::of(&own));
                    }
                    if let (Some(batch), Some(columns)) = (batch, &columns) {
                        out(columns.batch(&batch)?)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Gives what is left of the rows that became whole.
    pub(super) fn finish<E: From<Unfit>>(
        self,
        is_whole: bool,
        out: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Json(rows) => rows.finish(is_whole, out),
            Self::Arrow {
                mut stream,
                columns,
            } => {
                if is_whole {
                    stream.finish().map_err(|_| NO_STREAM)?;
                    columns.ok_or(NO_STREAM)?;
                }
                Ok(())
            }
        }
    }
}

const NO_STREAM: Unfit = Unfit::Shape("an Arrow stream");

/// The columns of a result, and what is stored of each.
#[derive(Debug)]
pub(super) struct Columns {
    kinds: Vec<Kind>,
    schema: SchemaRef,
}

impl Columns {
    /// Names columns so that each name is there once, whatever its letters' case, as analysts' engines want it.
    fn new(columns: Vec<(&str, Kind)>) -> Self {
        let mut used: BTreeSet<String> = ADDED.map(str::to_owned).into();
        let mut fields = Vec::new();
        let mut kinds = Vec::new();
        for (name, kind) in columns {
            let name = if name.is_empty() { "_" } else { name };
            let mut given = name.to_owned();
            let mut number = 1_u32;
            while !used.insert(given.to_lowercase()) {
                number = number.saturating_add(1);
                given = format!("{name}_{number}");
            }
            fields.push(Field::new(given, kind.data_type(), true));
            kinds.push(kind);
        }
        let schema = Arc::new(Schema::new(fields));
        Self { kinds, schema }
    }

    fn of(own: &Schema) -> Self {
        let columns = own.fields().iter();
        let columns = columns.map(|field| (field.name().as_str(), Kind::of(field)));
        Self::new(columns.collect())
    }

    fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, Unfit> {
        let columns = self.kinds.iter().zip(batch.columns());
        let arrays = columns.map(|(kind, array)| kind.column(array));
        self.made(arrays, batch.num_rows())
    }

    fn of_rows(&self, rows: &[Vec<Option<String>>]) -> Result<RecordBatch, Unfit> {
        let cell = |row: usize, place: usize| rows.get(row)?.get(place)?.as_deref();
        let columns = self.kinds.iter().enumerate();
        let arrays =
            columns.map(|(place, kind)| kind.cells((0..rows.len()).map(|row| cell(row, place))));
        self.made(arrays, rows.len())
    }

    fn made(
        &self,
        arrays: impl Iterator<Item = Result<ArrayRef, &'static str>>,
        rows: usize,
    ) -> Result<RecordBatch, Unfit> {
        let arrays: Result<Vec<ArrayRef>, Unfit> = (1..)
            .zip(arrays)
            .map(|(column, array)| array.map_err(|expected| Unfit::Values { column, expected }))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays?, &options)
            .map_err(|_: ArrowError| Unfit::Shape("as many cells as columns"))
    }
}

/// JSON rows as they come, kept until they are whole and enough for a batch.
pub(super) struct JsonRows {
    columns: Columns,
    row: Vec<u8>,
    place: Place,
    rows: Vec<Vec<Option<String>>>,
    bytes: usize,
}

/// Where in the text the last byte was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Row,
    Text,
    Escape,
}

impl JsonRows {
    fn new(columns: Columns) -> Self {
        Self {
            columns,
            row: Vec::new(),
            place: Place::Between,
            rows: Vec::new(),
            bytes: 0,
        }
    }

    fn push<E: From<Unfit>>(
        &mut self,
        piece: &[u8],
        mut out: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        for &byte in piece {
            if self.place == Place::Between {
                match byte {
                    b'[' => self.place = Place::Row,
                    b',' | b' ' | b'\t' | b'\r' | b'\n' => continue,
                    _ => return Err(Unfit::Shape("rows in brackets").into()),
                }
            }
            self.row.push(byte);
            self.place = match (self.place, byte) {
                (Place::Row, b'"') => Place::Text,
                (Place::Text, b'"') => Place::Row,
                (Place::Text, b'\\') => Place::Escape,
                (Place::Escape, _) => Place::Text,
                (Place::Row, b']') => {
                    self.take_row()?;
                    if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                        out(self.take_batch()?)?;
                    }
                    Place::Between
                }
                (place, _) => place,
            };
            if self.row.len() > ROW_MAX_BYTES {
                return Err(Unfit::Shape("rows of 256 MiB at most").into());
            }
        }
        Ok(())
    }

    fn finish<E: From<Unfit>>(
        mut self,
        is_whole: bool,
        mut out: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        if is_whole && self.place != Place::Between {
            return Err(Unfit::Shape("whole rows").into());
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        out(self.take_batch()?)
    }

    fn take_row(&mut self) -> Result<(), Unfit> {
        let cells: Vec<Option<String>> = serde_json::from_slice(&self.row)
            .map_err(|_| Unfit::Shape("cells that are text or null"))?;
        if cells.len() != self.columns.kinds.len() {
            return Err(Unfit::Shape("as many cells as columns"));
        }
        self.bytes += self.row.len();
        self.row.clear();
        self.rows.push(cells);
        Ok(())
    }

    fn take_batch(&mut self) -> Result<RecordBatch, Unfit> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        self.columns.of_rows(&rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(names: &[&str]) -> RowsForm {
        let column = |name: &&str| ColumnTold {
            name: (*name).to_owned(),
            kind: "text".to_owned(),
            ..ColumnTold::default()
        };
        RowsForm::Json(names.iter().map(column).collect())
    }

    /// Reads pieces; gives the rows of all batches.
    fn read(pieces: &[&[u8]]) -> Result<usize, Unfit> {
        let mut decoder = Decoder::new(&told(&["A", "B"]));
        let mut rows = 0;
        let mut out = |batch: RecordBatch| -> Result<(), Unfit> {
            rows += batch.num_rows();
            Ok(())
        };
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece), &mut out)?;
        }
        decoder.finish(true, &mut out)?;
        Ok(rows)
    }

    proptest! {
        #[test]
        fn rows_are_read_wherever_they_are_cut(
            cells in prop::collection::vec((any::<String>(), any::<Option<String>>()), 0..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let rows: Vec<String> = cells
                .iter()
                .map(|row| serde_json::to_string(row).unwrap())
                .collect();
            let text = rows.join(", ");
            let (front, back) = text.as_bytes().split_at(cut.index(text.len() + 1));
            prop_assert_eq!(read(&[front, back]), Ok(cells.len()));
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&[&bytes]));
        }
    }

    #[test]
    fn what_are_no_rows_of_the_columns_is_an_error() {
        for text in [
            "[",
            "x",
            r#"["1"]"#,
            "[1,2]",
            r#"["1","2","3"]"#,
            r#"["a","#,
        ] {
            assert!(read(&[text.as_bytes()]).is_err(), "{text}");
        }
    }

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let decoder = Decoder::new(&told(&["A", "a", "_ROW", "", "A_2"]));
        let schema = decoder.schema().unwrap();
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(names, ["A", "a_2", "_ROW_2", "_", "A_2_2"]);
    }
}
