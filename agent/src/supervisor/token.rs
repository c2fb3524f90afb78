//! Random words that prove who somebody is, and the digests by which they are known again.

use std::fmt::{self, Write};

use ring::digest::{SHA256, digest};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// SHA-256 of a token; only this is kept.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    /// Digests a token.
    ///
    /// Comparing two digests tells an attacker nothing by its time: the tokens behind them are 256 random bits.
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// Makes a token of 256 random bits.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn token() -> Result<String, Unspecified> {
    let mut text = String::with_capacity(64);
    for byte in random::<32>()? {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").map_err(|_| Unspecified)?;
    }
    Ok(text)
}

/// Makes a random number.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn number() -> Result<u64, Unspecified> {
    random().map(u64::from_ne_bytes)
}

fn random<const COUNT: usize>() -> Result<[u8; COUNT], Unspecified> {
    let mut bytes = [0; COUNT];
    SystemRandom::new().fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_known_by_their_digest() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
        assert_eq!(Digest::of(&one), Digest::of(&one));
        assert_ne!(Digest::of(&one), Digest::of(&other));
    }
}
