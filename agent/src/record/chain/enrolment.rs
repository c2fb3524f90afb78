//! An enrolment: a person's word that a key is that of an installation of ours. Pure.
//!
//! The installation signs a document that names it and its key. The document's SHA-256 is the nonce of the ID token by
//! which the person logs in for it, so that the issuer signs who vouched for what. Both lie in the store.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::documents::{FORMAT_VERSION, time};
use super::envelope::{self, EnvelopeError, Signed, key_id};
use super::keys::public_key;
use crate::identity::{ENROLMENT_NONCE, IdentityError, Operator, Token};
use crate::record::digest::{hex, sha256};

/// What an installation says of itself; signed by its key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Organisation that it records for.
    pub org: String,
    /// Names the host.
    pub host_id: String,
    /// Its public key, in base64.
    pub installation: String,
    /// When it asked for the enrolment.
    #[serde(with = "time")]
    pub created_at: DateTime<Utc>,
}

impl Signed for Enrolment {
    const TYPE: &'static str = "application/vnd.icecore.enrolment.v1+json";
}

/// What the store holds of an enrolment.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// The signed document, to the letter.
    pub document: String,
    /// The token of who vouches for it.
    pub id_token: String,
    /// The issuer's keys as they were then; a verifier pins its own.
    pub jwks: String,
}

/// Why an enrolment does not make an installation ours.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// It is not one.
    #[error("expected an enrolment: {0}")]
    Form(String),
    /// The document is not signed by the key that it names.
    #[error("the enrolment's document: {0}")]
    Document(#[from] EnvelopeError),
    /// It is of another organisation, another key, or a later version.
    #[error("expected an enrolment of {expected}, found one of {found}")]
    Other {
        /// What it was looked for.
        expected: String,
        /// What it is of.
        found: String,
    },
    /// Nobody who may vouched for it.
    #[error("no operator vouches for it: {0}")]
    Token(#[from] IdentityError),
    /// Nobody may.
    #[error("no operator is trusted to vouch for it")]
    NoOperator,
}

/// Gives the key of an installation's enrolment in the store.
#[must_use]
pub fn enrolment_key(org: &str, key_id: &str) -> String {
    format!("{org}/v1/enrolments/{key_id}.json")
}

/// Gives the nonce by which a token vouches for a document.
#[must_use]
pub fn nonce(document: &[u8]) -> String {
    format!("{ENROLMENT_NONCE}{}", hex(&sha256(document)))
}

impl Enrolled {
    /// Reads what lies in the store.
    ///
    /// # Errors
    /// The bytes are not an enrolment.
    pub fn read(bytes: &[u8]) -> Result<Self, EnrolmentError> {
        serde_json::from_slice(bytes).map_err(|error| EnrolmentError::Form(error.to_string()))
    }

    /// Gives the document, signed by the key that it names.
    ///
    /// # Errors
    /// It is not.
    pub fn open(&self) -> Result<([u8; 32], Enrolment), EnrolmentError> {
        let sealed = envelope::open::<Enrolment>(self.document.as_bytes())?;
        let named = &sealed.claimed().installation;
        let key = public_key(named)
            .ok_or_else(|| EnrolmentError::Form(format!("`{named}` is not a public key")))?;
        let enrolment = sealed.verify(&key)?;
        if enrolment.format_version > FORMAT_VERSION {
            return Err(EnrolmentError::Other {
                expected: format!("format version {FORMAT_VERSION} at most"),
                found: format!("version {}", enrolment.format_version),
            });
        }
        Ok((key, enrolment))
    }

    /// Gives the key that one of the operators vouches for, and who it was.
    ///
    /// # Errors
    /// Not of this organisation or not under its own name in the store, or nobody who may vouches for it.
    pub fn vouched(
        &self,
        (org, id): (&str, &str),
        operators: &[Operator],
    ) -> Result<([u8; 32], Enrolment, String), EnrolmentError> {
        let (key, enrolment) = self.open()?;
        if enrolment.org != org || key_id(&key) != id {
            return Err(EnrolmentError::Other {
                expected: format!("organisation {org} and key {id}"),
                found: format!("{} and {}", enrolment.org, key_id(&key)),
            });
        }
        let token = Token::read(&self.id_token)?;
        let nonce = nonce(self.document.as_bytes());
        let mut refused = EnrolmentError::NoOperator;
        for operator in operators {
            match operator.vouches(&token, &nonce, enrolment.created_at) {
                Ok(who) => return Ok((key, enrolment, who)),
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }
}

#[cfg(test)]
#[path = "enrolment_tests.rs"]
mod tests;
