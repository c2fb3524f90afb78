//! What the record must say, given what the lives told.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::record::chain::documents::{Genesis, Manifest};
use crate::record::chain::{envelope, tree};
use crate::record::digest::{hex, sha256};

#[derive(Default)]
pub(super) struct Model {
    began: BTreeSet<String>,
    forwarded: BTreeSet<String>,
    answered: BTreeMap<String, String>,
    other: Vec<String>,
}

impl Model {
    /// Takes in what a life told.
    pub(super) fn hear(&mut self, told: &str) {
        for line in told.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                [">", "began", id] => drop(self.began.insert(id.to_owned())),
                [">", "forwarded", id] => drop(self.forwarded.insert(id.to_owned())),
                [">", "answered", id, query] => {
                    drop(self.answered.insert(id.to_owned(), query.to_owned()));
                }
                _ => self.other.push(line.to_owned()),
            }
        }
        assert_eq!(self.other, [] as [String; 0], "a life failed");
    }

    /// Compares it with what a store has of hosts that are gone: what was promised, each row once, and nothing else.
    pub(super) fn agree_without_host(&self, place: &Place) -> usize {
        let archive = place.archive();
        // Objects whose manifest the host did not live to store.
        let of_no_manifest = |line: &&String| !line.ends_with("no manifest lists it");
        assert_eq!(archive.refused().iter().find(of_no_manifest), None);
        are_there_once(&archive);
        let mut intents = BTreeSet::new();
        let mut finals: BTreeMap<&str, &Entry> = BTreeMap::new();
        for row in archive.table("statements") {
            let id = row.text("statement_id").unwrap();
            assert!(self.began.contains(id), "{id} was invented");
            if row.is("is_final") {
                assert_eq!(finals.insert(id, row), None, "{id} ended twice");
            } else {
                assert!(intents.insert(id), "{id} began twice");
            }
        }
        for id in &self.forwarded {
            assert!(intents.contains(id.as_str()), "{id} has no intent");
        }
        for (id, query) in &self.answered {
            let end = finals[id.as_str()];
            let said = (end.text("status"), end.text("query_id"));
            assert_eq!(said, (Some("success"), Some(query.as_str())), "{id}");
        }
        self.forwarded.len()
    }

    /// Compares it with the record; gives how many statements were forwarded.
    pub(super) fn agree(&self, place: &Place) -> usize {
        let archive = place.archive();
        assert_eq!(archive.refused(), [] as [String; 0]);
        are_there_once(&archive);
        let mut intents: BTreeMap<&str, usize> = BTreeMap::new();
        let mut finals: BTreeMap<&str, &Entry> = BTreeMap::new();
        for row in archive.table("statements") {
            let id = row.text("statement_id").unwrap();
            assert!(self.began.contains(id), "{id} was invented");
            if row.is("is_final") {
                assert_eq!(finals.insert(id, row), None, "{id} ended twice");
            } else {
                *intents.entry(id).or_default() += 1;
            }
        }
        assert!(intents.values().all(|count| *count == 1), "{intents:?}");
        assert!(intents.keys().eq(finals.keys()), "each intent has an end");
        for id in &self.forwarded {
            assert!(intents.contains_key(id.as_str()), "{id} has no intent");
        }
        for (id, query) in &self.answered {
            let end = finals[id.as_str()];
            let said = (
                end.text("status"),
                end.text("query_id"),
                end.int("rows_returned"),
            );
            assert_eq!(
                said,
                (Some("success"), Some(query.as_str()), Some(2)),
                "{id}"
            );
        }
        self.have_rows(place, &archive);
        are_linked(place, &archive);
        self.forwarded.len()
    }

    /// Rows of results that were to be kept are in the store, as the record says.
    fn have_rows(&self, place: &Place, archive: &Archive) {
        let mut kept = BTreeSet::new();
        for part in archive.table("results") {
            let id = part.text("statement_id").unwrap();
            assert_eq!(part.text("stored"), Some("full"), "{id}");
            let file = place.store().join(part.text("object_key").unwrap());
            let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
            assert_eq!(
                part.get("object_sha256"),
                &value::Value::from(sha256(&bytes))
            );
            kept.insert(id.to_owned());
        }
        assert!(self.answered.keys().all(|id| kept.contains(id)));
    }
}

fn are_there_once(archive: &Archive) {
    let mut ids = BTreeSet::new();
    for table in schema::TABLES {
        for row in archive.table(table.name) {
            let id = row.text("record_id").unwrap();
            assert!(ids.insert(id), "{id} is there twice");
        }
    }
}

/// Each chain in the store is dense, linked by hash from its genesis on, and what its manifests sign is what is there.
fn are_linked(place: &Place, archive: &Archive) {
    let mut leaves: BTreeMap<String, Vec<tree::Hash>> = BTreeMap::new();
    let mut rows: Vec<&Entry> = schema::TABLES
        .into_iter()
        .flat_map(|table| archive.table(table.name))
        .collect();
    rows.sort_by_key(|row| (row.text("chain_id"), row.int("seq")));
    for row in rows {
        let leaves = leaves.entry(row.text("chain_id").unwrap().to_owned());
        let leaves = leaves.or_default();
        assert_eq!(
            row.int("seq"),
            i64::try_from(leaves.len()).ok(),
            "places are dense"
        );
        leaves.push(tree::leaf(&encode_entry(row).unwrap()));
    }
    let store = files(&place.store());
    let mut listed = BTreeSet::new();
    let mut chains = 0;
    for (chain, leaves) in &leaves {
        let folder = Path::new("default/v1/chains").join(chain);
        let genesis = &store[&folder.join("genesis.json")];
        envelope::open::<Genesis>(genesis).unwrap();
        let mut before = hex(&sha256(genesis));
        let manifests = store.range(folder.join("m-")..).take_while(|(name, _)| {
            name.starts_with(&folder) && name.extension().is_some_and(|end| end == "json")
        });
        let mut size = 0;
        for (n, (_, bytes)) in (0..).zip(manifests) {
            let sealed = envelope::open::<Manifest>(bytes).unwrap();
            let manifest = sealed.claimed();
            assert_eq!((manifest.n, &manifest.prev_sha256), (n, &before), "{chain}");
            assert_eq!(manifest.first_seq, size);
            size = manifest.tree_size;
            let of_it = &leaves[..usize::try_from(size).unwrap()];
            assert_eq!(manifest.root, hex(&tree::root(of_it)), "{chain} {n}");
            for object in &manifest.objects {
                let bytes = &store[Path::new(&object.key)];
                assert_eq!(object.sha256, hex(&sha256(bytes)), "{}", object.key);
                assert!(
                    listed.insert(object.key.clone()),
                    "{} is listed twice",
                    object.key
                );
            }
            before = hex(&sha256(bytes));
        }
        assert_eq!(size, leaves.len() as u64, "{chain}");
        chains += 1;
    }
    for name in store.keys().filter_map(|name| name.to_str()) {
        assert!(
            !name.ends_with(".parquet") || listed.contains(name),
            "{name} is a stray"
        );
    }
    assert!(chains > 0);
}
