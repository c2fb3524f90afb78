//! Checkpoints that a witness signed and the store does not have yet: a folder of the spool, so that none is lost.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk;
use super::error::RecordError;

/// The folder of an organisation's signed checkpoints, whichever chain they are of.
#[derive(Debug)]
pub(super) struct Witnessed {
    folder: PathBuf,
    org: String,
}

/// A checkpoint with a witness's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WitnessedNote {
    /// Its chain.
    pub(super) chain: String,
    /// Its name in the chain's folder in the store.
    pub(super) name: String,
    /// The signed note.
    pub(super) bytes: Vec<u8>,
}

impl Witnessed {
    /// Opens the folder in a spool.
    pub(super) fn open(spool: &Path, org: &str) -> Result<Self, RecordError> {
        let folder = spool.join("witnessed");
        disk::create_private_dirs(&folder).map_err(disk::failed("create", &folder))?;
        Ok(Self {
            folder,
            org: org.to_owned(),
        })
    }

    /// Keeps a checkpoint, durably.
    pub(super) fn keep(&self, note: &WitnessedNote) -> Result<(), RecordError> {
        let path = self.path(note);
        disk::replace(&path, &note.bytes).map_err(disk::failed("write", &path))
    }

    /// Lists what the store does not have yet, oldest chain first.
    pub(super) fn waiting(&self) -> Result<Vec<WitnessedNote>, RecordError> {
        let failed = |error| disk::failed("list", &self.folder)(error);
        let mut waiting = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let parts = name.and_then(|name| name.split_once('.'));
            // A draft that a crash left has another end.
            let Some((chain, name)) = parts.filter(|(_, name)| name.ends_with(".note")) else {
                continue;
            };
            waiting.push(WitnessedNote {
                chain: chain.to_owned(),
                name: name.to_owned(),
                bytes: fs::read(&path).map_err(disk::failed("read", &path))?,
            });
        }
        waiting.sort_unstable_by(|a, b| (&a.chain, &a.name).cmp(&(&b.chain, &b.name)));
        Ok(waiting)
    }

    /// Gives a checkpoint's key in the store.
    pub(super) fn key(&self, note: &WitnessedNote) -> String {
        format!("{}/v1/chains/{}/{}", self.org, note.chain, note.name)
    }

    /// Lets a checkpoint go that the store has.
    pub(super) fn stored(&self, note: &WitnessedNote) -> Result<(), RecordError> {
        let path = self.path(note);
        disk::remove_if_there(&path).map_err(disk::failed("remove", &path))
    }

    fn path(&self, note: &WitnessedNote) -> PathBuf {
        self.folder.join(format!("{}.{}", note.chain, note.name))
    }
}
