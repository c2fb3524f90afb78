//! brotli (RFC 7932) in pieces, without the large windows that the RFC does not have.

use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{PIECE_BYTES, Stop, Taker};

/// Three kinds of Huffman trees, at most 256 of each with 1080 entries of 4 bytes (RFC 7932 sections 3 and 7), context maps,
/// and buffers.
const TABLES_BYTES: usize = 4 << 20;

/// A body in coding `br`.
pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    piece: Vec<u8>,
    window_bytes: usize,
    begun: bool,
    whole: bool,
}

impl fmt::Debug for Brotli {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Brotli")
            .field("whole", &self.whole)
            .finish_non_exhaustive()
    }
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
            piece: vec![0; PIECE_BYTES],
            window_bytes: 0,
            begun: false,
            whole: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], taker: &mut Taker<'_>) -> Result<(), Stop> {
        if let Some(first) = bytes.first().filter(|_| !self.begun) {
            self.begun = true;
            self.window_bytes = window_bytes(*first);
        }
        let (mut left, mut taken, mut total) = (bytes.len(), 0, 0);
        while !self.whole {
            let (mut room, mut made) = (self.piece.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut taken,
                bytes,
                &mut room,
                &mut made,
                &mut self.piece,
                &mut total,
                &mut self.state,
            );
            if made > 0 {
                taker(self.piece.get(..made).unwrap_or_default())?;
            }
            match result {
                BrotliResult::ResultSuccess => self.whole = true,
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => {
                    return Err(Stop::Damaged("br: the stream is damaged"));
                }
            }
        }
        if left > 0 {
            return Err(Stop::Damaged("br: bytes follow the stream's end"));
        }
        Ok(())
    }

    /// The window that the stream states, and the most that its tables can take.
    pub(super) fn held_bytes(&self) -> usize {
        self.window_bytes.saturating_add(TABLES_BYTES)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }
}

/// By its first byte. Source: RFC 7932 section 9.1, `WBITS`.
fn window_bytes(first: u8) -> usize {
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, more) => 8 + u32::from(more),
        (_, more, _) => 17 + u32::from(more),
    };
    1 << bits
}
