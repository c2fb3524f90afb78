//! The key-pair JWT: minted here for each login, never seen by the agent.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::PublicKeyData;
use serde::Serialize;

use crate::snowflake::secret::Secret;

/// How long a JWT is good for. Source: what the Python, Go and JDBC drivers take (protocol reference 2.3).
const VALIDITY: TimeDelta = TimeDelta::seconds(60);

/// How far back `iat` lies, for clocks that differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(10);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The PEM is no RSA key.
    #[error("expected an RSA private key in PKCS#8 PEM (`BEGIN PRIVATE KEY`), found another: {0}")]
    Key(String),
    /// The JWT could not be signed.
    #[error("cannot sign a JWT: {0}")]
    Sign(String),
}

/// A user's RSA key, registered with Snowflake by its public half.
pub struct KeyPair {
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
    /// Reads a PKCS#8 PEM.
    ///
    /// # Errors
    /// Not an RSA key, or encrypted.
    pub fn from_pem(pem: &Secret) -> Result<Self, CredentialError> {
        let key = EncodingKey::from_rsa_pem(pem.reveal().as_bytes())
            .map_err(|error| CredentialError::Key(error.to_string()))?;
        let pair =
            rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(pem.reveal(), &rcgen::PKCS_RSA_SHA256)
                .map_err(|error| CredentialError::Key(error.to_string()))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &pair.subject_public_key_info());
        let fingerprint = format!(
            "SHA256:{}",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest)
        );
        Ok(Self { key, fingerprint })
    }

    /// Gives `SHA256:<base64>` of the public key, as Snowflake's `DESCRIBE USER` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Mints a JWT for an account and user, both as Snowflake writes them.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn mint(
        &self,
        account: &str,
        user: &str,
        now: DateTime<Utc>,
    ) -> Result<Secret, CredentialError> {
        let subject = format!("{}.{}", account.to_uppercase(), user.to_uppercase());
        let claims = Claims {
            iss: &format!("{subject}.{}", self.fingerprint),
            sub: &subject,
            iat: (now - LEEWAY).timestamp(),
            exp: (now + VALIDITY).timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(Secret::new)
            .map_err(|error| CredentialError::Sign(error.to_string()))
    }
}
