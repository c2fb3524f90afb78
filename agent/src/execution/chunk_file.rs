//! A session's chunks on disk, for the next proxy: what fetches them and what they are masked by, sealed, since an address
//! with its headers is all that storage asks for.
//!
//! A file of records, in a folder of root's own, which goes with its session. One record has the chunks of one answer. What
//! of it cannot be read, or masked as it was, the next proxy does not know.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::mem::size_of;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Usages;
use super::chunks::{Handle, Name, Named};
use crate::id::{SessionId, StatementId};
use crate::mask::{HashKeys, KeptMasking, Masking};
use crate::seal::{Purpose, SealError, SealKey};
use crate::snowflake::chunks::CHUNKS_MAX;
use crate::snowflake::kept_chunks::KeptChunks;

/// What chunks are kept by for the next proxy, and made again from.
#[derive(Clone, Copy)]
pub struct KeptBy<'a> {
    /// The folder of all sessions' files.
    pub folder: &'a Path,
    /// The host's own key, from which those of seals are derived.
    pub host: &'a hmac::Key,
    /// The keys under which masked values are hashed.
    pub hash_keys: &'a HashKeys,
    /// What counts the use of whom they were named to.
    pub usages: &'a Arc<Usages>,
}

/// The file of a live session.
#[derive(Debug)]
pub(super) struct ChunkFile {
    path: PathBuf,
    /// None once the file is gone.
    file: Option<File>,
    key: SealKey,
    /// Its records, the oldest first.
    records: VecDeque<Size>,
}

/// How large a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    bytes: usize,
    chunks: usize,
}

/// Why a record is none of this session's.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("expected what a proxy of this version keeps, found something else")]
    Form,
    #[error("expected chunks that can be masked as they were, found others: {0}")]
    Mask(#[from] crate::mask::Uncertain),
}

/// The chunks of one answer, as they are sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    statement: StatementId,
    account: String,
    /// Whose use is counted.
    principal: String,
    /// The digests of the chunks' names, one after the other.
    names: String,
    chunks: KeptChunks,
    masking: KeptMask,
}

/// What is made of the chunks; a member of its own, so that its absence is an error and not a chunk that nothing masks.
#[derive(Serialize, Deserialize)]
enum KeptMask {
    Nothing,
    Masked(KeptMasking),
}

impl ChunkFile {
    /// Opens the file of a session, and gives the chunks that an earlier proxy wrote into it.
    ///
    /// # Errors
    /// The file or its folder cannot be made, read or written, or no key can be derived.
    pub(super) fn open(by: KeptBy<'_>, session: SessionId) -> io::Result<(Self, Vec<Named>)> {
        let key = SealKey::of(by.host, Purpose::Chunks, session).map_err(io::Error::other)?;
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o700).create(by.folder)?;
        let path = by.folder.join(session.to_string());
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let (mut records, mut kept) = (VecDeque::new(), Vec::new());
        for sealed in records_of(&bytes) {
            let named = Record::unseal(&key, sealed)
                .and_then(|record| record.restore(by, session))
                .inspect_err(|error| tracing::warn!(%session, %error, "chunks of a result were not taken up"))
                .unwrap_or_default();
            records.push_back(Size {
                bytes: size_of::<u32>() + sealed.len(),
                chunks: named.len(),
            });
            kept.push(named);
        }
        let file = append(&path)?;
        // What a proxy was killed over is cut off.
        file.set_len(records.iter().map(|record| record.bytes as u64).sum())?;
        let opened = Self {
            path,
            file: Some(file),
            key,
            records,
        };
        Ok((opened, kept))
    }

    /// Adds the chunks of one answer; the oldest go where there are twice as many as a session holds.
    pub(super) fn add(&mut self, named: &[(Name, Arc<Handle>)]) {
        if self.file.is_none() {
            return;
        }
        if let Err(error) = self.write(named).and_then(|()| self.make_room()) {
            tracing::warn!(path = %self.path.display(), %error, "chunks are not kept for the next proxy");
            self.remove();
        }
    }

    fn write(&mut self, named: &[(Name, Arc<Handle>)]) -> io::Result<()> {
        let (Some(record), Some(file)) = (Record::of(named), &mut self.file) else {
            return Ok(());
        };
        let sealed = record.seal(&self.key).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&sealed)?;
        self.records.push_back(Size {
            bytes: size_of::<u32>() + sealed.len(),
            chunks: named.len(),
        });
        Ok(())
    }

    /// Leaves the newest records alone, with at least as many chunks as a session holds.
    fn make_room(&mut self) -> io::Result<()> {
        let mut chunks: usize = self.records.iter().map(|record| record.chunks).sum();
        if chunks <= 2 * CHUNKS_MAX {
            return Ok(());
        }
        let mut gone = 0;
        while let Some(oldest) = self.records.front()
            && chunks - oldest.chunks >= CHUNKS_MAX
        {
            chunks -= oldest.chunks;
            gone += oldest.bytes;
            self.records.pop_front();
        }
        let bytes = fs::read(&self.path)?;
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(bytes.get(gone..).unwrap_or_default())?;
        fs::rename(&fresh, &self.path)?;
        self.file = Some(append(&self.path)?);
        Ok(())
    }

    /// Removes the file: nothing is kept.
    pub(super) fn remove(&mut self) {
        self.file = None;
        for path in [self.path.with_extension("new"), self.path.clone()] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::error!(path = %path.display(), %error, "a session's chunks could not be removed");
            }
        }
    }
}

impl Record {
    /// Takes the chunks of one answer, of which all is the same but their names and addresses.
    fn of(named: &[(Name, Arc<Handle>)]) -> Option<Self> {
        let (_, first) = named.first()?;
        let names: Vec<u8> = named.iter().flat_map(|(name, _)| *name).collect();
        let masking = first.masking.as_ref();
        Some(Self {
            statement: first.statement,
            account: first.account.clone(),
            principal: first.meter.principal().to_owned(),
            names: URL_SAFE_NO_PAD.encode(names),
            chunks: KeptChunks::of(named.iter().map(|(_, handle)| &handle.chunk)),
            masking: masking.map_or(KeptMask::Nothing, |masking| {
                KeptMask::Masked(masking.kept().clone())
            }),
        })
    }

    fn seal(&self, key: &SealKey) -> Result<Vec<u8>, SealError> {
        let text = serde_json::to_vec(self).map_err(|_| SealError::Form)?;
        key.seal(&[], Zeroizing::new(text))
    }

    fn unseal(key: &SealKey, sealed: &[u8]) -> Result<Self, Unknown> {
        let text = key.unseal(&[], sealed)?;
        serde_json::from_slice(&text).map_err(|_| Unknown::Form)
    }

    /// Makes the handles again, each by its name.
    fn restore(self, by: KeptBy<'_>, session: SessionId) -> Result<Named, Unknown> {
        let masking = match self.masking {
            KeptMask::Nothing => None,
            KeptMask::Masked(kept) => Some(Masking::restore(kept, by.hash_keys, session)?),
        };
        let names = URL_SAFE_NO_PAD.decode(self.names);
        let names = names.map_err(|_| Unknown::Form)?;
        let (names, rest) = names.as_chunks();
        let chunks = self.chunks.restore().ok_or(Unknown::Form)?;
        if names.len() != chunks.len() || !rest.is_empty() {
            return Err(Unknown::Form);
        }
        let meter = by.usages.meter_of(session, &self.principal);
        let restored = names.iter().zip(chunks).map(|(name, chunk)| {
            let handle = Handle {
                statement: self.statement,
                account: self.account.clone(),
                meter: meter.clone(),
                chunk,
                masking: masking.clone(),
            };
            (*name, Arc::new(handle))
        });
        Ok(restored.collect())
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}

/// Lists whole records.
fn records_of(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (record, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(record)
    })
}

#[cfg(test)]
#[path = "chunk_file_tests.rs"]
mod tests;
