//! Makes a proof of one statement from a record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::chain;
use super::compacted::Compactions;
use super::expired::Expired;
use super::holders::holders;
use super::layout::{self, Chain, Layout};
use super::objects::Objects;
use super::proof::{BESIDE_STORE, ChainProof, PROOF_VERSION, Proof, RowProof};
use super::report::Finding;
use super::segment::{self, Deep, Shelves};
use crate::id::StatementId;
use crate::record::chain::enrolment::enrolment_key;
use crate::record::chain::envelope::key_id;
use crate::record::chain::keys::public_key;
use crate::record::chain::note::Note;
use crate::record::chain::read::{Believed, ReadChain};
use crate::record::chain::tree::{Hash, inclusions, root};
use crate::record::encryption::KeyRing;
use crate::record::{self, Key, RecordError, RowOf, Store, StoreAt, hex, rows_of, sha256};
use crate::replay::{ReadError, Readers, row_as_json};

/// How far clocks may be apart where a chain is left out that ended before a statement began.
const CLOCKS_APART: TimeDelta = TimeDelta::days(1);

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] RecordError),
    /// What is encrypted cannot be opened.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No believed manifest lists a row of the statement.
    #[error("no row of statement `{0}` is in a chain of this store")]
    Unknown(String),
    /// The chain is not what was signed, so nothing of it can be shown.
    #[error("chain {chain}: `{}`: expected {}, found {}", .finding.object, .finding.expected, .finding.found)]
    Differs {
        /// The chain.
        chain: String,
        /// What is wrong first.
        finding: Box<Finding>,
    },
    /// The chain's rows do not make the tree that was signed.
    #[error("chain {0}: its rows do not make the tree that was signed")]
    Tree(String),
}

impl ProveError {
    /// Says what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Read(_) => None,
            Self::Unknown(_) => Some("`icecore flush` has the host store what it holds"),
            Self::Differs { .. } | Self::Tree(_) => {
                Some("`icecore verify --deep` tells all that differs")
            }
        }
    }
}

/// Makes the proof of a statement; tells how many objects cannot be read here and may have more of it.
///
/// # Errors
/// See [`ProveError`].
pub fn proved(
    store: &str,
    readers: Readers,
    statement: StatementId,
) -> Result<(Proof, u64), ProveError> {
    let at = StoreAt::read(store)?;
    let objects = Store::open(&at)?;
    let ring = readers.ring(&at)?;
    prove(&objects, &ring, statement)
}

/// Makes a proof; `ring` opens encrypted objects.
pub(super) fn prove(
    objects: &dyn Objects,
    ring: &Arc<KeyRing>,
    statement: StatementId,
) -> Result<(Proof, u64), ProveError> {
    let statement = statement.to_string();
    let wanted = Wanted {
        statements: &BTreeSet::from([statement.clone()]),
        chains: None,
        form: Form::Whole,
    };
    let mut proved = prove_all(objects, ring, &wanted)?;
    match proved.proofs.remove(&statement) {
        Some(proof) => Ok((proof, proved.unread)),
        None => Err(ProveError::Unknown(statement)),
    }
}

/// What is to be proved.
pub(crate) struct Wanted<'a> {
    pub(crate) statements: &'a BTreeSet<String>,
    /// Organisation and chain of those that are looked at; none for all.
    pub(crate) chains: Option<&'a BTreeSet<(String, String)>>,
    pub(crate) form: Form,
}

/// How a proof holds the documents of its chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// To the letter.
    Whole,
    /// By their names in a store beside the proof's folder: many proofs of one chain need them once.
    BesideStore,
}

/// Proofs of statements.
#[derive(Debug, Default)]
pub(crate) struct Proved {
    /// By their statements; one that no chain has is left out.
    pub(crate) proofs: BTreeMap<String, Proof>,
    /// How many objects cannot be read here and may have more of them.
    pub(crate) unread: u64,
}

/// Makes proofs of several statements; each chain is read once, and all rows of it are shown by one checkpoint.
pub(crate) fn prove_all(
    objects: &dyn Objects,
    ring: &Arc<KeyRing>,
    wanted: &Wanted<'_>,
) -> Result<Proved, ProveError> {
    let (layouts, _) = layout::sort(objects.list("")?);
    let mut all = Proved::default();
    for (org, layout) in &layouts {
        let held = match (wanted.chains, wanted.statements.first()) {
            (None, Some(one)) if wanted.statements.len() == 1 => {
                holders(objects, ring, (org, layout), one)?
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        for (name, files) in &layout.chains {
            let is_wanted =
                |chains: &BTreeSet<_>| chains.contains(&(org.to_owned(), name.to_owned()));
            let can_have = held.as_ref().is_none_or(|held| held.contains(&**name));
            if !can_have || !wanted.chains.is_none_or(is_wanted) {
                continue;
            }
            let of = Of {
                objects,
                ring,
                org,
                layout,
                chain: name,
                files,
                wanted,
            };
            for (statement, chain) in of.chain(&mut all.unread)? {
                let proof = all.proofs.entry(statement.clone());
                let proof = proof.or_insert_with(|| Proof {
                    format_version: PROOF_VERSION,
                    statement_id: statement,
                    org: org.clone(),
                    chains: Vec::new(),
                });
                // A statement is of one organisation.
                if proof.org == *org {
                    proof.chains.push(chain);
                }
            }
        }
    }
    Ok(all)
}

/// A chain in which statements are looked for.
struct Of<'a> {
    objects: &'a dyn Objects,
    ring: &'a Arc<KeyRing>,
    org: &'a str,
    layout: &'a Layout,
    chain: &'a str,
    files: &'a Chain,
    wanted: &'a Wanted<'a>,
}

impl Of<'_> {
    fn chain(&self, unread: &mut u64) -> Result<BTreeMap<String, ChainProof>, ProveError> {
        let mut proofs = BTreeMap::new();
        let read = chain::documents(self.objects, (self.org, self.chain), self.files)?;
        let rows = self.rows(&read, unread)?;
        let Some(last_seq) = rows.last().map(|row| row.seq) else {
            return Ok(proofs);
        };
        let covers = |believed: &&Believed| believed.manifest.tree_size > last_seq;
        let mut covering = read.manifests.iter().filter(covers);
        let Some(first) = covering.next() else {
            return Ok(proofs);
        };
        let (believed, cosigned) = match self.cosigned(&read, last_seq)? {
            Some((believed, note)) => (believed, Some(note)),
            None => (first, None),
        };
        let leads = |one: &&Believed| one.manifest.next_key.is_some();
        let before = read.manifests.iter().filter(leads);
        let before = before.take_while(|one| one.manifest.n < believed.manifest.n);
        let manifests = before.chain([believed]).map(|one| self.text(&one.name));
        let empty = ChainProof {
            chain: self.chain.to_owned(),
            genesis: self.text("genesis.json")?,
            manifests: manifests.collect::<Result<_, _>>()?,
            cosigned,
            enrolment: self.enrolment(&read)?,
            rows: Vec::new(),
        };
        let differs = || ProveError::Tree(self.chain.to_owned());
        let leaves = self.leaves(&read, believed)?;
        let places: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        let paths = inclusions(&leaves, &places).ok_or_else(differs)?;
        for (row, path) in rows.into_iter().zip(paths) {
            let RowOf {
                seq,
                statement,
                cbor,
            } = row;
            let entry = record::row(&cbor).map_err(|_| differs())?;
            let proof = proofs.entry(statement).or_insert_with(|| empty.clone());
            proof.rows.push(RowProof {
                seq,
                table: entry.table.name.to_owned(),
                cbor: STANDARD.encode(&cbor),
                row: row_as_json(&entry),
                path: path.iter().map(|hash| STANDARD.encode(hash)).collect(),
            });
        }
        Ok(proofs)
    }

    /// Finds the statements' rows in the objects that believed manifests list, by their places.
    fn rows(&self, read: &ReadChain, unread: &mut u64) -> Result<Vec<RowOf>, ProveError> {
        let statements = self.wanted.statements;
        let began: Option<Vec<_>> = statements.iter().map(|one| began(one)).collect();
        let first = began.and_then(|began| began.into_iter().min());
        let mut rows = Vec::new();
        for believed in &read.manifests {
            if first.is_some_and(|first| believed.manifest.created_at + CLOCKS_APART < first) {
                continue;
            }
            for object in &believed.manifest.objects {
                let Some(key) = Key::parse(&object.key) else {
                    continue;
                };
                let bytes = self.objects.get(&object.key)?;
                let is_own = hex(&sha256(&bytes)) == object.sha256;
                let found = is_own.then(|| rows_of(&key, bytes, self.ring, statements).ok());
                match found.flatten() {
                    Some(found) => rows.extend(found),
                    None => *unread += 1,
                }
            }
        }
        rows.sort_by_key(|row| row.seq);
        Ok(rows)
    }

    /// Gives the leaves that a manifest's tree is made of.
    fn leaves(&self, read: &ReadChain, until: &Believed) -> Result<Vec<Hash>, ProveError> {
        let none = BTreeSet::new();
        let compactions = Compactions::none()?;
        let shelves = Shelves {
            objects: self.objects,
            org: self.org,
            chain: self.chain,
            listed: &self.files.listed,
            evidence: &self.layout.evidence,
            erased: &none,
            compactions: &compactions,
            ring: self.ring,
            deep: Deep::Rows,
        };
        let mut leaves = Vec::new();
        for believed in &read.manifests {
            let segment = segment::check(&shelves, &believed.manifest, Expired::ALL)?;
            match (segment.leaves, segment.findings.into_iter().next()) {
                (Some(of_segment), _) => leaves.extend(of_segment),
                (None, Some(finding)) => {
                    return Err(ProveError::Differs {
                        chain: self.chain.to_owned(),
                        finding: Box::new(finding),
                    });
                }
                (None, None) => return Err(ProveError::Tree(self.chain.to_owned())),
            }
            if believed.manifest.n == until.manifest.n {
                break;
            }
        }
        if hex(&root(&leaves)) == until.manifest.root {
            Ok(leaves)
        } else {
            Err(ProveError::Tree(self.chain.to_owned()))
        }
    }

    /// Finds the first checkpoint with a row that a witness signed.
    fn cosigned<'r>(
        &self,
        read: &'r ReadChain,
        last_seq: u64,
    ) -> Result<Option<(&'r Believed, String)>, ProveError> {
        let mut notes: Vec<&str> = self.files.notes.iter().map(|note| &*note.key).collect();
        notes.sort_unstable();
        for key in notes {
            let n = layout::name(key).get(2..10).and_then(|n| n.parse().ok());
            let believed = n.and_then(|n: usize| read.manifests.get(n));
            let Some(believed) = believed.filter(|one| one.manifest.tree_size > last_seq) else {
                continue;
            };
            let Ok(text) = String::from_utf8(self.objects.get(key)?.to_vec()) else {
                continue;
            };
            let own = Note::parse(&believed.manifest.checkpoint);
            let note = Note::parse(&text);
            if note.is_ok_and(|note| own.is_ok_and(|own| own.text() == note.text())) {
                return Ok(Some((believed, text)));
            }
        }
        Ok(None)
    }

    fn enrolment(&self, read: &ReadChain) -> Result<Option<String>, ProveError> {
        let installation = read.genesis.as_ref().map(|genesis| &genesis.installation);
        let Some(key) = installation.and_then(|text| public_key(text)) else {
            return Ok(None);
        };
        let wanted = enrolment_key(self.org, &key_id(&key));
        let there = self.layout.beside.get("enrolments").into_iter().flatten();
        let there = there.map(|named| &named.key).find(|key| **key == wanted);
        let bytes = there.map(|key| self.objects.get(key)).transpose()?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()))
    }

    fn text(&self, name: &str) -> Result<String, ProveError> {
        let key = format!("{}/v1/chains/{}/{name}", self.org, self.chain);
        if self.wanted.form == Form::BesideStore {
            return Ok(format!("{BESIDE_STORE}{key}"));
        }
        let bytes = self.objects.get(&key)?;
        // What was believed is JSON, and so UTF-8.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Tells when a statement began, as its id says.
pub(super) fn began(statement: &str) -> Option<DateTime<Utc>> {
    let id = Uuid::try_parse(statement).ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}
