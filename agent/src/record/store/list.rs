//! What a store holds: keys in their order, and folders.

use chrono::{DateTime, Utc};
use futures_util::stream::{BoxStream, StreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore as _};
use tokio::runtime::Runtime;

use crate::record::error::RecordError;

use super::{Place, Store};

/// An object that a listing names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its key.
    pub(crate) key: String,
    /// How long it is.
    pub(crate) size_bytes: u64,
    /// When the store has had it since, by the store's clock.
    pub(crate) modified_at: DateTime<Utc>,
}

impl Store {
    /// Lists the objects below a folder in the order of their keys, those after a key if one is given; `""` is the whole
    /// store. Pages come as they are asked for.
    pub(crate) fn list<'s>(
        &'s self,
        folder: &str,
        start_after: Option<&str>,
    ) -> Result<impl Iterator<Item = Result<Listed, RecordError>> + use<'s>, RecordError> {
        let folder = self.folder(folder)?;
        let start = start_after
            .map(|key| ObjectPath::parse(key).map_err(|error| self.unreadable(error)))
            .transpose()?;
        let stream = match &start {
            Some(start) => self.objects.list_with_offset(folder.as_ref(), start),
            None => self.objects.list(folder.as_ref()),
        };
        let stream = match &self.place {
            // Of a folder of this host names come as the file system has them.
            Place::Local(_) => self.sorted(stream),
            Place::Cloud => stream,
        };
        let listed = Blocking {
            runtime: &self.runtime,
            stream,
        };
        Ok(listed.filter_map(move |found| match found {
            // Not every store knows where to begin.
            Ok(object)
                if start
                    .as_ref()
                    .is_some_and(|start| object.location <= *start) =>
            {
                None
            }
            Ok(object) => Some(Ok(Listed {
                key: object.location.to_string(),
                size_bytes: object.size,
                modified_at: object.last_modified,
            })),
            Err(error) => Some(Err(self.unreadable(error))),
        }))
    }

    /// Names the folders right below a folder, in order; `""` is the whole store.
    pub(crate) fn folders(&self, folder: &str) -> Result<Vec<String>, RecordError> {
        let folder = self.folder(folder)?;
        let listing = self.objects.list_with_delimiter(folder.as_ref());
        let found = self.runtime.block_on(listing);
        let found = found.map_err(|error| self.unreadable(error))?;
        let names = found.common_prefixes.iter();
        let mut names: Vec<String> = names
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Names the first folder right below a folder; none where there is none.
    pub(crate) fn first_folder(&self, folder: &str) -> Result<Option<String>, RecordError> {
        match &self.place {
            Place::Local(_) => Ok(self.folders(folder)?.into_iter().next()),
            Place::Cloud => {
                let first = self.list(folder, None)?.next().transpose()?;
                let below = first.and_then(|first| {
                    let below = first.key.strip_prefix(folder)?.strip_prefix('/')?;
                    Some(below.split_once('/')?.0.to_owned())
                });
                Ok(below)
            }
        }
    }

    /// Lists what is in the folders right below a folder whose names are not less than one.
    pub(crate) fn list_from(
        &self,
        folder: &str,
        from: &str,
    ) -> Result<Vec<Result<Listed, RecordError>>, RecordError> {
        match &self.place {
            // A folder of this host is walked whole wherever a listing begins.
            Place::Local(_) => {
                let mut listed = Vec::new();
                for name in self.folders(folder)? {
                    if *name >= *from {
                        listed.extend(self.list(&format!("{folder}/{name}"), None)?);
                    }
                }
                Ok(listed)
            }
            Place::Cloud => Ok(self
                .list(folder, Some(&format!("{folder}/{from}")))?
                .collect()),
        }
    }

    fn folder(&self, folder: &str) -> Result<Option<ObjectPath>, RecordError> {
        let path = ObjectPath::parse(folder.trim_end_matches('/'));
        let path = path.map_err(|error| self.unreadable(error))?;
        Ok((!path.as_ref().is_empty()).then_some(path))
    }

    fn sorted<'s>(&self, stream: Listing<'s>) -> Listing<'s> {
        let mut all: Vec<_> = self.runtime.block_on(stream.collect());
        // An error stands first: whoever asks for all finds it, and whoever asks for some finds it at once.
        all.sort_by(|one, other| match (one, other) {
            (Ok(one), Ok(other)) => one.location.cmp(&other.location),
            (one, other) => one.is_ok().cmp(&other.is_ok()),
        });
        futures_util::stream::iter(all).boxed()
    }
}

type Listing<'s> = BoxStream<'s, Result<ObjectMeta, object_store::Error>>;

/// Steps through a stream for one who waits.
pub(super) struct Blocking<'s, T> {
    pub(super) runtime: &'s Runtime,
    pub(super) stream: BoxStream<'static, T>,
}

impl<T> Iterator for Blocking<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.runtime.block_on(self.stream.next())
    }
}
