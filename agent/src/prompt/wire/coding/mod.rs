//! Content codings: each piece of a body is decoded as it comes, into pieces of bounded size.

mod brotli;
mod gzip;
mod inflate;
mod zlib;
mod zstd;

use self::brotli::Brotli;
use self::gzip::Gzip;
pub(in crate::prompt::wire) use self::inflate::Inflate;
use self::zlib::Zlib;
use self::zstd::Zstd;

use super::Reason;
use super::limits::Claim;

/// Codings that one body may have on top of each other.
const CODINGS: usize = 3;

/// Most bytes that pass from one coding of a body to the next. What is coded twice may hold megabytes of nothing in each byte,
/// such as empty blocks, of which no piece ever comes out: no limit of what is told ends that.
const PASSED_MAX_BYTES: usize = 32 << 20;

/// Size of the pieces that decoders take, between which their memory is counted.
const PART_BYTES: usize = 16 << 10;

/// Size of the pieces that decoders give.
const PIECE_BYTES: usize = 16 << 10;

/// A content coding. Source: IANA's HTTP Content Coding Registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::prompt::wire) enum Coding {
    Gzip,
    Deflate,
    Zstd,
    Brotli,
}

/// Why decoding ended early.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::prompt::wire) enum Stop {
    /// The taker has enough.
    Full,
    /// The bytes are not what the coding says.
    Damaged(&'static str),
    /// Decoding needs more memory than there is.
    Memory(Reason),
}

/// Who takes decoded pieces.
pub(in crate::prompt::wire) type Taker<'a> = dyn FnMut(&[u8]) -> Result<(), Stop> + 'a;

/// Reads a `Content-Encoding`: the codings in the order in which they were applied. Source: RFC 9110 section 8.4.
pub(in crate::prompt::wire) fn codings(field: Option<&str>) -> Result<Vec<Coding>, Reason> {
    let mut codings = Vec::new();
    for name in field.unwrap_or_default().split(',').map(str::trim) {
        let coding = match name.to_ascii_lowercase().as_str() {
            "" | "identity" => continue,
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "zstd" => Coding::Zstd,
            "br" => Coding::Brotli,
            other => return Err(Reason::UnknownCoding(other.chars().take(32).collect())),
        };
        if codings.len() >= CODINGS {
            return Err(Reason::Coding("expected at most 3 codings, found more"));
        }
        codings.push(coding);
    }
    Ok(codings)
}

/// The decoders of one body, the last applied coding first.
#[derive(Debug)]
pub(in crate::prompt::wire) struct Decoders {
    decoders: Vec<Decoder>,
    claim: Claim,
    claimed_bytes: usize,
    /// Bytes that may still pass from one to the next.
    left_bytes: usize,
}

impl Decoders {
    /// Begins a body that has these codings.
    pub(in crate::prompt::wire) fn new(codings: &[Coding], claim: Claim) -> Result<Self, Reason> {
        let decoders = codings.iter().rev().map(|coding| Decoder::new(*coding));
        let mut begun = Self {
            decoders: decoders.collect::<Result<_, _>>()?,
            claim,
            claimed_bytes: 0,
            left_bytes: PASSED_MAX_BYTES,
        };
        begun.account()?;
        Ok(begun)
    }

    /// Decodes a piece and hands on at once what it gives.
    pub(in crate::prompt::wire) fn feed(
        &mut self,
        bytes: &[u8],
        taker: &mut Taker<'_>,
    ) -> Result<(), Stop> {
        for part in bytes.chunks(PART_BYTES) {
            decode(&mut self.decoders, part, &mut self.left_bytes, taker)?;
            self.account().map_err(Stop::Memory)?;
        }
        Ok(())
    }

    /// Claims what the decoders hold: some learn their window from the body's first bytes.
    fn account(&mut self) -> Result<(), Reason> {
        let held = self.decoders.iter().map(Decoder::held_bytes);
        let held = held.fold(0, usize::saturating_add);
        if held > self.claimed_bytes {
            self.claim.grow(held.saturating_sub(self.claimed_bytes))?;
            self.claimed_bytes = held;
        }
        Ok(())
    }

    /// Tells whether each coding came to its end.
    pub(in crate::prompt::wire) fn finish(&self) -> Result<(), Reason> {
        if self.decoders.iter().all(Decoder::is_whole) {
            Ok(())
        } else {
            Err(Reason::Coding("the body ended before its coding did"))
        }
    }
}

fn decode(
    decoders: &mut [Decoder],
    bytes: &[u8],
    left_bytes: &mut usize,
    taker: &mut Taker<'_>,
) -> Result<(), Stop> {
    match decoders.split_first_mut() {
        Some((first, [])) => first.feed(bytes, taker),
        Some((first, rest)) => first.feed(bytes, &mut |plain| {
            *left_bytes = left_bytes.checked_sub(plain.len()).ok_or(Stop::Full)?;
            decode(rest, plain, left_bytes, taker)
        }),
        None => taker(bytes),
    }
}

#[derive(Debug)]
enum Decoder {
    Gzip(Gzip),
    Deflate(Zlib),
    Zstd(Zstd),
    Brotli(Brotli),
}

impl Decoder {
    fn new(coding: Coding) -> Result<Self, Reason> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Gzip::new()),
            Coding::Deflate => Self::Deflate(Zlib::new()),
            Coding::Zstd => Self::Zstd(Zstd::new()?),
            Coding::Brotli => Self::Brotli(Brotli::new()),
        })
    }

    fn feed(&mut self, bytes: &[u8], taker: &mut Taker<'_>) -> Result<(), Stop> {
        match self {
            Self::Gzip(gzip) => gzip.feed(bytes, taker),
            Self::Deflate(zlib) => zlib.feed(bytes, taker),
            Self::Zstd(zstd) => zstd.feed(bytes, taker),
            Self::Brotli(brotli) => brotli.feed(bytes, taker),
        }
    }

    /// What it holds: the window, and tables and buffers beside it.
    fn held_bytes(&self) -> usize {
        match self {
            Self::Gzip(_) | Self::Deflate(_) => Inflate::MEMORY_BYTES,
            Self::Zstd(zstd) => zstd.held_bytes(),
            Self::Brotli(brotli) => brotli.held_bytes(),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Gzip(gzip) => gzip.is_whole(),
            Self::Deflate(zlib) => zlib.is_whole(),
            Self::Zstd(zstd) => zstd.is_whole(),
            Self::Brotli(brotli) => brotli.is_whole(),
        }
    }
}
