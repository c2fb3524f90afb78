//! The key of a key pair: read from PKCS#8, plain or encrypted; mints a JWT for each login.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pkcs8::der::SecretDocument;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Pbkdf2Prf};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};
use rcgen::PublicKeyData;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde::Serialize;

use crate::snowflake::secret::Secret;

/// How long a JWT is good for. Source: what the Python, Go and JDBC drivers take (protocol reference 2.3).
const VALIDITY: TimeDelta = TimeDelta::seconds(60);

/// How far back `iat` lies, for clocks that differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(10);

/// Converts a key and leaves it encrypted. Seen to read every form that is refused here, with OpenSSL 3.0.
const CONVERT: &str = "`openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW` converts it";

/// Why a key cannot be used. A text says what was found, to follow "a key file, which ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// No PEM, or none of a private key.
    #[error("has no private key in PEM")]
    Absent,
    /// More than one PEM block.
    #[error("has more than one PEM block; keep the private key alone")]
    Several,
    /// The block's text or its DER is broken.
    #[error("is damaged: its private key cannot be read")]
    Damaged,
    /// PKCS#1 or SEC 1, not encrypted.
    #[error("is not PKCS#8 (`openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW` converts it)")]
    Traditional,
    /// PKCS#1 or SEC 1, encrypted by OpenSSL's own old way.
    #[error("is encrypted in OpenSSL's old form, `Proc-Type: 4,ENCRYPTED` ({CONVERT})")]
    TraditionalEncrypted,
    /// PBES1, or PBES2 with other than AES or with SHA-1.
    #[error("is encrypted by an outdated method: PBES1, DES, 3DES or SHA-1 ({CONVERT})")]
    Outdated,
    /// Another kind of key, or too short.
    #[error("is not an RSA key of 2048 to 8192 bits")]
    NotRsa,
    /// Encrypted, and no passphrase is named.
    #[error("is encrypted, and no passphrase is named")]
    PassphraseMissing,
    /// A passphrase is named, and the key is not encrypted.
    #[error("is not encrypted")]
    PassphraseUnneeded,
    /// The passphrase opens nothing.
    #[error("is encrypted with another passphrase")]
    PassphraseWrong,
}

/// A user's RSA key, registered with Snowflake by its public half.
pub(super) struct KeyPair {
    key: EncodingKey,
    fingerprint: String,
}

/// Claims of the JWT. Source: protocol reference 2.3.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
}

impl KeyPair {
    /// Reads a PKCS#8 PEM, which a passphrase opens if and only if it is encrypted.
    pub(super) fn read(pem: &[u8], passphrase: Option<&Secret>) -> Result<Self, KeyError> {
        let block = the_block(pem)?;
        let document = match (block.label, passphrase) {
            ("PRIVATE KEY", None) => block.document()?,
            ("PRIVATE KEY", Some(_)) => return Err(KeyError::PassphraseUnneeded),
            ("ENCRYPTED PRIVATE KEY", passphrase) => open(&block.document()?, passphrase)?,
            ("RSA PRIVATE KEY" | "EC PRIVATE KEY", _) if block.text.contains("Proc-Type:") => {
                return Err(KeyError::TraditionalEncrypted);
            }
            ("RSA PRIVATE KEY" | "EC PRIVATE KEY", _) => return Err(KeyError::Traditional),
            (_, _) => return Err(KeyError::Absent),
        };
        Self::from_der(document.as_bytes())
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::try_from(der).map_err(|_| KeyError::Damaged)?;
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(der),
            &rcgen::PKCS_RSA_SHA256,
        )
        .map_err(|_| KeyError::NotRsa)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &pair.subject_public_key_info());
        let fingerprint = format!(
            "SHA256:{}",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest)
        );
        Ok(Self {
            // What PKCS#8 wraps is the PKCS#1 that this crate takes (RFC 8017 A.1.2).
            key: EncodingKey::from_rsa_der(info.private_key),
            fingerprint,
        })
    }

    /// Gives `SHA256:<base64>` of the public key, as Snowflake's `DESCRIBE USER` shows it.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Mints a JWT for an account and user, both as Snowflake writes them; none if the key cannot sign.
    pub(super) fn mint(&self, account: &str, user: &str, now: DateTime<Utc>) -> Option<Secret> {
        let subject = format!("{}.{}", account.to_uppercase(), user.to_uppercase());
        let claims = Claims {
            iss: &format!("{subject}.{}", self.fingerprint),
            sub: &subject,
            iat: (now - LEEWAY).timestamp(),
            exp: (now + VALIDITY).timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(Secret::new)
            .ok()
    }
}

/// One PEM block (RFC 7468), its lines with their boundaries.
struct Block<'p> {
    label: &'p str,
    text: &'p str,
}

impl Block<'_> {
    fn document(&self) -> Result<SecretDocument, KeyError> {
        let (_, document) = SecretDocument::from_pem(self.text).map_err(|_| KeyError::Damaged)?;
        Ok(document)
    }
}

/// Finds the one block of a file; text around it, such as OpenSSL's bag attributes, says nothing.
fn the_block(pem: &[u8]) -> Result<Block<'_>, KeyError> {
    let text = std::str::from_utf8(pem).map_err(|_| KeyError::Absent)?;
    let begin = "-----BEGIN ";
    let start = text.find(begin).ok_or(KeyError::Absent)?;
    if text.rfind(begin) != Some(start) {
        return Err(KeyError::Several);
    }
    let text = text.get(start..).unwrap_or_default();
    let (label, _) = text
        .strip_prefix(begin)
        .and_then(|rest| rest.split_once("-----"))
        .ok_or(KeyError::Absent)?;
    let end = format!("-----END {label}-----");
    let before = text.find(&end).ok_or(KeyError::Damaged)?;
    let text = text.get(..before + end.len()).unwrap_or_default();
    Ok(Block { label, text })
}

/// Opens an `EncryptedPrivateKeyInfo` (RFC 5958 section 3).
fn open(
    document: &SecretDocument,
    passphrase: Option<&Secret>,
) -> Result<SecretDocument, KeyError> {
    // What is well formed and still no scheme that is known here is an outdated one.
    let info =
        EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| KeyError::Outdated)?;
    let EncryptionScheme::Pbes2(scheme) = &info.encryption_algorithm else {
        return Err(KeyError::Outdated);
    };
    if let Kdf::Pbkdf2(parameters) = &scheme.kdf
        && parameters.prf == Pbkdf2Prf::HmacWithSha1
    {
        return Err(KeyError::Outdated);
    }
    let passphrase = passphrase.ok_or(KeyError::PassphraseMissing)?;
    // A wrong passphrase shows by the padding, or else by what should be DER and is not.
    let opened = info
        .decrypt(passphrase.reveal())
        .map_err(|_| KeyError::PassphraseWrong)?;
    PrivateKeyInfo::try_from(opened.as_bytes()).map_err(|_| KeyError::PassphraseWrong)?;
    Ok(opened)
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
