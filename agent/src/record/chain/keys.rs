//! Signing keys: the installation's, which stays, and a chain's, which is in memory alone and changes.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

use super::envelope::key_id;
use super::note::public;
use crate::record::RecordError;
use crate::record::disk;

/// The file of the installation's key in the state folder: a seed of 32 bytes (RFC 8032 section 5.1.5).
pub const INSTALLATION_KEY: &str = "installation.key";

/// The file of a witness's key in its folder.
pub const WITNESS_KEY: &str = "witness.key";

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl SigningKey {
    /// Makes a key that is nowhere else.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn make() -> Result<Self, RecordError> {
        Self::of(&*seed()?)
    }

    /// Reads an installation's key from a state folder, or makes it where there is none.
    ///
    /// # Errors
    /// A file of another user, one that others may read, one of another length, or a disk that fails.
    pub fn of_installation(state_dir: &Path) -> Result<Self, RecordError> {
        Self::of_folder(state_dir, INSTALLATION_KEY)
    }

    /// Reads a witness's key from its folder, or makes it where there is none.
    ///
    /// # Errors
    /// As of [`SigningKey::of_installation`].
    pub fn of_witness(dir: &Path) -> Result<Self, RecordError> {
        Self::of_folder(dir, WITNESS_KEY)
    }

    fn of_folder(state_dir: &Path, name: &str) -> Result<Self, RecordError> {
        let path = state_dir.join(name);
        if let Some(key) = Self::read(&path)? {
            return Ok(key);
        }
        // As the CA makes it: below it lies the certificate that every session reads. The key's own file is private.
        fs::create_dir_all(state_dir).map_err(disk::failed("create", state_dir))?;
        Self::of_file(&path)
    }

    /// Reads a key from a file, or makes it where there is none.
    ///
    /// # Errors
    /// As of [`SigningKey::of_installation`].
    pub fn of_file(path: &Path) -> Result<Self, RecordError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        disk::replace(path, &*seed()?).map_err(disk::failed("create", path))?;
        Self::read(path)?.ok_or_else(|| refused(path, "none"))
    }

    /// Reads a key that is there; none where no file is.
    ///
    /// # Errors
    /// As of [`SigningKey::of_installation`].
    pub fn read(path: &Path) -> Result<Option<Self>, RecordError> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk::failed("look at", path)(error)),
        };
        if !found.is_file() {
            return Err(refused(path, "something that is not a file"));
        }
        if !disk::is_ours(path, &found) {
            return Err(refused(path, "a file of another user"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(refused(path, "a file that others can read or write"));
        }
        let mut seed = Zeroizing::new([0; 32]);
        let mut file = File::open(path).map_err(disk::failed("open", path))?;
        if found.len() != 32 || file.read_exact(seed.as_mut()).is_err() {
            return Err(refused(path, "another length"));
        }
        Self::of(&seed).map(Some)
    }

    fn of(seed: &[u8; 32]) -> Result<Self, RecordError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| RecordError::Random)?;
        let public = public(&pair);
        Ok(Self { pair, public })
    }

    /// Gives the pair.
    pub(crate) fn pair(&self) -> &Ed25519KeyPair {
        &self.pair
    }

    /// Gives the public half.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Gives the public half in base64, as documents hold it.
    #[must_use]
    pub fn public_text(&self) -> String {
        STANDARD.encode(self.public)
    }

    /// Names the key; see [`key_id`].
    #[must_use]
    pub fn id(&self) -> String {
        key_id(&self.public)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.id()).finish()
    }
}

/// Reads a public key as documents hold it.
#[must_use]
pub fn public_key(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn seed() -> Result<Zeroizing<[u8; 32]>, RecordError> {
    let mut seed = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(seed.as_mut())
        .map_err(|_| RecordError::Random)?;
    Ok(seed)
}

fn refused(path: &Path, found: &str) -> RecordError {
    RecordError::Key {
        path: path.to_owned(),
        found: found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_state_folder_that_it_makes_is_open_to_whom_any_other_would_be() {
        let dir = tempfile::tempdir().unwrap();
        let (other, state) = (dir.path().join("other"), dir.path().join("state"));
        fs::create_dir(&other).unwrap();
        let key = SigningKey::of_installation(&state).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state), mode(&other));
        assert_eq!(mode(&state.join(INSTALLATION_KEY)), 0o600);
        let again = SigningKey::of_installation(&state).unwrap();
        assert_eq!(again.public(), key.public());
    }
}
