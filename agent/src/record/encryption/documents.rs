//! What is written down beside the record of who erased, held or read what. Pure.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::record::chain::envelope::Signed;

/// Says by which layout these documents are written.
pub(super) const VERSION: u32 = 1;

/// Who did it, as the host knows them, and by which key they say so.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// The host's name.
    pub host: String,
    /// The user; of `sudo` the one who called it.
    pub user: String,
    /// The public key that signs, in base64; none where nothing is signed.
    pub key: Option<String>,
}

/// Keys were destroyed, and with them what they encrypted; signed by who did it, before they did.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The version of the form of these documents.
    pub v: u32,
    /// Organisation whose record it is.
    pub org: String,
    /// Names the erasure.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub by: By,
    /// Why.
    pub reason: String,
    /// The keys: `CHAIN/ID`, as manifests name them.
    pub keys: Vec<String>,
}

impl Signed for Erasure {
    const TYPE: &'static str = "application/vnd.icecore.erasure.v1+json";
}

/// What a legal hold keeps from erasure.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Scope {
    /// One session.
    Session(String),
    /// All that happened on these days, both included (UTC).
    Days {
        /// The first.
        #[serde(with = "date")]
        from: NaiveDate,
        /// The last.
        #[serde(with = "date")]
        to: NaiveDate,
    },
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(session) => write!(f, "session {session}"),
            Self::Days { from, to } => write!(f, "{from} to {to}"),
        }
    }
}

/// Something must not be erased, or may be again; signed by who says so.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The version of the form of these documents.
    pub v: u32,
    /// Organisation whose record it is.
    pub org: String,
    /// Names the hold.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub by: By,
    /// Why.
    pub reason: String,
    /// What is held.
    pub scope: Scope,
    /// The hold that ends by this; none where one begins.
    pub releases: Option<String>,
}

impl Signed for Hold {
    const TYPE: &'static str = "application/vnd.icecore.hold.v1+json";
}

/// Content was read; nobody signs it, since a reader has no key that others know.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The version of the form of these documents.
    pub v: u32,
    /// Organisation whose record it is.
    pub org: String,
    /// Names the access.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub by: By,
    /// By which command.
    pub command: String,
    /// Of which session; none where it was not one alone.
    pub session: Option<String>,
    /// The keys that were opened for it.
    pub keys: Vec<String>,
}

/// Days as `2026-11-27`.
mod date {
    use chrono::NaiveDate;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(day: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(day)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveDate, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
