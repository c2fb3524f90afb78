//! Encryption of what is read by few: content under a key a month, rows of results under a key a session.
//!
//! The host knows its readers' public keys alone: it encrypts, and after a restart cannot read what it encrypted.

mod documents;
mod holding;
mod hpke;
mod identity;
mod key;
mod maker;
mod name;
mod ring;
mod sealed;
mod vault;
mod wrapped;

pub use documents::{Access, By, Erasure, Hold, Scope};
pub use holding::{Places, in_force, keeps};
pub use hpke::HpkeError;
pub use identity::{Identity, IdentityError};
pub use key::DataKey;
pub(crate) use maker::Keys;
pub use name::{KeyName, Month, Purpose};
pub use ring::Closed;
pub(crate) use ring::{KeyRing, Opener, key_named_in};
pub use sealed::SealedError;
pub(crate) use sealed::{is_sealed, open_by, seal_to};
pub use vault::{Act, Told, Vault};
pub use wrapped::{WrapError, WrappedKey};
