//! Copies days of a store into a folder that is a store again: what believed manifests list, with what proves it.
//!
//! Objects come before the documents that list them, so that what was cut off is found missing and not wrong. A copy goes
//! on where it was left, and nothing in it is ever written over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::archive::ReadError;
use super::chains::{Chain, Id, name};
use super::curated::Wanted;
use super::listing::Listing;
use super::pinned::Pinned;
use super::scope::Days;
use crate::record::chain::acknowledged::BelievedFrames;
use crate::record::chain::documents::Listed;
use crate::record::encryption::KeyRing;
use crate::record::{self, RecordError, Store, StoreAt, Unread, acknowledged, hex, sha256};
use crate::verify::Trust;

/// How the keys of notes begin that say which days a copy has; they are beside the record and no part of it.
pub(super) const PULLED: &str = "pulled/";

/// Reads which days a store is a copy of; none where it is no copy.
pub(super) fn copied(store: &Store) -> Result<Vec<Days>, RecordError> {
    let notes = store.below(PULLED.trim_end_matches('/'))?;
    let days = notes
        .iter()
        .filter_map(|(_, note)| serde_json::from_slice(note).ok());
    Ok(days.collect())
}

/// What a copy came to.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// Chains with something of these days.
    pub chains: usize,
    /// Files that were copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files that were there already.
    pub there: u64,
    /// What was not copied, or may not be believed, one line each.
    pub problems: Vec<String>,
    /// What was left out and is no problem, one line each.
    pub left_out: Vec<String>,
}

/// Copies days of the store at `url` into a folder; `progress` is told how many files of how many are done. Without a trust
/// file chains are copied whoever began them, and no compacted files.
///
/// # Errors
/// The store or the folder cannot be read or written.
pub fn pull(
    (url, trust): (&str, Option<&Trust>),
    folder: &Path,
    days: Days,
    mut progress: impl FnMut(u64, u64),
) -> Result<Pulled, ReadError> {
    let store = Store::open(&StoreAt::read(url)?)?;
    let pinned = Pinned::read(&store, trust)?;
    let listing = Listing::of_documents(&store, &pinned)?;
    let mut compacted = Wanted::default();
    let all = &mut BTreeMap::new();
    listing
        .curated
        .choose(&listing.chains, all, |key| days.have(key), &mut compacted);
    let raw = listing.curated.raw(&listing.chains, |key| days.have(key));
    let is_again = |key: &str| days.have(key) && !raw.contains(key);
    let chains = &listing.chains.chains;
    let mut problems = Vec::new();
    let frames = frames(&store, chains, days, &mut problems);
    let wanted = wanted(chains, days, &frames);
    let mut files = Vec::new();
    for chain in wanted.iter().filter_map(|id| chains.get(id)) {
        files.extend(chain.objects(days).filter(|file| !is_again(&file.key)));
    }
    files.extend(compacted.compacted.iter().map(|(_, output)| File {
        key: output.key.clone(),
        sha256: Some(output.sha256.clone()),
    }));
    files.extend(compacted.raw.iter().chain(&compacted.rows).map(File::of));
    let documents = listing.curated.documents(|day| days.has(day));
    files.extend(documents.map(|(key, sha256)| File { key, sha256 }));
    let of_frames = frames.values().flatten().cloned();
    files.extend(of_frames.map(|key| File { key, sha256: None }));
    for chain in wanted.iter().filter_map(|id| chains.get(id)) {
        files.extend(chain.documents(days));
    }
    let mut copying = Copying {
        from: store,
        to: Store::create(&StoreAt::read(&folder.to_string_lossy())?)?,
        pulled: Pulled {
            chains: (chains.iter())
                .filter(|(id, chain)| chain.has(days) || frames.contains_key(id))
                .count(),
            problems: [listing.refused, problems].concat(),
            left_out: listing.curated.unpinned,
            ..Pulled::default()
        },
    };
    let note = serde_json::to_vec(&days).map_err(std::io::Error::from)?;
    let name = format!("{PULLED}{}-to-{}.json", days.from, days.to);
    copying.to.put(&name, note)?;
    let total = files.len() as u64;
    for (done, file) in (1..).zip(files) {
        copying.copy(&file)?;
        progress(done, total);
    }
    Ok(copying.pulled)
}

/// A file to copy, and the SHA-256 of its bytes where a manifest says it.
struct File {
    key: String,
    sha256: Option<String>,
}

impl File {
    fn of(object: &Listed) -> Self {
        Self {
            key: object.key.clone(),
            sha256: Some(object.sha256.clone()),
        }
    }
}

/// Finds the files of frames of chains of which rows of these days wait for a manifest.
///
/// Of a chain whose objects are all copied they are all, so that it is whole in the copy.
fn frames(
    store: &Store,
    chains: &BTreeMap<Id, Chain>,
    days: Days,
    problems: &mut Vec<String>,
) -> BTreeMap<Id, Vec<String>> {
    let ring = KeyRing::empty();
    let mut frames = BTreeMap::new();
    for (id, chain) in chains {
        let of = (id.0.as_str(), id.1.as_str());
        let Some(waiting) = store.waiting(of, chain.frames(), &chain.read, problems) else {
            continue;
        };
        let is_of_days = |file: &BelievedFrames| may_have(file, waiting.tree_size, days, &ring);
        if !waiting.files.iter().any(is_of_days) {
            continue;
        }
        let is_whole = chain.read.objects().all(|object| days.have(&object.key));
        let waits = |key: &String| waiting.files.iter().any(|file| file.name == name(key));
        let mut keys = chain.frames();
        keys.retain(|key| is_whole || waits(key));
        frames.insert(id.clone(), keys);
    }
    frames
}

/// Tells whether a file of frames may have rows of these days that no manifest covers: of one that is encrypted nobody knows.
fn may_have(file: &BelievedFrames, tree_size: u64, days: Days, ring: &Arc<KeyRing>) -> bool {
    match acknowledged(file, ring) {
        Ok(rows) => rows.iter().any(|row| {
            let day = record::day(row.entry.table, &row.entry);
            row.seq >= tree_size && days.has(day)
        }),
        Err(Unread::Closed(_)) => file.head.end() > tree_size,
        Err(Unread::Differs(_)) => false,
    }
}

/// Finds the chains with something of these days, and those before them: a chain's genesis names the one before.
fn wanted(
    chains: &BTreeMap<Id, Chain>,
    days: Days,
    frames: &BTreeMap<Id, Vec<String>>,
) -> BTreeSet<Id> {
    let mut wanted = BTreeSet::new();
    let with_rows = chains
        .iter()
        .filter(|(id, chain)| chain.has(days) || frames.contains_key(id));
    let mut next: Vec<Id> = with_rows.map(|(id, _)| id.clone()).collect();
    while let Some(id) = next.pop() {
        let Some(chain) = chains.get(&id) else {
            continue;
        };
        if !wanted.insert(id) {
            continue;
        }
        let genesis = chain.read.genesis.as_ref();
        if let Some(before) = genesis.and_then(|genesis| genesis.previous.as_ref()) {
            next.push((chain.org.clone(), before.chain.clone()));
        }
    }
    wanted
}

impl Chain {
    fn has(&self, days: Days) -> bool {
        self.read.objects().any(|object| days.have(&object.key))
    }

    /// Lists the objects of these days, and the leaves of the segments that they are of.
    fn objects(&self, days: Days) -> impl Iterator<Item = File> {
        let of_days = move |object: &&Listed| days.have(&object.key);
        let segments = self.read.manifests.iter().filter(move |believed| {
            let objects = &believed.manifest.objects;
            objects.iter().any(|object| of_days(&object))
        });
        let objects = segments.flat_map(move |believed| {
            let objects = believed.manifest.objects.iter();
            objects.filter(move |object| of_days(object) || object.table == "leaves")
        });
        objects.map(File::of)
    }

    /// Lists what proves them: the evidence, then the chain's folder but for leaves and frames.
    fn documents(&self, days: Days) -> impl Iterator<Item = File> {
        let has = self.has(days);
        let manifests = self.read.manifests.iter().filter(move |_| has);
        let evidence = manifests.flat_map(|believed| &believed.manifest.evidence);
        let evidence = evidence.map(|sha256| File {
            key: format!("{}/v1/evidence/{sha256}", self.org),
            sha256: Some(sha256.clone()),
        });
        let is_document = |key: &&String| !name(key).starts_with(['l', 'w']);
        let documents = self.keys.iter().filter(is_document).map(|key| File {
            key: key.clone(),
            sha256: None,
        });
        evidence.chain(documents)
    }
}

/// A copy under way.
struct Copying {
    from: Store,
    to: Store,
    pulled: Pulled,
}

impl Copying {
    fn copy(&mut self, file: &File) -> Result<(), RecordError> {
        let expected = file.sha256.as_deref();
        let there = self.to.get_if_there(&file.key)?;
        if let (Some(there), Some(expected)) = (&there, expected) {
            if hex(&sha256(there)) == expected {
                self.pulled.there += 1;
            } else {
                self.tell(file, "is in the copy with other bytes, which stay");
            }
            return Ok(());
        }
        let Some(bytes) = self.from.get_if_there(&file.key)? else {
            self.tell(file, "is listed and not in the store");
            return Ok(());
        };
        if expected.is_some_and(|expected| hex(&sha256(&bytes)) != expected) {
            self.tell(file, "has other bytes than its manifest says");
            return Ok(());
        }
        match there {
            Some(there) if there == bytes => self.pulled.there += 1,
            Some(_) => self.tell(file, "is in the copy with other bytes, which stay"),
            None => {
                self.pulled.copied += 1;
                self.pulled.copied_bytes += bytes.len() as u64;
                self.to.put(&file.key, bytes.into())?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, file: &File, what: &str) {
        self.pulled.problems.push(format!("{} {what}", file.key));
    }
}
