//! The closed sets of words that a record uses. Pure.

pub use crate::config::Mode;

/// Whether a row opens or closes what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It opens.
    #[default]
    Open,
    /// It closes.
    Close,
}

impl Phase {
    /// Gives the recorded word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
        }
    }
}

/// Whether the session could have escaped by becoming root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// It could not.
    Enforced,
    /// It could; the record is a courtesy.
    Advisory,
}

impl Enforcement {
    /// Gives the recorded word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Advisory => "advisory",
        }
    }
}

/// What policy decided on a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may run.
    Allow,
    /// It may not.
    Block,
    /// It may run and is marked; also a refusal that `observe` did not make.
    Flag,
    /// It may run because a person said yes.
    Approve,
    /// It may run and its result is masked.
    Mask,
    /// No decision was reached, so it may not run.
    Error,
}

impl Decision {
    /// Gives the recorded word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Flag => "flag",
            Self::Approve => "approve",
            Self::Mask => "mask",
            Self::Error => "error",
        }
    }

    /// Gives OCSF's action id (profile `security_control`).
    #[must_use]
    pub fn ocsf_action_id(self) -> i32 {
        match self {
            Self::Allow | Self::Approve => 1,
            Self::Block | Self::Error => 2,
            Self::Flag => 3,
            Self::Mask => 4,
        }
    }
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It is not over: its row is not final, or its client took an id and did not wait for the end.
    #[default]
    Running,
    /// Snowflake ran it.
    Success,
    /// Snowflake refused or failed it, or could not be reached.
    Failed,
    /// It was refused here.
    Blocked,
    /// The client took it back.
    Cancelled,
    /// It took too long.
    Timeout,
    /// Its end is not known: the recorder died before, or it was sent with others of which one failed.
    Abandoned,
}

impl Status {
    /// Gives the recorded word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How much an event matters, by OCSF's scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    #[default]
    Informational,
    /// Worth a look some day.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look at once.
    High,
    /// Worth waking a person.
    Critical,
}

impl Severity {
    /// Gives OCSF's severity id.
    #[must_use]
    pub fn as_i32(self) -> i32 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Category {
    /// The chain itself.
    Chain,
    /// Identity and credentials.
    Auth,
    /// Connections.
    Net,
    /// Policies.
    Policy,
    /// The recorder.
    Record,
    /// Approvals.
    Approval,
    /// The daemon and its operators.
    #[default]
    Admin,
}

impl Category {
    /// Gives the recorded word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Auth => "auth",
            Self::Net => "net",
            Self::Policy => "policy",
            Self::Record => "record",
            Self::Approval => "approval",
            Self::Admin => "admin",
        }
    }
}
