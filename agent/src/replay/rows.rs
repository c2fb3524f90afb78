//! Rows of results that a store holds: which files of them count, and what is in them.

use std::collections::BTreeMap;

use arrow::array::Array;
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::archive::Archive;
use crate::record::encryption::{KeyName, key_named_in};
use crate::record::entry::Entry;
use crate::record::sha256;
use crate::record::value::Value;

/// The files of rows that count: of each part of a statement's result the one that was delivered last, whole if there is
/// one. A file counts if its bytes are those of which the record tells.
#[derive(Debug, Default)]
pub struct StoredRows<'a> {
    parts: BTreeMap<&'a str, BTreeMap<i64, Part<'a>>>,
    refused: Vec<String>,
}

/// The rows that are shown with each statement.
#[derive(Debug, Default)]
pub struct ShownRows<'a> {
    /// What is stored.
    pub stored: StoredRows<'a>,
    /// How many rows of each statement are shown.
    pub limit: usize,
}

impl ShownRows<'_> {
    /// Reads those of a statement; none where none are stored.
    pub(super) fn of(&self, statement: &Entry) -> Result<Option<Rows>, ArrowError> {
        let id = statement.text("statement_id").unwrap_or_default();
        let is_stored = self.limit > 0 && self.stored.parts.contains_key(id);
        is_stored
            .then(|| self.stored.first(id, self.limit))
            .transpose()
    }
}

#[derive(Clone, Debug)]
struct Part<'a> {
    archive: &'a Archive,
    key: &'a str,
    row: &'a Entry,
    /// The data key that its footer names.
    named: Option<KeyName>,
}

impl<'a> StoredRows<'a> {
    /// Finds those of which wanted rows of `results` tell; reads each file for its digest.
    #[must_use]
    pub fn of(archive: &'a Archive, is_wanted: impl Fn(&Entry) -> bool) -> Self {
        let mut all = Self::default();
        for row in archive.table("results") {
            let (Some(id), Some(key)) = (row.text("statement_id"), row.text("object_key")) else {
                continue;
            };
            if is_wanted(row) {
                match look(archive, row, key) {
                    Ok(part) => all.add(id, part),
                    Err(reason) => all.refused.push(format!("{key}: {reason}")),
                }
            }
        }
        all
    }

    fn add(&mut self, statement: &'a str, part: Part<'a>) {
        let place = part.row.int("chunk_index").unwrap_or_default();
        let rank = |part: &Part<'_>| (part.row.is("completed"), part.row.int("ts"));
        let parts = self.parts.entry(statement).or_default();
        let is_better = parts
            .get(&place)
            .is_none_or(|held| rank(&part) >= rank(held));
        if is_better {
            parts.insert(place, part);
        }
    }

    /// Lists what does not count, and why, one line each.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Counts the rows of all statements, for tests.
    #[cfg(test)]
    pub(crate) fn count_for_tests(&self) -> u64 {
        let statements = self.parts.keys();
        let counts = statements.map(|id| self.first(id, usize::MAX).unwrap().cells.len() as u64);
        counts.sum()
    }

    /// Lists each statement's files in the order of the result's parts, each with the key that opens it, or why one cannot
    /// be opened.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&'a str, Result<Vec<Source>, String>)> {
        let source = |part: &Part<'_>| Ok((part.archive.address(part.key), part.opened_by()?));
        let all = self.parts.iter();
        all.map(move |(id, parts)| (*id, parts.values().map(source).collect()))
    }

    /// Reads the first rows of a statement's result.
    ///
    /// # Errors
    /// A file cannot be read.
    fn first(&self, statement: &str, limit: usize) -> Result<Rows, ArrowError> {
        let mut rows = Rows::default();
        for part in self
            .parts
            .get(statement)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            let left = limit.saturating_sub(rows.cells.len());
            if left > 0 {
                rows.read(part, left)?;
            }
        }
        Ok(rows)
    }
}

/// Where DuckDB finds a file of rows, and the key that opens it; none where it is not encrypted.
pub(super) type Source = (String, Option<KeyName>);

impl Part<'_> {
    fn opened_by(&self) -> Result<Option<KeyName>, String> {
        let opener = self.archive.opener(self.key);
        let opened = self.named.as_ref().map(|name| opener.opens(name));
        opened.transpose().map_err(|closed| closed.to_string())?;
        Ok(self.named.clone())
    }
}

fn look<'a>(archive: &'a Archive, row: &'a Entry, key: &'a str) -> Result<Part<'a>, String> {
    let bytes = archive.rows_file(key)?;
    if *row.get("object_sha256") != Value::from(sha256(&bytes)) {
        return Err("its bytes are not those of which the record tells".to_owned());
    }
    Ok(Part {
        archive,
        key,
        row,
        named: key_named_in(&bytes),
    })
}

/// Rows as text, without the columns that were added to them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) names: Vec<String>,
    /// A row's cells; none where there is no value.
    pub(super) cells: Vec<Vec<Option<String>>>,
}

impl Rows {
    fn read(&mut self, part: &Part<'_>, limit: usize) -> Result<(), ArrowError> {
        let failed = |cause: String| ArrowError::from_external_error(cause.into());
        let bytes = part.archive.rows_file(part.key).map_err(failed)?;
        let opener = part.archive.opener(part.key);
        let options = opener.options(&bytes)?;
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options);
        opener
            .outcome()
            .map_err(|closed| ArrowError::from_external_error(closed.into()))?;
        let reader = reader?;
        let fields = reader.schema().fields().iter();
        let names = fields.map(|field| field.name().clone());
        // What was added stands last: the statement, the part and the row's place in it.
        let added = 3;
        let own = reader.schema().fields().len().saturating_sub(added);
        self.names = names.take(own).collect();
        for batch in reader.with_limit(limit).build()? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let columns = batch.columns().iter().take(own);
                let cells = columns.map(|column| {
                    let is_there = !column.is_null(row);
                    is_there
                        .then(|| array_value_to_string(column, row))
                        .transpose()
                });
                self.cells.push(cells.collect::<Result<_, _>>()?);
            }
        }
        Ok(())
    }
}
