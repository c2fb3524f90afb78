//! The writer's half of a chain: which leaves there are so far, and what is signed next.
//!
//! A manifest is drafted, put among the segment's objects, and accepted when these are whole: until then the chain has not
//! moved, and drafting again is not a fork, since nobody saw the first draft.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::documents::{
    Before, FORMAT_VERSION, Genesis, Hex, Listed, Manifest, installation_name, origin,
};
use super::envelope::{self, EnvelopeError};
use super::keys::SigningKey;
use super::note::{Checkpoint, Note};
use super::tree::{Hash, Tree};
use crate::record::RecordError;
use crate::record::digest::{hex, sha256};

/// How long a key signs: whoever takes the machine over can sign what comes, not what was.
const KEY_LIFE: Duration = Duration::from_secs(15 * 60);

/// What is the same in all documents of a chain.
#[derive(Clone, Debug)]
pub(in crate::record) struct About {
    pub(in crate::record) org: String,
    pub(in crate::record) chain: String,
    pub(in crate::record) writer_build: String,
    pub(in crate::record) policy_bundle_sha256: Hex,
}

/// What is said of a chain when it begins.
#[derive(Clone, Debug)]
pub(in crate::record) struct Beginning {
    pub(in crate::record) created_at: DateTime<Utc>,
    pub(in crate::record) host_id: String,
    pub(in crate::record) boot_id: Option<String>,
    pub(in crate::record) approvals_key: Option<String>,
    pub(in crate::record) previous: Option<Before>,
    pub(in crate::record) recording_mode: String,
    pub(in crate::record) config_sha256: Hex,
    pub(in crate::record) build: BTreeMap<String, String>,
}

/// What a segment holds.
#[derive(Clone, Debug, Default)]
pub(in crate::record) struct Content<'a> {
    pub(in crate::record) leaves: &'a [Hash],
    pub(in crate::record) objects: Vec<Listed>,
    pub(in crate::record) evidence: Vec<Hex>,
    pub(in crate::record) is_end: bool,
    pub(in crate::record) spool_backlog: u64,
}

/// A chain that is being written.
#[derive(Debug)]
pub(in crate::record) struct ChainWriter {
    about: About,
    installation: SigningKey,
    key: Arc<SigningKey>,
    key_since: DateTime<Utc>,
    tree: Tree,
    next_n: u64,
    prev_sha256: Hex,
}

/// A manifest that is signed and not yet part of the chain.
#[derive(Debug)]
pub(in crate::record) struct Drafted {
    pub(in crate::record) key: String,
    pub(in crate::record) bytes: Vec<u8>,
    pub(in crate::record) n: u64,
    pub(in crate::record) note: String,
    next_key: Option<SigningKey>,
    tree: Tree,
    created_at: DateTime<Utc>,
}

impl ChainWriter {
    /// Begins a chain, and gives its genesis' bytes.
    pub(in crate::record) fn begin(
        about: About,
        beginning: Beginning,
        installation: SigningKey,
    ) -> Result<(Self, Vec<u8>), RecordError> {
        let key = SigningKey::make()?;
        let genesis = Genesis {
            format_version: FORMAT_VERSION,
            org: about.org.clone(),
            chain: about.chain.clone(),
            created_at: beginning.created_at,
            host_id: beginning.host_id,
            boot_id: beginning.boot_id,
            installation: installation.public_text(),
            key: key.public_text(),
            approvals_key: beginning.approvals_key,
            previous: beginning.previous,
            recording_mode: beginning.recording_mode,
            writer_build: about.writer_build.clone(),
            config_sha256: beginning.config_sha256,
            policy_bundle_sha256: about.policy_bundle_sha256.clone(),
            build: beginning.build,
        };
        let bytes = envelope::seal(&genesis, installation.pair()).map_err(unsigned)?;
        let writer = Self {
            about,
            installation,
            key: Arc::new(key),
            key_since: beginning.created_at,
            tree: Tree::default(),
            next_n: 0,
            prev_sha256: hex(&sha256(&bytes)),
        };
        Ok((writer, bytes))
    }

    /// Names the chain.
    pub(in crate::record) fn chain(&self) -> &str {
        &self.about.chain
    }

    /// Gives the key that signs what comes next.
    pub(in crate::record) fn signing_key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.key)
    }

    /// Tells which manifest comes next.
    pub(in crate::record) fn next_n(&self) -> u64 {
        self.next_n
    }

    /// Gives what is the same in all its documents.
    pub(in crate::record) fn about(&self) -> &About {
        &self.about
    }

    /// Names the chain's folder of documents in the store.
    pub(in crate::record) fn folder(&self) -> String {
        format!("{}/v1/chains/{}", self.about.org, self.about.chain)
    }

    /// Gives the genesis' key in the store.
    pub(in crate::record) fn genesis_key(&self) -> String {
        format!("{}/genesis.json", self.folder())
    }

    /// Gives a document's key in the store.
    pub(in crate::record) fn evidence_key(&self, sha256: &str) -> String {
        format!("{}/v1/evidence/{sha256}", self.about.org)
    }

    /// Signs what a segment came to.
    pub(in crate::record) fn draft(
        &self,
        content: Content<'_>,
        now: DateTime<Utc>,
    ) -> Result<Drafted, RecordError> {
        let About {
            org,
            chain,
            writer_build,
            policy_bundle_sha256,
        } = &self.about;
        let mut tree = self.tree.clone();
        tree.extend(content.leaves.iter().copied());
        let next_key = match (now - self.key_since).to_std() {
            Ok(age) if age >= KEY_LIFE => Some(SigningKey::make()?),
            // A clock that was set back: the key is as young as its first use says.
            Ok(_) | Err(_) => None,
        };
        let mut note = Note::new(&Checkpoint {
            origin: origin(org, chain),
            size: tree.size(),
            root: tree.root(),
        });
        note.sign(&origin(org, chain), self.key.pair());
        note.sign(
            &installation_name(&self.installation.id()),
            self.installation.pair(),
        );
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            org: org.clone(),
            chain: chain.clone(),
            n: self.next_n,
            prev_sha256: self.prev_sha256.clone(),
            first_seq: self.tree.size(),
            tree_size: tree.size(),
            root: hex(&tree.root()),
            created_at: now,
            heartbeat: content.leaves.is_empty() && content.objects.is_empty(),
            objects: content.objects,
            closed: content.is_end,
            spool_backlog: content.spool_backlog,
            policy_bundle_sha256: policy_bundle_sha256.clone(),
            writer_build: writer_build.clone(),
            evidence: content.evidence,
            next_key: next_key.as_ref().map(SigningKey::public_text),
            checkpoint: note.to_string(),
        };
        let bytes = envelope::seal(&manifest, self.key.pair()).map_err(unsigned)?;
        let hash: String = hex(&sha256(&bytes)).chars().take(16).collect();
        Ok(Drafted {
            key: format!("{}/m-{:08}-{hash}.json", self.folder(), self.next_n),
            bytes,
            n: self.next_n,
            note: manifest.checkpoint,
            next_key,
            tree,
            created_at: now,
        })
    }

    /// Goes on from a manifest that is among its segment's objects.
    pub(in crate::record) fn accept(&mut self, drafted: Drafted) {
        self.prev_sha256 = hex(&sha256(&drafted.bytes));
        self.tree = drafted.tree;
        self.next_n = drafted.n + 1;
        if let Some(key) = drafted.next_key {
            self.key = Arc::new(key);
            self.key_since = drafted.created_at;
        }
    }
}

fn unsigned(error: EnvelopeError) -> RecordError {
    RecordError::Unsigned {
        cause: error.to_string(),
    }
}
