//! `application/vnd.amazon.eventstream`, from pieces split at any byte.
//!
//! A message is its length and its headers' length (four bytes each, the first of the message in whole), the checksum of
//! these eight bytes, headers, payload, and the checksum of all before. Checksums are CRC-32 (IEEE 802.3), numbers big-endian.
//! Source: smithy.io, "Amazon Event Stream Specification".

use flate2::Crc;

use super::kept::MESSAGE_MAX_BYTES;

/// Bytes before the headers.
const PRELUDE_BYTES: usize = 12;

/// Bytes of a message without headers and payload.
const LEAST_BYTES: usize = 16;

/// Longest headers of one message, in bytes (as specified).
const HEADERS_MAX_BYTES: usize = 128 << 10;

/// A message's own kind and its payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(super) kind: &'a str,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub(super) name: &'a str,
    /// The payload.
    pub(super) payload: &'a [u8],
}

/// A stream of messages.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    buffer: Vec<u8>,
    /// Bytes of a message that is too long to be kept, still to come.
    skip: u64,
    /// Messages that were too long.
    pub(super) dropped: u32,
    /// Whether lengths or a checksum did not fit: nothing behind can be found.
    pub(super) broken: bool,
}

impl EventStream {
    /// Takes a piece; gives each message that it completes to `on`.
    pub(super) fn feed(&mut self, piece: &[u8], on: &mut impl FnMut(Message<'_>)) {
        if self.broken {
            return;
        }
        let skipped = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .min(piece.len());
        self.skip -= skipped as u64;
        self.buffer
            .extend_from_slice(piece.get(skipped..).unwrap_or_default());
        let mut at = 0;
        while let Some((next, skip)) = self.message(at, on) {
            at = next;
            self.skip = skip;
        }
        if self.broken {
            self.buffer = Vec::new();
        } else {
            self.buffer.drain(..at.min(self.buffer.len()));
        }
    }

    /// Tells whether the stream stops within a message.
    pub(super) fn is_open(&self) -> bool {
        self.skip > 0 || !self.buffer.is_empty()
    }

    /// Reads the message at a place; gives the place behind it, and how much of it is still to come.
    fn message(&mut self, at: usize, on: &mut impl FnMut(Message<'_>)) -> Option<(usize, u64)> {
        let rest = self.buffer.get(at..)?;
        let (length, headers) = match prelude(rest)? {
            Ok(lengths) => lengths,
            Err(Broken) => {
                self.broken = true;
                return None;
            }
        };
        if length > MESSAGE_MAX_BYTES {
            self.dropped = self.dropped.saturating_add(1);
            let missing = length.saturating_sub(rest.len());
            return Some((at + length.min(rest.len()), missing as u64));
        }
        let message = rest.get(..length)?;
        match read(message, headers) {
            Some(message) => on(message),
            None => {
                self.broken = true;
                return None;
            }
        }
        Some((at + length, 0))
    }
}

/// Lengths or a checksum that do not fit.
struct Broken;

/// Reads the lengths of a message and of its headers; `None` while they are not there.
fn prelude(bytes: &[u8]) -> Option<Result<(usize, usize), Broken>> {
    let (lengths, rest) = bytes.split_at_checked(8)?;
    let stated = number(rest)?;
    let (length, headers) = (number(lengths)?, number(lengths.get(4..)?)?);
    let (length, headers) = (
        usize::try_from(length).ok()?,
        usize::try_from(headers).ok()?,
    );
    let fits = length >= LEAST_BYTES && headers <= (length - LEAST_BYTES).min(HEADERS_MAX_BYTES);
    Some(if crc32(lengths) == stated && fits {
        Ok((length, headers))
    } else {
        Err(Broken)
    })
}

/// Reads a whole message whose prelude fits.
fn read(message: &[u8], headers: usize) -> Option<Message<'_>> {
    let (checked, stated) = message.split_at_checked(message.len().checked_sub(4)?)?;
    if number(stated)? != crc32(checked) {
        return None;
    }
    let (mut headers, payload) = checked.get(PRELUDE_BYTES..)?.split_at_checked(headers)?;
    let (mut kind, mut name) = ("event", "");
    while !headers.is_empty() {
        let (key, value, rest) = header(headers)?;
        headers = rest;
        match (key, value) {
            (b":message-type", Some(value)) => kind = value,
            (b":event-type" | b":exception-type" | b":error-code", Some(value)) => name = value,
            // `:content-type` and what others may be: nothing here depends on them.
            _ => {}
        }
    }
    Some(Message {
        kind,
        name,
        payload,
    })
}

/// A header's name, its value if that is text, and what stands behind it.
type Header<'a> = (&'a [u8], Option<&'a str>, &'a [u8]);

/// Reads one header: length and bytes of the name, the value's type, the value.
fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let fixed = match kind {
        // True, false; byte, short, integer, long; timestamp; UUID.
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        // Bytes and text, behind their length.
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let text = if *kind == 7 {
                Some(std::str::from_utf8(value).ok()?)
            } else {
                None
            };
            return Some((name, text, rest));
        }
        _ => return None,
    };
    let (_, rest) = rest.split_at_checked(fixed)?;
    Some((name, None, rest))
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes
        .first_chunk::<4>()
        .map(|bytes| u32::from_be_bytes(*bytes))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
#[path = "eventstream_tests.rs"]
pub(super) mod tests;
