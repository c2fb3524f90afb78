//! Arrow results: one stream of batches, masked batch by batch as its bytes come.
//!
//! Source: protocol reference section 5.4: an IPC stream, one schema, no dictionaries, no compressed bodies. Columns keep
//! their order, names and metadata, batches their number of rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamEncoder;
use bytes::Bytes;

use super::rows::Treatments;
use super::treatment::Uncertain;

/// Buffers that are shorter leave joined; others leave as they are, with no copy made of them.
const JOINED_BYTES: usize = 16 * 1024;

/// Masks one stream.
pub struct Batches {
    decoder: StreamDecoder,
    /// What writes the masked stream, once the schema has come.
    out: Option<(SchemaRef, StreamEncoder)>,
    changed: u64,
    rows: u64,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            decoder: StreamDecoder::new(),
            out: None,
            changed: 0,
            rows: 0,
        }
    }
}

impl Batches {
    /// Takes a piece and appends what of it is whole, masked, to `out`.
    ///
    /// # Errors
    /// What comes is no such stream, has other columns than the result, or an array is not of its column's type.
    pub fn push(
        &mut self,
        piece: Bytes,
        columns: &Treatments,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Uncertain> {
        let mut rest = Buffer::from(piece);
        while !rest.is_empty() {
            let batch = self.decode(&mut rest)?;
            self.begin(columns)?;
            if let (Some(batch), Some((schema, encoder))) = (batch, &mut self.out) {
                self.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
                let (masked, changed) = mask_batch(&batch, columns, schema)?;
                drop(batch);
                self.changed += changed;
                hand_on(encoder.encode(&masked).map_err(broken)?, out);
            }
        }
        Ok(())
    }

    /// Writes the end; tells how many rows passed and how many cells of them were changed.
    ///
    /// # Errors
    /// The stream breaks off.
    pub fn finish(
        mut self,
        columns: &Treatments,
        out: &mut Vec<Bytes>,
    ) -> Result<(u64, u64), Uncertain> {
        self.decoder.finish().map_err(broken)?;
        self.begin(columns)?;
        if let Some((_, encoder)) = self.out {
            hand_on(encoder.finish().map_err(broken)?, out);
        }
        Ok((self.rows, self.changed))
    }

    /// Reads on to the end of a batch. The reader panics at some frames whose lengths do not fit.
    fn decode(&mut self, rest: &mut Buffer) -> Result<Option<RecordBatch>, Uncertain> {
        let decode = AssertUnwindSafe(|| self.decoder.decode(rest));
        let decoded = catch_unwind(decode)
            .map_err(|_| Uncertain::Shape("an Arrow stream whose lengths do not fit".to_owned()))?;
        decoded.map_err(broken)
    }

    /// Makes what writes the masked stream, as soon as the columns are known.
    fn begin(&mut self, columns: &Treatments) -> Result<(), Uncertain> {
        let (None, Some(own)) = (&self.out, self.decoder.schema()) else {
            return Ok(());
        };
        if own.fields().len() != columns.len() {
            return Err(Uncertain::Shape(format!(
                "expected {} columns, found {}",
                columns.len(),
                own.fields().len()
            )));
        }
        let is_plain = |kind: &DataType| !matches!(kind, DataType::Dictionary(_, _));
        if !own
            .flattened_fields()
            .iter()
            .all(|field| is_plain(field.data_type()))
        {
            return Err(Uncertain::Shape(
                "expected columns without dictionaries".to_owned(),
            ));
        }
        let fields: Vec<_> = own
            .fields()
            .iter()
            .zip(columns)
            .map(|(field, treatment)| match treatment {
                Some(treatment) => Arc::new(treatment.field(field)),
                None => Arc::clone(field),
            })
            .collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, own.metadata().clone()));
        let encoder = StreamEncoder::try_new(&schema).map_err(broken)?;
        self.out = Some((schema, encoder));
        Ok(())
    }
}

/// Masks a whole stream.
///
/// # Errors
/// As `Batches::push` and `finish`.
pub(super) fn mask_stream(
    stream: Bytes,
    columns: &Treatments,
) -> Result<(Vec<u8>, u64, u64), Uncertain> {
    let mut out = Vec::new();
    let mut batches = Batches::default();
    batches.push(stream, columns, &mut out)?;
    let (rows, changed) = batches.finish(columns, &mut out)?;
    Ok((out.concat(), rows, changed))
}

/// Turns an encoder's buffers into pieces that may leave.
fn hand_on(buffers: Vec<Buffer>, out: &mut Vec<Bytes>) {
    let mut joined = Vec::new();
    for buffer in buffers {
        if buffer.len() < JOINED_BYTES {
            joined.extend_from_slice(&buffer);
            continue;
        }
        if !joined.is_empty() {
            out.push(std::mem::take(&mut joined).into());
        }
        out.push(Bytes::from_owner(buffer));
    }
    if !joined.is_empty() {
        out.push(joined.into());
    }
}

fn mask_batch(
    batch: &RecordBatch,
    columns: &Treatments,
    schema: &SchemaRef,
) -> Result<(RecordBatch, u64), Uncertain> {
    let mut changed = 0;
    let mut masked = Vec::with_capacity(columns.len());
    for (place, (array, treatment)) in batch.columns().iter().zip(columns).enumerate() {
        masked.push(match treatment {
            Some(treatment) => {
                let made = treatment
                    .column(array)
                    .map_err(|expected| Uncertain::Value {
                        column: place + 1,
                        expected,
                    })?;
                let count = if treatment.is_selective() {
                    distinct(array, &made).map_err(broken)?.true_count()
                } else {
                    array.len() - array.null_count()
                };
                changed += u64::try_from(count).unwrap_or(u64::MAX);
                made
            }
            None => Arc::clone(array),
        });
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let masked = RecordBatch::try_new_with_options(Arc::clone(schema), masked, &options);
    Ok((masked.map_err(broken)?, changed))
}

/// Says that a stream cannot be read; the words of the reader may quote what it holds.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what else fails is said in one word"
)]
fn broken(error: arrow::error::ArrowError) -> Uncertain {
    let name = match error {
        arrow::error::ArrowError::IpcError(_) => "it breaks off, or its frames are none",
        arrow::error::ArrowError::SchemaError(_) => "its columns are not as it says",
        _ => "it cannot be read",
    };
    Uncertain::Shape(format!("an Arrow stream of which {name}"))
}
