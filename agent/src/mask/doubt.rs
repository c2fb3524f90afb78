//! Why an answer is withheld, and what that says of its login.

use super::treatment::Uncertain;

/// Why nothing of an answer leaves.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Snowflake says that it ran something else than what was judged: its login may be in any state.
    Other(String),
    /// It does not say what it ran, or holds what must not leave.
    Kept(String),
    /// Snowflake could not be asked what it ran, which may pass.
    Untold(String),
}

impl From<Uncertain> for Doubt {
    fn from(uncertain: Uncertain) -> Self {
        Self::Kept(uncertain.to_string())
    }
}

impl Doubt {
    /// Gives the reason.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Other(reason) | Self::Kept(reason) | Self::Untold(reason) => reason,
        }
    }
}
