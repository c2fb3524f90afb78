//! Rows as fakesnow gave them, cut into any range in any form.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::cells::{self, Booleans};

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

    /// Counts the rows.
    #[must_use]
    pub(in super::super) fn len(&self) -> usize {
        match &self.rows {
            Rows::None => 0,
            Rows::Arrow(batch) => batch.num_rows(),
            Rows::Json(rows) => rows.len(),
        }
    }

    /// Tells whether the rows can be answered as Arrow.
    #[must_use]
    pub(in super::super) fn is_arrow(&self) -> bool {
        match self.rows {
            Rows::None | Rows::Arrow(_) => true,
            Rows::Json(_) => false,
        }
    }

    /// Gives a range of rows as one Arrow IPC stream with a schema of its own; empty where there is no schema.
    pub(super) fn stream(&self, start: usize, rows: usize) -> Result<Vec<u8>, String> {
        match &self.rows {
            Rows::None => Ok(Vec::new()),
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
