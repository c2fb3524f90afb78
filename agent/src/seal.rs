//! Bytes that another proxy of this host is to read, and nobody else: encrypted and authenticated for one session.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::id::SessionId;

/// What is sealed; each use has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A login's real tokens.
    Login,
    /// What fetches a result's chunks.
    Chunks,
    /// A statement that waits for people.
    Held,
}

impl Purpose {
    /// Leads what a session's key is derived from, so that no other use of the host's key gives it.
    fn leads(self) -> &'static [u8] {
        match self {
            Self::Login => b"icecore login 1\0",
            Self::Chunks => b"icecore chunks 1\0",
            Self::Held => b"icecore held 1\0",
        }
    }
}

/// Why bytes cannot be sealed or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The system gives no random bytes.
    #[error("seal: expected random bytes of the system, found none")]
    Random,
    /// They are not of this form.
    #[error("seal: expected sealed bytes, found what are none")]
    Form,
    /// They were changed, or sealed for something else or by another host.
    #[error("seal: expected what was sealed here for this, found another's or a changed one")]
    Foreign,
}

/// A session's key for one purpose. It takes few texts, so that their random nonces do not meet (NIST SP 800-38D, 8.3).
#[derive(Debug)]
pub struct SealKey(LessSafeKey);

impl SealKey {
    /// Derives the key of a session from the host's own.
    ///
    /// # Errors
    /// None in practice: the derived key is as long as the cipher's.
    pub fn of(host: &hmac::Key, purpose: Purpose, session: SessionId) -> Result<Self, SealError> {
        let derived = hmac::sign(host, &[purpose.leads(), session.as_bytes()].concat());
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| SealError::Form)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a text that is about something; its plain form is wiped.
    ///
    /// # Errors
    /// The system gives no random bytes, or the text is longer than the cipher takes.
    pub fn seal(&self, about: &[u8], mut text: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, SealError> {
        let mut sealed = [0; NONCE_LEN].to_vec();
        SystemRandom::new()
            .fill(&mut sealed)
            .map_err(|_| SealError::Random)?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed).map_err(|_| SealError::Form)?;
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(about), &mut text)
            .map_err(|_| SealError::Form)?;
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Reads what was sealed about something.
    ///
    /// # Errors
    /// It was not, or not as it is.
    pub fn unseal(&self, about: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Form)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Form)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(about), &mut text)
            .map_err(|_| SealError::Foreign)?;
        let length = plain.len();
        text.truncate(length);
        Ok(text)
    }
}
