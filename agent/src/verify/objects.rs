//! Where a verifier reads: objects by key, and what keys there are.

use bytes::Bytes;

use crate::record::{RecordError, Store};

/// An object that a listing names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(super) key: String,
    /// How many bytes it has.
    pub(super) size: u64,
}

/// What is read. It is asked by several threads at once.
pub(crate) trait Objects: Sync {
    /// Lists all objects below a folder, `""` for all, in any order.
    fn list(&self, folder: &str) -> Result<Vec<Named>, RecordError>;

    /// Reads an object that a listing named.
    fn get(&self, key: &str) -> Result<Bytes, RecordError>;

    /// Reads small objects, in the order in which they are named.
    fn get_many(&self, keys: Vec<String>) -> Result<Vec<(String, Bytes)>, RecordError> {
        let read = |key: String| self.get(&key).map(|bytes| (key, bytes));
        keys.into_iter().map(read).collect()
    }
}

impl Objects for Store {
    fn list(&self, folder: &str) -> Result<Vec<Named>, RecordError> {
        let named = Self::list(self, folder, None)?.map(|listed| {
            let listed = listed?;
            Ok(Named {
                key: listed.key,
                size: listed.size_bytes,
            })
        });
        named.collect()
    }

    fn get(&self, key: &str) -> Result<Bytes, RecordError> {
        Self::get(self, key)
    }

    fn get_many(&self, keys: Vec<String>) -> Result<Vec<(String, Bytes)>, RecordError> {
        let fetched = Self::get_many(self, keys);
        fetched.map(|(key, bytes)| Ok((key, bytes?))).collect()
    }
}
