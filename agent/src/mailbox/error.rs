//! Why nobody could be asked.

use crate::approval::{CanonicalError, State};
use crate::record::RecordError;
use crate::record::chain::envelope::EnvelopeError;
use crate::record::encryption::{HpkeError, SealedError};

/// Why nobody could be asked, or an answer could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// The store or the record did not take or give it.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// A document has no digest.
    #[error("{0}")]
    Digest(#[from] CanonicalError),
    /// A document has no envelope.
    #[error("{0}")]
    Envelope(#[from] EnvelopeError),
    /// A document could not be sealed to its readers.
    #[error("request for approval: {0}")]
    Unsealed(#[from] HpkeError),
    /// A sealed document does not open.
    #[error("request for approval: {0}")]
    Sealed(#[from] SealedError),
    /// A document has no JSON.
    #[error("decision: {0}")]
    Json(#[from] serde_json::Error),
    /// The request is over.
    #[error("expected a request that waits, found one that is {}", .0.as_str())]
    Ended(State),
    /// It does not lie where it should.
    #[error("mailbox: expected {expected}, found {found}")]
    Form {
        /// What was expected.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// The store could not be looked at by the end of the request's time.
    #[error("the mailbox could not be read until the request's end: {0}")]
    Unread(String),
    /// The proxy ends.
    #[error("the mailbox is closed")]
    Closed,
}

impl MailboxError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Record(error) => error.hint(),
            Self::Sealed(SealedError::NotForUs(_)) => {
                Some("requests of this store are encrypted: give a reader's key by --identity")
            }
            Self::Unread(_) => Some("see that this host reaches `record.store`"),
            Self::Digest(_)
            | Self::Envelope(_)
            | Self::Unsealed(_)
            | Self::Sealed(_)
            | Self::Json(_)
            | Self::Ended(_)
            | Self::Form { .. }
            | Self::Closed => None,
        }
    }
}
