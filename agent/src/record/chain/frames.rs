//! Acknowledged frames: rows that a store has before their segment is sealed. Pure.
//!
//! ```text
//! {"format_version":1,"chain":"...","n":0,...} \n | frames, or frames that are sealed | Ed25519 signature, 64 bytes
//! ```
//!
//! Signed are all bytes before the signature, under a type of their own as documents are (`envelope`), so that they cannot
//! pass for another document. Each file names the one before by its SHA-256, the first one the chain's genesis.

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::documents::{FORMAT_VERSION, Hex};
use super::envelope::{EnvelopeError, key_id, message};
use super::keys::SigningKey;
use crate::record::digest::{hex, sha256};

const TYPE: &str = "application/vnd.icecore.frames.v1";

const SIGNATURE_BYTES: usize = 64;

/// Says which rows a file has, and what it follows.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Organisation that is recorded for.
    pub org: String,
    /// The chain.
    pub chain: String,
    /// Place among the chain's files of frames, dense from 0.
    pub n: u64,
    /// SHA-256 of the whole file before, or of the genesis.
    pub prev_sha256: Hex,
    /// Place of the first row. Rows between two files were not acknowledged before they were sealed.
    pub first_seq: u64,
    /// How many rows there are, one after the other.
    pub rows: u64,
    /// The key that seals the frames; none where they are plain.
    pub key_id: Option<String>,
    /// Names the key of the chain that signed.
    pub signed_by: String,
}

impl Head {
    /// Says what sealed frames are, for the key that seals them.
    #[must_use]
    pub fn about(&self) -> Vec<u8> {
        let Self { org, chain, n, .. } = self;
        format!("{org}/{chain}/w-{n:08}").into_bytes()
    }

    /// Gives the place after the last row.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first_seq.saturating_add(self.rows)
    }
}

/// A file of frames whose signature is still to be checked.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    /// What it says of itself.
    pub head: Head,
    /// The frames, sealed where the head names a key.
    pub body: &'a [u8],
    message: &'a [u8],
    signature: &'a [u8],
}

/// Makes a file; the head's `signed_by` is filled in.
///
/// # Errors
/// The head has no JSON.
pub fn write(head: Head, body: &[u8], key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    let head = Head {
        format_version: FORMAT_VERSION,
        signed_by: key.id(),
        ..head
    };
    let mut bytes =
        serde_json::to_vec(&head).map_err(|error| EnvelopeError::Payload(error.to_string()))?;
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    let signature = key.pair().sign(&message(TYPE, &bytes));
    bytes.extend_from_slice(signature.as_ref());
    Ok(bytes)
}

/// Reads a file; nobody has checked yet who signed it.
///
/// # Errors
/// The bytes are no file of frames.
pub fn read(bytes: &[u8]) -> Result<Signed<'_>, EnvelopeError> {
    let form = |what: &str| EnvelopeError::Form(what.to_owned());
    let (message, signature) = bytes
        .split_last_chunk::<SIGNATURE_BYTES>()
        .ok_or_else(|| form("the file is shorter than a signature"))?;
    let mut parts = message.splitn(2, |byte| *byte == b'\n');
    let (Some(head), Some(body)) = (parts.next(), parts.next()) else {
        return Err(form("the file has no head"));
    };
    let head: Head =
        serde_json::from_slice(head).map_err(|error| EnvelopeError::Form(error.to_string()))?;
    Ok(Signed {
        head,
        body,
        message,
        signature,
    })
}

impl Signed<'_> {
    /// Tells whether a key signed it.
    #[must_use]
    pub fn is_by(&self, key: &[u8; 32]) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, key);
        self.head.signed_by == key_id(key)
            && public
                .verify(&message(TYPE, self.message), self.signature)
                .is_ok()
    }
}

/// Names a file by its number and bytes, below the chain's folder.
#[must_use]
pub fn name(n: u64, bytes: &[u8]) -> String {
    let hash: String = hex(&sha256(bytes)).chars().take(16).collect();
    format!("w-{n:08}-{hash}.frames")
}

/// Reads the number in a file's name; none where the name is not one.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    let (n, hash) = name
        .strip_prefix("w-")?
        .strip_suffix(".frames")?
        .split_once('-')?;
    let n: u64 = n.parse().ok()?;
    (format!("w-{n:08}-{hash}.frames") == name).then_some(n)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Head {
        Head {
            format_version: FORMAT_VERSION,
            org: "acme".into(),
            chain: "c".into(),
            n: 3,
            prev_sha256: "00".into(),
            first_seq: 7,
            rows: 2,
            key_id: None,
            signed_by: String::new(),
        }
    }

    #[test]
    fn a_file_is_believed_as_its_key_signed_it_and_in_no_other_form() {
        let (key, other) = (SigningKey::make().unwrap(), SigningKey::make().unwrap());
        let bytes = write(head(), b"rows\nof it", &key).unwrap();
        let found = read(&bytes).unwrap();
        assert_eq!(found.body, b"rows\nof it");
        assert_eq!((found.head.n, found.head.end()), (3, 9));
        assert!(found.is_by(key.public()));
        assert!(!found.is_by(other.public()));
        let name = name(3, &bytes);
        assert_eq!(number(&name), Some(3));
        assert_eq!(number(&name.replace("00000003", "3")), None);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!read(&changed).is_ok_and(|found| found.is_by(key.public())));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_file_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&bytes).map(|found| found.is_by(&[1; 32])));
        }
    }
}
