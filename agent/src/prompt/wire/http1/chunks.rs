//! Chunked transfer coding. Source: RFC 9112 section 7.1; bare line feeds are not taken as line ends.

/// Longest extension of one chunk.
const EXTENSION_BYTES: usize = 4 << 10;

/// Longest trailer section.
const TRAILER_BYTES: usize = 64 << 10;

/// Most digits of a chunk's size: all that fit into 60 bits.
const DIGITS: u8 = 15;

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    Size {
        size: u64,
        digits: u8,
    },
    /// After the size: blanks, then an extension or the line's end.
    Blank {
        size: u64,
    },
    Extension {
        size: u64,
        bytes: usize,
    },
    SizeEnd {
        size: u64,
    },
    Content {
        left: u64,
    },
    ContentEnd {
        carriage: bool,
    },
    Trailer {
        line: usize,
        total: usize,
    },
    TrailerEnd {
        line: usize,
        total: usize,
    },
    Ended,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    More,
    End,
}

const SIZE: Chunks = Chunks::Size { size: 0, digits: 0 };

impl Chunks {
    pub(super) fn new() -> Self {
        SIZE
    }

    pub(super) fn step<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Piece<'a>, &'static str> {
        while let Some((first, behind)) = rest.split_first() {
            if let Self::Content { left } = *self {
                let most = usize::try_from(left).unwrap_or(usize::MAX);
                let (bytes, behind) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                *rest = behind;
                *self = match left.saturating_sub(bytes.len() as u64) {
                    0 => Self::ContentEnd { carriage: false },
                    left => Self::Content { left },
                };
                return Ok(Piece::Bytes(bytes));
            }
            *rest = behind;
            *self = self.after(*first)?;
            if *self == Self::Ended {
                return Ok(Piece::End);
            }
        }
        Ok(Piece::More)
    }

    fn after(self, byte: u8) -> Result<Self, &'static str> {
        match (self, byte) {
            (Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits >= DIGITS {
                    return Err("a chunk's size has too many digits");
                }
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                Ok(Self::Size {
                    size: size.saturating_mul(16).saturating_add(digit),
                    digits: digits.saturating_add(1),
                })
            }
            (Self::Size { digits: 0, .. }, _) => Err("a chunk has no size"),
            (Self::Size { size, .. } | Self::Blank { size }, b' ' | b'\t') => {
                Ok(Self::Blank { size })
            }
            (Self::Size { size, .. } | Self::Blank { size }, b';') => {
                Ok(Self::Extension { size, bytes: 0 })
            }
            (
                Self::Size { size, .. } | Self::Blank { size } | Self::Extension { size, .. },
                b'\r',
            ) => Ok(Self::SizeEnd { size }),
            (Self::Extension { size, bytes }, _) if byte != b'\n' && bytes < EXTENSION_BYTES => {
                Ok(Self::Extension {
                    size,
                    bytes: bytes.saturating_add(1),
                })
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Ok(Self::Trailer { line: 0, total: 0 }),
            (Self::SizeEnd { size }, b'\n') => Ok(Self::Content { left: size }),
            (Self::ContentEnd { carriage: false }, b'\r') => {
                Ok(Self::ContentEnd { carriage: true })
            }
            (Self::ContentEnd { carriage: true }, b'\n') => Ok(SIZE),
            (Self::Trailer { line, total }, b'\r') => Ok(Self::TrailerEnd { line, total }),
            (Self::Trailer { line, total }, _) if byte != b'\n' && total < TRAILER_BYTES => {
                Ok(Self::Trailer {
                    line: line.saturating_add(1),
                    total: total.saturating_add(1),
                })
            }
            (Self::TrailerEnd { line: 0, .. }, b'\n') => Ok(Self::Ended),
            (Self::TrailerEnd { total, .. }, b'\n') => Ok(Self::Trailer { line: 0, total }),
            _ => Err("a chunk breaks its syntax"),
        }
    }
}
