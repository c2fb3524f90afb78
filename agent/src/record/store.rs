//! The store: where objects are written once and read from.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use percent_encoding::percent_decode_str;
use tokio::runtime::{Builder, Runtime};

use super::digest::sha256;
use super::disk;
use super::error::RecordError;
use super::object::Key;
use super::rows::RowsKey;

/// How the keys of claims begin (`claim`); they are beside the record and no part of it.
pub(super) const CLAIMS: &str = "identity/claims/";

/// A store that is reached by its URL. Its calls block, and must not be made inside a runtime.
pub(crate) struct Store {
    url: String,
    root: PathBuf,
    objects: LocalFileSystem,
    runtime: Runtime,
}

/// An object that a reader may believe: its key is of our layout and its bytes are those that the key was made for.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) key: Key,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Bytes,
}

/// What a listing came to.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// What may be believed, in the order of the keys.
    pub(crate) found: Vec<Found>,
    /// Rows of results, whose bytes were not looked at.
    pub(crate) rows: Vec<(RowsKey, PathBuf)>,
    /// What may not, and why, one line each.
    pub(crate) refused: Vec<String>,
}

impl Store {
    /// Refuses a URL that is not of a store.
    pub(crate) fn check(url: &str) -> Result<(), RecordError> {
        folder(url).map(drop)
    }

    /// Opens a store for writing, making its folder where there is none.
    pub(crate) fn create(url: &str) -> Result<Self, RecordError> {
        let root = folder(url)?;
        disk::create_private_dirs(&root).map_err(disk::failed("create", &root))?;
        Self::open(url)
    }

    /// Opens a store that is there.
    pub(crate) fn open(url: &str) -> Result<Self, RecordError> {
        let root = folder(url)?;
        let unreachable = |cause: String| RecordError::Unreachable {
            store: url.to_owned(),
            cause,
        };
        fs::read_dir(&root).map_err(|error| unreachable(error.to_string()))?;
        let objects = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| unreachable(error.to_string()))?
            .with_fsync(true);
        let runtime = Builder::new_current_thread()
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self {
            url: url.to_owned(),
            root,
            objects,
            runtime,
        })
    }

    /// Puts an object that must not be there yet; the same bytes under the same key are fine.
    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), RecordError> {
        let hash = sha256(&bytes);
        let Some(there) = self.put_first(key, bytes)? else {
            return Ok(());
        };
        if sha256(&there) != hash {
            return Err(self.refused(format!("`{key}` is there with other bytes")));
        }
        // An earlier try may have failed after it had made the name.
        let file = self.root.join(key);
        File::open(&file)
            .and_then(|file| file.sync_all())
            .and_then(|()| disk::sync_parent(&file))
            .map_err(|error| self.refused(error))
    }

    /// Puts an object unless its key is there, and gives what is there then.
    pub(super) fn put_first(
        &self,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<Option<Bytes>, RecordError> {
        let location = ObjectPath::parse(key).map_err(|error| self.refused(error))?;
        let file = self.root.join(key);
        if let Some(parent) = file.parent() {
            disk::create_private_dirs(parent).map_err(|error| self.refused(error))?;
        }
        let options = PutOptions::from(PutMode::Create);
        let put = self.objects.put_opts(&location, bytes.into(), options);
        match self.runtime.block_on(put) {
            Ok(_) => fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
                .map(|()| None)
                .map_err(|error| self.refused(error)),
            Err(Error::AlreadyExists { .. }) => {
                let there = self.get(&location);
                there.map(Some).map_err(|error| self.refused(error))
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    fn refused(&self, cause: impl ToString) -> RecordError {
        RecordError::Store {
            store: self.url.clone(),
            cause: cause.to_string(),
        }
    }

    /// Lists the objects that may be believed, of all organisations.
    pub(crate) fn list(&self) -> Result<Listing, RecordError> {
        let items: Vec<_> = self.runtime.block_on(self.objects.list(None).collect());
        let mut listing = Listing::default();
        for item in items {
            match item {
                Ok(object) if is_beside(object.location.as_ref()) => {}
                Ok(object) if let Some(key) = RowsKey::parse(object.location.as_ref()) => {
                    listing
                        .rows
                        .push((key, self.root.join(object.location.as_ref())));
                }
                Ok(object) => match self.look(&object.location) {
                    Ok(found) => listing.found.push(found),
                    Err(reason) => listing
                        .refused
                        .push(format!("{}: {reason}", object.location)),
                },
                Err(error) => listing.refused.push(error.to_string()),
            }
        }
        listing.found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(listing)
    }

    /// Reads what stands below a folder, whatever it is.
    pub(crate) fn below(&self, folder: &str) -> Result<Vec<(String, Bytes)>, RecordError> {
        let folder = ObjectPath::parse(folder).map_err(|error| self.refused(error))?;
        let items: Vec<_> = (self.runtime).block_on(self.objects.list(Some(&folder)).collect());
        let read = |item: Result<object_store::ObjectMeta, Error>| {
            let location = item?.location;
            Ok((location.to_string(), self.get(&location)?))
        };
        let items = items.into_iter().map(read);
        items
            .collect::<Result<_, Error>>()
            .map_err(|error| self.refused(error))
    }

    /// Gives an object's bytes; none where there is none.
    pub(crate) fn fetch(&self, key: &str) -> Result<Option<Bytes>, RecordError> {
        let location = ObjectPath::parse(key).map_err(|error| self.refused(error))?;
        match self.get(&location) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn look(&self, location: &ObjectPath) -> Result<Found, String> {
        let key = Key::parse(location.as_ref()).ok_or("its name is not of the record's layout")?;
        let bytes = self.get(location).map_err(|error| error.to_string())?;
        if !key.fits(&bytes) {
            return Err("its bytes are not those of its name".to_owned());
        }
        let path = self.root.join(location.as_ref());
        Ok(Found { key, path, bytes })
    }

    fn get(&self, location: &ObjectPath) -> Result<Bytes, Error> {
        self.runtime
            .block_on(async { self.objects.get(location).await?.bytes().await })
    }
}

/// Tells whether an object stands beside the rows: what a chain signs or refers to, claims, wrapped keys, and what was
/// told of them.
fn is_beside(key: &str) -> bool {
    const FOLDERS: [&str; 6] = ["chains", "evidence", "keys", "erasures", "holds", "access"];
    let folder = key
        .split('/')
        .nth(2)
        .filter(|_| key.split('/').nth(1) == Some("v1"));
    key.starts_with(CLAIMS) || folder.is_some_and(|folder| FOLDERS.contains(&folder))
}

/// Gives the folder of a `file://` URL, or of a path.
fn folder(url: &str) -> Result<PathBuf, RecordError> {
    let refused = || RecordError::Setting {
        setting: "store",
        expected: "a URL such as `file:///var/lib/icecore/store`",
        found: url.to_owned(),
    };
    let path = match url.split_once("://") {
        Some(("file", path)) => percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| refused())?
            .into_owned(),
        Some(_) => return Err(refused()),
        None => url.to_owned(),
    };
    if !Path::new(&path).is_absolute() {
        return Err(refused());
    }
    Ok(path.into())
}
