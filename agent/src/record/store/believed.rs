//! The objects of a store that its chains vouch for.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::record::chain::documents::Listed;
use crate::record::chain::read as read_chain;
use crate::record::digest::{hex, sha256};
use crate::record::error::RecordError;
use crate::record::object::Key;
use crate::record::rows::RowsKey;

use super::{CLAIMS, PROBES, Store};

/// An object that a reader may believe: a manifest of its own chain lists it, and its bytes are those that were signed.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) key: Key,
    /// Where DuckDB finds it.
    pub(crate) address: String,
    pub(crate) bytes: Bytes,
}

/// What a look at all objects came to.
#[derive(Debug, Default)]
pub(crate) struct Believed {
    /// What may be believed, in the order of the keys.
    pub(crate) found: Vec<Found>,
    /// Rows of results, whose bytes were not looked at.
    pub(crate) rows: Vec<RowsKey>,
    /// What may not, and why, one line each.
    pub(crate) refused: Vec<String>,
}

/// What of a store is beside the record: claims of tokens, probes, and what is said of keys and reading.
fn is_beside(key: &str) -> bool {
    const FOLDERS: [&str; 7] = [
        "evidence",
        "keys",
        "erasures",
        "holds",
        "access",
        "enrolments",
        "compactions",
    ];
    let folder = folder(key);
    key.starts_with(CLAIMS)
        || key.starts_with(PROBES)
        || folder.is_some_and(|folder| FOLDERS.contains(&folder))
}

/// Names the folder right below an organisation's `v1`.
fn folder(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once("/v1/")?;
    rest.split('/').next()
}

/// The documents of one chain: organisation and chain, then the files' names.
type Chains = BTreeMap<(String, String), Vec<String>>;

impl Store {
    /// Reads the objects that may be believed, of all organisations: those that the manifests of a chain list, as far as
    /// these follow from its genesis.
    pub(crate) fn believed(&self) -> Result<Believed, RecordError> {
        let mut believed = Believed::default();
        let mut chains = Chains::new();
        let mut there = BTreeSet::new();
        for listed in self.list("", None)? {
            let key = match listed {
                Ok(listed) => listed.key,
                Err(error) => {
                    believed.refused.push(error.to_string());
                    continue;
                }
            };
            if let Some((org, chain)) = document(&key) {
                let chain = chains.entry((org.to_owned(), chain.to_owned()));
                chain.or_default().push(key);
            } else if !is_beside(&key) {
                there.insert(key);
            }
        }
        let mut wanted: BTreeMap<String, Listed> = BTreeMap::new();
        for ((org, chain), keys) in chains {
            for listed in self.vouched(&org, &chain, keys, &mut believed.refused) {
                if there.remove(&listed.key) {
                    wanted.insert(listed.key.clone(), listed);
                } else if Key::parse(&listed.key).is_some() {
                    let reason = "a manifest lists it, and it is not in the store";
                    believed.refused.push(format!("{}: {reason}", listed.key));
                }
            }
        }
        for key in there {
            let is_ours = Key::parse(&key).is_some() || RowsKey::parse(&key).is_some();
            let reason = if is_ours {
                "no manifest lists it"
            } else {
                "its name is not of the record's layout"
            };
            believed.refused.push(format!("{key}: {reason}"));
        }
        let rows = wanted.keys().filter_map(|key| RowsKey::parse(key));
        believed.rows.extend(rows);
        let keys = wanted.keys().filter(|key| Key::parse(key).is_some());
        for (name, bytes) in self.get_many(keys.cloned().collect()) {
            match self.look(&name, bytes, wanted.get(&name)) {
                Ok(found) => believed.found.push(found),
                Err(reason) => believed.refused.push(format!("{name}: {reason}")),
            }
        }
        believed.found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(believed)
    }

    /// Lists what a chain vouches for, and tells where it breaks.
    fn vouched(
        &self,
        org: &str,
        chain: &str,
        keys: Vec<String>,
        refused: &mut Vec<String>,
    ) -> Vec<Listed> {
        let name = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
        let keys = keys.into_iter().filter(|key| {
            let name = name(key);
            name == "genesis.json" || read_chain::manifest_name(&name).is_some()
        });
        let mut genesis = None;
        let mut manifests = Vec::new();
        for (key, bytes) in self.get_many(keys.collect()) {
            match (bytes, name(&key)) {
                (Ok(bytes), name) if name == "genesis.json" => genesis = Some(bytes),
                (Ok(bytes), name) => manifests.push((name, bytes)),
                (Err(error), _) => refused.push(format!("{key}: {error}")),
            }
        }
        let read = read_chain::read(org, chain, genesis.as_deref(), &manifests);
        for problem in &read.problems {
            refused.push(format!("{org}/v1/chains/{chain}: {problem}"));
        }
        read.objects().cloned().collect()
    }

    fn look(
        &self,
        name: &str,
        bytes: Result<Bytes, RecordError>,
        listed: Option<&Listed>,
    ) -> Result<Found, String> {
        let key = Key::parse(name).ok_or("its name is not of the record's layout")?;
        let bytes = bytes.map_err(|error| error.to_string())?;
        let is_signed = listed.is_some_and(|listed| listed.sha256 == hex(&sha256(&bytes)));
        if !is_signed || !key.fits(&bytes) {
            return Err("its bytes are not those that were signed".to_owned());
        }
        let address = self.address(name);
        Ok(Found {
            key,
            address,
            bytes,
        })
    }
}

/// Tells of which organisation's chain a document is.
fn document(key: &str) -> Option<(&str, &str)> {
    let [org, "v1", "chains", chain, _] = *key.split('/').collect::<Vec<_>>() else {
        return None;
    };
    Some((org, chain))
}
