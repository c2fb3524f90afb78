//! A data key: what encrypts content, and what is wrapped for those who may read it.

use std::sync::Arc;

use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::hpke::{HpkeError, KEY_BYTES};
use super::name::KeyName;

/// Leads what the key for frames is derived from, so that one key serves one cipher use.
const FRAMES: &[u8] = b"icecore frames 1";

/// A data key, 256 bits.
pub struct DataKey {
    name: KeyName,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl DataKey {
    /// Makes a random key.
    pub(super) fn random(name: KeyName) -> Result<Self, HpkeError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom::new()
            .fill(key.as_mut())
            .map_err(|_| HpkeError::Random)?;
        Ok(Self { name, key })
    }

    /// Takes a key that was unwrapped.
    pub(super) fn of(name: KeyName, bytes: &[u8]) -> Option<Self> {
        let key = Zeroizing::new(bytes.try_into().ok()?);
        Some(Self { name, key })
    }

    /// Names it.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Gives its bytes.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    /// Gives what a Parquet writer encrypts by: footer and columns under this one key, since DuckDB opens no other
    /// files, and the key's name beside the footer.
    pub fn properties(&self) -> Result<Arc<FileEncryptionProperties>, ParquetError> {
        FileEncryptionProperties::builder(self.key.to_vec())
            .with_footer_key_metadata(self.name.to_string().into_bytes())
            .build()
    }

    /// Seals bytes that are no Parquet, such as frames; `about` says what they are.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn seal(&self, about: &[u8], mut bytes: Vec<u8>) -> Result<Vec<u8>, HpkeError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| HpkeError::Random)?;
        let mut sealed = nonce.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.for_frames()?
            .seal_in_place_append_tag(nonce, Aad::from(about), &mut bytes)
            .map_err(|_| HpkeError::Foreign)?;
        sealed.append(&mut bytes);
        Ok(sealed)
    }

    /// Opens what `seal` sealed about the same.
    ///
    /// # Errors
    /// It was not, or not as it is.
    pub fn unseal(&self, about: &[u8], sealed: &[u8]) -> Result<Vec<u8>, HpkeError> {
        let (nonce, text) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(HpkeError::Foreign)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut text = text.to_vec();
        let plain = self
            .for_frames()?
            .open_in_place(nonce, Aad::from(about), &mut text)
            .map_err(|_| HpkeError::Foreign)?;
        let length = plain.len();
        text.truncate(length);
        Ok(text)
    }

    fn for_frames(&self) -> Result<LessSafeKey, HpkeError> {
        let own = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_ref());
        let derived = hmac::sign(&own, FRAMES);
        let key =
            UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| HpkeError::Foreign)?;
        Ok(LessSafeKey::new(key))
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::encryption::name::Purpose;

    #[test]
    fn frames_are_opened_by_the_key_alone_and_only_where_they_belong() {
        let chain = uuid::Uuid::now_v7().to_string();
        let key = || DataKey::random(KeyName::new(&chain, Purpose::Digest)).unwrap();
        let (own, other) = (key(), key());
        let sealed = own.seal(b"w-1", b"frames".to_vec()).unwrap();
        assert_eq!(own.unseal(b"w-1", &sealed).unwrap(), b"frames");
        assert!(!sealed.windows(6).any(|piece| piece == b"frames"));
        for (key, about, sealed) in [
            (&own, b"w-2", sealed.as_slice()),
            (&other, b"w-1", &sealed),
            (&own, b"w-1", &sealed[..sealed.len() - 1]),
            (&own, b"w-1", &sealed[..5]),
        ] {
            assert_eq!(key.unseal(about, sealed), Err(HpkeError::Foreign));
        }
    }
}
