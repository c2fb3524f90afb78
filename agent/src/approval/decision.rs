//! What a person says to a request, and how that is proved.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::canonical::{self, CanonicalError};
use super::request::Grade;
use crate::id::ApprovalId;
use crate::identity::APPROVAL_NONCE;

/// A person's word on a request. Whether it counts is another question: see the module's own documentation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What was said.
    pub said: Said,
    /// How it is proved who said it.
    pub proof: Proof,
}

/// What a person says; the nonce of its proof is the digest of this.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// See [`super::request::FORMAT_VERSION`].
    pub format_version: u32,
    /// The request.
    pub request: ApprovalId,
    /// Digest of the request as it was shown, in hexadecimal.
    pub digest: String,
    /// Yes or no.
    pub answer: Answer,
    /// Why, in the person's own words.
    pub reason: Option<String>,
    /// For how long statements of the same shape may run in this session without asking again, in seconds; none for this
    /// statement alone.
    pub grant_s: Option<u64>,
    /// When it was said.
    pub decided_at: DateTime<Utc>,
    /// By which face: `cli`, `web`, `slack`, `teams`.
    pub face: String,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It may run.
    Approve,
    /// It may not.
    Deny,
}

/// How it is proved who decided.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "grade", deny_unknown_fields)]
pub enum Proof {
    /// The issuer signed the decision's nonce.
    IdpPerDecision {
        /// The ID token.
        id_token: String,
    },
    /// The issuer signed the digest of a key, and the key the decision.
    IdpKey {
        /// The ID token, whose nonce is of the key.
        id_token: String,
        /// The key, Ed25519, in base64.
        key: String,
        /// Its signature over the decision's nonce, in base64.
        signature: String,
    },
    /// A chat's user, as the chat's signed message names it.
    Chat {
        /// The chat.
        service: String,
        /// Its user.
        user: String,
        /// The message as it came, in base64.
        message: String,
        /// Its signature, as it came.
        signature: String,
        /// The time that the signature holds for, as it came.
        timestamp: String,
    },
}

impl Proof {
    /// Tells how well it proves who decided.
    #[must_use]
    pub fn grade(&self) -> Grade {
        match self {
            Self::IdpPerDecision { .. } => Grade::IdpPerDecision,
            Self::IdpKey { .. } => Grade::IdpKey,
            Self::Chat { .. } => Grade::Chat,
        }
    }
}

impl Said {
    /// Gives the nonce that an issuer must sign for this to be a person's word.
    ///
    /// # Errors
    /// The document has no canonical form.
    pub fn nonce(&self) -> Result<String, CanonicalError> {
        let digest = canonical::digest("icecore approval decision 1", self)?;
        Ok(format!("{APPROVAL_NONCE}{}", canonical::hex(&digest)))
    }
}
