//! Documents that a record refers to by their SHA-256: policies, configs without secrets, keys of issuers.
//!
//! Each lies in the spool's folder `evidence` until a manifest of the chain names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::chain::documents::Hex;
use super::digest::{hex, sha256};
use super::disk;
use super::error::RecordError;

/// The documents of one chain.
#[derive(Debug)]
pub(super) struct Evidence {
    folder: PathBuf,
    // Those that a manifest names already.
    sealed: Mutex<BTreeSet<Hex>>,
}

impl Evidence {
    /// Opens the folder in a spool; what an earlier process left there goes into the first manifest.
    pub(super) fn open(spool: &Path) -> Result<Self, RecordError> {
        let folder = spool.join("evidence");
        disk::create_private_dirs(&folder).map_err(disk::failed("create", &folder))?;
        Ok(Self {
            folder,
            sealed: Mutex::default(),
        })
    }

    /// Keeps a document, durably, and gives its SHA-256.
    pub(super) fn keep(&self, document: &[u8]) -> Result<[u8; 32], RecordError> {
        let hash = sha256(document);
        let name = hex(&hash);
        let is_sealed = self.lock().contains(&name);
        let path = self.folder.join(&name);
        if !is_sealed && !path.exists() {
            disk::replace(&path, document).map_err(disk::failed("write", &path))?;
        }
        Ok(hash)
    }

    /// Lists what no manifest of this chain names yet.
    pub(super) fn waiting(&self) -> Result<Vec<(Hex, PathBuf)>, RecordError> {
        let failed = |error| disk::failed("list", &self.folder)(error);
        let mut waiting = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let is_hash =
                |name: &&str| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if let Some(name) = name.filter(is_hash) {
                waiting.push((name.to_owned(), path));
            }
        }
        waiting.sort_unstable();
        Ok(waiting)
    }

    /// Says that a manifest names a document.
    pub(super) fn sealed(&self, sha256: &str) {
        // One that stays is named twice, which does no harm.
        drop(fs::remove_file(self.folder.join(sha256)));
        self.lock().insert(sha256.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Hex>> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
