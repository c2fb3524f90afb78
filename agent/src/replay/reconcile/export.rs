//! A list that an administrator exported: CSV, JSON, JSON lines or Parquet, gzip or not. Pure.
//!
//! Column names are taken whatever their case; a member of an object in an object is `OUTER.INNER`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::forms::{csv, json, parquet};
use super::moment::{self, Zone};
use crate::snowflake::gzip::inflate_capped;

/// Largest export that is read, in plain bytes.
const MAX_BYTES: u64 = 4 << 30;

/// Why an exported list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Its form is not one that is known, or is damaged.
    #[error("`{file}`: expected {expected}, found {found}")]
    Form {
        /// The file.
        file: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// It lacks a column.
    #[error("`{file}`: expected a column `{column}`, found {found}")]
    Column {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
        /// The columns that it has.
        found: String,
    },
    /// A row's value is not one that can be judged.
    #[error("`{file}`, row {row}, column `{column}`: expected {expected}, found `{found}`")]
    Value {
        /// The file.
        file: String,
        /// The row, counted from 1, without a head.
        row: usize,
        /// The column.
        column: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

/// An exported list.
#[derive(Debug, Default)]
pub struct Export {
    pub(super) file: String,
    rows: Vec<BTreeMap<String, String>>,
}

/// One row of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'e> {
    export: &'e Export,
    number: usize,
    cells: &'e BTreeMap<String, String>,
}

impl Export {
    /// Reads a list; its first bytes tell its form.
    pub fn read(file: &str, bytes: Bytes) -> Result<Self, ExportError> {
        let failed = |expected, found: String| ExportError::Form {
            file: file.to_owned(),
            expected,
            found,
        };
        let bytes = inflate_capped(bytes, MAX_BYTES)
            .map_err(|error| failed("plain or gzip bytes", error.to_string()))?;
        let rows = if bytes.starts_with(b"PAR1") {
            parquet(bytes).map_err(|error| failed("a whole Parquet file", error))?
        } else {
            let text = std::str::from_utf8(&bytes)
                .map_err(|error| failed("text in UTF-8", error.to_string()))?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
            if text.starts_with(['{', '[']) {
                json(text).map_err(|error| failed("JSON or JSON lines", error))?
            } else {
                csv(text).map_err(|error| failed("CSV with a head", error))?
            }
        };
        Ok(Self {
            file: file.to_owned(),
            rows,
        })
    }

    /// Lists the rows.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        (1..).zip(&self.rows).map(|(number, cells)| Line {
            export: self,
            number,
            cells,
        })
    }
}

impl<'e> Line<'e> {
    /// Gives what stands in the first of some columns that has something.
    pub(super) fn text(&self, columns: &[&str]) -> Option<&'e str> {
        let mut found = columns.iter().filter_map(|column| self.cells.get(*column));
        found.find(|text| !text.is_empty()).map(String::as_str)
    }

    /// Gives what must stand in one of some columns.
    pub(super) fn required(&self, columns: &[&'static str]) -> Result<&'e str, ExportError> {
        self.text(columns).ok_or_else(|| {
            let names: Vec<&str> = self.cells.keys().map(String::as_str).collect();
            ExportError::Column {
                file: self.export.file.clone(),
                column: columns.first().copied().unwrap_or_default(),
                found: format!("{} in row {}", names.join(", "), self.number),
            }
        })
    }

    /// Reads a time, in microseconds since 1970; none where the column is empty.
    pub(super) fn time(
        &self,
        columns: &[&'static str],
        zone: Zone,
    ) -> Result<Option<i64>, ExportError> {
        let Some(text) = self.text(columns) else {
            return Ok(None);
        };
        let value = |expected| ExportError::Value {
            file: self.export.file.clone(),
            row: self.number,
            column: columns.first().copied().unwrap_or_default(),
            expected,
            found: text.to_owned(),
        };
        moment::read(text, zone).map(Some).map_err(value)
    }

    /// Reads a time that must be there.
    pub(super) fn required_time(
        &self,
        columns: &[&'static str],
        zone: Zone,
    ) -> Result<i64, ExportError> {
        self.required(columns)?;
        Ok(self.time(columns, zone)?.unwrap_or_default())
    }

    /// Tells whether a column says yes.
    pub(super) fn is(&self, columns: &[&str]) -> bool {
        let yes = |text: &str| ["yes", "true", "1", "success"].contains(&text);
        self.text(columns)
            .is_some_and(|text| yes(&text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(bytes: &[u8], column: &str) -> Vec<String> {
        let export = Export::read("f", Bytes::copy_from_slice(bytes)).unwrap();
        let lines = export.lines();
        let texts = lines.map(|line| line.text(&[column]).unwrap_or("-").to_owned());
        texts.collect()
    }

    #[test]
    fn each_form_gives_the_same() {
        let expected = ["a", "b,\"c\"\nd"];
        let csv = b"\xef\xbb\xbfquery_id,other\na,1\n\"b,\"\"c\"\"\nd\",2\n";
        assert_eq!(texts(csv, "QUERY_ID"), expected);
        let lines = b"{\"QUERY_ID\":\"a\"}\n{\"query_id\":\"b,\\\"c\\\"\\nd\",\"x\":null}\n";
        assert_eq!(texts(lines, "QUERY_ID"), expected);
        let list = b"[{\"Query_Id\":\"a\"},{\"QUERY_ID\":\"b,\\\"c\\\"\\nd\"}]";
        assert_eq!(texts(list, "QUERY_ID"), expected);
    }

    #[test]
    fn pages_of_an_api_are_lists() {
        let page = br#"{"total_count":1,"workflow_runs":[{"id":7,"repository":{"full_name":"a/b","owner":{"x":1}}}]}
            {"total_count":1,"workflow_runs":[{"id":8}]}"#;
        assert_eq!(texts(page, "ID"), ["7", "8"]);
        assert_eq!(texts(page, "REPOSITORY.FULL_NAME"), ["a/b", "-"]);
    }

    #[test]
    fn what_is_doubtful_is_refused() {
        let refused = |bytes: &[u8]| Export::read("f", Bytes::copy_from_slice(bytes)).unwrap_err();
        assert!(refused(b"a,A\n1,2\n").to_string().contains("two columns"));
        assert!(refused(b"a,b\n1\n").to_string().contains("CSV with a head"));
        assert!(
            refused(b"{\"a\":1,\"A\":2}")
                .to_string()
                .contains("two members")
        );
        assert!(
            refused(b"PAR1xxxx")
                .to_string()
                .contains("a whole Parquet file")
        );
        assert!(refused(b"[1]").to_string().contains("no object"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Export::read("f", bytes.into()));
        }
    }
}
