//! Why a step of a sign-in failed, and what to do about it.

use crate::identity::sign_in::SignInError;
use crate::proxy::discovery::DiscoveryError;
use crate::proxy::issuers::Untaken;
use crate::upstream::Unasked;

/// Why a step of a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("issuer `{0}` has no `login` in the config")]
    Unknown(String),
    #[error("{0}")]
    Discovery(#[from] DiscoveryError),
    #[error("the issuer's endpoint gave no answer: {0}")]
    Unasked(#[from] Unasked),
    #[error("{0}")]
    SignIn(#[from] SignInError),
    #[error("{0}")]
    Untaken(#[from] Untaken),
    #[error("expected a token of {expected}, found one of {found}")]
    Other { expected: String, found: String },
    #[error("no randomness")]
    Random,
}

impl Failed {
    /// Says what to do about it, where that is known.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::SignIn(error) => error.hint(),
            Self::Untaken(untaken) => untaken.hint(),
            Self::Unknown(_)
            | Self::Discovery(_)
            | Self::Unasked(_)
            | Self::Other { .. }
            | Self::Random => None,
        }
    }

    /// Tells whether the issuer takes the code or refresh token back, so that asking again is of no use (RFC 6749 section
    /// 5.2); other words are about the client or the issuer, and may pass.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::SignIn(SignInError::Refused(word)) if word == "invalid_grant")
    }
}

/// Tells a failed step to its user, with what to do about it.
pub(super) fn told(failed: &Failed) -> String {
    let hint = failed.hint().map(|hint| format!("; {hint}"));
    format!("login refused: {failed}{}", hint.unwrap_or_default())
}
