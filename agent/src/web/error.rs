//! Why a request got no answer; a place is an address without its query, which may hold what nobody should read.

use std::net::IpAddr;
use std::time::Duration;

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// The address is none that may be asked.
    #[error(
        "expected an address such as `https://host/path`, without a user name or a fragment, found `{found}`"
    )]
    Url {
        /// What was found.
        found: String,
    },
    /// A plain connection would leave this host.
    #[error(
        "`{place}`: expected `https`, or a plain address of this host, found one that leads to {address}"
    )]
    Plain {
        /// What was asked.
        place: String,
        /// Where it leads.
        address: IpAddr,
    },
    /// No connection, or no trust in its other end.
    #[error("cannot reach `{place}`: {cause}")]
    Unreachable {
        /// What was asked.
        place: String,
        /// What failed, causes joined by colons.
        cause: String,
    },
    /// No whole answer in time.
    #[error("`{place}` gave no whole answer within {} s", .within.as_secs())]
    Slow {
        /// What was asked.
        place: String,
        /// How long was waited.
        within: Duration,
    },
    /// The answer leads elsewhere.
    #[error(
        "`{place}` answered with HTTP status {status}, a redirect; Icecore follows none, so set the address that it leads to"
    )]
    Redirect {
        /// What was asked.
        place: String,
        /// The status.
        status: u16,
    },
    /// The answer is larger than any that is expected.
    #[error("`{place}`: expected an answer of at most {limit_bytes} bytes, found a larger one")]
    TooLarge {
        /// What was asked.
        place: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// The answer broke off, or cannot be read.
    #[error("`{place}` gave no whole answer: {cause}")]
    Broke {
        /// What was asked.
        place: String,
        /// What failed, causes joined by colons.
        cause: String,
    },
}
