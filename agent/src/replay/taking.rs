//! How an archive takes objects: each is compared with what was signed of it, and what differs is left out and told.

use std::collections::{BTreeMap, BTreeSet};

use super::archive::{Archive, Found, ReadError, Shown, chain_of};
use super::chains::{Chains, Id};
use super::curated::From;
use crate::record::chain::compaction::Output;
use crate::record::chain::documents::Listed;
use crate::record::encryption::{Closed, KeyName, Opener};
use crate::record::schema::TABLES;
use crate::record::{self, Content, Key, Rows, RowsKey, Unread, hex, sha256};

/// How many objects are in memory at once where they do not stay there.
const SOME: usize = 64;

/// What of objects stays in memory; all of them are compared and checked. Rows of a month do not fit, nor do its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// Rows and bytes.
    All,
    /// Rows of `results`, which name those of statements; those of frames that are among the others are forgotten.
    Results,
    /// Nothing.
    Nothing,
}

impl Stays {
    fn rows(self) -> Rows {
        match self {
            Self::All | Self::Results => Rows::Given,
            Self::Nothing => Rows::Checked,
        }
    }
}

impl Archive {
    pub(super) fn tell_absent(&mut self, key: &str) {
        let is_elsewhere =
            !self.copied.is_empty() && !self.copied.iter().any(|days| days.have(key));
        if is_elsewhere {
            self.not_copied += 1;
        } else {
            self.refused.push(format!(
                "{key}: a manifest lists it, and it is not in the store"
            ));
        }
    }

    /// Reads objects that manifests list, and their rows.
    pub(super) fn take(&mut self, objects: Vec<Listed>, stays: Stays) {
        for some in objects.chunks(SOME) {
            self.take_some(some, stays);
            self.let_go(stays);
        }
    }

    /// Lets go of rows that do not stay.
    fn let_go(&mut self, stays: Stays) {
        match stays {
            Stays::All | Stays::Nothing => {}
            Stays::Results => {
                self.forget_again();
                self.rows.retain(|table, _| *table == "results");
            }
        }
    }

    fn take_some(&mut self, objects: &[Listed], stays: Stays) {
        let keys = objects.iter().map(|object| object.key.clone());
        let fetched: Vec<_> = self.store.get_many(keys.collect()).collect();
        for (object, (name, bytes)) in objects.iter().zip(fetched) {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(error) => {
                    match self.store.get_if_there(&name) {
                        Ok(None) => self.tell_absent(&name),
                        Ok(Some(_)) | Err(_) => self.refused.push(format!("{name}: {error}")),
                    }
                    continue;
                }
            };
            let key = Key::parse(&name).filter(|key| key.fits(&bytes));
            let Some(key) = key.filter(|_| hex(&sha256(&bytes)) == object.sha256) else {
                let reason = "its bytes are not those that were signed";
                self.refused.push(format!("{name}: {reason}"));
                continue;
            };
            match record::read(&key, bytes.clone(), &self.ring, stays.rows()) {
                Ok(content) => {
                    let mut shown = self.shown(&name, &key.table, true, content.key.clone());
                    shown.columns = Some(content.columns.clone());
                    self.shown.insert(name.clone(), shown);
                    self.keep(&name, &key.table, content);
                    if stays == Stays::All {
                        self.files.push(Found { key, bytes });
                    }
                }
                Err(Unread::Closed(closed)) => *self.closed.entry(closed).or_default() += 1,
                Err(Unread::Differs(error)) => self.refused.push(format!("{name}: {error}")),
            }
        }
    }

    pub(super) fn keep(&mut self, name: &str, table: &str, content: Content) {
        if !content.unknown.is_empty() {
            self.refused.push(format!(
                "{name}: of its columns those that this version does not know: {}",
                content.unknown.join(", ")
            ));
        }
        if let Some(table) = TABLES.into_iter().find(|known| known.name == table) {
            self.rows
                .entry(table.name)
                .or_default()
                .extend(content.rows);
        }
    }

    /// Reads files of the compacted layer; where one is not what was signed, all of its table and day are left out and the
    /// objects are read that they were made of.
    pub(super) fn take_compacted(&mut self, outputs: Vec<(From, Output)>, stays: Stays) {
        let mut whole: BTreeMap<(From, String), Vec<Output>> = BTreeMap::new();
        for (from, output) in outputs {
            whole
                .entry((from, output.table.clone()))
                .or_default()
                .push(output);
        }
        for ((from, table), outputs) in whole {
            let mut contents = Vec::new();
            let mut is_good = true;
            for output in outputs {
                let bytes = self
                    .store
                    .get(&output.key)
                    .map_err(|error| error.to_string());
                let content = bytes.and_then(|bytes| {
                    if hex(&sha256(&bytes)) != output.sha256 {
                        return Err("its bytes are not those that were signed".to_owned());
                    }
                    let read = record::read_compacted((&from.org, &table), bytes, stays.rows());
                    read.map_err(|error| error.to_string())
                });
                match content {
                    Ok(content) => contents.push((output.key, content)),
                    Err(error) => {
                        let line = "what it was made of is read in its place";
                        self.refused
                            .push(format!("{}: {error}; {line}", output.key));
                        is_good = false;
                    }
                }
            }
            if !is_good {
                match from.inputs(&self.store, &table) {
                    Ok(inputs) => self.take(inputs, stays),
                    Err(error) => self.refused.push(error),
                }
                continue;
            }
            for (key, content) in contents {
                let shown = self.shown(&key, &table, true, None);
                self.shown.insert(key.clone(), shown);
                self.keep(&key, &table, content);
            }
            self.let_go(stays);
        }
    }

    /// Notes an object for views by what was signed of it.
    pub(super) fn show(&mut self, object: &Listed) {
        let name = object.key_id.as_deref().map(KeyName::read);
        let org = object.key.split('/').next().unwrap_or_default();
        let opened = match &name {
            None => Ok(()),
            Some(None) => Err(Closed::Unnamed),
            Some(Some(name)) => Opener::new(&self.ring, org).opens(name),
        };
        match opened {
            Ok(()) => {
                let mut shown = self.shown(&object.key, &object.table, false, name.flatten());
                shown.columns = self.said_columns(object);
                self.shown.insert(object.key.clone(), shown);
            }
            Err(closed) => *self.closed.entry(closed).or_default() += 1,
        }
    }

    /// What a manifest says of an object's columns: the word of its installation, good for what that one wrote.
    fn said_columns(&self, object: &Listed) -> Option<String> {
        let columns = object.columns.as_ref()?;
        let (org, chain) = chain_of(&object.key)?;
        let chain = self
            .chains
            .chains
            .get(&(org.to_owned(), chain.to_owned()))?;
        let by = &chain.read.genesis.as_ref()?.installation;
        Some(format!("{columns} by {by}"))
    }

    pub(super) fn shown(
        &self,
        key: &str,
        table: &str,
        verified: bool,
        name: Option<KeyName>,
    ) -> Shown {
        Shown {
            table: table.to_owned(),
            address: self.store.address(key),
            verified,
            key: name,
            columns: None,
        }
    }

    /// Reads the documents of more chains.
    pub(super) fn look_at(&mut self, chains: BTreeSet<Id>) -> Result<(), ReadError> {
        let mut documents = Vec::new();
        for (org, chain) in chains {
            if !self
                .chains
                .chains
                .contains_key(&(org.clone(), chain.clone()))
            {
                let listed = self.store.list(&format!("{org}/v1/chains/{chain}"), None)?;
                let keys: Result<Vec<_>, _> =
                    listed.map(|listed| listed.map(|one| one.key)).collect();
                documents.extend(keys?);
            }
        }
        let more = Chains::of(&self.store, documents, &self.pinned)?;
        self.refused.extend(more.problems());
        self.chains.chains.extend(more.chains);
        Ok(())
    }

    /// Finds the chains of which files of the compacted layer have rows of sessions whose ids begin so.
    pub(super) fn chains_in(&mut self, outputs: Vec<(From, Output)>, begin: &str) -> BTreeSet<Id> {
        let mut chains = BTreeSet::new();
        for (from, output) in outputs {
            let bytes = self
                .store
                .get(&output.key)
                .map_err(|error| error.to_string());
            let found = bytes.and_then(|bytes| {
                if hex(&sha256(&bytes)) != output.sha256 {
                    return Err("its bytes are not those that were signed".to_owned());
                }
                let found = record::chains_of_session(bytes, begin);
                found.map_err(|error| error.to_string())
            });
            match found {
                Ok(found) => {
                    chains.extend(found.into_iter().map(|chain| (from.org.clone(), chain)))
                }
                // Its rows could be of any chain that it was made of.
                Err(error) => {
                    self.refused.push(format!("{}: {error}", output.key));
                    match from.inputs(&self.store, &output.table) {
                        Ok(inputs) => chains.extend(inputs.iter().filter_map(|input| {
                            let key = Key::parse(&input.key)?;
                            Some((key.org, key.chain))
                        })),
                        Err(error) => self.refused.push(error),
                    }
                }
            }
        }
        chains
    }

    pub(super) fn note_rows(&mut self, objects: &[Listed]) {
        let keys = objects
            .iter()
            .filter_map(|object| RowsKey::parse(&object.key));
        self.rows_files
            .extend(keys.map(|key| (key.to_string(), key)));
    }

    /// Reads those objects of a list that were not read, and notes where rows of results are.
    pub(super) fn add(&mut self, objects: Vec<Listed>) {
        self.note_rows(&objects);
        let taken: BTreeSet<String> = self.files.iter().map(|file| file.key.to_string()).collect();
        let is_more =
            |object: &Listed| Key::parse(&object.key).is_some() && !taken.contains(&object.key);
        self.take(objects.into_iter().filter(is_more).collect(), Stays::All);
    }
}
