//! Reads a file of the compacted layer as a verifier does: each row's chain, place and leaf.
//!
//! Whether the rows are those of an object is told without keeping them: both sides are summed up by a keyed digest of each
//! row (MSet-Add-Hash of Clarke et al., ASIACRYPT 2003). The key is random and of one run, so that nobody can choose rows
//! whose sums are the same.

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;

use crate::record::RecordError;
use crate::record::chain::tree::Hash;
use crate::record::digest::sha256;
use crate::record::leafing::{PIECE_ROWS, known, piece};
use crate::record::schema::Table;

/// What digests of rows are keyed by.
#[derive(Debug)]
pub(crate) struct Summing(hmac::Key);

/// Rows, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// How many there are.
    pub(crate) rows: u64,
    sum: (u128, u128),
}

impl Summing {
    /// Makes a key that is nowhere else.
    pub(crate) fn new() -> Result<Self, RecordError> {
        let key = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| RecordError::Random)
    }

    /// Adds a row at its place.
    pub(crate) fn add(&self, sum: &mut Sum, seq: u64, leaf: &Hash) {
        let mut message = [0; 40];
        let (place, rest) = message.split_at_mut(8);
        place.copy_from_slice(&seq.to_be_bytes());
        rest.copy_from_slice(leaf);
        let tag = hmac::sign(&self.0, &message);
        let half = |half: &[u8]| half.try_into().map_or(0, u128::from_be_bytes);
        let (high, low) = tag.as_ref().split_at(16);
        sum.rows += 1;
        sum.sum.0 = sum.sum.0.wrapping_add(half(high));
        sum.sum.1 = sum.sum.1.wrapping_add(half(low));
    }
}

/// Reads a file's rows, and hands on each one's chain, place and leaf.
///
/// # Errors
/// It is no file of the table, or has rows of another organisation.
pub(crate) fn check(
    (org, table): (&str, &'static Table),
    bytes: Bytes,
    mut each: impl FnMut(&str, u64, Hash),
) -> Result<(), ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    known(table, reader.schema())?;
    for batch in reader.with_batch_size(PIECE_ROWS).build()? {
        let batch = batch.map_err(ParquetError::from)?;
        let (orgs, chains) = (texts(&batch, "org_id")?, texts(&batch, "chain_id")?);
        piece(table, &batch, |row, seq, payload| {
            if orgs.value(row) != org {
                let found = orgs.value(row);
                let text = format!("expected a row of `{org}`, found one of `{found}`");
                return Err(ArrowError::SchemaError(text));
            }
            let place = u64::try_from(seq);
            let seq = place.map_err(|error| ArrowError::SchemaError(error.to_string()))?;
            each(chains.value(row), seq, sha256(payload));
            Ok(())
        })?;
    }
    Ok(())
}

fn texts<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray, ArrowError> {
    let column = batch.column_by_name(name);
    let texts = column.and_then(|column| column.as_string_opt::<i32>());
    texts.ok_or_else(|| ArrowError::SchemaError(format!("expected texts in `{name}`, found none")))
}
