//! Sorted runs: as many rows as fit into a bound are put in order at once.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use super::merge::Merge;
use super::read::Read;
use super::spill::{Run, Spill};
use super::{CuratedError, columns_of};
use crate::record::schema::Table;

/// Most bytes that are sorted at once. A few times as much is in use while they are.
const RUN_BYTES: usize = 64 << 20;

/// What stays in memory until a table is written: each table has one such run at most.
const KEPT_BYTES: usize = 4 << 20;

/// Rows that come out of a run at a time; each run that is merged holds so many.
const PIECE_ROWS: usize = 1024;

/// By what rows are ordered. The last two tell any rows apart, so that the same rows always make the same file.
pub(super) const ORDER: [&str; 4] = ["ts", "session_id", "chain_id", "seq"];

/// Puts a table's rows in order.
#[derive(Debug)]
pub(crate) struct Sorter<'s> {
    table: &'static Table,
    spill: &'s Spill,
    run_bytes: usize,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    runs: Vec<Run>,
    rows: u64,
}

/// A table's rows in sorted runs.
#[derive(Debug)]
pub(crate) struct Sorted {
    pub(super) table: &'static Table,
    pub(super) runs: Vec<Run>,
    pub(super) last: Option<RecordBatch>,
    /// How many rows there are.
    pub(crate) rows: u64,
}

impl<'s> Sorter<'s> {
    /// Begins with a folder for what does not fit into memory.
    pub(crate) fn new(table: &'static Table, spill: &'s Spill) -> Self {
        Self::bounded(table, spill, RUN_BYTES)
    }

    pub(super) fn bounded(table: &'static Table, spill: &'s Spill, run_bytes: usize) -> Self {
        Self {
            table,
            spill,
            run_bytes,
            waiting: Vec::new(),
            waiting_bytes: 0,
            runs: Vec::new(),
            rows: 0,
        }
    }

    /// Adds an object's rows.
    pub(crate) fn add(&mut self, read: Read) -> Result<(), CuratedError> {
        self.rows += read.rows;
        for batch in read.batches {
            self.waiting_bytes += batch.get_array_memory_size();
            self.waiting.push(batch);
        }
        if self.waiting_bytes >= self.run_bytes {
            self.spill()?;
        }
        Ok(())
    }

    /// Gives the runs.
    pub(crate) fn finish(mut self) -> Result<Sorted, CuratedError> {
        if self.waiting_bytes > KEPT_BYTES {
            self.spill()?;
        }
        Ok(Sorted {
            table: self.table,
            last: self.sorted()?,
            runs: self.runs,
            rows: self.rows,
        })
    }

    fn spill(&mut self) -> Result<(), CuratedError> {
        if let Some(run) = self.sorted()? {
            self.runs.push(self.spill.write(&run, PIECE_ROWS)?);
        }
        Ok(())
    }

    fn sorted(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if waiting.is_empty() {
            return Ok(None);
        }
        let all = concat_batches(&columns_of(self.table), &waiting)?;
        drop(waiting);
        let keys = keys(&all)?;
        let mut order: Vec<(_, u32)> = keys.iter().zip(0..).collect();
        order.sort_unstable();
        let order = UInt32Array::from_iter_values(order.into_iter().map(|(_, row)| row));
        take_record_batch(&all, &order).map(Some)
    }
}

impl Sorted {
    /// Tells which table's rows they are.
    pub(crate) fn table(&self) -> &'static Table {
        self.table
    }

    /// Gives the rows in order.
    pub(super) fn merge(&self) -> Result<Merge, CuratedError> {
        Merge::of(self)
    }
}

/// Gives each row's place in the order, as bytes that compare so.
pub(super) fn keys(batch: &RecordBatch) -> Result<Rows, ArrowError> {
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for name in ORDER {
        let lacks = || ArrowError::SchemaError(format!("expected a column `{name}`, found none"));
        let column = batch.column_by_name(name).ok_or_else(lacks)?;
        fields.push(SortField::new(column.data_type().clone()));
        columns.push(column.clone());
    }
    RowConverter::new(fields)?.convert_columns(&columns)
}
