//! The public key of somebody who may read what is encrypted.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

/// How a recipient begins.
const LEAD: &str = "x25519:";

/// A reader's X25519 public key, written `x25519:` and 43 letters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// What a recipient looks like.
    pub(super) const EXPECTED: &str =
        "a recipient such as \"x25519:...\", as `icecore keys make` prints it";

    /// Takes a public key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Reads one; none where the text is not one, or is a key that nothing can be encrypted to.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let key = URL_SAFE_NO_PAD.decode(text.strip_prefix(LEAD)?).ok()?;
        let key: [u8; 32] = key.try_into().ok()?;
        // With a key of low order every agreement comes to the same (RFC 7748 section 6.1).
        let is_weak = x25519_dalek::x25519([0x40; 32], key) == [0; 32];
        (!is_weak).then_some(Self(key))
    }

    /// Gives the key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LEAD}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl Serialize for Recipient {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_reads_back(key in any::<[u8; 32]>()) {
            let recipient = Recipient::new(key);
            prop_assert_eq!(Recipient::read(&recipient.to_string()), Some(recipient));
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "x25519:", "x25519:AAAA", "age1qqq"] {
            assert_eq!(Recipient::read(text), None, "{text}");
        }
        let mut one = [0; 32];
        assert_eq!(Recipient::read(&Recipient::new(one).to_string()), None);
        one[0] = 1;
        assert_eq!(Recipient::read(&Recipient::new(one).to_string()), None);
    }
}
