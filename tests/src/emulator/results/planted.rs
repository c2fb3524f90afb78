//! Tables that a test wrote in both forms, piece by piece as Snowflake cuts a result; their bytes are handed on as they stand.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Format;
use super::cells::Booleans;
use super::chunks;

/// A table and the folder that holds what a result of it says: `table.json` and the files that it names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// Database, schema and name.
    pub path: [String; 3],
    /// The folder.
    pub folder: PathBuf,
}

/// What `table.json` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The columns as `rowtype` has them, without database, schema and table.
    columns: Vec<serde_json::Map<String, Value>>,
    pieces: Vec<WrittenPiece>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPiece {
    rows: usize,
    /// An Arrow IPC stream.
    arrow: String,
    /// Rows without the brackets around them.
    json: String,
    /// How often it comes, one after the other.
    times: usize,
}

/// The pieces of a table, in order: the first is inline, the others are chunks.
#[derive(Debug)]
pub(in super::super) struct Pieces {
    columns: Vec<serde_json::Map<String, Value>>,
    pieces: Vec<Arc<Piece>>,
}

#[derive(Debug)]
struct Piece {
    rows: usize,
    arrow: Form,
    json: Form,
}

/// A piece in one form; it is compressed once, however often it is offered.
#[derive(Debug)]
struct Form {
    plain: Bytes,
    gzip: OnceLock<Result<Bytes, String>>,
}

impl Form {
    fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let file = folder.join(name);
        let plain = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self {
            plain: plain.into(),
            gzip: OnceLock::new(),
        })
    }

    fn gzip(&self) -> Result<Bytes, String> {
        self.gzip.get_or_init(|| chunks::gzip(&self.plain)).clone()
    }
}

impl Piece {
    fn form(&self, format: Format) -> &Form {
        match format {
            Format::Arrow => &self.arrow,
            Format::Json => &self.json,
        }
    }
}

impl Pieces {
    /// Reads what a folder holds.
    pub(in super::super) fn read(folder: &Path) -> Result<Self, String> {
        let words = |error: &dyn std::fmt::Display| format!("{}: {error}", folder.display());
        let text = fs::read(folder.join("table.json")).map_err(|error| words(&error))?;
        let written: Written = serde_json::from_slice(&text).map_err(|error| words(&error))?;
        let mut pieces = Vec::new();
        for piece in written.pieces {
            let read = Arc::new(Piece {
                rows: piece.rows,
                arrow: Form::read(folder, &piece.arrow)?,
                json: Form::read(folder, &piece.json)?,
            });
            pieces.extend(std::iter::repeat_n(read, piece.times));
        }
        Ok(Self {
            columns: written.columns,
            pieces,
        })
    }

    /// Gives the same columns without rows, as a statement that is only described has them.
    #[must_use]
    pub(in super::super) fn described(&self) -> Self {
        Self {
            columns: self.columns.clone(),
            pieces: Vec::new(),
        }
    }

    /// Gives `rowtype` of a query for all columns of the table at a path.
    pub(super) fn rowtype(&self, [database, schema, table]: &[String; 3]) -> Value {
        let named = |column: &serde_json::Map<String, Value>| {
            let mut column = column.clone();
            column.insert("database".into(), json!(database));
            column.insert("schema".into(), json!(schema));
            column.insert("table".into(), json!(table));
            Value::Object(column)
        };
        self.columns.iter().map(named).collect()
    }

    /// Counts the rows.
    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.rows).sum()
    }

    /// Gives where each piece begins and how many rows it has.
    pub(super) fn cuts(&self) -> Vec<(usize, usize)> {
        let mut start = 0;
        let cut = |piece: &Arc<Piece>| {
            start += piece.rows;
            (start - piece.rows, piece.rows)
        };
        self.pieces.iter().map(cut).collect()
    }

    fn at(&self, start: usize) -> Result<&Piece, String> {
        let mut cuts = self.cuts().into_iter().zip(&self.pieces);
        let found = cuts.find(|((at, _), _)| *at == start);
        let (_, piece) = found.ok_or_else(|| format!("no piece begins at row {start}"))?;
        Ok(piece)
    }

    /// Gives the piece that begins at a row, as it was written.
    pub(super) fn plain(&self, format: Format, start: usize) -> Result<Bytes, String> {
        if self.pieces.is_empty() {
            return Ok(Bytes::new());
        }
        Ok(self.at(start)?.form(format).plain.clone())
    }

    /// Gives the same compressed.
    pub(super) fn gzip(&self, format: Format, start: usize) -> Result<Bytes, String> {
        self.at(start)?.form(format).gzip()
    }

    /// Gives a range of rows as an array of arrays, wherever pieces begin.
    pub(super) fn json(
        &self,
        start: usize,
        rows: usize,
        booleans: Booleans,
    ) -> Result<Value, String> {
        let mut found: Vec<Value> = Vec::new();
        for ((at, count), piece) in self.cuts().into_iter().zip(&self.pieces) {
            if at + count <= start || at >= start + rows {
                continue;
            }
            let text = String::from_utf8_lossy(&piece.json.plain);
            let all: Vec<Value> = serde_json::from_str(&format!("[{text}]"))
                .map_err(|error| format!("rows of a planted table: {error}"))?;
            let skipped = start.saturating_sub(at);
            let taken = (start + rows).saturating_sub(at.max(start));
            found.extend(all.into_iter().skip(skipped).take(taken));
        }
        if booleans == Booleans::Words {
            found.iter_mut().for_each(|row| self.spell(row));
        }
        Ok(Value::Array(found))
    }

    fn spell(&self, row: &mut Value) {
        let cells = row.as_array_mut().into_iter().flatten();
        for (cell, column) in cells.zip(&self.columns) {
            if column.get("type") == Some(&json!("boolean")) && cell.is_string() {
                *cell = json!(if *cell == "1" { "true" } else { "false" });
            }
        }
    }
}
