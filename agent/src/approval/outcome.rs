//! How a request ended, in the words of the host that asked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::ApprovalId;

/// The end of a request; written once, by the host that asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// See [`super::request::FORMAT_VERSION`].
    pub format_version: u32,
    /// The request.
    pub request: ApprovalId,
    /// Its digest, in hexadecimal.
    pub digest: String,
    /// How it ended.
    pub state: State,
    /// SHA-256 of each decision that counted, in hexadecimal.
    pub decisions: Vec<String>,
    /// Who decided, each as `issuer:subject`.
    pub by: Vec<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// How a request stands or ended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits for people.
    Requested,
    /// Enough people said yes.
    Approved,
    /// Somebody who may said no.
    Denied,
    /// Its time was over.
    Expired,
    /// Whoever asked wants it no more.
    Withdrawn,
    /// It was approved, and the statement meant something else by then.
    Void,
}

impl State {
    /// Gives the word by which record and faces call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Void => "void",
        }
    }
}
