//! A reader's key pair: what opens the data keys that are wrapped for it.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::hpke::{HpkeError, KEY_BYTES};
use crate::config::{Recipient, read_secret_file};

/// How the line of a secret key begins.
const LEAD: &str = "icecore-identity-x25519:";

/// Longest identity file that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Why identities cannot be had of a file.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read, or not by its owner alone.
    #[error("identity file: expected {expected}, found {found}")]
    Untrusted {
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A line of it is no identity.
    #[error("identity file `{}`, line {line}: expected `{LEAD}` and 43 letters, as `icecore keys make` writes it, found something else", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
    /// It holds none.
    #[error("identity file `{}`: expected a line that begins with `{LEAD}`, found none", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A reader's secret key.
#[derive(Clone)]
pub struct Identity(StaticSecret);

impl Identity {
    /// Makes a key pair.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random() -> Result<Self, HpkeError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom::new()
            .fill(key.as_mut())
            .map_err(|_| HpkeError::Random)?;
        Ok(Self(StaticSecret::from(*key)))
    }

    /// Gives the public key, which may be told to anybody.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient::new(PublicKey::from(&self.0).to_bytes())
    }

    /// Gives the secret key.
    pub(super) fn secret(&self) -> &StaticSecret {
        &self.0
    }

    /// Gives the text of an identity file.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_bytes()));
        let (recipient, secret) = (self.recipient(), secret.as_str());
        Zeroizing::new(format!(
            "# Opens what is encrypted to {recipient}\n# Keep it secret; whoever loses it cannot read that any more.\n{LEAD}{secret}\n"
        ))
    }

    /// Reads the identities of a file that only its owner can read: one a line; empty lines and `#` count for nothing.
    ///
    /// # Errors
    /// The file cannot be read, others can read it, or it has another line or none.
    pub fn read_file(path: &Path) -> Result<Vec<Self>, IdentityError> {
        let bytes = read_secret_file(path, FILE_BYTES_MAX).map_err(|untrusted| {
            IdentityError::Untrusted {
                expected: untrusted.expected,
                found: untrusted.found,
            }
        })?;
        let path = || path.to_owned();
        let text =
            std::str::from_utf8(&bytes).map_err(|_| IdentityError::Empty { path: path() })?;
        let lines = (1..).zip(text.lines().map(str::trim));
        let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let identities: Vec<Self> = told
            .map(|(line, text)| {
                Self::read(text).ok_or_else(|| IdentityError::Line { path: path(), line })
            })
            .collect::<Result<_, _>>()?;
        if identities.is_empty() {
            return Err(IdentityError::Empty { path: path() });
        }
        Ok(identities)
    }

    fn read(line: &str) -> Option<Self> {
        let key = Zeroizing::new(URL_SAFE_NO_PAD.decode(line.strip_prefix(LEAD)?).ok()?);
        let key: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(key.as_slice().try_into().ok()?);
        Some(Self(StaticSecret::from(*key)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}
