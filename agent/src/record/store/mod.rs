//! The store: where objects are written once and read from.
//!
//! A writer only creates: it lists, reads and deletes nothing, so that its rights can be as narrow. That a key is there
//! already is known from the store's own refusal, and a key that carries the hash of its bytes says which bytes these are.

mod at;
mod cloud;
mod eraser;
mod http;
mod list;
mod local;
mod lock;
mod probe;
mod secret;
mod told;
mod waiting;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tracing::warn;

use super::digest::{hex, sha256};
use super::disk;
use super::error::RecordError;
use crate::config::StoreUrl;
pub use at::StoreAt;
pub(crate) use eraser::Eraser;
use list::Blocking;
pub use lock::{BucketLock, Retention};
pub use probe::{ProbeError, Removal};
pub use secret::{ReadingSecret, StoreSecret};
use told::told;

/// How the keys of claims begin (`claim`); they are beside the record and no part of it.
pub(crate) const CLAIMS: &str = "identity/claims/";

/// How the keys of probes begin; they are beside the record and no part of it.
pub(crate) const PROBES: &str = "probes/";

/// How many objects are fetched at once.
const AT_ONCE: usize = 16;

/// A store that is reached by its URL. Its calls block, and must not be made inside a runtime.
pub(crate) struct Store {
    url: String,
    address: String,
    place: Place,
    objects: Arc<dyn ObjectStore>,
    put_within: Duration,
    // Dropped after `objects`, whose connections live on it.
    runtime: Runtime,
}

/// Where a store is.
enum Place {
    /// In a folder of this host.
    Local(PathBuf),
    /// At a cloud's.
    Cloud,
}

impl Store {
    /// Opens a store for writing, making its folder where there is none.
    pub(crate) fn create(at: &StoreAt) -> Result<Self, RecordError> {
        if let Some(root) = at.url.local() {
            disk::create_private_dirs(root).map_err(disk::failed("create", root))?;
        }
        Self::open(at)
    }

    /// Opens a store that is there; one that is not on this host is not asked yet.
    pub(crate) fn open(at: &StoreAt) -> Result<Self, RecordError> {
        let unreachable = |cause: String| RecordError::Unreachable {
            store: at.to_string(),
            cause,
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        let (objects, place) = match &at.url {
            StoreUrl::Local(root) => {
                let objects = local::open(root).map_err(unreachable)?;
                (Ok(objects), Place::Local(root.clone()))
            }
            StoreUrl::S3(place) => (cloud::s3(place, &at.access), Place::Cloud),
            StoreUrl::Gcs(place) => (cloud::gcs(place, &at.access, &runtime), Place::Cloud),
            StoreUrl::Azure(place, account) => {
                let objects = cloud::azure(place, account.as_ref(), &at.access);
                (objects, Place::Cloud)
            }
        };
        Ok(Self {
            url: at.to_string(),
            address: at.url.to_string(),
            place,
            objects: objects.map_err(|error| unreachable(told(&error)))?,
            put_within: Duration::MAX,
            runtime,
        })
    }

    /// Gives puts this long; of one that takes longer nobody knows whether the store has it.
    pub(super) fn within(self, put_within: Duration) -> Self {
        Self { put_within, ..self }
    }

    /// Puts an object that must not be there yet; the same bytes under the same key are fine.
    ///
    /// A key that carries its bytes' hash tells which bytes are there, so nothing is read: a writer may not.
    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), RecordError> {
        let bytes = Bytes::from(bytes);
        if self.put_new(key, bytes.clone())? {
            return Ok(());
        }
        let hash = sha256(&bytes);
        let is_told = matches!(self.place, Place::Cloud) && carries(key, &hash);
        if !is_told {
            // The same bytes have the same length: of others no more is read.
            match self.fetch_at_most(key, bytes.len() as u64) {
                Ok(Some(there)) if sha256(&there) == hash => {}
                Ok(_) => return Err(self.refused(format!("`{key}` is there with other bytes"))),
                // Only an own earlier try can have made the genesis below the chain's random name; were it another's, its
                // hash would not be the one that the chain's manifest names, and `verify` would say so.
                Err(Error::PermissionDenied { .. }) if key.ends_with("/genesis.json") => {
                    warn!(key, "object is there already and may not be read");
                }
                Err(error) => return Err(self.refused_by(&error)),
            }
        }
        match &self.place {
            // An earlier try may have failed after it had made the name.
            Place::Local(root) => local::sync(root, key).map_err(|error| self.refused(error)),
            Place::Cloud => Ok(()),
        }
    }

    /// Puts an object unless its key is there, and reads what is there then.
    pub(crate) fn put_first(
        &self,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<Option<Bytes>, RecordError> {
        if self.put_new(key, bytes.into())? {
            return Ok(None);
        }
        let there = self.fetch(key).map(Some);
        there.map_err(|error| self.refused_by(&error))
    }

    /// Puts an object unless its key is there; tells whether it did.
    pub(crate) fn put_new(&self, key: &str, bytes: Bytes) -> Result<bool, RecordError> {
        let location = ObjectPath::parse(key).map_err(|error| self.refused(error))?;
        if let Place::Local(root) = &self.place {
            local::make_room(root, key).map_err(|error| self.refused(error))?;
        }
        let options = PutOptions::from(PutMode::Create);
        let putting = async {
            let putting = self.objects.put_opts(&location, bytes.into(), options);
            timeout(self.put_within, putting).await
        };
        let Ok(put) = self.runtime.block_on(putting) else {
            let seconds = self.put_within.as_secs();
            return Err(self.refused(format!("no answer within {seconds} s")));
        };
        match (put, &self.place) {
            (Ok(_), Place::Cloud) => Ok(true),
            (Ok(_), Place::Local(root)) => {
                let closed = local::close_to_others(root, key);
                closed.map(|()| true).map_err(|error| self.refused(error))
            }
            (Err(Error::AlreadyExists { .. }), _) => Ok(false),
            (Err(error), _) => Err(self.refused_by(&error)),
        }
    }

    /// Reads an object.
    pub(crate) fn get(&self, key: &str) -> Result<Bytes, RecordError> {
        self.fetch(key).map_err(|error| self.unreadable(error))
    }

    /// Reads an object; none where there is none.
    pub(crate) fn get_if_there(&self, key: &str) -> Result<Option<Bytes>, RecordError> {
        match self.fetch(key) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// Reads an object of 1 to so many bytes; none where it has another length, whatever a listing said of it.
    pub(crate) fn get_at_most(
        &self,
        key: &str,
        max_bytes: u64,
    ) -> Result<Option<Bytes>, RecordError> {
        let location = ObjectPath::parse(key).map_err(|error| self.unreadable(error))?;
        let reading = async {
            let options = GetOptions::new().with_range(Some(0..max_bytes + 1));
            let found = self.objects.get_opts(&location, options).await?;
            match (1..=max_bytes).contains(&found.meta.size) {
                true => found.bytes().await.map(Some),
                false => Ok(None),
            }
        };
        let read = self.runtime.block_on(reading);
        read.map_err(|error| self.unreadable(error))
    }

    /// Reads what stands below a folder, whatever it is.
    pub(crate) fn below(&self, folder: &str) -> Result<Vec<(String, Bytes)>, RecordError> {
        let keys: Result<Vec<_>, _> = self
            .list(folder, None)?
            .map(|listed| listed.map(|listed| listed.key))
            .collect();
        self.get_many(keys?)
            .map(|(key, bytes)| Ok((key, bytes?)))
            .collect()
    }

    /// Reads objects, some at once, and gives them in the order in which they were named.
    pub(crate) fn get_many(
        &self,
        keys: Vec<String>,
    ) -> impl Iterator<Item = (String, Result<Bytes, RecordError>)> {
        let objects = Arc::clone(&self.objects);
        let fetching = stream::iter(keys).map(move |key| {
            let objects = Arc::clone(&objects);
            async move {
                let fetched = fetch(&*objects, &key).await;
                (key, fetched)
            }
        });
        let fetched = Blocking {
            runtime: &self.runtime,
            stream: fetching.buffered(AT_ONCE).boxed(),
        };
        fetched.map(|(key, fetched)| (key, fetched.map_err(|error| self.unreadable(error))))
    }

    /// Gives the address by which DuckDB reads an object.
    pub(crate) fn address(&self, key: &str) -> String {
        format!("{}/{key}", self.address.trim_end_matches('/'))
    }

    fn fetch(&self, key: &str) -> Result<Bytes, Error> {
        self.runtime.block_on(fetch(&*self.objects, key))
    }

    /// Reads an object of at most so many bytes; none where it is longer, whose bytes are left where they are.
    fn fetch_at_most(&self, key: &str, max_bytes: u64) -> Result<Option<Bytes>, Error> {
        let location = ObjectPath::parse(key)?;
        self.runtime.block_on(async {
            let found = self.objects.get(&location).await?;
            match found.meta.size <= max_bytes {
                true => found.bytes().await.map(Some),
                false => Ok(None),
            }
        })
    }

    fn refused(&self, cause: impl ToString) -> RecordError {
        RecordError::Store {
            store: self.url.clone(),
            cause: cause.to_string(),
        }
    }

    fn refused_by(&self, error: &Error) -> RecordError {
        self.refused(told(error))
    }

    fn unreadable(&self, error: impl Into<Error>) -> RecordError {
        let error = error.into();
        let (store, cause) = (self.url.clone(), told(&error));
        if matches!(error, Error::InvalidPath { .. }) {
            RecordError::OddKey { store, cause }
        } else {
            RecordError::Unreachable { store, cause }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.url).finish()
    }
}

async fn fetch(objects: &dyn ObjectStore, key: &str) -> Result<Bytes, Error> {
    let location = ObjectPath::parse(key)?;
    objects.get(&location).await?.bytes().await
}

/// Tells whether a key's last part names the hash of its bytes, whole or its first 16 digits.
fn carries(key: &str, hash: &[u8; 32]) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    let hash = hex(hash);
    stem == hash || stem.rsplit('-').next() == hash.get(..16)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;
