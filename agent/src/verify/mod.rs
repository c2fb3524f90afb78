//! `icecore verify`: whether a record is what was written, all of it, by whom it says. The steps are those of docs/verify.md.
//!
//! `record::chain::read` says which documents of a chain may be believed, `segment` compares objects and rows with them,
//! `cross` compares tables with each other, `links` compares chains with their successors and with what a witness saw.

mod approved;
mod approvers;
mod chain;
mod compacted;
mod cross;
mod enrolled;
mod erased;
mod expired;
mod frames;
mod holders;
mod layout;
mod links;
mod named;
mod objects;
mod replayed;
mod proof;
mod prove;
mod report;
mod rules;
mod segment;
mod times;
mod trust;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use chrono::{DateTime, Utc};

use crate::record::chain::problem::Code;
use crate::record::encryption::KeyRing;
use crate::record::{RecordError, Store, StoreAt, hex, sha256};
use crate::replay::{Archive, ReadError, Readers, Wanted, counted};
use chain::{Checked, Work};
use compacted::Compactions;
pub(crate) use enrolled::enrolled_in;
use erased::Erased;
use layout::Layout;
use objects::{Named, Objects};
pub use proof::{ChainProof, Proof, RowProof, Shown, ShownChain};
pub(crate) use prove::{Form, Proved, Wanted as ToProve, prove_all};
pub use prove::{ProveError, proved};
pub use report::{ChainTold, Counts, Finding, Report};
pub use segment::Deep;
use segment::Shelves;
pub use trust::Trust;

/// What is to be checked, and by what.
pub struct Asked<'a> {
    /// Whom to believe; without it nothing is pinned, and nothing is clean.
    pub trust: Option<&'a Trust>,
    /// Chains that lived at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Chains that began before this time.
    pub to: Option<DateTime<Utc>>,
    /// One chain alone.
    pub chain: Option<&'a str>,
    /// How far to go.
    pub deep: Deep,
    /// The latest checkpoint of each chain that a witness signed, as signed notes.
    pub witnessed: Option<&'a [String]>,
    /// Whether recorded decisions are made again.
    pub replay: bool,
    /// What the time is.
    pub now: DateTime<Utc>,
    /// How many threads may work.
    pub threads: usize,
    /// Is told what was looked at, part by part.
    pub done: &'a (dyn Fn(&Counts) + Sync),
}

/// Checks the record in a store, with what readers can open of it.
///
/// # Errors
/// The store cannot be reached: then nothing is said of it.
pub fn check(store: &str, readers: Readers, asked: &Asked<'_>) -> Result<Report, ReadError> {
    let at = StoreAt::read(store)?;
    let objects = Store::open(&at)?;
    let ring = readers.clone().ring(&at)?;
    let mut report = verify(&objects, &ring, asked)?;
    if asked.replay {
        let archive = Archive::read_as(store, readers)?;
        let wanted = Wanted {
            from_us: asked.from.map(|from| from.timestamp_micros()),
            to_us: asked.to.map(|to| to.timestamp_micros()),
            session: None,
        };
        replayed::decisions(&objects, &archive, wanted, &mut report)?;
        approved::approvals(&objects, &archive, &mut report)?;
    }
    Ok(report)
}

/// Checks a record; `ring` opens encrypted objects.
fn verify(
    objects: &dyn Objects,
    ring: &Arc<KeyRing>,
    asked: &Asked<'_>,
) -> Result<Report, RecordError> {
    let (layouts, strays) = layout::sort(objects.list("")?);
    let (trusts, unvouched) = enrolled::trusts(objects, &layouts, asked.trust)?;
    let compactions = Compactions::read(objects, &layouts, &trusts, asked)?;
    let mut erased = BTreeMap::new();
    for (org, layout) in &layouts {
        let of_org = erased::read(objects, (org, layout), trusts.get(org.as_str()))?;
        erased.insert(org.as_str(), of_org);
    }
    let read = (objects, ring, &compactions, &erased);
    let mut chains = checked(read, &layouts, &trusts, asked)?;
    let mut report = Report {
        pinned: asked.trust.is_some(),
        ..Report::default()
    };
    let is_all = asked.from.is_none() && asked.to.is_none() && asked.chain.is_none();
    let mut findings: Vec<Finding> = unvouched;
    findings.extend(
        erased
            .into_values()
            .flat_map(|erased| erased.findings)
            .filter(|finding| {
                is_all || chains.iter().any(|checked| checked.chain == finding.chain)
            }),
    );
    report.checked.compactions = compactions.believed;
    findings.extend(compactions.findings.iter().cloned());
    findings.extend(
        compactions.unlisted(|chain| is_all || chains.iter().any(|checked| checked.chain == chain)),
    );
    if is_all {
        findings.extend(links::previous(&chains));
        findings.extend(strays.iter().map(stray));
        for layout in layouts.values() {
            findings.extend(evidence(objects, layout, &chains)?);
        }
    }
    if let Some(notes) = asked.witnessed {
        let names: Vec<String> = chains.iter().map(|chain| chain.chain.clone()).collect();
        let is_asked = |name: &str| match asked.chain {
            Some(chain) => name == chain,
            None => is_all || names.iter().any(|one| one == name),
        };
        findings.extend(links::witnessed(&mut chains, notes, asked.trust, is_asked));
    }
    findings.extend(links::ends(&chains, asked.now));
    findings.extend(links::sessions(&chains));
    if is_all {
        findings.extend(orphans(&chains));
    }
    findings.extend(named::clocks(&chains));
    findings.extend(times::told(&chains));
    for (org, layout) in &layouts {
        let told = rules::check(objects, org, layout, &chains, &mut findings)?;
        report.checked.rules_untold += told;
        findings.extend(named::missing(org, layout, &chains));
    }
    for chain in &mut chains {
        chain.counts.texts = chain.cross.texts;
        report.checked.add(&chain.counts);
        report.chains.extend(chain.told());
        for finding in std::mem::take(&mut chain.findings) {
            report.tell(finding);
        }
        for finding in links::unlisted(chain, asked.now) {
            report.tell(finding);
        }
    }
    for finding in findings {
        report.tell(finding);
    }
    Ok(report)
}

fn stray(stray: &Named) -> Finding {
    let expected = "an object of the record's layout";
    let found = format!("another, of {}", counted(stray.size, "byte"));
    Finding::new(Code::E43, ("", &stray.key), expected, found)
}

/// Compares documents that no manifest names with their own names: they are nobody's word, but must not pass for others.
fn evidence(
    objects: &dyn Objects,
    layout: &Layout,
    chains: &[Checked],
) -> Result<Vec<Finding>, RecordError> {
    let mut findings = Vec::new();
    for (name, named) in &layout.evidence {
        if chains.iter().any(|chain| chain.evidence.contains(name)) {
            continue;
        }
        let found = hex(&sha256(&objects.get(&named.key)?));
        if found != *name {
            let expected = "a document named by its SHA-256";
            let finding = Finding::new(Code::E41, ("", &named.key), expected, found);
            findings.push(finding);
        }
    }
    Ok(findings)
}

/// Tells of statements that were sent and whose intent no chain has.
fn orphans(chains: &[Checked]) -> Vec<Finding> {
    let open: std::collections::HashSet<u128> =
        chains.iter().flat_map(|chain| chain.cross.open()).collect();
    let mut findings = Vec::new();
    // Of what is in compacted files alone the leaves are read, and not what they say.
    let is_read = |chain: &&Checked| chain.is_whole && chain.counts.compacted_objects == 0;
    for chain in chains.iter().filter(is_read) {
        for (statement, seq) in &chain.cross.orphans {
            if !open.contains(statement) {
                let expected = "an intent before it was sent";
                let what = uuid::Uuid::from_u128(*statement).to_string();
                let finding = Finding::new(Code::E60, (&chain.chain, &what), expected, "none");
                findings.push(finding.at(*seq));
            }
        }
    }
    findings
}

/// Checks all chains that are asked for, some at once.
fn checked(
    (objects, ring, compactions, erased): (
        &dyn Objects,
        &Arc<KeyRing>,
        &Compactions,
        &BTreeMap<&str, Erased>,
    ),
    layouts: &BTreeMap<String, Layout>,
    trusts: &BTreeMap<&str, Trust>,
    asked: &Asked<'_>,
) -> Result<Vec<Checked>, RecordError> {
    let mut work = Vec::new();
    for (org, layout) in layouts {
        for (chain, files) in &layout.chains {
            if asked.chain.is_none_or(|asked| asked == chain)
                && let Some(erased) = erased.get(org.as_str())
            {
                work.push((org, layout, chain, files, &erased.keys));
            }
        }
    }
    let at_once = asked.threads.clamp(1, work.len().max(1));
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((org, layout, chain, files, erased)) =
                    work.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let checked = chain::check(&Work {
                        shelves: Shelves {
                            objects,
                            org,
                            chain,
                            listed: &files.listed,
                            evidence: &layout.evidence,
                            erased,
                            compactions,
                            ring,
                            deep: asked.deep,
                        },
                        files,
                        trust: trusts.get(org.as_str()),
                        threads: asked.threads.div_ceil(at_once),
                        from: asked.from,
                        to: asked.to,
                        now: asked.now,
                        done: asked.done,
                    });
                    let mut results = results
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    results.push(checked);
                }
            });
        }
    });
    let results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut chains = Vec::new();
    for result in results {
        chains.extend(result?);
    }
    chains.sort_by(|one, other| (&one.org, &one.chain).cmp(&(&other.org, &other.chain)));
    Ok(chains)
}

#[cfg(test)]
pub(crate) mod tests;
