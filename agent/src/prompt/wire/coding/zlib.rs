//! The content coding `deflate`: zlib's frame (RFC 9110 section 8.4.1.2), or bare DEFLATE as some servers send it.

use super::{Inflate, Stop, Taker};

/// A body in coding `deflate`; its first two bytes tell which of both it is.
#[derive(Debug)]
pub(super) enum Zlib {
    Undecided(Option<u8>),
    Decided(Inflate),
}

impl Zlib {
    pub(super) fn new() -> Self {
        Self::Undecided(None)
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], taker: &mut Taker<'_>) -> Result<(), Stop> {
        if let Self::Undecided(first) = self {
            let Some((next, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            let Some(first) = *first else {
                *self = Self::Undecided(Some(*next));
                return self.feed(rest, taker);
            };
            let head = [first, *next];
            let inflate = if is_zlib(head) {
                Inflate::zlib()
            } else {
                Inflate::bare()
            };
            *self = Self::Decided(inflate);
            self.feed(&head, taker)?;
        }
        let Self::Decided(inflate) = self else {
            return Ok(());
        };
        let taken = inflate.feed(bytes, taker)?;
        if taken < bytes.len() {
            return Err(Stop::Damaged("deflate: bytes follow the stream's end"));
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Undecided(_) => false,
            Self::Decided(inflate) => inflate.is_ended(),
        }
    }
}

/// Method 8, window of at most 32 KiB, and a check of both bytes. Source: RFC 1950 section 2.2.
fn is_zlib([method, flags]: [u8; 2]) -> bool {
    let check = u16::from_be_bytes([method, flags]);
    method & 0x0f == 8 && method >> 4 <= 7 && check.is_multiple_of(31)
}
