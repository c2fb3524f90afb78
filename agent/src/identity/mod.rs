//! Stage 2: who is asking.
//!
//! Without a token the principal is the host's own user, as the kernel reports it for the session's cgroup. With one it
//! is whom the token's issuer names. Which kind of token it is tells its form (`handed`). A JWT is read strictly
//! (`token`), its signature is checked with a key of the issuer's own set (`keys`), then what it says is checked against
//! the issuer's settings (`issuer`, `claims`). A SAML message is verified by `saml`, then held against its provider's
//! settings (`provider`). Pure.

mod approver;
mod claims;
mod error;
mod grant;
mod handed;
mod issuer;
mod keys;
mod operator;
mod principal;
mod provider;
pub mod saml;
mod seal;
pub mod sign_in;
mod token;
mod users;

pub use approver::{Vouched, verify_approver};
pub use error::IdentityError;
pub(crate) use error::cut;
pub use grant::{Issued, Who, first_grant};
pub use handed::Handed;
pub use issuer::{CiSystem, Issuer, KeySource, Pattern, unknown_issuer, verify, verify_enrolment};
pub use keys::{Algorithm, KEYS_MAX_BYTES, Keys};
pub use operator::{Operator, OperatorIs};
pub use principal::{Ci, Identity, Kind, Party, Principal, Protocol};
pub use provider::{SamlProvider, unknown_provider, verify_message};
pub use seal::SealError;
pub use token::{TOKEN_MAX_BYTES, Token};
pub use users::{Groups, User, Users};

/// What the `nonce` of an approver's token begins with. Such a token says yes or no to one request; it opens no session.
pub const APPROVAL_NONCE: &str = "icecore-approval:";

/// What the `nonce` of a token begins with by which an operator vouches for an installation's key. It lies in the store,
/// where others read it; it opens no session.
pub const ENROLMENT_NONCE: &str = "icecore-enrolment:";

#[cfg(test)]
pub(crate) mod tests;
