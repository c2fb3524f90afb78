//! What a record has of a day: the objects that chains list, how far the chains were read, and what was compacted before.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Asked, CompactError, Compacted, bounds};
use crate::record::chain::compaction::{
    BelievedCompaction, Input, LeftOut, ReadUpTo, document_of, folder, read_day,
};
use crate::record::chain::documents::Listed;
use crate::record::chain::keys::public_key;
use crate::record::chain::read::{ReadChain, manifest_name, read};
use crate::record::schema::{TIERS, Tier};
use crate::record::{Key, RecordError, RowsKey, Store};

/// A day of one organisation's record.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) org: String,
    pub(super) asked_day: chrono::NaiveDate,
    /// The compactions there are.
    pub(super) before: Vec<BelievedCompaction>,
    /// Objects whose rows are to be written again, and what lists them, by table.
    pub(super) inputs: BTreeMap<String, Vec<Wanted>>,
    /// Objects that stay where they are.
    pub(super) kept: Vec<Listed>,
    /// How far each chain was read.
    pub(super) chains: Vec<ReadUpTo>,
    /// What cannot be believed.
    pub(super) doubts: Vec<LeftOut>,
    taken: BTreeSet<String>,
}

/// An object that is to be compacted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) listed: Listed,
}

impl Wanted {
    pub(super) fn input(&self) -> Input {
        Input {
            key: self.listed.key.clone(),
            sha256: self.listed.sha256.clone(),
            chain: self.key.chain.clone(),
            table: self.key.table.clone(),
            rows: self.listed.rows.unwrap_or_default(),
        }
    }
}

impl Day {
    /// Reads the documents of a day.
    pub(super) fn read(store: &Store, org: &str, asked: &Asked<'_>) -> Result<Self, CompactError> {
        let mut day = Self {
            org: org.to_owned(),
            asked_day: asked.day,
            before: Vec::new(),
            inputs: BTreeMap::new(),
            kept: Vec::new(),
            chains: Vec::new(),
            doubts: Vec::new(),
            taken: BTreeSet::new(),
        };
        day.compactions(store, asked)?;
        for (chain, keys) in chains(store, org)? {
            day.chain(store, &chain, keys, asked)?;
        }
        Ok(day)
    }

    /// Tells whether there is nothing that earlier compactions lack.
    pub(super) fn is_done(&self) -> bool {
        self.inputs.is_empty() && self.kept.is_empty()
    }

    /// Tells what is there to be done.
    pub(super) fn told(&self) -> Compacted {
        let wanted = || self.inputs.values().flatten();
        Compacted {
            org: self.org.clone(),
            day: self.asked_day.to_string(),
            document: None,
            inputs: wanted().count() as u64,
            input_bytes: wanted().map(|wanted| wanted.listed.size).sum(),
            rows: wanted().filter_map(|wanted| wanted.listed.rows).sum(),
            outputs: Vec::new(),
            kept: self.kept.len() as u64,
            left_out: self.doubts.clone(),
            before: self.taken.len() as u64,
        }
    }

    /// Reads the day's earlier compactions. What they took is lost to readers where they cannot be believed, so that none of
    /// them may be passed over.
    fn compactions(&mut self, store: &Store, asked: &Asked<'_>) -> Result<(), CompactError> {
        let is_document = |(key, _): &(String, Bytes)| document_of(key).is_some();
        let all = store.below(&folder(&self.org, asked.day))?;
        let documents: Vec<_> = all
            .iter()
            .filter(|file| is_document(file))
            .cloned()
            .collect();
        let believes = |key: &[u8; 32]| {
            let trust = asked.trust;
            trust.is_none_or(|trust| trust.installation(&self.org, key).is_some())
        };
        let mut read = read_day(&self.org, asked.day, &documents, &believes);
        for believed in &read.compactions {
            let at = &believed.compaction.sources.key;
            let bytes = all.iter().find(|(key, _)| key == at);
            match believed.sources(bytes.map_or(&[], |(_, bytes)| bytes)) {
                Ok(sources) => {
                    let inputs = sources.inputs.into_iter().map(|input| input.key);
                    self.taken.extend(inputs);
                    let kept = sources.kept.into_iter().map(|kept| kept.key);
                    self.taken.extend(kept);
                }
                Err(problem) => read.problems.push(problem),
            }
        }
        if !read.problems.is_empty() {
            let told = read.problems.iter().map(|problem| LeftOut {
                key: problem.what.clone(),
                reason: problem.to_string(),
            });
            return Err(CompactError::Doubts(told.collect()));
        }
        self.before = read.compactions;
        Ok(())
    }

    fn chain(
        &mut self,
        store: &Store,
        chain: &str,
        keys: Vec<String>,
        asked: &Asked<'_>,
    ) -> Result<(), RecordError> {
        let of_day = format!("/dt={}/", asked.day);
        let read = documents(store, (&self.org, chain), keys)?;
        let objects: Vec<&Listed> = read
            .objects()
            .filter(|listed| listed.key.contains(&of_day))
            .collect();
        if !self.is_believed(&read, chain, asked)
            && (!objects.is_empty() || has_objects(store, (&self.org, chain), &of_day)?)
        {
            // All of the chain's: what follows its break may belong to the day too.
            return Ok(());
        }
        if objects.is_empty() && !lived(&read, asked) {
            return Ok(());
        }
        for listed in objects {
            self.object(listed);
        }
        let Some(genesis) = &read.genesis else {
            return Ok(());
        };
        let last = read.manifests.last();
        self.chains.push(ReadUpTo {
            until: last.map_or(genesis.created_at, |last| last.manifest.created_at),
            chain: chain.to_owned(),
            manifests: read.manifests.len() as u64,
            sha256: last.map(|last| last.sha256.clone()),
            tree_size: last.map_or(0, |last| last.manifest.tree_size),
            closed: read.is_closed(),
        });
        Ok(())
    }

    /// Tells whether all of a chain is believed; what is not is a doubt.
    fn is_believed(&mut self, read: &ReadChain, chain: &str, asked: &Asked<'_>) -> bool {
        let folder = format!("{}/v1/chains/{chain}", self.org);
        let doubts = self.doubts.len();
        for problem in &read.problems {
            self.doubts.push(LeftOut {
                key: format!("{folder}/{}", problem.what),
                reason: problem.to_string(),
            });
        }
        let key = (read.genesis.as_ref()).and_then(|genesis| public_key(&genesis.installation));
        if let (Some(trust), Some(key)) = (asked.trust, key)
            && trust.installation(&self.org, &key).is_none()
        {
            self.doubts.push(LeftOut {
                key: format!("{folder}/genesis.json"),
                reason: "E10: the trust file does not pin its installation".to_owned(),
            });
        }
        self.doubts.len() == doubts
    }

    fn object(&mut self, listed: &Listed) {
        if self.taken.contains(&listed.key) {
            return;
        }
        let key = Key::parse(&listed.key);
        match (key, RowsKey::parse(&listed.key)) {
            (Some(_), _) if listed.key_id.is_some() => self.kept.push(listed.clone()),
            (None, Some(_)) => self.kept.push(listed.clone()),
            (Some(key), _) => {
                let listed = listed.clone();
                let of_table = self.inputs.entry(key.table.clone()).or_default();
                of_table.push(Wanted { key, listed });
            }
            (None, None) => self.doubts.push(LeftOut {
                key: listed.key.clone(),
                reason: "its name is not of the record's layout".to_owned(),
            }),
        }
    }
}

/// Finds the documents of each chain.
fn chains(store: &Store, org: &str) -> Result<BTreeMap<String, Vec<String>>, RecordError> {
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for listed in store.list(&format!("{org}/v1/chains"), None)? {
        let key = listed?.key;
        let [_, "v1", "chains", chain, _] = *key.split('/').collect::<Vec<_>>() else {
            continue;
        };
        let of_chain = chains.entry(chain.to_owned()).or_default();
        if name(&key) == "genesis.json" || manifest_name(name(&key)).is_some() {
            of_chain.push(key);
        }
    }
    Ok(chains)
}

fn documents(
    store: &Store,
    (org, chain): (&str, &str),
    keys: Vec<String>,
) -> Result<ReadChain, RecordError> {
    let (mut genesis, mut manifests) = (None, Vec::new());
    for (key, bytes) in store.get_many(keys) {
        match name(&key) {
            "genesis.json" => genesis = Some(bytes?),
            name => manifests.push((name.to_owned(), bytes?)),
        }
    }
    Ok(read(org, chain, genesis.as_deref(), &manifests))
}

/// Tells whether anything of a chain lies in a day's folders.
fn has_objects(
    store: &Store,
    (org, chain): (&str, &str),
    of_day: &str,
) -> Result<bool, RecordError> {
    for tier in TIERS.map(Tier::as_str) {
        for listed in store.list(&format!("{org}/v1/{tier}/{chain}"), None)? {
            if listed?.key.contains(of_day) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Tells whether a chain was written on a day.
fn lived(read: &ReadChain, asked: &Asked<'_>) -> bool {
    let (begin, end) = bounds(asked.day);
    let Some(genesis) = &read.genesis else {
        return false;
    };
    let last = read.manifests.last();
    let last = last.map_or(genesis.created_at, |last| last.manifest.created_at);
    genesis.created_at < end && last >= begin
}

fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}
