//! What lies in a store: documents of chains, objects that they may vouch for, and what is no part of a record.

use std::collections::BTreeMap;

use super::chains::Chains;
use super::curated::{Curated, Uncovered};
use super::pinned::Pinned;
use super::pull::{self, PULLED};
use super::scope::Days;
use crate::record::schema::{TIERS, Tier};
use crate::record::{CLAIMS, Key, PROBES, RecordError, RowsKey, Store};

/// Folders beside the record, right below an organisation's `v1`, that no manifest lists.
const BESIDE: [&str; 8] = [
    "approvals",
    "evidence",
    "keys",
    "erasures",
    "holds",
    "access",
    "enrolments",
    "compactions",
];

/// What lies in a store.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) chains: Chains,
    pub(super) curated: Curated,
    /// Objects with their sizes; none where they were not listed.
    pub(super) there: Option<BTreeMap<String, u64>>,
    /// The days of which it is a copy; none where it is no copy.
    pub(super) copied: Vec<Days>,
    /// What could not be read of it, one line each.
    pub(super) refused: Vec<String>,
}

impl Listing {
    /// Lists a store and reads the documents of its chains: of those that must be looked at, where compactions have the rest.
    pub(super) fn of(store: &Store, pinned: &Pinned) -> Result<Self, RecordError> {
        let mut listing = Self::default();
        let uncovered = listing.compactions(store, pinned)?;
        let mut keys = Vec::new();
        let is_whole = uncovered.values().all(Option::is_none);
        if is_whole {
            keys.push(store.list("", None)?.collect());
        }
        for (org, uncovered) in uncovered.iter().filter(|_| !is_whole) {
            match uncovered {
                None => keys.push(store.list(&format!("{org}/v1"), None)?.collect()),
                Some(uncovered) => {
                    for folder in ["chains"].into_iter().chain(TIERS.map(Tier::as_str)) {
                        let folder = format!("{org}/v1/{folder}");
                        keys.push(store.list_from(&folder, &uncovered.from)?);
                        for chain in uncovered.open.range(..uncovered.from.clone()) {
                            keys.push(store.list(&format!("{folder}/{chain}"), None)?.collect());
                        }
                    }
                    keys.push(store.list(&format!("{org}/v1/c"), None)?.collect());
                }
            }
        }
        let mut documents = Vec::new();
        let mut there = BTreeMap::new();
        for listed in keys.into_iter().flatten() {
            match listed {
                Ok(listed) if is_document(&listed.key) => documents.push(listed.key),
                Ok(listed) if is_beside(&listed.key) => {}
                Ok(listed) => drop(there.insert(listed.key, listed.size_bytes)),
                Err(error) => listing.refused.push(error.to_string()),
            }
        }
        listing.there = Some(there);
        listing.read(store, documents, pinned)?;
        Ok(listing)
    }

    /// Reads the documents of the chains that must be looked at, and lists nothing else.
    pub(super) fn of_documents(store: &Store, pinned: &Pinned) -> Result<Self, RecordError> {
        let mut listing = Self::default();
        let mut documents = Vec::new();
        for (org, uncovered) in listing.compactions(store, pinned)? {
            let folder = format!("{org}/v1/chains");
            let mut keys = Vec::new();
            match uncovered {
                None => keys.extend(store.list(&folder, None)?),
                Some(uncovered) => {
                    keys.extend(store.list_from(&folder, &uncovered.from)?);
                    for chain in uncovered.open.range(..uncovered.from.clone()) {
                        keys.extend(store.list(&format!("{folder}/{chain}"), None)?);
                    }
                }
            }
            for listed in keys {
                documents.push(listed?.key);
            }
        }
        listing.read(store, documents, pinned)?;
        Ok(listing)
    }

    /// Reads the compactions of all organisations.
    fn compactions(
        &mut self,
        store: &Store,
        pinned: &Pinned,
    ) -> Result<BTreeMap<String, Option<Uncovered>>, RecordError> {
        let mut uncovered = BTreeMap::new();
        for org in store.folders("")? {
            let of_org = self
                .curated
                .read((store, &org), pinned, &mut self.refused)?;
            uncovered.insert(org, of_org);
        }
        Ok(uncovered)
    }

    fn read(
        &mut self,
        store: &Store,
        mut documents: Vec<String>,
        pinned: &Pinned,
    ) -> Result<(), RecordError> {
        documents.sort_unstable();
        self.copied = pull::copied(store)?;
        self.chains = Chains::of(store, documents, pinned)?;
        self.refused.extend(self.chains.problems());
        Ok(())
    }

    /// Says of an object that no manifest lists why it is not read.
    pub(super) fn stray(key: &str) -> String {
        let is_ours = Key::parse(key).is_some() || RowsKey::parse(key).is_some();
        let reason = if is_ours {
            "no manifest lists it"
        } else {
            "its name is not of the record's layout"
        };
        format!("{key}: {reason}")
    }
}

/// Tells whether a key is of a chain's folder of documents.
fn is_document(key: &str) -> bool {
    matches!(
        key.split('/').collect::<Vec<_>>()[..],
        [_, "v1", "chains", _, _]
    )
}

/// What of a store is beside the record: claims of tokens, probes, and what is said of keys, reading and copying.
fn is_beside(key: &str) -> bool {
    let folder = key.split_once("/v1/").map(|(_, rest)| rest);
    let folder = folder.and_then(|rest| rest.split('/').next());
    [CLAIMS, PROBES, PULLED]
        .iter()
        .any(|folder| key.starts_with(folder))
        || folder.is_some_and(|folder| BESIDE.contains(&folder))
}
