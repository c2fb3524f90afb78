//! Why a sign-in did not come to an end. No text holds a code or a token.

use thiserror::Error;

/// Why a sign-in did not come to an end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignInError {
    /// The issuer's document names no such endpoint, or one that cannot be asked.
    #[error("expected `{0}` in what the issuer publishes, found none that can be used")]
    Endpoint(&'static str),
    /// What the browser brought cannot be read in one way.
    #[error("expected the issuer's answer in the browser's address, found {0}")]
    Callback(&'static str),
    /// It answers another sign-in.
    #[error("expected the `state` of this sign-in, found another")]
    State,
    /// Another issuer answered (RFC 9207).
    #[error("expected `iss` {expected:?}, found {found}")]
    Issuer {
        /// The issuer that was asked.
        expected: String,
        /// What was there, cut.
        found: String,
    },
    /// The issuer, or who sits before it, said no.
    #[error("the issuer said `{0}`")]
    Refused(String),
    /// The issuer's answer is not what the standard says.
    #[error("expected {expected} from the issuer, found {found}")]
    Answer {
        /// What should be there.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// The ID token was made for another client.
    #[error("expected an ID token for client `{0}`, found one for others")]
    Audience(String),
    /// The ID token answers another question.
    #[error("expected an ID token with the `nonce` of this sign-in, found another")]
    Nonce,
}

impl SignInError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Endpoint("device_authorization_endpoint") => {
                Some("use the browser of this host: `icecore login --browser`")
            }
            Self::Refused(word) => match word.as_str() {
                "access_denied" => Some("whoever was asked said no, or may not use this client"),
                "expired_token" => Some("the code was not typed in in time; start again"),
                "invalid_client" | "unauthorized_client" => Some(
                    "see the client's settings at the issuer: grant types, and whether it has a secret",
                ),
                "invalid_scope" => Some("see `scopes` of the issuer's `login` in the config"),
                _ => None,
            },
            Self::Endpoint(_)
            | Self::Callback(_)
            | Self::State
            | Self::Issuer { .. }
            | Self::Answer { .. }
            | Self::Audience(_)
            | Self::Nonce => None,
        }
    }
}
