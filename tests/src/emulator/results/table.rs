//! Rows as fakesnow gave them, cut into any range in any form.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Format;
use super::cells::{self, Booleans};
use super::chunks;
use super::planted::Pieces;

/// A description of columns and rows that fit it.
#[derive(Debug)]
pub(in super::super) struct Table {
    /// `rowtype` as Snowflake tells it.
    pub(in super::super) rowtype: Value,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    /// No rows, and no Arrow schema to say so in.
    None,
    /// One batch; its schema keeps the metadata by which drivers read the columns.
    Arrow(RecordBatch),
    /// Strings and nulls.
    Json(Vec<Vec<Value>>),
    /// Both forms, as a test wrote them.
    Planted(Arc<Pieces>),
}

impl Table {
    /// Takes rows and their description out of an answer's `data`.
    pub(in super::super) fn take(data: &mut Map<String, Value>) -> Result<Self, String> {
        let rowtype = data.remove("rowtype").unwrap_or_else(|| json!([]));
        let arrow = data.remove("rowsetBase64");
        let rowset = data.remove("rowset");
        let rows = match (arrow.as_ref().and_then(Value::as_str), rowset) {
            (Some(base64), _) if !base64.is_empty() => Rows::Arrow(batch(base64)?),
            (_, Some(Value::Array(rows))) => Rows::Json(strings(rows)?),
            (Some(_) | None, Some(_) | None) => Rows::None,
        };
        Ok(Self { rowtype, rows })
    }

    /// Makes a table of texts: columns by name, rows of cells.
    #[must_use]
    pub(in super::super) fn texts(columns: &[&str], rows: Vec<Vec<Value>>) -> Self {
        let column = |name: &&str| {
            json!({
                "name": name, "database": "", "schema": "", "table": "", "type": "text", "nullable": true,
                "length": 16_777_216, "byteLength": 16_777_216, "precision": null, "scale": null, "collation": null,
            })
        };
        Self {
            rowtype: columns.iter().map(column).collect(),
            rows: Rows::Json(rows),
        }
    }

    /// Makes the table at a path of what a test wrote.
    #[must_use]
    pub(in super::super) fn planted(path: &[String; 3], pieces: Arc<Pieces>) -> Self {
        Self {
            rowtype: pieces.rowtype(path),
            rows: Rows::Planted(pieces),
        }
    }

    /// Counts the rows.
    #[must_use]
    pub(in super::super) fn len(&self) -> usize {
        match &self.rows {
            Rows::None => 0,
            Rows::Arrow(batch) => batch.num_rows(),
            Rows::Json(rows) => rows.len(),
            Rows::Planted(pieces) => pieces.len(),
        }
    }

    /// Tells whether the rows can be answered as Arrow.
    #[must_use]
    pub(in super::super) fn is_arrow(&self) -> bool {
        match self.rows {
            Rows::None | Rows::Arrow(_) | Rows::Planted(_) => true,
            Rows::Json(_) => false,
        }
    }

    /// Gives where a result is cut, by first row and number of rows: the first piece is inline, the others are chunks.
    #[must_use]
    pub(super) fn cuts(&self, chunk_rows: usize) -> Vec<(usize, usize)> {
        if let Rows::Planted(pieces) = &self.rows {
            return pieces.cuts();
        }
        let total = self.len();
        if chunk_rows == 0 || total <= chunk_rows {
            return vec![(0, total)];
        }
        let inline = total / 3;
        let chunks = (inline..total).step_by(chunk_rows);
        std::iter::once((0, inline))
            .chain(chunks.map(|start| (start, chunk_rows.min(total - start))))
            .collect()
    }

    /// Gives a piece of the result before compression: an Arrow stream, or JSON rows without outer brackets.
    pub(super) fn plain(&self, format: Format, start: usize, rows: usize) -> Result<Bytes, String> {
        if let Rows::Planted(pieces) = &self.rows {
            return pieces.plain(format, start);
        }
        match format {
            Format::Arrow => Ok(self.stream(start, rows)?.into()),
            Format::Json => {
                let text = self.json(start, rows, Booleans::Digits)?.to_string();
                let inner = text
                    .strip_prefix('[')
                    .and_then(|text| text.strip_suffix(']'));
                Ok(Bytes::copy_from_slice(inner.unwrap_or(&text).as_bytes()))
            }
        }
    }

    /// Gives the same as gzip.
    pub(super) fn gzip(&self, format: Format, start: usize, rows: usize) -> Result<Bytes, String> {
        if let Rows::Planted(pieces) = &self.rows {
            return pieces.gzip(format, start);
        }
        chunks::gzip(&self.plain(format, start, rows)?)
    }

    /// Gives a range of rows as one Arrow IPC stream with a schema of its own; empty where there is no schema.
    fn stream(&self, start: usize, rows: usize) -> Result<Vec<u8>, String> {
        match &self.rows {
            Rows::None => Ok(Vec::new()),
            Rows::Planted(pieces) => Ok(pieces.plain(Format::Arrow, start)?.into()),
            Rows::Json(_) => Err("rows that are JSON have no Arrow form".into()),
            Rows::Arrow(batch) => {
                let words = |error| format!("Arrow stream: {error}");
                let mut out = Vec::new();
                let mut writer = StreamWriter::try_new(&mut out, &batch.schema()).map_err(words)?;
                writer.write(&batch.slice(start, rows)).map_err(words)?;
                writer.finish().map_err(words)?;
                drop(writer);
                Ok(out)
            }
        }
    }

    /// Gives a range of rows as `rowsetBase64`.
    pub(super) fn base64(&self, start: usize, rows: usize) -> Result<Value, String> {
        Ok(json!(STANDARD.encode(self.stream(start, rows)?)))
    }

    /// Gives a range of rows as an array of arrays of strings and nulls.
    pub(in super::super) fn json(
        &self,
        start: usize,
        rows: usize,
        booleans: Booleans,
    ) -> Result<Value, String> {
        match &self.rows {
            Rows::None => Ok(json!([])),
            Rows::Arrow(batch) => cells::rows(&batch.slice(start, rows), booleans),
            Rows::Planted(pieces) => pieces.json(start, rows, booleans),
            Rows::Json(all) => Ok(json!(all.iter().skip(start).take(rows).collect::<Vec<_>>())),
        }
    }
}

fn batch(base64: &str) -> Result<RecordBatch, String> {
    let bytes = STANDARD
        .decode(base64)
        .map_err(|error| format!("rowsetBase64: {error}"))?;
    let words = |error| format!("rowsetBase64: {error}");
    let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(words)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(words)?;
    arrow::compute::concat_batches(&schema, &batches).map_err(words)
}

/// Takes JSON rows whose cells are all strings or null: drivers read nothing else.
fn strings(rows: Vec<Value>) -> Result<Vec<Vec<Value>>, String> {
    let is_text = |cell: &Value| cell.is_string() || cell.is_null();
    rows.into_iter()
        .map(|row| {
            let cells = row.as_array().filter(|cells| cells.iter().all(is_text));
            let cells = cells.ok_or_else(|| format!("rowset: expected strings, found {row}"))?;
            Ok(cells.clone())
        })
        .collect()
}
