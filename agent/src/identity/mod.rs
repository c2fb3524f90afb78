//! Stage 2: who is asking.
//!
//! Without a token the principal is the host's own user, as the kernel reports it for the session's cgroup.

pub mod saml;
mod users;

use std::fmt;

pub use users::Users;

/// Who a session acts for; made only by this stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    user: String,
    uid: u32,
}

impl Principal {
    /// Takes the host user that opened the session, whose uid the supervisor read from the kernel.
    #[must_use]
    pub fn host_user(user: String, uid: u32) -> Self {
        Self { user, uid }
    }

    /// Gives the user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Gives the user's id on the host.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host user {} (uid {})", self.user, self.uid)
    }
}
