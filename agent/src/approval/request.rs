//! What people are asked: a statement with all that gives it its meaning, who asks, and which rules want a yes.
//!
//! The request's digest is over the whole document, so that whoever says yes says it to all that they were shown.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::canonical::{self, CanonicalError};
use crate::id::{ApprovalId, SessionId, StatementId};

/// The form of request, decision and outcome. A reader refuses a later one.
pub const FORMAT_VERSION: u32 = 1;

/// A request for people's yes, as it lies in the mailbox and in the record.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Names the request.
    pub id: ApprovalId,
    /// Organisation for which it is recorded.
    pub org: String,
    /// Chain of the host that asks; its genesis names the key that signs the request.
    pub chain: String,
    /// The host that asks.
    pub host_id: String,
    /// Session of the statement.
    pub session_id: SessionId,
    /// The statement that waits.
    pub statement_id: StatementId,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// From when on no yes counts.
    pub expires_at: DateTime<Utc>,
    /// The rules that want a yes, in their order.
    pub asks: Vec<Ask>,
    /// What each group that is asked must say.
    pub needs: Vec<Need>,
    /// Who asks.
    pub requester: Requester,
    /// All that gives the statement its meaning.
    pub meaning: Meaning,
    /// What the agent says about it, which nobody has checked.
    pub claimed: Claimed,
    /// What Snowflake says of the statement without running it.
    pub plan: Plan,
    /// How statements of the same shape were decided before, as far as this installation asked; latest first.
    pub earlier: Vec<Earlier>,
    /// Why not all of that was looked up, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_unknown: Option<String>,
}

/// A rule that wants a yes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The rule.
    pub rule: String,
    /// The group that its remedy names.
    pub group: String,
    /// What its author says of it.
    pub reason: Option<String>,
}

/// What must be said in a group's name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The group, as policies name it.
    pub group: String,
    /// How many of its members must say yes.
    pub approvers: u32,
    /// How well each must be proved.
    pub proof: Grade,
    /// Why more are needed than the config says, if so.
    pub because: Option<String>,
}

/// How well it is proved who decided, from weak to strong.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// A chat's own word for it.
    Chat,
    /// Signed by a key for which a person logged in at the issuer, at most eight hours before.
    IdpKey,
    /// The issuer itself signed the digest of this one decision.
    IdpPerDecision,
}

impl Grade {
    /// Gives the word by which config, policies and record call the grade.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::IdpKey => "idp-key",
            Self::IdpPerDecision => "idp-per-decision",
        }
    }
}

/// Who asks, as far as it is verified.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Requester {
    /// The principal, as policies name it.
    pub principal: String,
    /// Its issuer in the config, if one vouches for it.
    pub issuer: Option<String>,
    /// Its subject.
    pub subject: String,
    /// Its groups, each with its issuer.
    pub groups: Vec<String>,
    /// What the issuer says of its job: repository, ref, workflow, run, actor and so on.
    pub facts: BTreeMap<String, String>,
}

/// All that gives a statement its meaning; made anew before it is sent, and any difference voids the approval.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// Account at which it runs.
    pub account: String,
    /// Snowflake's user.
    pub user: String,
    /// Current role.
    pub role: Option<String>,
    /// Secondary roles.
    pub secondary_roles: Vec<String>,
    /// Current warehouse.
    pub warehouse: Option<String>,
    /// Current database.
    pub database: Option<String>,
    /// Current schema.
    pub schema: Option<String>,
    /// The text, exactly.
    pub sql: String,
    /// Its kind; of several, each one's.
    pub kinds: Vec<String>,
    /// Every member of its request that bears on what it does, by name, as JSON text: values bound, parameters.
    pub members: BTreeMap<String, String>,
    /// The login's own parameters that bear on what it does, as far as its statements set them.
    pub parameters: BTreeMap<String, String>,
    /// Values of the session variables that its text names, as far as they are known.
    pub variables: BTreeMap<String, String>,
    /// What it does to which objects, and what those are.
    pub objects: Vec<Touched>,
    /// How it uses which columns, each as `use path`.
    pub columns: Vec<String>,
    /// The policies that were asked, as the SHA-256 of their bundle in hexadecimal.
    pub policies_sha256: String,
}

/// An object that a statement touches.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Touched {
    /// What is done to it.
    pub action: String,
    /// What it is.
    pub class: String,
    /// Its whole name.
    pub path: String,
    /// SHA-256 of what the account says that it is (columns, types, tags, a view's text), in hexadecimal; none if nothing
    /// is known of it.
    pub definition_sha256: Option<String>,
}

/// What the agent says, or may have written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claimed {
    /// Why it wants the statement: of a comment `-- reason: ...` or the session's label `reason`.
    pub reason: Option<String>,
    /// The session's labels.
    pub labels: BTreeMap<String, String>,
    /// The prompt that led to it, once prompts are linked.
    pub prompt: Option<String>,
}

/// What Snowflake says of a statement without running it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Bytes that it would read.
    pub bytes: Option<u64>,
    /// Partitions that it would read.
    pub partitions: Option<u64>,
    /// Of how many.
    pub partitions_total: Option<u64>,
    /// Why nothing is known, if so.
    pub unknown: Option<String>,
}

/// How a statement of the same shape was decided before.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// The request.
    pub id: ApprovalId,
    /// How it ended.
    pub state: String,
    /// Who decided, each as `issuer:subject`.
    pub by: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Request {
    /// Gives the digest that a decision is about.
    ///
    /// # Errors
    /// The document has no canonical form.
    pub fn digest(&self) -> Result<[u8; 32], CanonicalError> {
        canonical::digest("icecore approval request 1", self)
    }
}
