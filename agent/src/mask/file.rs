//! Files of a stage: what is in them was judged when they were put there; only what opens the stage is hidden.

use bytes::Bytes;

use crate::upstream::{UnmaskedFile, UpstreamError};

/// A file whose pieces may leave; made only by `mask_file`.
pub struct MaskedFile(UnmaskedFile);

/// Turns a file from storage into one that the agent may have.
#[must_use]
pub fn mask_file(unmasked: UnmaskedFile) -> MaskedFile {
    MaskedFile(unmasked)
}

impl MaskedFile {
    /// Waits for the next piece; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        self.0.next().await
    }

    /// Tells how many bytes have come from storage.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.0.taken_bytes()
    }
}
