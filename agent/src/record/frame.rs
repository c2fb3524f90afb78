//! Frames: how rows lie in a file that may end anywhere. Pure.
//!
//! ```text
//! length u32 LE | crc32c u32 LE | kind u8 | payload
//! ```
//!
//! `length` counts the payload's bytes and is never 0: a length of 0 is the end, since preallocated files end in zeros.
//! The CRC-32C (RFC 3720 section B.4) covers the four bytes of `length`, `kind` and payload, so that a length that was
//! not written whole cannot pass. A file is read up to the first frame that does not hold.

/// Bytes before a payload.
pub const HEAD_BYTES: usize = 9;

/// Most bytes that a payload may have; a greater length is not a frame.
pub const PAYLOAD_MAX_BYTES: usize = 64 << 20;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first frame of a file: which chain and which part of it the file holds.
    Header,
    /// A row, in canonical CBOR.
    Row,
    /// The row of an intent whose end is not known yet and whose own frame is in an earlier file.
    Carried,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Header => 0,
            Self::Row => 1,
            Self::Carried => 2,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Header),
            1 => Some(Self::Row),
            2 => Some(Self::Carried),
            _ => None,
        }
    }
}

/// One frame of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: Kind,
    /// The payload.
    pub payload: &'a [u8],
}

/// Tells how many bytes a payload takes as a frame.
#[must_use]
pub fn framed_len(payload_bytes: usize) -> usize {
    HEAD_BYTES + payload_bytes
}

/// Appends a frame; gives false, and appends nothing, where the payload is empty or too long for one.
#[must_use]
pub fn push(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) -> bool {
    let Ok(length) = u32::try_from(payload.len()) else {
        return false;
    };
    if payload.is_empty() || payload.len() > PAYLOAD_MAX_BYTES {
        return false;
    }
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(length, kind.byte(), payload).to_le_bytes());
    out.push(kind.byte());
    out.extend_from_slice(payload);
    true
}

/// Reads frames up to the first that does not hold.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Frames<'a> {
    /// Begins at the first byte of a file.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Tells where the frames that hold end.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Counts the bytes after the frames that hold, zeros at the end not counted.
    #[must_use]
    pub fn torn_bytes(&self) -> usize {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        rest.iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let rest = self.bytes.get(self.offset..)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first()?;
        let length = u32::from_le_bytes(*length);
        let payload = rest.get(..usize::try_from(length).ok()?)?;
        if payload.is_empty() || payload.len() > PAYLOAD_MAX_BYTES {
            return None;
        }
        if checksum(length, *kind, payload) != u32::from_le_bytes(*crc) {
            return None;
        }
        let kind = Kind::of(*kind)?;
        self.offset += framed_len(payload.len());
        Some(Frame { kind, payload })
    }
}

fn checksum(length: u32, kind: u8, payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&length.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &[kind]);
    crc32c::crc32c_append(crc, payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            assert!(push(&mut bytes, Kind::Row, payload));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let mut frames = Frames::new(bytes);
        let payloads = frames
            .by_ref()
            .map(|frame| frame.payload.to_vec())
            .collect();
        (payloads, frames.torn_bytes())
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..8)
    }

    proptest! {
        #[test]
        fn frames_read_back_and_zeros_end_them(payloads in payloads(), zeros in 0_usize..64) {
            let mut bytes = framed(&payloads);
            bytes.resize(bytes.len() + zeros, 0);
            prop_assert_eq!(read(&bytes), (payloads, 0));
        }

        #[test]
        fn a_cut_file_keeps_the_whole_frames_before_the_cut(payloads in payloads(), cut in any::<prop::sample::Index>()) {
            let bytes = framed(&payloads);
            let cut = cut.index(bytes.len());
            let (found, _) = read(&bytes[..cut]);
            prop_assert_eq!(framed(&found).len() <= cut, true);
            prop_assert_eq!(&found[..], &payloads[..found.len()]);
            prop_assert!(found.len() < payloads.len());
        }

        #[test]
        fn a_flipped_bit_ends_the_file_there(payloads in payloads(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = framed(&payloads);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let (found, torn_bytes) = read(&bytes);
            prop_assert_eq!(&found[..], &payloads[..found.len()]);
            prop_assert!(framed(&found).len() <= at);
            prop_assert!(torn_bytes > 0);
        }
    }

    #[test]
    fn an_empty_payload_is_not_a_frame() {
        let mut bytes = Vec::new();
        assert!(!push(&mut bytes, Kind::Row, &[]));
        assert!(bytes.is_empty());
    }

    #[test]
    fn the_check_value_of_rfc_3720_holds() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }
}
