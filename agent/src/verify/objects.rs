//! Where a verifier reads: objects by key, and what keys there are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::record::RecordError;

/// An object that a listing names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its key.
    pub key: String,
    /// How many bytes it has.
    pub size: u64,
}

/// What is read. It is asked by several threads at once.
pub trait Objects: Sync {
    /// Lists all objects below a folder, `""` for all, in any order.
    ///
    /// # Errors
    /// It cannot be reached.
    fn list(&self, folder: &str) -> Result<Vec<Named>, RecordError>;

    /// Reads an object that a listing named.
    ///
    /// # Errors
    /// It cannot be reached, or the object is gone.
    fn get(&self, key: &str) -> Result<Bytes, RecordError>;
}

/// A store in a folder of this host.
#[derive(Debug)]
pub struct Folder {
    url: String,
    root: PathBuf,
}

impl Folder {
    /// Opens the folder of a `file://` URL, or of a path.
    ///
    /// # Errors
    /// It is no URL of a folder, or there is no such folder.
    pub fn open(url: &str) -> Result<Self, RecordError> {
        let path = url.strip_prefix("file://").unwrap_or(url);
        let path = percent_decode_str(path).decode_utf8().unwrap_or_default();
        if !Path::new(&*path).is_absolute() {
            return Err(RecordError::Setting {
                setting: "store",
                expected: "a URL such as `file:///var/lib/icecore/store`",
                found: url.to_owned(),
            });
        }
        let folder = Self {
            url: url.to_owned(),
            root: PathBuf::from(&*path),
        };
        let readable = fs::read_dir(&folder.root);
        readable.map_err(|error| folder.failed(&error))?;
        Ok(folder)
    }

    fn failed(&self, error: &io::Error) -> RecordError {
        RecordError::Unreachable {
            store: self.url.clone(),
            cause: error.to_string(),
        }
    }

    fn walk(&self, folder: &Path, named: &mut Vec<Named>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.walk(&path, named)?;
            } else {
                let key = path.strip_prefix(&self.root).map_err(io::Error::other)?;
                named.push(Named {
                    key: key.to_string_lossy().into_owned(),
                    size: entry.metadata()?.len(),
                });
            }
        }
        Ok(())
    }
}

impl Objects for Folder {
    fn list(&self, folder: &str) -> Result<Vec<Named>, RecordError> {
        let mut named = Vec::new();
        match self.walk(&self.root.join(folder), &mut named) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(&error)),
            Ok(()) | Err(_) => Ok(named),
        }
    }

    fn get(&self, key: &str) -> Result<Bytes, RecordError> {
        let read = fs::read(self.root.join(key));
        read.map(Bytes::from).map_err(|error| self.failed(&error))
    }
}
