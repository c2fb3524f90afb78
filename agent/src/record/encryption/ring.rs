//! What a reader opens encrypted objects by: identities, and the wrapped keys of a key store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::encryption::decrypt::{FileDecryptionProperties, KeyRetriever};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use super::identity::Identity;
use super::key::DataKey;
use super::name::KeyName;
use super::wrapped::{WrapError, WrappedKey};

/// How a Parquet file ends whose footer is encrypted. Source: Apache Parquet, "Parquet Modular Encryption", 5.4.
const ENCRYPTED_END: &[u8; 4] = b"PARE";

/// Why an encrypted object cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Closed {
    /// Nobody said who reads.
    #[error("it is encrypted; give --identity")]
    NoIdentity,
    /// Its footer names no key of ours.
    #[error("expected the name of a data key in its footer, found none")]
    Unnamed,
    /// The key store has no such key any more.
    #[error("its key `{0}` is gone: it was erased, or is in another key store")]
    Gone(String),
    /// The key store cannot be read.
    #[error("its key `{name}` cannot be had: {cause}")]
    Unreachable {
        /// The key's name.
        name: String,
        /// What the store said.
        cause: String,
    },
    /// The key does not open.
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

/// Reads a wrapped key of a key store, by its place there; none where it is not there.
pub(crate) type Fetch = dyn Fn(&str) -> Result<Option<Bytes>, String> + Send + Sync;

/// What came of each key that was asked for, by organisation and name.
type Opened = BTreeMap<(String, KeyName), Result<Arc<DataKey>, Closed>>;

/// Identities, a key store, and what was opened so far.
pub(crate) struct KeyRing {
    identities: Vec<Identity>,
    fetch: Box<Fetch>,
    opened: Mutex<Opened>,
}

impl KeyRing {
    /// Opens keys of a store by identities.
    pub(crate) fn new(identities: Vec<Identity>, fetch: Box<Fetch>) -> Arc<Self> {
        Arc::new(Self {
            identities,
            fetch,
            opened: Mutex::default(),
        })
    }

    /// Opens nothing.
    pub(crate) fn empty() -> Arc<Self> {
        Self::new(Vec::new(), Box::new(|_| Ok(None)))
    }

    /// Tells whether anything can be opened.
    pub(crate) fn has_identity(&self) -> bool {
        !self.identities.is_empty()
    }

    /// Opens a key of an organisation.
    ///
    /// # Errors
    /// It is gone, cannot be had, or is not for any of the identities.
    pub(crate) fn key(&self, org: &str, name: &KeyName) -> Result<Arc<DataKey>, Closed> {
        if !self.has_identity() {
            return Err(Closed::NoIdentity);
        }
        let slot = (org.to_owned(), name.clone());
        if let Some(known) = self.opened().get(&slot) {
            return known.clone();
        }
        let opened = self.open(org, name).map(Arc::new);
        self.opened().insert(slot, opened.clone());
        opened
    }

    fn open(&self, org: &str, name: &KeyName) -> Result<DataKey, Closed> {
        let bytes = (self.fetch)(&name.object(org)).map_err(|cause| Closed::Unreachable {
            name: name.to_string(),
            cause,
        })?;
        let bytes = bytes.ok_or_else(|| Closed::Gone(name.to_string()))?;
        let wrapped = WrappedKey::read(org, name, &bytes)?;
        Ok(wrapped.open(&self.identities)?)
    }

    /// Names the keys that were opened, with their organisations.
    pub(crate) fn opened_names(&self) -> Vec<(String, String)> {
        let opened = self.opened();
        let opened = opened.iter().filter(|(_, key)| key.is_ok());
        opened
            .map(|((org, name), _)| (org.clone(), name.to_string()))
            .collect()
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("identities", &self.identities)
            .finish_non_exhaustive()
    }
}

/// Opens one Parquet file, and keeps why it could not.
#[derive(Clone, Debug)]
pub(crate) struct Opener(Arc<Asking>);

#[derive(Debug)]
struct Asking {
    ring: Arc<KeyRing>,
    org: String,
    used: Mutex<Option<Result<KeyName, Closed>>>,
}

impl Opener {
    /// Opens a file of an organisation.
    pub(crate) fn new(ring: &Arc<KeyRing>, org: &str) -> Self {
        Self(Arc::new(Asking {
            ring: Arc::clone(ring),
            org: org.to_owned(),
            used: Mutex::default(),
        }))
    }

    /// Gives the options by which a file with such an end is read.
    ///
    /// # Errors
    /// None in practice.
    pub(crate) fn options(&self, end: &[u8]) -> Result<ArrowReaderOptions, ParquetError> {
        let options = ArrowReaderOptions::new();
        if !end.ends_with(ENCRYPTED_END) {
            return Ok(options);
        }
        let retriever = Arc::clone(&self.0);
        let properties = FileDecryptionProperties::with_key_retriever(retriever).build()?;
        Ok(options.with_file_decryption_properties(properties))
    }

    /// Tells whether a key can be opened.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn opens(&self, name: &KeyName) -> Result<(), Closed> {
        self.0.ring.key(&self.0.org, name).map(drop)
    }

    /// Names the key that opened the file; none of a file that is not encrypted.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub(crate) fn outcome(&self) -> Result<Option<KeyName>, Closed> {
        self.0.used().clone().transpose()
    }
}

impl Asking {
    fn used(&self) -> MutexGuard<'_, Option<Result<KeyName, Closed>>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyRetriever for Asking {
    fn retrieve_key(&self, key_metadata: &[u8]) -> Result<Vec<u8>, ParquetError> {
        let named = std::str::from_utf8(key_metadata).ok();
        let key = named
            .and_then(KeyName::read)
            .ok_or(Closed::Unnamed)
            .and_then(|name| self.ring.key(&self.org, &name));
        *self.used() = Some(key.clone().map(|key| key.name().clone()));
        key.map(|key| key.bytes().to_vec())
            .map_err(|closed| ParquetError::General(closed.to_string()))
    }
}

/// Names the key that a Parquet file is encrypted by, as its footer says; none of one that is not encrypted.
pub(crate) fn key_named_in(file: &impl ChunkReader) -> Option<KeyName> {
    let end_at = file.len().checked_sub(ENCRYPTED_END.len() as u64)?;
    let end = file.get_bytes(end_at, ENCRYPTED_END.len()).ok()?;
    if *end != *ENCRYPTED_END {
        return None;
    }
    let noting = Arc::<Noting>::default();
    let retriever = Arc::clone(&noting);
    let properties = FileDecryptionProperties::with_key_retriever(retriever).build();
    let options = ArrowReaderOptions::new().with_file_decryption_properties(properties.ok()?);
    // It ends where it asks for the key: what it names is all that is wanted.
    drop(ArrowReaderMetadata::load(file, options));
    let named = noting.0.lock().unwrap_or_else(PoisonError::into_inner);
    named.as_deref().and_then(KeyName::read)
}

/// Notes the key's name, and gives none.
#[derive(Debug, Default)]
struct Noting(Mutex<Option<String>>);

impl KeyRetriever for Noting {
    fn retrieve_key(&self, key_metadata: &[u8]) -> Result<Vec<u8>, ParquetError> {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *named = std::str::from_utf8(key_metadata).ok().map(str::to_owned);
        Err(ParquetError::General("nobody reads it here".to_owned()))
    }
}
