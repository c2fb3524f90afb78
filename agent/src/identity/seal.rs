//! A principal across restarts of the proxy: sealed for one session, and taken back only if nobody changed it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use thiserror::Error;

use super::principal::Principal;
use crate::id::SessionId;

/// Leads what is authenticated, so that no other use of the key gives a seal.
const PURPOSE: &[u8] = b"icecore principal 1\0";

/// Why no principal comes out of a sealed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// It cannot be written or read.
    #[error("sealed identity: expected a principal, found what is none")]
    Form,
    /// It was changed, or sealed for another session or by another host.
    #[error("sealed identity: expected this session's own, found another's or a changed one")]
    Foreign,
}

impl Principal {
    /// Seals it for a session. What is sealed can be read by whoever has it; it holds no token.
    ///
    /// # Errors
    /// None in practice: it can be written as JSON.
    pub fn seal(&self, key: &hmac::Key, session: SessionId) -> Result<String, SealError> {
        let text = serde_json::to_vec(self.kept()).map_err(|_| SealError::Form)?;
        let tag = hmac::sign(key, &authenticated(session, &text));
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Ok(format!("{}.{}", encode(tag.as_ref()), encode(&text)))
    }

    /// Takes back what was sealed for a session with the same key.
    ///
    /// # Errors
    /// It was not, or not as it is.
    pub fn restore(key: &hmac::Key, session: SessionId, sealed: &str) -> Result<Self, SealError> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Form);
        let (tag, text) = sealed.split_once('.').ok_or(SealError::Form)?;
        let (tag, text) = (decode(tag)?, decode(text)?);
        hmac::verify(key, &authenticated(session, &text), &tag).map_err(|_| SealError::Foreign)?;
        let kept = serde_json::from_slice(&text).map_err(|_| SealError::Form)?;
        Ok(Self::of_kept(kept))
    }
}

fn authenticated(session: SessionId, text: &[u8]) -> Vec<u8> {
    [PURPOSE, session.as_bytes(), text].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::identity::tests::job;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    #[test]
    fn a_sealed_principal_comes_back_for_its_own_session_alone() {
        let principal = job(json!({ "repository": "acme/app", "scope": "a b" }));
        let session = SessionId::new();
        let sealed = principal.seal(&key(1), session).unwrap();
        let restore = |byte, session| Principal::restore(&key(byte), session, &sealed);
        assert_eq!(restore(1, session), Ok(principal));
        assert_eq!(restore(2, session), Err(SealError::Foreign));
        assert_eq!(restore(1, SessionId::new()), Err(SealError::Foreign));
    }

    proptest! {
        #[test]
        fn no_changed_seal_is_taken(at in any::<prop::sample::Index>(), other in any::<char>()) {
            let session = SessionId::new();
            let sealed = job(json!({})).seal(&key(1), session).unwrap();
            let mut letters: Vec<char> = sealed.chars().collect();
            let at = at.index(letters.len());
            letters[at] = other;
            let changed: String = letters.into_iter().collect();
            prop_assert_eq!(Principal::restore(&key(1), session, &changed).is_ok(), changed == sealed);
        }
    }
}
