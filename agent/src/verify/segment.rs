//! One manifest's objects: whether they are there, whole, and make the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::compacted::Compactions;
use super::expired::Expired;
use super::objects::{Named, Objects};
use super::report::{Counts, Finding};
use crate::record::chain::documents::{Listed, Manifest};
use crate::record::chain::problem::Code;
use crate::record::chain::tree::Hash;
use crate::record::encryption::KeyRing;
use crate::record::{Facts, Key, RecordError, Unread, hex, leaves, read_leaves, sha256};

/// What segments of one chain are looked up in.
pub(super) struct Shelves<'a> {
    pub(super) objects: &'a dyn Objects,
    pub(super) org: &'a str,
    pub(super) chain: &'a str,
    /// What the chain's folders hold, by key.
    pub(super) listed: &'a BTreeMap<String, u64>,
    pub(super) evidence: &'a BTreeMap<String, Named>,
    /// Keys that were destroyed.
    pub(super) erased: &'a BTreeSet<String>,
    /// What was compacted.
    pub(super) compactions: &'a Compactions,
    /// What opens encrypted objects.
    pub(super) ring: &'a Arc<KeyRing>,
    /// Whether rows are read.
    pub(super) deep: Deep,
}

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deep {
    /// Documents, and the bytes of objects.
    Objects,
    /// Rows too.
    Rows,
}

/// What a segment came to.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) findings: Vec<Finding>,
    pub(super) counts: Counts,
    /// The leaves of its rows; none where they were not read, or cannot all be told.
    pub(super) leaves: Option<Vec<Hash>>,
    pub(super) facts: Facts,
}

/// Leaves as they are gathered.
struct Slots {
    first_seq: u64,
    slots: Vec<Option<Hash>>,
    // How many come from a list of leaves alone.
    by_leaf: u64,
}

/// Checks a segment.
pub(super) fn check(
    with: &Shelves<'_>,
    manifest: &Manifest,
    expired: Expired,
) -> Result<Segment, RecordError> {
    let mut segment = Segment::default();
    segment.counts.manifests = 1;
    segment.counts.rows = manifest.tree_size - manifest.first_seq;
    let size = segment.counts.rows.min(most_rows(with, manifest));
    let mut slots = Slots {
        first_seq: manifest.first_seq,
        slots: vec![None; usize::try_from(size).unwrap_or(usize::MAX)],
        by_leaf: 0,
    };
    // Leaves last: they fill what could not be read.
    let mut listed: Vec<&Listed> = manifest.objects.iter().collect();
    listed.sort_by_key(|object| object.table == "leaves");
    for object in listed {
        segment.findings.extend(with.compactions.listed(object));
        let may_be_gone = expired.has(manifest, object);
        let Some(bytes) = fetch(with, (object, may_be_gone), &mut segment)? else {
            slots.fill(with, object, &mut segment.findings);
            continue;
        };
        if with.deep == Deep::Rows {
            rows(with, object, bytes, &mut slots, &mut segment);
        }
    }
    for hash in &manifest.evidence {
        evidence(with, hash, &mut segment)?;
    }
    if with.deep == Deep::Rows && segment.findings.is_empty() {
        segment.counts.rows_by_leaf = slots.by_leaf;
        let read = slots.slots.iter().flatten().count() as u64;
        segment.counts.rows_read = read.saturating_sub(slots.by_leaf);
        segment.leaves = slots.whole(with, manifest, &mut segment.findings);
    }
    Ok(segment)
}

/// Gives how many rows there may be: what a manifest says of its size counts as far as there are bytes for it, since each
/// row has an id of its own and takes more than one. Else a forged manifest would have memory taken that is not there.
fn most_rows(with: &Shelves<'_>, manifest: &Manifest) -> u64 {
    let of_object = |object: &Listed| {
        let bytes = with.listed.get(&object.key).copied().unwrap_or(0);
        // One that is gone has the rows that compacted files have of it.
        let compacted = with.compactions.leaves(object).len() as u64;
        object.rows.unwrap_or(0).min(bytes.max(compacted))
    };
    let rows = manifest.objects.iter().map(of_object);
    rows.fold(0, u64::saturating_add)
}

/// Reads an object and compares it with what the manifest says of it.
fn fetch(
    with: &Shelves<'_>,
    (object, may_be_gone): (&Listed, bool),
    segment: &mut Segment,
) -> Result<Option<Bytes>, RecordError> {
    let place = (with.chain, object.key.as_str());
    let told = |size, hash: &str| format!("{size} bytes with SHA-256 {hash}");
    let Some(stored) = with.listed.get(&object.key) else {
        if object
            .key_id
            .as_ref()
            .is_some_and(|id| with.erased.contains(id))
        {
            segment.counts.erased_objects += 1;
        } else if with.compactions.has(object) {
            segment.counts.compacted_objects += 1;
        } else if may_be_gone {
            segment.counts.expired_objects += 1;
        } else {
            let finding = Finding::new(Code::E40, place, "an object", "none");
            segment.findings.push(finding);
        }
        return Ok(None);
    };
    // One of another length is not read: somebody may have made it longer than memory is.
    if *stored != object.size {
        let expected = told(object.size, &object.sha256);
        let found = format!("{stored} bytes");
        let finding = Finding::new(Code::E41, place, expected, found);
        segment.findings.push(finding);
        return Ok(None);
    }
    let bytes = with.objects.get(&object.key)?;
    segment.counts.objects += 1;
    segment.counts.bytes += bytes.len() as u64;
    let found = hex(&sha256(&bytes));
    if found != object.sha256 || bytes.len() as u64 != object.size {
        let expected = told(object.size, &object.sha256);
        let found = told(bytes.len() as u64, &found);
        let finding = Finding::new(Code::E41, place, expected, found);
        segment.findings.push(finding);
        return Ok(None);
    }
    if object
        .key_id
        .as_ref()
        .is_some_and(|id| with.erased.contains(id))
    {
        segment.counts.erased_objects += 1;
        return Ok(None);
    }
    Ok(Some(bytes))
}

fn evidence(with: &Shelves<'_>, hash: &str, segment: &mut Segment) -> Result<(), RecordError> {
    let key = format!("{}/v1/evidence/{hash}", with.org);
    let place = (with.chain, key.as_str());
    if !with.evidence.contains_key(hash) {
        let finding = Finding::new(Code::E40, place, "a document", "none");
        segment.findings.push(finding);
        return Ok(());
    }
    let found = hex(&sha256(&with.objects.get(&key)?));
    if found != hash {
        let finding = Finding::new(Code::E41, place, format!("SHA-256 {hash}"), found);
        segment.findings.push(finding);
    }
    Ok(())
}

/// Takes the leaves of an object's rows.
fn rows(
    with: &Shelves<'_>,
    object: &Listed,
    bytes: Bytes,
    slots: &mut Slots,
    segment: &mut Segment,
) {
    let place = (with.chain, object.key.as_str());
    let mut tell = |finding| segment.findings.push(finding);
    if object.table == "leaves" {
        match read_leaves(&bytes) {
            Some(leaves) => {
                for (after, leaf) in leaves {
                    let seq = slots.first_seq.saturating_add(after.into());
                    if let Err((expected, found)) = slots.list(seq, leaf) {
                        tell(Finding::new(Code::E50, place, expected, found).at(seq));
                    }
                }
            }
            None => tell(Finding::new(
                Code::E51,
                place,
                "leaves of 36 bytes",
                "another length",
            )),
        }
        return;
    }
    if object.table == "result_rows" {
        return;
    }
    let key = Key::parse(&object.key).filter(|key| {
        let is_same = |seq, told: Option<u64>| u64::try_from(seq).ok() == told;
        key.table == object.table
            && key.tier == object.tier
            && is_same(key.seq_min, object.seq_min)
            && is_same(key.seq_max, object.seq_max)
    });
    let Some(key) = key else {
        let expected = format!(
            "a key of table {}, tier {} and the rows told",
            object.table, object.tier
        );
        tell(Finding::new(Code::E51, place, expected, "another"));
        return;
    };
    let leafed = match leaves(&key, bytes, with.ring) {
        Ok(leafed) => leafed,
        Err(Unread::Closed(_)) => {
            segment.counts.encrypted_objects += 1;
            return;
        }
        Err(error) => {
            let expected = "rows of its table, chain and range";
            tell(Finding::new(Code::E51, place, expected, error));
            return;
        }
    };
    if object.rows != Some(leafed.leaves.len() as u64) {
        let expected = format!("{:?} rows", object.rows);
        tell(Finding::new(
            Code::E51,
            place,
            expected,
            leafed.leaves.len(),
        ));
    }
    if let Some(finding) = other_session(place, object, &leafed.facts) {
        tell(finding);
    }
    if let Some(told) = object
        .columns
        .as_ref()
        .filter(|told| **told != leafed.columns)
    {
        let expected = format!("columns {told}");
        tell(Finding::new(Code::E51, place, expected, leafed.columns));
    }
    let differs = with.compactions.compare(object, &leafed.leaves);
    differs.into_iter().for_each(&mut tell);
    for (seq, leaf) in leafed.leaves {
        if let Err((expected, found)) = slots.read(seq, leaf) {
            tell(Finding::new(Code::E50, place, expected, found).at(seq));
        }
    }
    segment.facts.extend(leafed.facts);
}

/// Finds a row of a session that the manifest does not tell of: who reads one session would not look there.
fn other_session(place: (&str, &str), object: &Listed, facts: &Facts) -> Option<Finding> {
    let told = object.sessions.as_ref()?;
    let sessions = facts.sessions.iter();
    let mut named = sessions.map(|(session, seq)| (Uuid::from_u128(*session), *seq));
    let is_other =
        |(session, _): &(Uuid, u64)| !session.is_nil() && !object.may_tell_of(&session.to_string());
    let (session, seq) = named.find(is_other)?;
    let expected = format!("rows of sessions {} to {}", told.0, told.1);
    Some(
        Finding::new(
            Code::E51,
            place,
            expected,
            format!("one of session {session}"),
        )
        .at(seq),
    )
}

type Differs = (&'static str, &'static str);

impl Slots {
    fn slot(&mut self, seq: u64) -> Result<&mut Option<Hash>, Differs> {
        let place = seq.checked_sub(self.first_seq);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let slot = place.and_then(|place| self.slots.get_mut(place));
        slot.ok_or(("a row of the manifest", "one of another"))
    }

    /// Puts a row's leaf to its place.
    fn read(&mut self, seq: u64, leaf: Hash) -> Result<(), Differs> {
        let slot = self.slot(seq)?;
        if slot.is_some() {
            return Err(("one row at its place", "two"));
        }
        *slot = Some(leaf);
        Ok(())
    }

    /// Puts the leaves of an object that is gone to their places, where compacted files have its rows.
    fn fill(&mut self, with: &Shelves<'_>, object: &Listed, findings: &mut Vec<Finding>) {
        for (seq, leaf) in with.compactions.leaves(object) {
            if let Err((expected, found)) = self.read(*seq, *leaf) {
                let place = (with.chain, object.key.as_str());
                findings.push(Finding::new(Code::E50, place, expected, found).at(*seq));
            }
        }
    }

    /// Puts a leaf that is only listed to its place, unless its row was read.
    fn list(&mut self, seq: u64, leaf: Hash) -> Result<(), Differs> {
        let slot = self.slot(seq)?;
        match slot {
            Some(read) if *read != leaf => Err(("the leaf of the row", "another leaf")),
            Some(_) => Ok(()),
            None => {
                *slot = Some(leaf);
                self.by_leaf += 1;
                Ok(())
            }
        }
    }

    fn whole(
        self,
        with: &Shelves<'_>,
        manifest: &Manifest,
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<Hash>> {
        let what = format!("manifest {}", manifest.n);
        let place = (with.chain, what.as_str());
        let size = self.slots.len() as u64;
        let missing = self.slots.iter().position(Option::is_none);
        let missing = missing.map_or(size, |missing| missing as u64);
        if missing < manifest.tree_size - manifest.first_seq {
            let finding = Finding::new(Code::E50, place, "a row at each place", "none");
            findings.push(finding.at(self.first_seq + missing));
            return None;
        }
        Some(self.slots.into_iter().flatten().collect())
    }
}
