//! The recorder's data keys: made as they are needed, kept in memory, and wrapped for their readers.
//!
//! A wrapped key waits in the spool, on disk, before anything is encrypted by it, and is put into the key store before
//! anything that it encrypted. From then on the store's is the only copy: whoever deletes it erases what it encrypted.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;

use super::hpke::HpkeError;
use super::key::DataKey;
use super::name::{KeyName, Month, Purpose};
use super::wrapped::WrappedKey;
use crate::config::Recipient;
use crate::id::SessionId;
use crate::record::disk;
use crate::record::error::RecordError;
use crate::record::schema::Tier;

/// Folder in the spool of the wrapped keys that no store has yet.
const FOLDER: &str = "keys";

/// The data keys of a recorder.
#[derive(Debug)]
pub(crate) struct Keys {
    org: String,
    recipients: Vec<Recipient>,
    folder: PathBuf,
    made: Mutex<BTreeMap<(String, Purpose), Arc<DataKey>>>,
    /// Held by the one thread that puts keys.
    shipping: Mutex<()>,
}

impl Keys {
    /// Makes keys for recipients; without any, nothing is encrypted.
    pub(crate) fn open(spool: &Path, org: &str, recipients: &[Recipient]) -> Self {
        Self {
            org: org.to_owned(),
            recipients: recipients.to_vec(),
            folder: spool.join(FOLDER),
            made: Mutex::default(),
            shipping: Mutex::default(),
        }
    }

    /// Tells whether anything is encrypted.
    pub(crate) fn encrypts(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Gives a chain's key for a purpose, making it where there is none; none where nothing is encrypted.
    ///
    /// # Errors
    /// The wrapped key could not be written to disk: nothing may be encrypted by it then.
    pub(crate) fn of(
        &self,
        chain: &str,
        purpose: Purpose,
    ) -> Result<Option<Arc<DataKey>>, RecordError> {
        if !self.encrypts() {
            return Ok(None);
        }
        let mut made = self.made();
        let slot = (chain.to_owned(), purpose);
        if let Some(key) = made.get(&slot) {
            return Ok(Some(Arc::clone(key)));
        }
        let key = Arc::new(self.make(chain, purpose)?);
        made.insert(slot, Arc::clone(&key));
        Ok(Some(key))
    }

    /// Gives the key of an object of a chain, by its tier and day; none where the tier or nothing at all is encrypted.
    ///
    /// # Errors
    /// As of [`Keys::of`]: the object must not be made either.
    pub(crate) fn of_object(
        &self,
        tier: Tier,
        day: NaiveDate,
        chain: &str,
    ) -> Result<Option<Arc<DataKey>>, RecordError> {
        match tier {
            Tier::Metadata => Ok(None),
            // Their files are encrypted as they are written, under a session's key.
            Tier::Rows => Ok(None),
            Tier::Content => self.of(chain, Purpose::Content(Month::of(day))),
            Tier::Prompts => self.of(chain, Purpose::Prompts(Month::of(day))),
        }
    }

    fn make(&self, chain: &str, purpose: Purpose) -> Result<DataKey, RecordError> {
        let name = KeyName::new(chain, purpose);
        let failed = |source: HpkeError| RecordError::Wrap {
            purpose: purpose.to_string(),
            source,
        };
        let key = DataKey::random(name).map_err(failed)?;
        let wrapped = WrappedKey::wrap(&self.org, &key, &self.recipients).map_err(failed)?;
        let path = self.folder.join(format!("{}.json", key.name()));
        let parent = path.parent().unwrap_or(&self.folder);
        disk::create_private_dirs(parent)
            .and_then(|()| disk::replace(&path, wrapped.to_json().as_bytes()))
            .map_err(disk::failed("write", &path))?;
        Ok(key)
    }

    /// Forgets the keys of a session that is over.
    pub(crate) fn forget(&self, session: SessionId) {
        self.made()
            .retain(|(_, purpose), _| *purpose != Purpose::Rows(session));
    }

    /// Puts the wrapped keys that no store has yet, of earlier processes too, each before it leaves the spool.
    ///
    /// # Errors
    /// The spool cannot be read, or the store took one not: nothing that they encrypted may be put then.
    pub(crate) fn ship(
        &self,
        put: impl Fn(&str, Vec<u8>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let _turn = self.shipping.lock().unwrap_or_else(PoisonError::into_inner);
        for chain in listed(&self.folder)? {
            for file in listed(&chain)? {
                let name = named(&file);
                // What is no key of ours is somebody else's, or a draft that a crash left.
                let Some(name) = name else { continue };
                let bytes = fs::read(&file).map_err(disk::failed("read", &file))?;
                put(&name.object(&self.org), bytes)?;
                disk::remove_if_there(&file).map_err(disk::failed("remove", &file))?;
            }
            // Fails as long as it holds others.
            drop(fs::remove_dir(&chain));
        }
        Ok(())
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<(String, Purpose), Arc<DataKey>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, RecordError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk::failed("list", folder)(error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(disk::failed("list", folder))?;
    paths.sort_unstable();
    Ok(paths)
}

fn named(file: &Path) -> Option<KeyName> {
    let id = file.file_name()?.to_str()?.strip_suffix(".json")?;
    let chain = file.parent()?.file_name()?.to_str()?;
    KeyName::read(&format!("{chain}/{id}"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::record::encryption::Identity;

    #[test]
    fn a_wrapped_key_waits_on_disk_until_a_store_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let reader = Identity::random().unwrap();
        let open = || Keys::open(dir.path(), "acme", &[reader.recipient()]);
        let chain = uuid::Uuid::now_v7().to_string();
        let month = Purpose::Content(Month::read("2026-11").unwrap());
        let session = SessionId::new();
        let keys = open();
        let key = keys.of(&chain, month).unwrap().unwrap();
        let again = keys.of(&chain, month).unwrap().unwrap();
        assert_eq!(again.name(), key.name());
        let rows = keys.of(&chain, Purpose::Rows(session)).unwrap().unwrap();
        keys.forget(session);
        let later = keys.of(&chain, Purpose::Rows(session)).unwrap().unwrap();
        assert_ne!(later.bytes(), rows.bytes());

        let refuse = |_: &str, _| Err(RecordError::Closed);
        assert!(keys.ship(refuse).is_err());
        drop(keys);
        let put = RefCell::new(BTreeMap::new());
        let take = |key: &str, bytes| {
            put.borrow_mut().insert(key.to_owned(), bytes);
            Ok(())
        };
        let next = open();
        next.ship(take).unwrap();
        assert_eq!(put.borrow().len(), 3);
        let bytes = put.borrow()[&key.name().object("acme")].clone();
        let wrapped = WrappedKey::read("acme", key.name(), &bytes).unwrap();
        let opened = wrapped.open(std::slice::from_ref(&reader)).unwrap();
        assert_eq!(opened.bytes(), key.bytes());

        put.borrow_mut().clear();
        next.ship(take).unwrap();
        assert!(put.borrow().is_empty());
        assert!(!dir.path().join("keys").join(&chain).exists());
    }

    #[test]
    fn without_recipients_nothing_is_encrypted() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), "acme", &[]);
        assert!(keys.of("chain", Purpose::Digest).unwrap().is_none());
        keys.ship(|_, _| Err(RecordError::Closed)).unwrap();
    }
}
