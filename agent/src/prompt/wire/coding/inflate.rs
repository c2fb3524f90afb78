//! DEFLATE (RFC 1951) in pieces: what gzip, zlib and WebSocket's compression have in common.

use flate2::{Decompress, FlushDecompress, Status};

use super::{PIECE_BYTES, Stop, Taker};

/// A stream of DEFLATE, bare or within zlib's frame.
#[derive(Debug)]
pub(in crate::prompt::wire) struct Inflate {
    inner: Decompress,
    piece: Vec<u8>,
    ended: bool,
}

impl Inflate {
    /// The window of 32 KiB, tables of about 12 KiB, and the piece.
    pub(in crate::prompt::wire) const MEMORY_BYTES: usize = 64 << 10;

    /// Begins a bare stream.
    pub(in crate::prompt::wire) fn bare() -> Self {
        Self::begin(false)
    }

    /// Begins a stream in zlib's frame (RFC 1950), whose check sum is compared.
    pub(super) fn zlib() -> Self {
        Self::begin(true)
    }

    fn begin(zlib: bool) -> Self {
        Self {
            inner: Decompress::new(zlib),
            piece: vec![0; PIECE_BYTES],
            ended: false,
        }
    }

    /// Takes bytes and tells how many: fewer than all only where the stream ended.
    pub(in crate::prompt::wire) fn feed(
        &mut self,
        bytes: &[u8],
        taker: &mut Taker<'_>,
    ) -> Result<usize, Stop> {
        let mut taken = 0_usize;
        while !self.ended {
            let rest = bytes.get(taken..).unwrap_or_default();
            let (before_in, before_out) = (self.inner.total_in(), self.inner.total_out());
            let status = self
                .inner
                .decompress(rest, &mut self.piece, FlushDecompress::None);
            let consumed = difference(self.inner.total_in(), before_in);
            let made = difference(self.inner.total_out(), before_out);
            taken = taken.saturating_add(consumed);
            if made > 0 {
                taker(self.piece.get(..made).unwrap_or_default())?;
            }
            match status {
                Ok(Status::StreamEnd) => self.ended = true,
                Ok(Status::Ok | Status::BufError) => {
                    if taken >= bytes.len() && made < self.piece.len() {
                        break;
                    }
                    if consumed == 0 && made == 0 {
                        return Err(Stop::Damaged("deflate: the stream does not go on"));
                    }
                }
                Err(_) => return Err(Stop::Damaged("deflate: the stream is damaged")),
            }
        }
        Ok(taken)
    }

    pub(in crate::prompt::wire) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Begins a bare stream anew, with an empty window.
    pub(in crate::prompt::wire) fn reset(&mut self) {
        self.inner.reset(false);
        self.ended = false;
    }
}

fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}
