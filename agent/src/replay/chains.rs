//! The chains of a store: what their believed manifests list, how far each has come, and which follow which.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::archive::ReadError;
use super::listing::Listing;
use super::pinned::Pinned;
use crate::record::chain::documents::Listed;
use crate::record::chain::frames;
use crate::record::chain::problem::Code;
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
    /// Reads the documents of all chains of the store at `url`, whoever began them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(url: &str) -> Result<Self, ReadError> {
        let store = Store::open(&StoreAt::read(url)?)?;
        Ok(Listing::of_documents(&store, &Pinned::default())?.chains)
    }

    /// Reads those among some keys of an open store.
    pub(super) fn of(
        store: &Store,
        documents: Vec<String>,
        pinned: &Pinned,
    ) -> Result<Self, RecordError> {
        let mut folders: BTreeMap<Id, Vec<String>> = BTreeMap::new();
        for key in documents {
            if let [org, "v1", "chains", chain, _] = *key.split('/').collect::<Vec<_>>() {
                let id = (org.to_owned(), chain.to_owned());
                folders.entry(id).or_default().push(key);
            }
        }
        let is_read =
            |key: &&String| name(key) == GENESIS || read::manifest_name(name(key)).is_some();
        let wanted = folders.values().flatten().filter(is_read).cloned();
        let mut fetched = store.get_many(wanted.collect()).peekable();
        let mut chains = BTreeMap::new();
        for ((org, chain), keys) in folders {
            let mut genesis = None;
            let mut manifests = Vec::new();
            let is_own = |(key, _): &(String, _)| keys.binary_search(key).is_ok();
            while let Some((key, bytes)) = fetched.next_if(is_own) {
                match name(&key) {
                    GENESIS => genesis = Some(bytes?),
                    name => manifests.push((name.to_owned(), bytes?)),
                }
            }
            let read = read::read(&org, &chain, genesis.as_deref(), &manifests);
            let found = Chain {
                org: org.clone(),
                keys,
                read: pinned.believed(&org, &chain, read),
            };
            chains.insert((org, chain), found);
        }
        Ok(Self { chains })
    }

    /// Lists what is wrong with their documents, one line each.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        self.chains.iter().flat_map(|((org, id), chain)| {
            let problems = chain.read.problems.iter();
            problems.map(move |problem| format!("{org}/v1/chains/{id}: {problem}"))
        })
    }

    /// Tells whether nothing of the chain with this id is believed, which its own line says.
    pub(super) fn is_doubtful(&self, org: &str, chain: &str) -> bool {
        let chain = self.chains.get(&(org.to_owned(), chain.to_owned()));
        chain.is_some_and(|chain| {
            chain.read.genesis.is_none()
                && (chain.read.problems.iter()).any(|problem| problem.code == Code::E10)
        })
    }

    /// Lists the objects that believed manifests vouch for, of each chain.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&Id, &Listed)> {
        let all = self.chains.iter();
        all.flat_map(|(id, chain)| chain.read.objects().map(move |object| (id, object)))
    }

    /// Lists those that were signed at a time or later.
    ///
    /// A clock that was set back signs with an earlier time, so it is the latest time that counts which a chain and those
    /// before it had signed by then.
    pub(super) fn objects_since(
        &self,
        time: DateTime<Utc>,
    ) -> impl Iterator<Item = (&Id, &Listed)> {
        let mut latest = BTreeMap::new();
        for id in self.chains.keys() {
            self.note_latest(id, &mut latest);
        }
        let all = self.chains.iter();
        all.flat_map(move |(id, chain)| {
            let before = chain.before().and_then(|id| latest.get(&id).copied());
            let began = chain
                .read
                .genesis
                .as_ref()
                .map(|genesis| genesis.created_at);
            let mut by_then = before.max(began);
            let manifests = chain.read.manifests.iter().filter(move |believed| {
                by_then = by_then.max(Some(believed.manifest.created_at));
                by_then >= Some(time)
            });
            let objects = manifests.flat_map(|believed| &believed.manifest.objects);
            objects.map(move |object| (id, object))
        })
    }

    /// Notes the latest time that a chain and those before it signed.
    fn note_latest(&self, id: &Id, latest: &mut BTreeMap<Id, DateTime<Utc>>) {
        let mut line = Vec::new();
        let mut next = Some(id.clone());
        let mut seen = BTreeSet::new();
        let mut newest = None;
        while let Some(id) = next.take() {
            if let Some(known) = latest.get(&id) {
                newest = Some(*known);
            } else if let Some(chain) = self.chains.get(&id)
                && seen.insert(id.clone())
            {
                next = chain.before();
                line.push((id, chain));
            }
        }
        for (id, chain) in line.into_iter().rev() {
            let genesis = chain.read.genesis.iter().map(|genesis| genesis.created_at);
            let manifests = chain.read.manifests.iter();
            let own = genesis.chain(manifests.map(|believed| believed.manifest.created_at));
            newest = newest.max(own.max());
            latest.extend(newest.map(|newest| (id, newest)));
        }
    }

    /// Finds the chains that can have taken over what others had not sealed: those of the same installations. What another
    /// calls itself, or says that it follows, is its own word.
    pub(super) fn akin(&self, of: &BTreeSet<Id>) -> BTreeSet<Id> {
        let installation = |id: &Id| {
            let genesis = self.chains.get(id)?.read.genesis.as_ref()?;
            Some((id.0.clone(), genesis.installation.clone()))
        };
        let own: BTreeSet<_> = of.iter().filter_map(installation).collect();
        let is_akin = |id: &&Id| installation(id).is_some_and(|one| own.contains(&one));
        let akin = self.chains.keys().filter(is_akin);
        akin.chain(of).cloned().collect()
    }
}

impl Chain {
    /// Names the chain that the same spool held before.
    pub(super) fn before(&self) -> Option<Id> {
        let before = self.read.genesis.as_ref()?.previous.as_ref()?;
        Some((self.org.clone(), before.chain.clone()))
    }

    /// Lists the files of frames in its folder.
    pub(super) fn frames(&self) -> Vec<String> {
        let keys = self.keys.iter();
        let frames = keys.filter(|key| frames::number(name(key)).is_some());
        frames.cloned().collect()
    }
}

/// Gives the last part of a key.
pub(super) fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}
