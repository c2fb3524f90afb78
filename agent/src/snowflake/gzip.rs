//! Bodies that may be gzip, told by their first bytes and inflated under a limit.

use std::io::{Read, Write};

use bytes::{Buf, Bytes};

/// First bytes of a gzip member. Source: RFC 1952 section 2.3.1.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a body could not be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GzipError {
    /// The inflated body passes the limit.
    #[error("body inflates to more than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        limit_bytes: u64,
    },
    /// The bytes start as gzip and are not.
    #[error("body starts as gzip and cannot be inflated: {0}")]
    Damaged(String),
}

/// Gives the plain bytes of a body of at most `limit_bytes` plain bytes.
///
/// The drivers' `Content-Encoding` does not always agree with the body (protocol reference 4.1), so the magic decides.
///
/// # Errors
/// `TooLarge` before more than `limit_bytes` are held; `Damaged` if the stream breaks off or is followed by other bytes.
pub fn inflate_capped(body: Bytes, limit_bytes: u64) -> Result<Bytes, GzipError> {
    if !body.starts_with(&MAGIC) {
        if body.len() as u64 > limit_bytes {
            return Err(GzipError::TooLarge { limit_bytes });
        }
        return Ok(body);
    }
    let mut plain = Vec::new();
    #[expect(clippy::disallowed_types, reason = "this is the capped door")]
    let decoder = flate2::bufread::MultiGzDecoder::new(body.as_ref());
    decoder
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut plain)
        .map_err(|error| GzipError::Damaged(error.to_string()))?;
    if plain.len() as u64 > limit_bytes {
        return Err(GzipError::TooLarge { limit_bytes });
    }
    Ok(plain.into())
}

/// Inflates a body that comes in pieces, if it is gzip; holds one window of it at most.
#[derive(Debug)]
pub struct Inflater {
    state: State,
    plain_bytes: u64,
    limit_bytes: u64,
}

#[derive(Debug)]
enum State {
    /// Fewer bytes came than tell what the body is.
    Undecided(Vec<u8>),
    Plain,
    Gzip(Box<Decoder>),
}

#[expect(clippy::disallowed_types, reason = "this is the capped door")]
type Decoder = flate2::write::MultiGzDecoder<Vec<u8>>;

impl Inflater {
    /// Begins a body of at most `limit_bytes` plain bytes.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            state: State::Undecided(Vec::new()),
            plain_bytes: 0,
            limit_bytes,
        }
    }

    /// Takes from a piece what makes one window of plain bytes and gives them; none if more must come first. To be
    /// called until the piece is empty.
    ///
    /// # Errors
    /// `TooLarge` before more than a window beyond the limit is made; `Damaged`.
    pub fn feed(&mut self, piece: &mut Bytes) -> Result<Bytes, GzipError> {
        let plain = match &mut self.state {
            State::Undecided(head) => {
                let missing = MAGIC.len().saturating_sub(head.len()).min(piece.len());
                head.extend_from_slice(&piece.split_to(missing));
                if head.len() < MAGIC.len() {
                    return Ok(Bytes::new());
                }
                let head = std::mem::take(head);
                if head == MAGIC {
                    let mut decoder = Box::new(Decoder::new(Vec::new()));
                    decoder.write_all(&head).map_err(|error| damaged(&error))?;
                    self.state = State::Gzip(decoder);
                    Bytes::new()
                } else {
                    self.state = State::Plain;
                    Bytes::from(head)
                }
            }
            State::Plain => std::mem::take(piece),
            State::Gzip(decoder) => {
                // One write inflates into a window of 32 KiB at most and hands on what an earlier one left there.
                let taken = decoder.write(piece).map_err(|error| damaged(&error))?;
                piece.advance(taken.min(piece.len()));
                std::mem::take(decoder.get_mut()).into()
            }
        };
        self.count(plain)
    }

    /// Ends the body and gives its last plain bytes.
    ///
    /// # Errors
    /// The stream broke off, or its check sum differs.
    pub fn finish(&mut self) -> Result<Bytes, GzipError> {
        let plain = match &mut self.state {
            State::Undecided(head) => Bytes::from(std::mem::take(head)),
            State::Plain => Bytes::new(),
            State::Gzip(decoder) => {
                decoder.try_finish().map_err(|error| damaged(&error))?;
                std::mem::take(decoder.get_mut()).into()
            }
        };
        self.count(plain)
    }

    /// Tells whether the body is gzip.
    #[must_use]
    pub fn is_gzip(&self) -> bool {
        matches!(self.state, State::Gzip(_))
    }

    fn count(&mut self, plain: Bytes) -> Result<Bytes, GzipError> {
        self.plain_bytes = self.plain_bytes.saturating_add(plain.len() as u64);
        if self.plain_bytes > self.limit_bytes {
            let limit_bytes = self.limit_bytes;
            return Err(GzipError::TooLarge { limit_bytes });
        }
        Ok(plain)
    }
}

fn damaged(error: &std::io::Error) -> GzipError {
    GzipError::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn plain_and_gzip_give_the_same_bytes() {
        assert_eq!(inflate_capped(Bytes::from_static(b"{}"), 10).unwrap(), "{}");
        assert_eq!(inflate_capped(gzip(b"{}"), 10).unwrap(), "{}");
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(
            inflate_capped(bomb, 1 << 20),
            Err(GzipError::TooLarge {
                limit_bytes: 1 << 20
            })
        );
    }

    #[test]
    fn a_broken_stream_is_an_error() {
        let whole = gzip(b"select 1");
        let cut = whole.slice(..whole.len() - 4);
        assert!(matches!(
            inflate_capped(cut, 100),
            Err(GzipError::Damaged(_))
        ));
    }

    /// Inflates pieces as they would come from the network; gives the plain bytes and the largest window.
    fn inflate(pieces: Vec<Bytes>, limit_bytes: u64) -> Result<(Vec<u8>, usize), GzipError> {
        let mut inflater = Inflater::new(limit_bytes);
        let (mut plain, mut largest) = (Vec::new(), 0);
        for mut piece in pieces {
            while !piece.is_empty() {
                let window = inflater.feed(&mut piece)?;
                largest = largest.max(window.len());
                plain.extend_from_slice(&window);
            }
        }
        plain.extend_from_slice(&inflater.finish()?);
        Ok((plain, largest))
    }

    fn pieces(body: &Bytes, size: usize) -> Vec<Bytes> {
        body.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    #[test]
    fn a_streamed_bomb_stops_at_the_limit_and_holds_one_window() {
        let bomb = gzip(&vec![0; 50 << 20]);
        let limit_bytes = 1 << 20;
        assert_eq!(
            inflate(vec![bomb.clone()], limit_bytes),
            Err(GzipError::TooLarge { limit_bytes })
        );
        let (plain, largest) = inflate(vec![bomb], 64 << 20).unwrap();
        assert_eq!(plain.len(), 50 << 20);
        assert!(largest <= 64 << 10, "{largest}");
    }

    #[test]
    fn a_stream_that_breaks_off_or_is_changed_is_an_error() {
        let whole = gzip(&b"select 1".repeat(10_000));
        for cut in [3, 12, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
            let found = inflate(vec![whole.slice(..cut)], 1 << 20);
            assert!(
                matches!(found, Err(GzipError::Damaged(_))),
                "{cut}: {found:?}"
            );
        }
        let mut changed = whole.to_vec();
        let at = changed.len() - 6;
        changed[at] ^= 1;
        assert!(inflate(vec![changed.into()], 1 << 20).is_err());
        let followed = [whole.as_ref(), b"more"].concat();
        assert!(inflate(vec![followed.into()], 1 << 20).is_err());
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_bytes(
            plain in prop::collection::vec(any::<u8>(), 0..5000),
            repeat in 1_usize..40,
            size in 1_usize..3000,
        ) {
            let plain = plain.repeat(repeat);
            let zipped = gzip(&plain);
            let two = Bytes::from([zipped.as_ref(), zipped.as_ref()].concat());
            prop_assert_eq!(inflate(pieces(&zipped, size), 1 << 20).unwrap().0, plain.clone());
            prop_assert_eq!(inflate(pieces(&two, size), 1 << 20).unwrap().0, plain.repeat(2));
            if !plain.starts_with(&MAGIC) {
                prop_assert_eq!(inflate(pieces(&plain.clone().into(), size), 1 << 20).unwrap().0, plain);
            }
        }

        #[test]
        fn any_bytes_give_bytes_or_an_error(body in prop::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
            let body = if magic { [&MAGIC[..], &[8], &body].concat() } else { body };
            drop(inflate(pieces(&body.into(), 7), 1 << 20));
        }
    }
}
