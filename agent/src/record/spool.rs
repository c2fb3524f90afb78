//! The spool: the folder where rows are durable until the store has them.
//!
//! ```text
//! <state_dir>/spool/lock                 held by the process that records
//! <state_dir>/spool/last-chain           the chain that was begun last, and its last manifest (JSON)
//! <state_dir>/spool/evidence/<sha256>    documents that no manifest names yet
//! <state_dir>/spool/witnessed/<name>     checkpoints that a witness signed, until the store has them
//! <state_dir>/spool/kept-rows/<session>  whose rows are kept, for the next process
//! <state_dir>/spool/<chain>/genesis.json the chain's first document, until its first segment is sealed
//! <state_dir>/spool/<chain>/<n>.wal      frames
//! <state_dir>/spool/<chain>/<n>.sealed/  the same rows as the store's objects, under their keys
//! <state_dir>/spool/<chain>/<id>.rows    rows of a part of a result, until a segment that tells of them is sealed
//! ```
//!
//! A `.wal` goes when the store has all objects of its `.sealed`, and the `.sealed` goes after it: as long as there is a
//! `.sealed`, its bytes are what is stored and nothing is encoded again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use super::chain::documents::Before;
use super::disk;
use super::error::RecordError;
use super::rows;

/// Name of a chain's first document in its folder.
const GENESIS: &str = "genesis.json";

/// The spool's folder, held by this process alone.
#[derive(Debug)]
pub(super) struct Spool {
    root: PathBuf,
    used_bytes: Arc<AtomicU64>,
    _lock: File,
}

/// One file of frames on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) folder: PathBuf,
    pub(super) chain: String,
    pub(super) number: u64,
}

impl Segment {
    /// Tells where the frames are.
    pub(super) fn wal(&self) -> PathBuf {
        self.folder.join(format!("{:08}.wal", self.number))
    }

    /// Tells where the objects are made.
    pub(super) fn sealing(&self) -> PathBuf {
        self.folder.join(format!("{:08}.sealing", self.number))
    }

    /// Tells where the chain's genesis is.
    pub(super) fn genesis(&self) -> PathBuf {
        self.folder.join(GENESIS)
    }

    /// Remembers how far the chain has come, for the genesis of the next one.
    pub(super) fn remember(&self, reached: &Before) -> Result<(), RecordError> {
        let root = self.folder.parent().unwrap_or(&self.folder);
        remember(root, reached)
    }

    /// Tells where the objects are when all are whole.
    pub(super) fn sealed(&self) -> PathBuf {
        self.folder.join(format!("{:08}.sealed", self.number))
    }
}

impl Spool {
    /// Opens the spool below a state folder, making it where there is none.
    pub(super) fn open(state_dir: &Path) -> Result<Self, RecordError> {
        let root = state_dir.join("spool");
        let unusable = |found: String| RecordError::Spool {
            path: root.clone(),
            found,
        };
        disk::create_private_dirs(&root).map_err(|error| unusable(error.to_string()))?;
        let found = fs::symlink_metadata(&root).map_err(|error| unusable(error.to_string()))?;
        if !found.is_dir() {
            return Err(unusable("something that is not a folder".to_owned()));
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(unusable(format!("a folder of user {}", found.uid())));
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(&root, fs::Permissions::from_mode(0o700))
                .map_err(|error| unusable(error.to_string()))?;
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(root.join("lock"))
            .map_err(|error| unusable(error.to_string()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RecordError::InUse {
                    path: root.join("lock"),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error.to_string())),
        }
        Ok(Self {
            root,
            used_bytes: Arc::default(),
            _lock: lock,
        })
    }

    /// Tells where the spool is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Gives the count of bytes that wait for the store, shared with those who add and remove them.
    pub(super) fn used_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.used_bytes)
    }

    /// Makes the folder of a chain.
    pub(super) fn begin_chain(&self, chain: &str) -> Result<PathBuf, RecordError> {
        let folder = self.root.join(chain);
        disk::create_private_dirs(&folder).map_err(disk::failed("create", &folder))?;
        Ok(folder)
    }

    /// Tells where the genesis of a chain is, as long as its folder is there.
    pub(super) fn genesis_of(&self, chain: &str) -> PathBuf {
        self.root.join(chain).join(GENESIS)
    }

    /// Tells which chain was begun last, and how far it came.
    pub(super) fn last_chain(&self) -> Option<Before> {
        let text = fs::read_to_string(self.root.join("last-chain")).ok()?;
        let named = || Before {
            chain: text.trim().to_owned(),
            manifest: None,
        };
        // Versions before manifests wrote the bare name.
        let before = serde_json::from_str(&text).unwrap_or_else(|_| named());
        (!before.chain.is_empty()).then_some(before)
    }

    /// Remembers a chain as the one that was begun last.
    pub(super) fn remember_chain(&self, chain: &str) -> Result<(), RecordError> {
        let begun = Before {
            chain: chain.to_owned(),
            manifest: None,
        };
        remember(&self.root, &begun)
    }

    /// Lists what earlier processes left, in the order in which it was written.
    pub(super) fn leftovers(&self) -> Result<Vec<Segment>, RecordError> {
        let mut segments = Vec::new();
        for chain in names(&self.root)? {
            let folder = self.root.join(&chain);
            if uuid::Uuid::try_parse(&chain).is_err() || !folder.is_dir() {
                continue;
            }
            let mut numbers: Vec<u64> = Vec::new();
            for name in names(&folder)? {
                match number_of(&name) {
                    Some(number) => numbers.push(number),
                    None if rows::is_rows(&name) || name == GENESIS => {}
                    None => {
                        warn!(path = %folder.join(&name).display(), "left an unknown file in the spool alone")
                    }
                }
            }
            numbers.sort_unstable();
            numbers.dedup();
            if numbers.is_empty() {
                // An emptied chain folder; in the way of nothing if it stays.
                drop(fs::remove_file(folder.join(GENESIS)));
                drop(fs::remove_dir(&folder));
            }
            segments.extend(numbers.into_iter().map(|number| Segment {
                folder: folder.clone(),
                chain: chain.clone(),
                number,
            }));
        }
        Ok(segments)
    }

    /// Removes what earlier chains left of rows of results, and counts the bytes of this chain's, which came from them.
    pub(super) fn remove_orphans(&self, chain: &str) -> Result<u64, RecordError> {
        let mut left_bytes = 0;
        for name in names(&self.root)? {
            let folder = self.root.join(&name);
            if uuid::Uuid::try_parse(&name).is_ok() && folder.is_dir() {
                left_bytes += rows::remove_orphans(&folder, |_| name == chain)
                    .map_err(disk::failed("tidy", &folder))?;
            }
        }
        Ok(left_bytes)
    }

    /// Counts bytes in or out of the spool.
    pub(super) fn count(used_bytes: &AtomicU64, added: u64, removed: u64) {
        let counted = used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            Some(used.saturating_add(added).saturating_sub(removed))
        });
        debug_assert!(counted.is_ok(), "the update always gives a value");
    }
}

fn remember(root: &Path, reached: &Before) -> Result<(), RecordError> {
    let path = root.join("last-chain");
    serde_json::to_vec(reached)
        .map_err(io::Error::other)
        .and_then(|text| disk::replace(&path, &text))
        .map_err(disk::failed("write", &path))
}

fn number_of(name: &str) -> Option<u64> {
    let (number, kind) = name.split_once('.')?;
    let known = matches!(kind, "wal" | "sealing" | "sealed");
    (known && number.len() == 8).then(|| number.parse().ok())?
}

fn names(folder: &Path) -> Result<Vec<String>, RecordError> {
    let listed: io::Result<Vec<_>> = fs::read_dir(folder).and_then(Iterator::collect);
    let mut names: Vec<String> = listed
        .map_err(disk::failed("list", folder))?
        .into_iter()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("spool"), "").unwrap();
        let error = Spool::open(dir.path()).unwrap_err();
        assert!(matches!(error, RecordError::Spool { .. }), "{error}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_missing_state_folder_is_made_for_this_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("state")).unwrap();
        assert_eq!(fs::metadata(spool.root()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_second_recorder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Spool::open(dir.path()).unwrap();
        assert!(matches!(
            Spool::open(dir.path()),
            Err(RecordError::InUse { .. })
        ));
    }

    #[test]
    fn leftovers_come_in_order_and_strangers_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let (first, second) = (
            uuid::Uuid::now_v7().to_string(),
            uuid::Uuid::now_v7().to_string(),
        );
        for (chain, name) in [
            (&second, "00000001.wal"),
            (&first, "00000010.wal"),
            (&first, "00000009.wal"),
            (&first, "00000009.sealed"),
            (&first, "notes.txt"),
        ] {
            let folder = spool.begin_chain(chain).unwrap();
            fs::write(folder.join(name), "x").unwrap();
        }
        let found: Vec<_> = spool
            .leftovers()
            .unwrap()
            .into_iter()
            .map(|segment| (segment.chain, segment.number))
            .collect();
        assert_eq!(found, [(first.clone(), 9), (first, 10), (second, 1)]);
    }
}
