//! The rows of one object as columns of this version's table.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::super::columns;
use super::super::encryption::KeyRing;
use super::super::leafing::leaves;
use super::super::object::{Key, Unread};
use super::super::schema::Table;

/// Rows that are decoded at a time.
const PIECE_ROWS: usize = 4096;

/// An object's rows.
#[derive(Debug)]
pub(crate) struct Read {
    pub(super) batches: Vec<RecordBatch>,
    /// How many there are.
    pub(crate) rows: u64,
}

/// Reads an object's rows, and refuses one whose content is not what its key says, has a place twice, or is encrypted.
pub(crate) fn read(key: &Key, bytes: Bytes) -> Result<Read, String> {
    // The same look as a verifier's, so that what is compacted has leaves.
    let leafed = leaves(key, bytes.clone(), &KeyRing::empty());
    let leafed = leafed.map_err(|error: Unread| error.to_string())?;
    let mut places = HashSet::new();
    if let Some((seq, _)) = leafed.leaves.iter().find(|(seq, _)| !places.insert(*seq)) {
        return Err(format!("expected one row at place {seq}, found two"));
    }
    let batches = decoded(key, bytes).map_err(|error| error.to_string())?;
    let rows = leafed.leaves.len() as u64;
    Ok(Read { batches, rows })
}

fn decoded(key: &Key, bytes: Bytes) -> Result<Vec<RecordBatch>, ParquetError> {
    let unknown = || ArrowError::SchemaError(format!("no table `{}`", key.table));
    let table = Table::by_name(&key.table).ok_or_else(unknown)?;
    let schema = columns::schema(table);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let reader = reader.with_batch_size(PIECE_ROWS).build()?;
    let whole = |batch: Result<RecordBatch, ArrowError>| Ok(widened(&schema, &batch?)?);
    reader.map(whole).collect()
}

/// Gives a batch all columns of the table: what an earlier version did not write has no value.
fn widened(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        let found = batch.column_by_name(field.name());
        let none = || new_null_array(field.data_type(), batch.num_rows());
        found.cloned().unwrap_or_else(none)
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect())
}
