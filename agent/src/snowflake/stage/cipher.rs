//! How drivers encrypt the files of a stage: AES-CBC under a key of the file's own, which AES-ECB wraps by the stage's.
//!
//! Source: Python connector 4, `encryption_util.py`; protocol reference 4.5. There is no authentication: what came to the
//! agent is told by its digest alone.

use aes::cipher::consts::U16;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, BlockSizeUser, KeyInit, KeyIvInit};
use aes::{Aes128, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::snowflake::secret::Secret;

/// Bytes of an AES block.
const BLOCK_BYTES: usize = 16;

/// Why a file cannot be encrypted or decrypted; says nothing of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// A key is not of a length that AES has here.
    #[error("expected a key of 16 or 32 bytes in base64")]
    Key,
    /// An initialisation vector is none.
    #[error("expected an initialisation vector of 16 bytes in base64")]
    Iv,
    /// The file's own key does not open.
    #[error("the file's key is not wrapped by the stage's")]
    Wrapped,
    /// The file's end is not as encryption leaves it.
    #[error("the file ends otherwise than one that was encrypted by the stage's key")]
    Padding,
    /// The system gives no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

/// What wraps the keys of a stage's files.
#[derive(Clone, Debug)]
pub struct Material {
    /// The wrapping key, base64.
    pub(super) master: Secret,
    /// Snowflake's id of the query that the key was given for.
    pub(super) query_id: String,
    /// Snowflake's number of the key, which may be larger than 2^53.
    pub(super) smk_id: String,
}

/// What storage keeps beside an encrypted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The file's key, wrapped, base64.
    pub key: String,
    /// The initialisation vector, base64.
    pub iv: String,
}

impl Material {
    /// Begins a file with a key of its own.
    ///
    /// # Errors
    /// See `CipherError`.
    pub fn seal(&self) -> Result<(Sealer, Envelope), CipherError> {
        let wrapping = self.key()?;
        let random = SystemRandom::new();
        let mut key = Zeroizing::new(vec![0; wrapping.len()]);
        let mut iv = [0; BLOCK_BYTES];
        random.fill(&mut key).map_err(|_| CipherError::Random)?;
        random.fill(&mut iv).map_err(|_| CipherError::Random)?;
        let mut wrapped = key.to_vec();
        pad(&mut wrapped);
        let mut wrap = match wrapping.len() {
            16 => sealing(ecb::<Aes128>(&wrapping)?),
            _ => sealing(ecb::<Aes256>(&wrapping)?),
        };
        wrap(&mut wrapped);
        let envelope = Envelope {
            key: STANDARD.encode(&wrapped),
            iv: STANDARD.encode(iv),
        };
        let cbc = match key.len() {
            16 => sealing(new::<cbc::Encryptor<Aes128>>(&key, &iv)?),
            _ => sealing(new::<cbc::Encryptor<Aes256>>(&key, &iv)?),
        };
        let left = Vec::new();
        Ok((Sealer { cbc, left }, envelope))
    }

    /// Begins to open a file.
    ///
    /// # Errors
    /// See `CipherError`.
    pub fn open(&self, envelope: &Envelope) -> Result<Opener, CipherError> {
        let mut key = Zeroizing::new(decoded(&envelope.key).ok_or(CipherError::Wrapped)?);
        let iv = decoded(&envelope.iv).filter(|iv| iv.len() == BLOCK_BYTES);
        let iv = iv.ok_or(CipherError::Iv)?;
        if key.is_empty() || !key.len().is_multiple_of(BLOCK_BYTES) {
            return Err(CipherError::Wrapped);
        }
        let wrapping = self.key()?;
        let mut unwrap = match wrapping.len() {
            16 => opening(ecb::<Aes128>(&wrapping)?),
            _ => opening(ecb::<Aes256>(&wrapping)?),
        };
        unwrap(&mut key);
        let length = unpadded(&key).ok_or(CipherError::Wrapped)?;
        key.truncate(length);
        let cbc = match key.len() {
            16 => opening(new::<cbc::Decryptor<Aes128>>(&key, &iv)?),
            32 => opening(new::<cbc::Decryptor<Aes256>>(&key, &iv)?),
            _ => return Err(CipherError::Wrapped),
        };
        let left = Vec::new();
        Ok(Opener { cbc, left })
    }

    /// Says of which key a file's is wrapped, as drivers write it.
    #[must_use]
    pub fn description(&self) -> String {
        let bits = self.key().map_or(0, |key| key.len() * 8);
        serde_json::json!({ "queryId": self.query_id, "smkId": self.smk_id, "keySize": bits.to_string() })
            .to_string()
    }

    fn key(&self) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        let key = Zeroizing::new(decoded(self.master.reveal()).ok_or(CipherError::Key)?);
        match key.len() {
            16 | 32 => Ok(key),
            _ => Err(CipherError::Key),
        }
    }
}

/// Encrypts a file piece by piece.
pub struct Sealer {
    cbc: Blocks,
    /// Plain bytes that fill no block yet.
    left: Vec<u8>,
}

impl Sealer {
    /// Takes plain bytes and gives encrypted ones.
    pub fn feed(&mut self, plain: &[u8]) -> Vec<u8> {
        self.left.extend_from_slice(plain);
        let whole = self.left.len() - self.left.len() % BLOCK_BYTES;
        let mut blocks: Vec<u8> = self.left.drain(..whole).collect();
        (self.cbc)(&mut blocks);
        blocks
    }

    /// Gives the last block.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let mut last = std::mem::take(&mut self.left);
        pad(&mut last);
        (self.cbc)(&mut last);
        last
    }
}

/// Gives how many bytes a file has once it is encrypted.
#[must_use]
pub fn sealed_bytes(plain_bytes: u64) -> u64 {
    let block = BLOCK_BYTES as u64;
    (plain_bytes / block + 1) * block
}

/// Decrypts a file piece by piece.
pub struct Opener {
    cbc: Blocks,
    /// Encrypted bytes: those that fill no block yet, after the last whole one, which may end the file.
    left: Vec<u8>,
}

impl Opener {
    /// Takes encrypted bytes and gives plain ones; the last block waits for `finish`.
    pub fn feed(&mut self, sealed: &[u8]) -> Vec<u8> {
        self.left.extend_from_slice(sealed);
        let whole = self.left.len().saturating_sub(1) / BLOCK_BYTES * BLOCK_BYTES;
        let mut blocks: Vec<u8> = self.left.drain(..whole).collect();
        (self.cbc)(&mut blocks);
        blocks
    }

    /// Gives the last plain bytes.
    ///
    /// # Errors
    /// The file does not end as an encrypted one does.
    pub fn finish(mut self) -> Result<Vec<u8>, CipherError> {
        let mut last = std::mem::take(&mut self.left);
        if last.len() != BLOCK_BYTES {
            return Err(CipherError::Padding);
        }
        (self.cbc)(&mut last);
        let length = unpadded(&last).ok_or(CipherError::Padding)?;
        last.truncate(length);
        Ok(last)
    }
}

/// Encrypts or decrypts whole blocks where they stand.
type Blocks = Box<dyn FnMut(&mut [u8]) + Send>;

fn sealing<C>(mut cipher: C) -> Blocks
where
    C: BlockEncryptMut + BlockSizeUser<BlockSize = U16> + Send + 'static,
{
    Box::new(move |bytes| {
        for block in bytes.chunks_exact_mut(BLOCK_BYTES) {
            cipher.encrypt_block_mut(GenericArray::from_mut_slice(block));
        }
    })
}

fn opening<C>(mut cipher: C) -> Blocks
where
    C: BlockDecryptMut + BlockSizeUser<BlockSize = U16> + Send + 'static,
{
    Box::new(move |bytes| {
        for block in bytes.chunks_exact_mut(BLOCK_BYTES) {
            cipher.decrypt_block_mut(GenericArray::from_mut_slice(block));
        }
    })
}

fn ecb<C: KeyInit>(key: &[u8]) -> Result<C, CipherError> {
    C::new_from_slice(key).map_err(|_| CipherError::Key)
}

fn new<C: KeyIvInit>(key: &[u8], iv: &[u8]) -> Result<C, CipherError> {
    C::new_from_slices(key, iv).map_err(|_| CipherError::Key)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Fills the last block as PKCS #7 does (RFC 5652, section 6.3).
fn pad(bytes: &mut Vec<u8>) {
    let missing = BLOCK_BYTES - bytes.len() % BLOCK_BYTES;
    bytes.resize(
        bytes.len() + missing,
        u8::try_from(missing).unwrap_or_default(),
    );
}

/// Gives how many bytes there are before the padding.
fn unpadded(bytes: &[u8]) -> Option<usize> {
    let added = usize::from(*bytes.last()?);
    let length = bytes.len().checked_sub(added)?;
    let is_padded = (1..=BLOCK_BYTES).contains(&added)
        && bytes
            .get(length..)?
            .iter()
            .all(|byte| usize::from(*byte) == added);
    is_padded.then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn material(master: &[u8]) -> Material {
        Material {
            master: Secret::new(STANDARD.encode(master)),
            query_id: "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11".to_owned(),
            smk_id: "9007199254740993".to_owned(),
        }
    }

    fn opened(material: &Material, envelope: &Envelope, sealed: &[u8]) -> Vec<u8> {
        let mut opener = material.open(envelope).unwrap();
        let mut plain = opener.feed(sealed);
        plain.extend(opener.finish().unwrap());
        plain
    }

    #[test]
    fn a_damaged_end_and_another_key_open_nothing() {
        let own = material(&[7; 16]);
        let (mut sealer, envelope) = own.seal().unwrap();
        let mut sealed = sealer.feed(b"twenty bytes of text");
        sealed.extend(sealer.finish());
        assert_eq!(sealed.len() as u64, sealed_bytes(20));
        let mut opener = own.open(&envelope).unwrap();
        drop(opener.feed(&sealed[..30]));
        assert_eq!(opener.finish(), Err(CipherError::Padding));
        assert_eq!(
            material(&[8; 16]).open(&envelope).map(drop),
            Err(CipherError::Wrapped)
        );
        assert_eq!(material(&[8; 20]).seal().map(drop), Err(CipherError::Key));
        let described: serde_json::Value = serde_json::from_str(&own.description()).unwrap();
        assert_eq!(
            described,
            serde_json::json!({
                "keySize": "128", "queryId": own.query_id, "smkId": "9007199254740993",
            })
        );
    }

    proptest! {
        #[test]
        fn what_is_sealed_in_pieces_opens_in_others(
            plain in prop::collection::vec(any::<u8>(), 0..200),
            first in 0_usize..200,
            second in 0_usize..250,
            is_long in any::<bool>(),
        ) {
            let material = material(if is_long { &[3; 32] } else { &[3; 16] });
            let (mut sealer, envelope) = material.seal().unwrap();
            let (head, tail) = plain.split_at(first.min(plain.len()));
            let mut sealed = sealer.feed(head);
            sealed.extend(sealer.feed(tail));
            sealed.extend(sealer.finish());
            prop_assert_eq!(sealed.len() as u64, sealed_bytes(plain.len() as u64));
            prop_assert_eq!(&opened(&material, &envelope, &sealed), &plain);
            let mut opener = material.open(&envelope).unwrap();
            let (head, tail) = sealed.split_at(second.min(sealed.len()));
            let mut found = opener.feed(head);
            found.extend(opener.feed(tail));
            found.extend(opener.finish().unwrap());
            prop_assert_eq!(&found, &plain);
        }
    }
}
