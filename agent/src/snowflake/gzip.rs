//! Bodies that may be gzip, told by their first bytes and inflated under a limit.

use std::io::Read;

use bytes::Bytes;

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

#[cfg(test)]
mod tests {
    use std::io::Write;

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
}
