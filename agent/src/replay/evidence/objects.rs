//! The objects of a store that tell of one session, and the documents of the chains that they belong to.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value as Json;

use crate::record::chain::frames;
use crate::record::entry::Entry;
use crate::record::schema::TABLES;
use crate::record::value::Value;
use crate::record::{RecordError, Store, hex, sha256};
use crate::replay::archive::{Archive, Found};
use crate::replay::chains::name;

/// Objects by their keys.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Those that hold rows of the session.
    pub(super) rows: BTreeMap<String, Bytes>,
    /// Rows of its results.
    pub(super) results: BTreeMap<String, Vec<u8>>,
    /// Other sessions that they hold rows of too.
    pub(super) others: BTreeSet<String>,
    /// What was left out, and why.
    pub(super) left_out: Vec<String>,
    /// Organisation and chain of each.
    pub(super) chains: BTreeSet<(String, String)>,
    /// The time of the session's newest row.
    pub(super) newest_us: i64,
    /// Digests of policies that the session's rows name.
    policies: BTreeSet<String>,
}

impl Objects {
    /// Finds the objects of a session.
    pub(super) fn of(archive: &Archive, session: &str) -> Self {
        let mut objects = Self::default();
        let mut places: BTreeMap<(&str, &str), BTreeSet<i64>> = BTreeMap::new();
        for table in TABLES {
            for row in archive.table(table.name) {
                if row.text("session_id") == Some(session) {
                    let chain = row.text("chain_id").unwrap_or_default();
                    let seq = row.int("seq").unwrap_or(-1);
                    places.entry((table.name, chain)).or_default().insert(seq);
                    objects.note(row);
                }
            }
        }
        for found in archive.files() {
            let key = &found.key;
            let seqs = places.get(&(key.table.as_str(), key.chain.as_str()));
            let has_any =
                seqs.is_some_and(|seqs| seqs.range(key.seq_min..=key.seq_max).next().is_some());
            if has_any {
                objects.rows.insert(key.to_string(), found.bytes.clone());
                objects.note_others(archive, found, session);
            }
        }
        for row in archive.table("results") {
            if row.text("session_id") == Some(session)
                && let Some(key) = row.text("object_key")
            {
                objects.add_result(archive, row, key);
            }
        }
        objects
    }

    fn note(&mut self, row: &Entry) {
        let [org, chain] = ["org_id", "chain_id"].map(|column| row.text(column));
        if let (Some(org), Some(chain)) = (org, chain) {
            self.chains.insert((org.to_owned(), chain.to_owned()));
        }
        self.newest_us = self.newest_us.max(row.int("ts").unwrap_or_default());
        if let Value::Bytes(digest) = row.get("policy_bundle_sha256") {
            self.policies.insert(hex(digest));
        }
    }

    fn note_others(&mut self, archive: &Archive, found: &Found, session: &str) {
        let key = &found.key;
        let rows = archive.table(&key.table).iter().filter(|row| {
            let seq = row.int("seq").unwrap_or(-1);
            row.text("chain_id") == Some(&key.chain) && (key.seq_min..=key.seq_max).contains(&seq)
        });
        self.note_sessions(rows, session);
    }

    /// Notes whose rows stand beside those of the session.
    pub(super) fn note_sessions<'e>(
        &mut self,
        rows: impl Iterator<Item = &'e Entry>,
        session: &str,
    ) {
        let others = rows.filter_map(|row| row.text("session_id"));
        let nobody = crate::record::event::no_session().to_string();
        self.others.extend(
            others
                .filter(|id| *id != session && *id != nobody)
                .map(str::to_owned),
        );
    }

    fn add_result(&mut self, archive: &Archive, row: &Entry, key: &str) {
        match archive.rows_file(key) {
            Ok(bytes) if *row.get("object_sha256") == Value::from(sha256(&bytes)) => {
                self.results.insert(key.to_owned(), bytes.to_vec());
            }
            Ok(_) => self.left_out.push(format!(
                "{key}: its bytes are not those of which the record tells"
            )),
            Err(error) => self.left_out.push(format!("{key}: {error}")),
        }
    }

    /// Reads the documents of the chains: genesis, manifests, checkpoints, leaves, and the evidence that they name.
    ///
    /// Frames of a chain are content of all its sessions, and what became rows of them is in the objects: see `frames`.
    pub(super) fn documents(&self, store: &Store) -> Result<BTreeMap<String, Bytes>, RecordError> {
        let mut documents = BTreeMap::new();
        for (org, chain) in &self.chains {
            let mut named = self.policies.clone();
            let mut keys = Vec::new();
            for listed in store.list(&format!("{org}/v1/chains/{chain}"), None)? {
                let key = listed?.key;
                if frames::number(name(&key)).is_none() {
                    keys.push(key);
                }
            }
            for (key, bytes) in store.get_many(keys) {
                let bytes = bytes?;
                named.extend(names(&bytes));
                documents.insert(key, bytes);
            }
            for (key, bytes) in store.below(&format!("{org}/v1/evidence"))? {
                if named.contains(name(&key)) {
                    documents.insert(key, bytes);
                }
            }
        }
        Ok(documents)
    }
}

/// Names the statements of a session.
pub(super) fn statements(archive: &Archive, session: &str) -> BTreeSet<String> {
    let rows = archive.table("statements").iter();
    let own = rows.filter(|row| row.text("session_id") == Some(session));
    own.filter_map(|row| row.text("statement_id").map(str::to_owned))
        .collect()
}

/// Lists the digests of evidence that a document in its envelope names; none of what is no such document.
fn names(bytes: &[u8]) -> BTreeSet<String> {
    let payload = || -> Option<Json> {
        let envelope: Json = serde_json::from_slice(bytes).ok()?;
        let payload = STANDARD.decode(envelope.get("payload")?.as_str()?).ok()?;
        serde_json::from_slice(&payload).ok()
    };
    let Some(document) = payload() else {
        return BTreeSet::new();
    };
    let list = document.get("evidence").and_then(Json::as_array);
    let one = ["config_sha256", "policy_bundle_sha256"];
    let one = one.iter().filter_map(|name| document.get(*name));
    let texts = list.into_iter().flatten().chain(one);
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}
