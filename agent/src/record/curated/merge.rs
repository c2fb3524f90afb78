//! Sorted runs as one: of all runs the row that comes first, again and again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, Rows};

use super::CuratedError;
use super::sort::{Sorted, keys};
use super::spill::RunReader;

/// Rows that are given at a time; divides a row group's.
pub(super) const PIECE_ROWS: usize = 1024;

/// The rows of sorted runs, in order.
pub(super) struct Merge {
    runs: Vec<Cursor>,
    // The first row of each run that has one, and whose it is.
    next: BinaryHeap<Reverse<(OwnedRow, usize)>>,
}

/// A place in a run.
struct Cursor {
    rest: Option<RunReader>,
    batch: RecordBatch,
    keys: Rows,
    at: usize,
}

impl Merge {
    pub(super) fn of(sorted: &Sorted) -> Result<Self, CuratedError> {
        let mut merge = Self {
            runs: Vec::new(),
            next: BinaryHeap::new(),
        };
        if let Some(last) = &sorted.last {
            merge.begin(last.clone(), None)?;
        }
        for run in &sorted.runs {
            let mut reader = run.reader()?;
            if let Some(first) = reader.next() {
                merge.begin(first?, Some(reader))?;
            }
        }
        Ok(merge)
    }

    fn begin(&mut self, batch: RecordBatch, rest: Option<RunReader>) -> Result<(), ArrowError> {
        let keys = keys(&batch)?;
        if batch.num_rows() > 0 {
            self.next
                .push(Reverse((keys.row(0).owned(), self.runs.len())));
        }
        self.runs.push(Cursor {
            rest,
            batch,
            keys,
            at: 0,
        });
        Ok(())
    }

    /// Gives the rows that come next; none at the end.
    pub(super) fn piece(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let mut held: Vec<RecordBatch> = self.runs.iter().map(|run| run.batch.clone()).collect();
        let mut of_run: Vec<usize> = (0..held.len()).collect();
        let mut rows = Vec::with_capacity(PIECE_ROWS);
        while rows.len() < PIECE_ROWS {
            let Some(Reverse((_, run))) = self.next.pop() else {
                break;
            };
            let (Some(cursor), Some(at)) = (self.runs.get_mut(run), of_run.get_mut(run)) else {
                break;
            };
            rows.push((*at, cursor.at));
            if cursor.step()? {
                *at = held.len();
                held.push(cursor.batch.clone());
            }
            if cursor.at < cursor.batch.num_rows() {
                let key = cursor.keys.row(cursor.at).owned();
                self.next.push(Reverse((key, run)));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let held: Vec<&RecordBatch> = held.iter().collect();
        interleave_record_batch(&held, &rows).map(Some)
    }
}

impl Cursor {
    /// Goes to the next row; tells whether it is in another batch.
    fn step(&mut self) -> Result<bool, ArrowError> {
        self.at += 1;
        if self.at < self.batch.num_rows() {
            return Ok(false);
        }
        let Some(batch) = self.rest.as_mut().and_then(Iterator::next) else {
            return Ok(false);
        };
        self.batch = batch?;
        self.keys = keys(&self.batch)?;
        self.at = 0;
        Ok(true)
    }
}
