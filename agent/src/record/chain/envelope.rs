//! Signed documents: DSSE envelopes (github.com/secure-systems-lab/dsse, `protocol.md`, `envelope.md`) with Ed25519. Pure.
//!
//! What is signed is the payload's bytes and their type, so that no form of JSON needs to be agreed upon.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::digest::{hex, sha256};
use super::note::public;

/// Why a document is not believed.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are not an envelope.
    #[error("expected a DSSE envelope: {0}")]
    Form(String),
    /// The payload is of another kind.
    #[error("expected a document of type `{expected}`, found `{found}`")]
    Kind {
        /// The type that was asked for.
        expected: &'static str,
        /// The type that is there.
        found: String,
    },
    /// The payload is not what its type says.
    #[error("the signed document cannot be read: {0}")]
    Payload(String),
    /// No signature of the key is there, or it is of something else.
    #[error("not signed by the key {0}")]
    Forged(String),
}

/// A document that is signed: the type of its payload stands in the envelope.
pub trait Signed: Serialize + DeserializeOwned {
    /// Names the kind of document.
    const TYPE: &'static str;
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// A document in its envelope, whose signatures are still to be checked.
#[derive(Debug)]
pub struct Sealed<T> {
    document: T,
    message: Vec<u8>,
    signatures: Vec<(String, Vec<u8>)>,
}

/// Names a key in an envelope, and to people: the first 16 hexadecimal digits of the SHA-256 of the public key.
#[must_use]
pub fn key_id(public: &[u8; 32]) -> String {
    hex(&sha256(public)).chars().take(16).collect()
}

/// Puts a document into an envelope that a key signs.
///
/// # Errors
/// The document has no JSON.
pub fn seal<T: Signed>(document: &T, key: &Ed25519KeyPair) -> Result<Vec<u8>, EnvelopeError> {
    let failed = |error: serde_json::Error| EnvelopeError::Payload(error.to_string());
    let payload = serde_json::to_vec(document).map_err(failed)?;
    let signature = key.sign(&message(T::TYPE, &payload));
    let envelope = Envelope {
        payload_type: T::TYPE.to_owned(),
        payload: STANDARD.encode(&payload),
        signatures: vec![Signature {
            keyid: key_id(&public(key)),
            sig: STANDARD.encode(signature),
        }],
    };
    let mut bytes = serde_json::to_vec(&envelope).map_err(failed)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Takes a document out of its envelope; nobody has checked yet who signed it.
///
/// # Errors
/// The bytes are not an envelope, or hold another kind of document.
pub fn open<T: Signed>(bytes: &[u8]) -> Result<Sealed<T>, EnvelopeError> {
    let form = |error: &dyn ToString| EnvelopeError::Form(error.to_string());
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| form(&error))?;
    if envelope.payload_type != T::TYPE {
        return Err(EnvelopeError::Kind {
            expected: T::TYPE,
            found: envelope.payload_type,
        });
    }
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|error| form(&error))?;
    let document = serde_json::from_slice(&payload)
        .map_err(|error| EnvelopeError::Payload(error.to_string()))?;
    let mut signatures = Vec::new();
    for signature in envelope.signatures {
        let bytes = STANDARD
            .decode(&signature.sig)
            .map_err(|error| form(&error))?;
        signatures.push((signature.keyid, bytes));
    }
    Ok(Sealed {
        document,
        message: message(T::TYPE, &payload),
        signatures,
    })
}

impl<T> Sealed<T> {
    /// Shows what is claimed, for finding the key that must have signed it.
    #[must_use]
    pub fn claimed(&self) -> &T {
        &self.document
    }

    /// Gives the document if a key signed it.
    ///
    /// # Errors
    /// The key has not signed it.
    pub fn verify(self, key: &[u8; 32]) -> Result<T, EnvelopeError> {
        let id = key_id(key);
        let public = UnparsedPublicKey::new(&ED25519, key);
        let signed = |(keyid, bytes): &(String, Vec<u8>)| {
            *keyid == id && public.verify(&self.message, bytes).is_ok()
        };
        if self.signatures.iter().any(signed) {
            Ok(self.document)
        } else {
            Err(EnvelopeError::Forged(id))
        }
    }
}

/// DSSE's pre-authentication encoding.
pub(super) fn message(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Word(String);

    impl Signed for Word {
        const TYPE: &'static str = "application/vnd.icecore.word+json";
    }

    #[derive(Debug, Deserialize, Serialize)]
    struct Other(String);

    impl Signed for Other {
        const TYPE: &'static str = "application/vnd.icecore.other+json";
    }

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // `protocol.md`, "Test Vectors".
        assert_eq!(
            message("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn a_document_is_given_to_whom_its_key_says() {
        let word = || Word("x".to_owned());
        let bytes = seal(&word(), &key(1)).unwrap();
        let opened = |bytes: &[u8]| open::<Word>(bytes).unwrap();
        assert_eq!(opened(&bytes).verify(&public(&key(1))).unwrap(), word());
        assert!(opened(&bytes).verify(&public(&key(2))).is_err());
        assert!(matches!(
            open::<Other>(&bytes),
            Err(EnvelopeError::Kind { .. })
        ));
        let text = String::from_utf8(bytes).unwrap();
        let forged = text.replace(&STANDARD.encode(b"\"x\""), &STANDARD.encode(b"\"y\""));
        assert_ne!(forged, text);
        assert!(opened(forged.as_bytes()).verify(&public(&key(1))).is_err());
    }
}
