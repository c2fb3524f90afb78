//! One chain: its documents, its objects, and its tree.

use std::collections::BTreeSet;
use std::thread;

use chrono::{DateTime, Utc};

use super::cross::Cross;
use super::expired::Expired;
use super::frames::{self, Acknowledged};
use super::layout::{self, Chain};
use super::objects::Objects;
use super::report::{ChainTold, Counts, Finding};
use super::segment::{self, Deep, Segment, Shelves};
use super::times::Times;
use super::trust::Trust;
use crate::record::chain::documents::Genesis;
use crate::record::chain::note::{Note, NoteError};
use crate::record::chain::problem::Code;
use crate::record::chain::read::{Believed, ReadChain, read};
use crate::record::chain::tree::Tree;
use crate::record::{RecordError, hex, sha256};

/// What a chain came to.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) org: String,
    pub(super) chain: String,
    pub(super) genesis: Option<Genesis>,
    pub(super) installation: Option<String>,
    pub(super) manifests: Vec<Reached>,
    pub(super) is_closed: bool,
    pub(super) last_at: Option<DateTime<Utc>>,
    pub(super) witnessed: Option<u64>,
    /// Rows after its last manifest that the store acknowledged.
    pub(super) acknowledged_rows: u64,
    /// When manifests were signed that a pinned witness signed too.
    pub(super) times: Vec<Times>,
    pub(super) counts: Counts,
    pub(super) findings: Vec<Finding>,
    pub(super) cross: Cross,
    /// Documents that believed manifests name.
    pub(super) evidence: BTreeSet<String>,
    /// Objects that no believed manifest lists, with what they say of their rows.
    pub(super) unlisted: Vec<String>,
    /// Whether its documents are believed to the last.
    pub(super) is_whole: bool,
}

/// How far a chain had come with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) name: String,
    pub(super) signed: DateTime<Utc>,
    pub(super) sha256: String,
    pub(super) tree_size: u64,
    pub(super) root: String,
}

/// A chain to check, and what it needs.
pub(super) struct Work<'a> {
    pub(super) shelves: Shelves<'a>,
    pub(super) files: &'a Chain,
    pub(super) trust: Option<&'a Trust>,
    /// How many segments are read at once.
    pub(super) threads: usize,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    /// What the time is.
    pub(super) now: DateTime<Utc>,
    /// Is told how many objects and rows were done.
    pub(super) done: &'a (dyn Fn(&Counts) + Sync),
}

/// Checks a chain; gives none where it did not live in the time that is asked for.
pub(super) fn check(work: &Work<'_>) -> Result<Option<Checked>, RecordError> {
    let Shelves {
        objects,
        org,
        chain,
        ..
    } = work.shelves;
    let read = documents(objects, (org, chain), work.files)?;
    if !lived(work, &read) {
        return Ok(None);
    }
    let mut checked = Checked {
        org: org.to_owned(),
        chain: chain.to_owned(),
        installation: None,
        manifests: (read.manifests.iter()).map(reached).collect(),
        is_closed: read.is_closed(),
        last_at: read.manifests.last().map(|last| last.manifest.created_at),
        witnessed: None,
        acknowledged_rows: 0,
        times: Vec::new(),
        counts: Counts {
            chains: 1,
            ..Counts::default()
        },
        findings: Vec::new(),
        cross: Cross::default(),
        evidence: (read.manifests.iter())
            .flat_map(|believed| believed.manifest.evidence.iter().cloned())
            .collect(),
        unlisted: Vec::new(),
        is_whole: read.problems.is_empty(),
        genesis: read.genesis.clone(),
    };
    checked.pin(work.trust);
    checked
        .findings
        .extend(read.problems.iter().cloned().map(Finding::from));
    let acknowledged = frames::check(work, &read, &mut checked)?;
    segments(work, &read, &acknowledged, &mut checked)?;
    notes(work, &read, &mut checked)?;
    let vouched: BTreeSet<&str> = read.objects().map(|object| object.key.as_str()).collect();
    let keys = work.files.listed.keys();
    checked.unlisted = keys
        .filter(|key| !vouched.contains(key.as_str()))
        .cloned()
        .collect();
    Ok(Some(checked))
}

/// Reads a chain's documents.
pub(super) fn documents(
    objects: &dyn Objects,
    (org, chain): (&str, &str),
    of: &Chain,
) -> Result<ReadChain, RecordError> {
    let genesis = match &of.genesis {
        Some(genesis) => Some(objects.get(&genesis.key)?),
        None => None,
    };
    let keys = of.manifests.iter().map(|file| file.key.clone());
    let files: Vec<_> = (objects.get_many(keys.collect())?.into_iter())
        .map(|(key, bytes)| (layout::name(&key).to_owned(), bytes))
        .collect();
    Ok(read(org, chain, genesis.as_deref(), &files))
}

/// Tells whether a chain lived in the time that is asked for; of one that cannot be read nobody knows.
fn lived(work: &Work<'_>, read: &ReadChain) -> bool {
    let Some(genesis) = &read.genesis else {
        return true;
    };
    let last = read.manifests.last();
    let end = last.map_or(genesis.created_at, |last| last.manifest.created_at);
    let is_too_early = work.from.is_some_and(|from| end < from);
    let is_too_late = work.to.is_some_and(|to| genesis.created_at >= to);
    !is_too_early && !is_too_late
}

fn reached(believed: &Believed) -> Reached {
    Reached {
        name: believed.name.clone(),
        signed: believed.manifest.created_at,
        sha256: believed.sha256.clone(),
        tree_size: believed.manifest.tree_size,
        root: believed.manifest.root.clone(),
    }
}

impl Checked {
    /// Finds who pins the installation.
    fn pin(&mut self, trust: Option<&Trust>) {
        let (Some(trust), Some(genesis)) = (trust, &self.genesis) else {
            return;
        };
        match trust.vouches(genesis) {
            Ok(name) => self.installation = Some(name.to_owned()),
            Err(found) => self.findings.push(Finding::new(
                Code::E10,
                (&self.chain, "genesis.json"),
                "a signature of a pinned installation",
                found,
            )),
        }
    }

    /// Tells how many rows the believed manifests vouch for.
    pub(super) fn tree_size(&self) -> u64 {
        self.manifests.last().map_or(0, |last| last.tree_size)
    }

    /// Tells of it in a report.
    pub(super) fn told(&self) -> Option<ChainTold> {
        let genesis = self.genesis.as_ref()?;
        Some(ChainTold {
            org: self.org.clone(),
            chain: self.chain.clone(),
            host: genesis.host_id.clone(),
            installation: self.installation.clone(),
            from: genesis.created_at,
            to: self.last_at.unwrap_or(genesis.created_at),
            manifests: self.manifests.len() as u64,
            rows: self.tree_size(),
            closed: self.is_closed,
            acknowledged_rows: self.acknowledged_rows,
            witnessed_rows: self.witnessed,
        })
    }
}

/// Checks the objects of all believed manifests, some at once, and the tree that they make.
fn segments(
    work: &Work<'_>,
    read: &ReadChain,
    acknowledged: &Acknowledged,
    checked: &mut Checked,
) -> Result<(), RecordError> {
    let Shelves {
        objects, evidence, ..
    } = work.shelves;
    let expired = Expired::of(objects, evidence, read.genesis.as_ref(), work.now)?;
    let mut tree = (work.shelves.deep == Deep::Rows).then(Tree::default);
    for window in read.manifests.chunks(work.threads.max(1)) {
        let segments: Vec<Result<Segment, RecordError>> = thread::scope(|scope| {
            let started: Vec<_> = window
                .iter()
                .map(|believed| {
                    scope.spawn(|| segment::check(&work.shelves, &believed.manifest, expired))
                })
                .collect();
            let joined = started.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(RecordError::Unreachable {
                        store: work.shelves.chain.to_owned(),
                        cause: "a thread that read it ended by a panic".to_owned(),
                    })
                })
            });
            joined.collect()
        });
        for (believed, segment) in window.iter().zip(segments) {
            let segment = segment?;
            (work.done)(&segment.counts);
            checked.counts.add(&segment.counts);
            checked.findings.extend(segment.findings);
            let leaves = segment.leaves.as_deref().unwrap_or_default();
            let first_seq = believed.manifest.first_seq;
            let differing = acknowledged.compare(&checked.chain, first_seq, leaves);
            checked.findings.extend(differing);
            tree = tree.zip(segment.leaves).map(|(mut tree, leaves)| {
                tree.extend(leaves);
                tree
            });
            if let Some(grown) = &tree
                && hex(&grown.root()) != believed.manifest.root
            {
                let expected = format!("rows that make the root {}", believed.manifest.root);
                let place = (&*checked.chain, &*believed.name);
                let found = format!("rows that make {}", hex(&grown.root()));
                checked
                    .findings
                    .push(Finding::new(Code::E50, place, expected, found));
                tree = None;
            }
            let place = (&*checked.chain, &*believed.name);
            let listed = &believed.manifest.objects;
            checked
                .cross
                .take(place, segment.facts, listed, &mut checked.findings);
        }
    }
    Ok(())
}

/// Checks checkpoints that witnesses signed: each is a manifest's, and what a pinned witness signed holds.
fn notes(work: &Work<'_>, read: &ReadChain, checked: &mut Checked) -> Result<(), RecordError> {
    for file in &work.files.notes {
        let bytes = work.shelves.objects.get(&file.key)?;
        match note(work.trust, read, layout::name(&file.key), &bytes) {
            Ok(None) => {}
            Ok(Some((size, times))) => {
                checked.witnessed = checked.witnessed.max(Some(size));
                checked.times.push(times);
            }
            // A note of a manifest that is not believed says nothing.
            Err(_) if !checked.is_whole => {}
            Err((expected, found)) => {
                let place = (&*checked.chain, &*file.key);
                let finding = Finding::new(Code::E30, place, expected, found);
                checked.findings.push(finding);
            }
        }
    }
    Ok(())
}

fn note(
    trust: Option<&Trust>,
    read: &ReadChain,
    name: &str,
    bytes: &[u8],
) -> Result<Option<(u64, Times)>, (String, String)> {
    let differs = |expected: &str, found: &str| (expected.to_owned(), found.to_owned());
    let n = numbered(name, ("c-", ".note"), bytes).ok_or_else(|| {
        differs(
            "a note named by its number and bytes",
            "another name or bytes",
        )
    })?;
    let manifest = usize::try_from(n).ok().and_then(|n| read.manifests.get(n));
    let manifest = manifest.ok_or_else(|| differs("a note of a manifest", "one of none"))?;
    let text = std::str::from_utf8(bytes).map_err(|_| differs("UTF-8 text", "other bytes"))?;
    let unread = |error: NoteError| differs("a signed checkpoint", &error.to_string());
    let note = Note::parse(text).map_err(unread)?;
    let own = Note::parse(&manifest.manifest.checkpoint).map_err(unread)?;
    if note.text() != own.text() {
        return Err(differs("the manifest's checkpoint", "another"));
    }
    let mut seen = None;
    for witness in trust.map(Trust::witnesses).unwrap_or_default() {
        match note.verify(witness) {
            Ok(seen_s) => {
                let times = Times::of(&manifest.name, manifest.manifest.created_at, seen_s);
                seen = Some((manifest.manifest.tree_size, times));
            }
            Err(NoteError::Unsigned) => {}
            Err(error) => {
                return Err(differs(
                    &format!("a signature of {}", witness.name()),
                    &error.to_string(),
                ));
            }
        }
    }
    Ok(seen)
}

/// Reads a name of number and hash; none where it is not one, or the bytes have another hash.
fn numbered(name: &str, (begin, end): (&str, &str), bytes: &[u8]) -> Option<u64> {
    let (n, hash) = name
        .strip_prefix(begin)?
        .strip_suffix(end)?
        .split_once('-')?;
    let n: u64 = n.parse().ok()?;
    let is_own = hash.len() == 16 && hex(&sha256(bytes)).starts_with(hash);
    (is_own && format!("{begin}{n:08}-{hash}{end}") == name).then_some(n)
}
