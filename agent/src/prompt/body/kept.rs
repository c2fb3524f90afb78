//! Bytes kept up to a bound, counted and hashed in full.

use ring::digest::{Context, SHA256};

use super::call::Sha256;

/// Most bytes of one message that are looked at; the rest is counted and hashed.
pub const MESSAGE_MAX_BYTES: usize = 8 << 20;

/// What came in pieces, as far as it is kept.
#[derive(Clone)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    most: usize,
    seen: Seen,
    cut: bool,
}

impl Kept {
    /// Keeps no more than `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            seen: Seen::new(),
            cut: false,
        }
    }

    /// Takes a piece; gives how many of its bytes are kept.
    pub(super) fn push(&mut self, piece: &[u8]) -> usize {
        self.seen.push(piece);
        let room = self.most.saturating_sub(self.bytes.len());
        let kept = piece.get(..room).unwrap_or(piece);
        self.bytes.extend_from_slice(kept);
        // What follows a gap is not kept either.
        if kept.len() < piece.len() {
            self.most = self.bytes.len();
        }
        kept.len()
    }

    /// Lowers the bound to what is kept and `room` bytes more.
    pub(super) fn bound(&mut self, room: usize) {
        self.most = self.most.min(self.bytes.len().saturating_add(room));
    }

    /// Says that what comes behind is not given.
    pub(super) fn cut(&mut self) {
        self.cut = true;
    }

    /// Gives what is kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Tells whether some is not kept.
    pub(super) fn is_cut(&self) -> bool {
        self.cut || self.seen.count > self.bytes.len() as u64
    }

    /// Gives what is kept as text: if it was cut, without the letter that was.
    pub(super) fn text(&self) -> Option<&str> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Some(text),
            Err(error) if self.is_cut() && error.error_len().is_none() => {
                let whole = self.bytes.get(..error.valid_up_to())?;
                std::str::from_utf8(whole).ok()
            }
            Err(_) => None,
        }
    }

    /// Gives what is kept, the count of all bytes and their hash.
    pub(super) fn finish(self) -> (Vec<u8>, u64, Sha256) {
        let (count, sha256) = self.seen.finish();
        (self.bytes, count, sha256)
    }
}

/// A count and a hash of bytes that are not kept.
#[derive(Clone)]
pub(super) struct Seen {
    hash: Context,
    count: u64,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            hash: Context::new(&SHA256),
            count: 0,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.count = self.count.saturating_add(piece.len() as u64);
    }

    /// Tells how many bytes came.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    pub(super) fn finish(self) -> (u64, Sha256) {
        (self.count, sha256(self.hash))
    }
}

/// Ends a hash.
pub(super) fn sha256(hash: Context) -> Sha256 {
    let digest = hash.finish();
    let mut out = [0; 32];
    // INVARIANT: SHA-256 has 32 bytes, so none is left over on either side.
    out.iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    out
}

/// Hashes a text.
pub(super) fn sha256_of(text: &[u8]) -> Sha256 {
    let mut hash = Context::new(&SHA256);
    hash.update(text);
    sha256(hash)
}

/// Gives a text's front of at most `most` bytes, whole letters.
pub(super) fn front(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}
