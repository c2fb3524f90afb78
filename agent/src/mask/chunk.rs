//! Chunks of a result, masked piece by piece as they pass.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::detect::{Finds, Tally};
use super::guard::Guard;
use super::result::{ChunkForm, Masking};
use super::rows::{Rows, Treatments};
use super::stream::Batches;
use super::treatment::{Uncertain, for_delivery};
use crate::snowflake::chunks::Chunk;
use crate::upstream::{UnmaskedChunk, UpstreamError};

/// Why a chunk breaks off.
#[derive(Debug, thiserror::Error)]
pub enum BrokenOff {
    /// Storage gave no whole chunk.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It cannot be masked with certainty.
    #[error(transparent)]
    Uncertain(#[from] Uncertain),
}

/// A chunk whose pieces may leave; made only by `mask_chunk`.
pub struct MaskedChunk {
    unmasked: UnmaskedChunk,
    masker: Option<Masker>,
    /// What is masked and has not left yet.
    masked: VecDeque<Bytes>,
    guard: Guard,
    cells: u64,
    found: Finds,
    is_over: bool,
}

/// What masks the pieces of one chunk.
struct Masker {
    columns: Arc<Treatments>,
    tally: Arc<Tally>,
    pieces: Pieces,
}

enum Pieces {
    Json(Rows),
    Arrow(Box<Batches>),
}

/// Turns a chunk from storage into one that the agent may have; of a result of which nothing is masked it is as it comes.
#[must_use]
pub fn mask_chunk(unmasked: UnmaskedChunk, masking: Option<Masking>) -> MaskedChunk {
    let masker = masking.map(|masking| {
        let (columns, tally) = for_delivery(&masking.columns);
        Masker {
            columns,
            tally,
            pieces: match masking.kept.form {
                ChunkForm::Json => Pieces::Json(Rows::default()),
                ChunkForm::Arrow => Pieces::Arrow(Box::default()),
            },
        }
    });
    MaskedChunk {
        unmasked,
        masker,
        masked: VecDeque::new(),
        guard: Guard::default(),
        cells: 0,
        found: Finds::new(),
        is_over: false,
    }
}

impl MaskedChunk {
    /// Waits for the next piece; none after the last. `came` is told of what came for it, as it came.
    ///
    /// # Errors
    /// The chunk breaks off. Nothing of it may follow.
    pub(crate) async fn next(
        &mut self,
        mut came: impl FnMut(&Bytes),
    ) -> Result<Option<Bytes>, BrokenOff> {
        loop {
            if let Some(masked) = self.masked.pop_front() {
                self.guard.pass(&masked)?;
                return Ok(Some(masked));
            }
            if self.is_over {
                return Ok(None);
            }
            let piece = self.unmasked.next().await?;
            if let Some(piece) = &piece {
                came(piece);
            }
            let Some(masker) = &mut self.masker else {
                self.is_over = piece.is_none();
                self.guard.pass(piece.as_deref().unwrap_or_default())?;
                return Ok(piece);
            };
            let masked = match piece {
                Some(piece) => masker.push(piece)?,
                None => {
                    self.is_over = true;
                    let told = self.unmasked.chunk().rows();
                    let Some(masker) = self.masker.take() else {
                        return Ok(None);
                    };
                    let tally = Arc::clone(&masker.tally);
                    let (masked, cells) = masker.finish(told)?;
                    self.found = tally.finds();
                    self.cells = cells;
                    masked
                }
            };
            self.masked = masked.into();
        }
    }

    /// Gives what the chunk is.
    pub(crate) fn chunk(&self) -> &Chunk {
        self.unmasked.chunk()
    }

    /// Tells how it came.
    pub(crate) fn encoding(&self) -> &'static str {
        self.unmasked.encoding()
    }

    /// Tells how many bytes have come.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.unmasked.taken_bytes()
    }

    /// Tells how many cells were changed, once the last piece was given.
    pub(crate) fn masked_cells(&self) -> u64 {
        self.cells
    }

    /// Tells what detectors found in it, once the last piece was given.
    pub(crate) fn found(&self) -> &Finds {
        &self.found
    }
}

impl Masker {
    /// Gives what is whole by a piece, masked, in pieces of which none is empty.
    fn push(&mut self, piece: Bytes) -> Result<Vec<Bytes>, Uncertain> {
        let mut out = Vec::new();
        match &mut self.pieces {
            Pieces::Json(rows) => {
                let mut text = Vec::with_capacity(piece.len());
                rows.push(&piece, &self.columns, &mut text)?;
                if !text.is_empty() {
                    out.push(text.into());
                }
            }
            Pieces::Arrow(batches) => batches.push(piece, &self.columns, &mut out)?,
        }
        Ok(out)
    }

    /// Ends the chunk, which must have as many rows as Snowflake told, if it did.
    fn finish(self, told: Option<i64>) -> Result<(Vec<Bytes>, u64), Uncertain> {
        let mut out = Vec::new();
        let (rows, cells) = match self.pieces {
            Pieces::Json(rows) => rows.finish()?,
            Pieces::Arrow(batches) => batches.finish(&self.columns, &mut out)?,
        };
        match told {
            Some(told) if u64::try_from(told) != Ok(rows) => Err(Uncertain::Shape(format!(
                "a chunk has {rows} rows, and Snowflake told {told}"
            ))),
            Some(_) | None => Ok((out, cells)),
        }
    }
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
