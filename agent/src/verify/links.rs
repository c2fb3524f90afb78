//! What chains and witnesses know of each other: tails that are missing, forks, ends that need an explanation. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::chain::Checked;
use super::report::Finding;
use super::times::Times;
use super::trust::Trust;
use crate::record::Key;
use crate::record::chain::documents::origin;
use crate::record::chain::note::{Checkpoint, Note, NoteError};
use crate::record::chain::problem::Code;
use crate::record::hex;

/// How long a chain that is alive may say nothing: five of its heartbeats.
const SILENCE: TimeDelta = TimeDelta::minutes(5);

/// Compares each chain with what the next chain of the same spool says of it. `complete` says that no chain was left out.
pub(super) fn previous(chains: &[Checked]) -> Vec<Finding> {
    let by_name: BTreeMap<(&str, &str), &Checked> = chains
        .iter()
        .map(|chain| ((&*chain.org, &*chain.chain), chain))
        .collect();
    let mut findings = Vec::new();
    let mut named: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for chain in chains {
        let Some(before) = chain
            .genesis
            .as_ref()
            .and_then(|genesis| genesis.previous.as_ref())
        else {
            continue;
        };
        let name = (&*chain.org, &*before.chain);
        if let Some(found) = by_name.get(&name)
            && found.genesis.is_some()
            && !is_of_one_installation(chain, found)
        {
            let expected = "a chain before it that the same installation began";
            let found = format!("{}, which another began", before.chain);
            let place = (&*chain.chain, "genesis.json");
            findings.push(Finding::new(Code::E20, place, expected, found));
            continue;
        }
        if let Some(other) = named.insert(name, &chain.chain) {
            let expected = "one chain that follows it";
            let found = format!("{other} and {}", chain.chain);
            let place = (&*before.chain, "genesis.json");
            findings.push(Finding::new(Code::E22, place, expected, found));
        }
        let Some(last) = &before.manifest else {
            continue;
        };
        let told = format!(
            "manifest {} with {} rows, as chain {} says",
            last.n, last.tree_size, chain.chain
        );
        let Some(found) = by_name.get(&name) else {
            let place = (&*before.chain, "chain");
            findings.push(Finding::new(Code::E71, place, told, "no such chain"));
            continue;
        };
        let n = usize::try_from(last.n).unwrap_or(usize::MAX);
        let what = format!("manifest {}", last.n);
        let place = (&*before.chain, &*what);
        match found.manifests.get(n) {
            // A chain that breaks before tells so itself.
            None if !found.is_whole => {}
            None => {
                let found = format!(
                    "{} manifests with {} rows",
                    found.manifests.len(),
                    found.tree_size()
                );
                findings.push(Finding::new(Code::E71, place, told, found));
            }
            Some(reached) if reached.sha256 != last.sha256 => {
                let expected = format!("SHA-256 {}, as chain {} says", last.sha256, chain.chain);
                findings.push(Finding::new(Code::E22, place, expected, &reached.sha256));
            }
            Some(_) if found.manifests.len() > n + 1 => {
                let found = format!("{} more", found.manifests.len() - n - 1);
                findings.push(Finding::new(Code::E22, place, "the last manifest", found));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Tells of sessions with rows in chains of several installations: a session is one host's, and what another wrote of it is
/// made up. Chains that nobody vouches for are told as such, and accuse nobody.
pub(super) fn sessions(chains: &[Checked]) -> Vec<Finding> {
    let mut holders: BTreeMap<(&str, u128), &Checked> = BTreeMap::new();
    let mut findings = Vec::new();
    let is_vouched =
        |chain: &&Checked| !(chain.findings.iter()).any(|finding| finding.code == Code::E10);
    for chain in chains.iter().filter(is_vouched) {
        for (session, row) in &chain.cross.sessions {
            let holder = *holders.entry((&chain.org, *session)).or_insert(chain);
            if !is_of_one_installation(chain, holder) && chain.chain != holder.chain {
                let session = Uuid::from_u128(*session).to_string();
                let expected = "rows of a session in chains of one installation";
                let found = format!("rows also in chain {}, which another began", holder.chain);
                let place = (&*chain.chain, &*session);
                findings.push(Finding::new(Code::E51, place, expected, found).at(*row));
            }
        }
    }
    findings
}

/// Tells whether one installation began both chains: a host says nothing of how another's chains ended.
fn is_of_one_installation(one: &Checked, other: &Checked) -> bool {
    let installation = |chain: &Checked| {
        let genesis = chain.genesis.as_ref();
        genesis.map(|genesis| genesis.installation.clone())
    };
    installation(one).is_some() && installation(one) == installation(other)
}

/// Says which chains did not end, and why, where it is known.
pub(super) fn ends(chains: &[Checked], now: DateTime<Utc>) -> Vec<Finding> {
    let mut followed: BTreeMap<(&str, &str), Vec<&Checked>> = BTreeMap::new();
    for chain in chains {
        let genesis = chain.genesis.as_ref();
        if let Some(before) = genesis.and_then(|genesis| genesis.previous.as_ref()) {
            let name = (&*chain.org, &*before.chain);
            followed.entry(name).or_default().push(chain);
        }
    }
    let mut findings = Vec::new();
    for chain in chains {
        let Some(genesis) = chain
            .genesis
            .as_ref()
            .filter(|_| !chain.is_closed && chain.is_whole)
        else {
            continue;
        };
        let last = chain.last_at.unwrap_or(genesis.created_at);
        let age = now - last;
        let next = followed.get(&(&*chain.org, &*chain.chain));
        let mut next = next.into_iter().flatten();
        let explained = match next.find(|next| is_of_one_installation(chain, next)) {
            Some(next) => Some(format!("the host went on with chain {}", next.chain)),
            None if age <= SILENCE => Some("it is alive".to_owned()),
            None => None,
        };
        let found = format!("its last manifest, of {last}");
        let place = (&*chain.chain, "chain");
        let finding = Finding::new(Code::W70, place, "a manifest that closes it", found);
        findings.push(finding.explained(explained));
    }
    findings
}

/// Says which objects of a chain no manifest lists. What follows the tree of a chain that is alive comes to be listed.
pub(super) fn unlisted(chain: &Checked, now: DateTime<Utc>) -> Vec<Finding> {
    // Where a chain breaks nobody knows what its later manifests list.
    if !chain.is_whole {
        return Vec::new();
    }
    let is_alive = chain.last_at.is_some_and(|last| now - last <= SILENCE) && !chain.is_closed;
    let told = |key: &String| {
        let seq = Key::parse(key).and_then(|key| u64::try_from(key.seq_min).ok());
        let is_later = seq.is_none_or(|seq| seq >= chain.tree_size());
        let is_rows = key.contains("/result_rows/") || key.ends_with(".leaves");
        let is_of_next = is_later && (seq.is_some() || is_rows);
        let (code, explained) = match (chain.is_closed, is_of_next) {
            (false, true) if is_alive => (
                Code::W43,
                Some("the chain is alive and will list it".to_owned()),
            ),
            (false, true) => (Code::W43, None),
            _ => (Code::E43, None),
        };
        let place = (&*chain.chain, &**key);
        Finding::new(
            code,
            place,
            "an object that a manifest lists",
            "one that none lists",
        )
        .explained(explained)
    };
    chain.unlisted.iter().map(told).collect()
}

/// Compares the chains with what a witness says it saw: each of its notes is a checkpoint with its signature.
pub(super) fn witnessed(
    chains: &mut [Checked],
    notes: &[String],
    trust: Option<&Trust>,
    is_asked: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in notes {
        let (checkpoint, seen_s) = match seen(text, trust) {
            Ok(seen) => seen,
            Err(error) => {
                let place = ("", "witness");
                let expected = "a checkpoint that a pinned witness signed";
                findings.push(Finding::new(Code::E30, place, expected, error));
                continue;
            }
        };
        let found = chains
            .iter_mut()
            .find(|chain| origin(&chain.org, &chain.chain) == checkpoint.origin);
        let name = checkpoint.origin.rsplit('/').next().unwrap_or_default();
        if !is_asked(name) {
            continue;
        }
        let told = format!(
            "{} rows, as the witness saw at {}",
            checkpoint.size,
            time(seen_s)
        );
        let Some(chain) = found else {
            let place = (name, "chain");
            findings.push(Finding::new(Code::E71, place, told, "no such chain"));
            continue;
        };
        let size = chain.tree_size();
        let root = hex(&checkpoint.root);
        let is_known = |reached: &super::chain::Reached| {
            reached.tree_size == checkpoint.size && reached.root == root
        };
        let place = (&*chain.chain, "tree");
        if checkpoint.size > size {
            findings.push(Finding::new(Code::E71, place, told, format!("{size} rows")));
            continue;
        }
        // Heartbeats sign the same tree again.
        let known = chain.manifests.iter().filter(|reached| is_known(reached));
        let times = known.map(|reached| Times::of(&reached.name, reached.signed, Some(seen_s)));
        let nearest = times.min_by_key(Times::apart);
        if checkpoint.size > 0 && nearest.is_none() {
            let expected = format!("a manifest with {told} and the root {root}");
            findings.push(Finding::new(Code::E22, place, expected, "none"));
        } else {
            chain.times.extend(nearest);
            chain.witnessed = chain.witnessed.max(Some(checkpoint.size));
        }
    }
    findings
}

/// Reads a note of a witness, and when it was signed.
fn seen(text: &str, trust: Option<&Trust>) -> Result<(Checkpoint, u64), NoteError> {
    let note = Note::parse(text)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    let mut found = NoteError::Unsigned;
    for witness in trust.map(Trust::witnesses).unwrap_or_default() {
        match note.verify(witness) {
            Ok(time_s) => return Ok((checkpoint, time_s.unwrap_or_default())),
            Err(error) => found = error,
        }
    }
    Err(found)
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map(|time| time.to_rfc3339()).unwrap_or_default()
}
