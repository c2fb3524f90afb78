//! zstd (RFC 8878) in pieces, with windows of at most 8 MiB (RFC 9659 section 3).

use std::fmt;

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::{PIECE_BYTES, Reason, Stop, Taker};

/// The largest window's base-2 logarithm. Source: RFC 9659 section 3.
const WINDOW_LOG: u32 = 23;

/// A body in coding `zstd`.
pub(super) struct Zstd {
    inner: DCtx<'static>,
    piece: Vec<u8>,
    whole: bool,
}

impl fmt::Debug for Zstd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Zstd")
            .field("whole", &self.whole)
            .finish_non_exhaustive()
    }
}

impl Zstd {
    pub(super) fn new() -> Result<Self, Reason> {
        let cannot = Reason::Coding("zstd: no decoder can be had");
        let Some(mut inner) = DCtx::try_create() else {
            return Err(cannot);
        };
        let begun = inner
            .init()
            .and_then(|_| inner.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)));
        if begun.is_err() {
            return Err(cannot);
        }
        Ok(Self {
            inner,
            piece: vec![0; PIECE_BYTES],
            whole: false,
        })
    }

    pub(super) fn feed(&mut self, bytes: &[u8], taker: &mut Taker<'_>) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut input = InBuffer::around(bytes);
        loop {
            let before = input.pos();
            let mut output = OutBuffer::around(self.piece.as_mut_slice());
            let damaged = "zstd: the stream is damaged, or its window is above 8 MiB";
            let left = self
                .inner
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| Stop::Damaged(damaged))?;
            let made = output.pos();
            // Source: `ZSTD_decompressStream` in zstd.h: zero where a frame was decoded and flushed whole.
            self.whole = left == 0;
            if made > 0 {
                taker(self.piece.get(..made).unwrap_or_default())?;
            }
            if input.pos() >= bytes.len() && (self.whole || made < self.piece.len()) {
                return Ok(());
            }
            if made == 0 && input.pos() == before {
                return Err(Stop::Damaged("zstd: the stream does not go on"));
            }
        }
    }

    /// The context with the window of its largest frame so far.
    pub(super) fn held_bytes(&self) -> usize {
        self.inner.sizeof().saturating_add(PIECE_BYTES)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }
}
