//! The compacted layer's files: rows of many objects sorted by time and session, in memory that does not grow with the day.
//!
//! `read` gives an object's rows, `sort` puts them in order by way of a folder (`spill`), `merge` gives them in order,
//! `write` makes files of them, and `check` reads these again.

mod check;
mod merge;
mod read;
mod sort;
mod spill;
mod write;

#[cfg(test)]
pub(crate) mod tests;

use std::io;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use super::error::RecordError;
use super::schema::Table;

pub(crate) use check::{Sum, Summing, check};
pub(crate) use read::{Read, read};
pub(crate) use sort::{Sorted, Sorter};
pub(crate) use spill::Spill;
pub(crate) use write::{About, File, write};

/// Gives a table's columns as files hold them.
fn columns_of(table: &Table) -> SchemaRef {
    super::columns::schema(table)
}

/// Why rows could not be written again.
#[derive(Debug, thiserror::Error)]
pub enum CuratedError {
    /// They are not rows of the table, or no file could be made of them.
    #[error("rows could not be written again: {0}")]
    Form(#[from] ParquetError),
    /// The folder of what is being sorted cannot be used.
    #[error("the folder of what is being sorted cannot be used")]
    Spill(#[from] io::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] RecordError),
    /// Another number of rows came out than went in.
    #[error("expected {expected} rows of table `{table}`, found {found}")]
    Count {
        /// The table.
        table: &'static str,
        /// How many were read.
        expected: u64,
        /// How many were to be written.
        found: u64,
    },
}

impl From<ArrowError> for CuratedError {
    fn from(error: ArrowError) -> Self {
        Self::Form(error.into())
    }
}
