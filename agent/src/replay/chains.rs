//! The chains of a store: what their believed manifests list, and how far each has come.

use std::collections::BTreeMap;

use super::archive::ReadError;
use crate::record::chain::read::{self, ReadChain};
use crate::record::{RecordError, Store, StoreAt};

/// Name of a chain's first document.
const GENESIS: &str = "genesis.json";

/// A chain of the store, by its organisation and id.
pub(super) type Id = (String, String);

/// All chains of a store.
#[derive(Debug, Default)]
pub struct Chains {
    pub(super) chains: BTreeMap<Id, Chain>,
}

/// One chain.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) org: String,
    /// Keys of all that lies in its folder.
    pub(super) keys: Vec<String>,
    pub(super) read: ReadChain,
}

impl Chains {
    /// Reads the documents of all chains of the store at `url`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(url: &str) -> Result<Self, ReadError> {
        Ok(Self::of(&Store::open(&StoreAt::read(url)?)?)?)
    }

    /// Reads those of an open store.
    pub(super) fn of(store: &Store) -> Result<Self, RecordError> {
        let mut folders: BTreeMap<Id, Vec<String>> = BTreeMap::new();
        for key in store.keys()? {
            if let [org, "v1", "chains", chain, _] = *key.split('/').collect::<Vec<_>>() {
                let id = (org.to_owned(), chain.to_owned());
                folders.entry(id).or_default().push(key);
            }
        }
        let mut chains = BTreeMap::new();
        for ((org, chain), keys) in folders {
            let mut genesis = None;
            let mut manifests = Vec::new();
            let is_read = |key: &&String| name(key) == GENESIS || name(key).starts_with("m-");
            for (key, bytes) in store.get_many(keys.iter().filter(is_read).cloned().collect()) {
                match name(&key) {
                    GENESIS => genesis = Some(bytes?),
                    name => manifests.push((name.to_owned(), bytes?)),
                }
            }
            let read = read::read(&org, &chain, genesis.as_deref(), &manifests);
            let found = Chain {
                org: org.clone(),
                keys,
                read,
            };
            chains.insert((org, chain), found);
        }
        Ok(Self { chains })
    }
}

/// Gives the last part of a key.
pub(super) fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}
