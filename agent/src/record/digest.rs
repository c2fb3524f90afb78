//! A chain's digest key, and the digests that a record holds instead of content.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use zeroize::Zeroizing;

use super::disk;
use super::error::RecordError;

const KEY_BYTES: usize = 32;

/// The key of every `*_mac` column of a chain.
///
/// Content is digested under a key because a bare digest of a short result or of SQL with a guessable literal can be
/// found by trying.
pub(super) struct DigestKey(hmac::Key);

impl DigestKey {
    /// Takes a key.
    pub(super) fn of(key: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Reads the key, or makes it where there is none.
    pub(super) fn load(path: &Path) -> Result<Self, RecordError> {
        load_key(path).map(Self)
    }

    /// Begins an HMAC-SHA256.
    pub(super) fn begin(&self) -> Mac {
        Mac(hmac::Context::with_key(&self.0))
    }

    /// Gives the HMAC-SHA256 of bytes.
    pub(super) fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.0, bytes).as_ref());
        mac
    }
}

/// An HMAC-SHA256 of bytes that come in pieces.
#[derive(Clone)]
pub(super) struct Mac(hmac::Context);

impl Mac {
    /// Adds a piece.
    pub(super) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Gives the HMAC of the pieces so far.
    pub(super) fn value(&self) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(self.0.clone().sign().as_ref());
        mac
    }
}

/// Gives the salted commitment to a content field: SHA-256 of salt and UTF-8.
#[must_use]
pub fn commitment(salt: &[u8; 16], text: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt);
    context.update(text.as_bytes());
    finish(context)
}

/// Makes a salt for [`commitment`].
pub fn random_salt() -> Result<[u8; 16], RecordError> {
    let mut salt = [0; 16];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| RecordError::Random)?;
    Ok(salt)
}

/// Gives the SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(bytes);
    finish(context)
}

/// Gives the SHA-256 of pieces, one after the other.
pub(crate) fn sha256_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for piece in pieces {
        context.update(piece);
    }
    finish(context)
}

fn finish(context: digest::Context) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a key for HMAC-SHA256 from a file of our own, or makes it where there is none.
///
/// # Errors
/// A file of another user, one that others may read, one of another length, or a disk that fails.
pub fn load_key(path: &Path) -> Result<hmac::Key, RecordError> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    make(path)?;
    read(path)?.ok_or_else(|| refused(path, "none"))
}

fn read(path: &Path) -> Result<Option<hmac::Key>, RecordError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
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
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let mut file = File::open(path).map_err(disk::failed("open", path))?;
    if found.len() != KEY_BYTES as u64 || file.read_exact(key.as_mut()).is_err() {
        return Err(refused(path, "another length"));
    }
    Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())))
}

fn make(path: &Path) -> Result<(), RecordError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new()
        .fill(key.as_mut())
        .map_err(|_| RecordError::Random)?;
    path.parent()
        .map_or(Ok(()), disk::create_private_dirs)
        .and_then(|()| disk::replace(path, key.as_ref()))
        .map_err(disk::failed("create", path))
}

fn refused(path: &Path, found: &str) -> RecordError {
    RecordError::Key {
        path: path.to_owned(),
        found: found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("digest.key");
        let first = DigestKey::load(&path).unwrap().mac(b"x");
        assert_eq!(DigestKey::load(&path).unwrap().mac(b"x"), first);
        assert_ne!(DigestKey::load(&path).unwrap().mac(b"y"), first);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("digest.key");
        fs::write(&path, [1; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            DigestKey::load(&path),
            Err(RecordError::Key { .. })
        ));
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("digest.key");
        fs::write(&path, [1; 31]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(
            DigestKey::load(&path),
            Err(RecordError::Key { .. })
        ));
    }

    #[test]
    fn a_commitment_is_the_hash_of_salt_and_text() {
        let mut bytes = vec![7; 16];
        bytes.extend_from_slice("säl".as_bytes());
        assert_eq!(commitment(&[7; 16], "säl"), sha256(&bytes));
    }
}
