//! The compacted layer as readers take it: the files of days that were written again, what of these days stays where it is,
//! and which chains need not be looked at any more.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{NaiveDate, NaiveTime};
use serde::Deserialize;

use super::chains::Chains;
use super::pinned::Pinned;
use super::scope::day;
use crate::record::chain::compaction::{
    BelievedCompaction, Output, ReadUpTo, document_key, document_of, folder, output_of, read_day,
};
use crate::record::chain::documents::Listed;
use crate::record::{Key, RecordError, RowsKey, Store, hex, sha256};

/// The believed compactions of a store.
#[derive(Debug, Default)]
pub(super) struct Curated {
    days: BTreeMap<(String, NaiveDate), Vec<Compacted>>,
    /// What of it is not taken since nothing is pinned, one line each.
    pub(super) unpinned: Vec<String>,
}

/// One of them.
#[derive(Debug)]
struct Compacted {
    believed: BelievedCompaction,
    kept: Vec<Listed>,
    /// How many manifests of each chain it read.
    read: BTreeMap<String, u64>,
}

/// Which compaction a file is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct From {
    pub(super) org: String,
    /// Where its sources are, and their SHA-256.
    sources: (String, String),
}

impl From {
    /// Lists the objects that a table's files were made of.
    ///
    /// # Errors
    /// Why it cannot be told, as a line.
    pub(super) fn inputs(&self, store: &Store, table: &str) -> Result<Vec<Listed>, String> {
        let (key, sha256) = &self.sources;
        let bytes = store.get(key).map_err(|error| format!("{key}: {error}"))?;
        let sources = Sources::read(&bytes, sha256).map_err(|reason| format!("{key}: {reason}"))?;
        let inputs = sources.inputs.into_iter();
        let inputs = inputs.filter(|input| input.table == table);
        let listed = inputs.map(|input| Listed {
            key: input.key.to_owned(),
            sha256: input.sha256.to_owned(),
            size: 0,
            table: table.to_owned(),
            tier: String::new(),
            seq_min: None,
            seq_max: None,
            rows: Some(input.rows),
            key_id: None,
        });
        Ok(listed.collect())
    }
}

/// What a reader takes of a store.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Objects that chains or compactions list.
    pub(super) raw: Vec<Listed>,
    /// Files of the compacted layer.
    pub(super) compacted: Vec<(From, Output)>,
    /// Rows of results of chains that are not looked at.
    pub(super) rows: Vec<Listed>,
    /// What is not read, and why, one line each.
    pub(super) refused: Vec<String>,
}

/// Which chains must be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uncovered {
    /// Those whose ids are not less.
    pub(super) from: String,
    /// Earlier ones that may have rows of other days.
    pub(super) open: BTreeSet<String>,
}

/// What a compaction's sources say that readers need.
#[derive(Deserialize)]
struct Sources<'a> {
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    kept: Vec<Listed>,
    left_out: Vec<crate::record::chain::compaction::LeftOut>,
    chains: Vec<ReadUpTo>,
}

#[derive(Deserialize)]
struct Input<'a> {
    key: &'a str,
    sha256: &'a str,
    chain: &'a str,
    table: &'a str,
    rows: u64,
}

impl<'a> Sources<'a> {
    fn read(bytes: &'a [u8], expected: &str) -> Result<Self, String> {
        if hex(&sha256(bytes)) != expected {
            return Err("its bytes are not those that were signed".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// How much of a chain the compactions of all days have together.
#[derive(Debug, Default)]
struct Reach {
    rows: u64,
    tree_size: u64,
    is_closed: bool,
}

impl Curated {
    /// Reads the compactions of an organisation; gives which chains must be looked at, where these are not all.
    ///
    /// A compaction can leave rows out, and chains that it says are read are not looked at: without a trust file none is
    /// believed, and all is read that chains list.
    pub(super) fn read(
        &mut self,
        (store, org): (&Store, &str),
        pinned: &Pinned,
        refused: &mut Vec<String>,
    ) -> Result<Option<Uncovered>, RecordError> {
        let Some(believes) = pinned.compactors(org) else {
            self.unpinned.extend(not_taken(store, org)?);
            return Ok(None);
        };
        let mut documents: BTreeMap<NaiveDate, Vec<(String, Bytes)>> = BTreeMap::new();
        for listed in store.list(&format!("{org}/v1/compactions"), None)? {
            let key = listed?.key;
            if let Some((_, day, _)) = document_of(&key) {
                let bytes = store.get(&key)?;
                documents.entry(day).or_default().push((key, bytes));
            }
        }
        let mut reach: BTreeMap<String, Reach> = BTreeMap::new();
        for (day, files) in documents {
            let read = read_day(org, day, &files, &believes);
            let problems = read.problems.iter();
            refused.extend(problems.map(|problem| format!("{}: {problem}", folder(org, day))));
            for believed in read.compactions {
                let at = &believed.compaction.sources;
                let bytes = store.get_if_there(&at.key)?.unwrap_or_default();
                let sources = match Sources::read(&bytes, &at.sha256) {
                    Ok(sources) => sources,
                    Err(reason) => {
                        // What it covers is not known, so nothing of the day is taken from it or from later ones.
                        refused.push(format!("{}: {reason}", at.key));
                        break;
                    }
                };
                let left_out = sources.left_out.iter();
                refused.extend(left_out.map(|out| format!("{}: {}", out.key, out.reason)));
                for input in &sources.inputs {
                    reach.entry(input.chain.to_owned()).or_default().rows += input.rows;
                }
                for kept in &sources.kept {
                    let chain = Key::parse(&kept.key).map(|key| key.chain);
                    if let (Some(chain), Some(rows)) = (chain, kept.rows) {
                        reach.entry(chain).or_default().rows += rows;
                    }
                }
                let mut read = BTreeMap::new();
                for chain in sources.chains {
                    let reached = reach.entry(chain.chain.clone()).or_default();
                    reached.tree_size = reached.tree_size.max(chain.tree_size);
                    reached.is_closed |= chain.closed;
                    read.insert(chain.chain, chain.manifests);
                }
                let compacted = Compacted {
                    kept: sources.kept,
                    read,
                    believed,
                };
                let of_day = self.days.entry((org.to_owned(), day)).or_default();
                of_day.push(compacted);
            }
        }
        let first = store.first_folder(&format!("{org}/v1/chains"))?;
        let Some(mut next) = first.as_deref().and_then(began_on) else {
            return Ok(None);
        };
        let began = next;
        while self.days.contains_key(&(org.to_owned(), next)) {
            let Some(day) = next.succ_opt() else { break };
            next = day;
        }
        // Without a chain before it, all are looked at.
        Ok((next > began).then(|| {
            let is_open = |reach: &Reach| !reach.is_closed || reach.rows != reach.tree_size;
            let open = reach.into_iter().filter(|(_, reach)| is_open(reach));
            Uncovered {
                from: first_id_of(next),
                open: open.map(|(chain, _)| chain).collect(),
            }
        }))
    }

    /// Lists the objects of chains that no compaction has written again.
    pub(super) fn raw<'c>(
        &self,
        chains: &'c Chains,
        is_asked: impl Fn(&str) -> bool,
    ) -> BTreeSet<&'c str> {
        let kept: BTreeSet<&str> = self.kept().map(|kept| kept.key.as_str()).collect();
        let mut raw = BTreeSet::new();
        for ((org, id), chain) in &chains.chains {
            for believed in &chain.read.manifests {
                let n = believed.manifest.n;
                for object in &believed.manifest.objects {
                    let is_again = || {
                        let days =
                            day(&object.key).and_then(|day| self.days.get(&(org.clone(), day)));
                        let mut of_day = days.into_iter().flatten();
                        of_day.any(|compacted| compacted.read.get(id).is_some_and(|read| n < *read))
                    };
                    if is_asked(&object.key) && (kept.contains(&*object.key) || !is_again()) {
                        raw.insert(object.key.as_str());
                    }
                }
            }
        }
        raw
    }

    /// Chooses the files of days, and objects that stay where they are; takes what it finds out of a listing.
    pub(super) fn choose(
        &self,
        chains: &Chains,
        there: &mut BTreeMap<String, u64>,
        is_asked: impl Fn(&str) -> bool,
        wanted: &mut Wanted,
    ) {
        for ((org, _), compacted) in self.all() {
            for output in compacted.outputs() {
                let is_there = there.remove(&output.key).is_some();
                if is_asked(&output.key) {
                    let from = compacted.from(org);
                    if !is_there {
                        let reason = "a compaction lists it, and it is not in the store";
                        wanted.refused.push(format!("{}: {reason}", output.key));
                    }
                    wanted.compacted.push((from, output.clone()));
                }
            }
            for kept in &compacted.kept {
                let rows = RowsKey::parse(&kept.key);
                let chain = kept.key.split('/').nth(3).unwrap_or_default();
                let is_listed = chains.chains.contains_key(&(org.clone(), chain.to_owned()));
                if is_asked(&kept.key) && !is_listed {
                    there.remove(&kept.key);
                    match rows {
                        Some(_) => wanted.rows.push(kept.clone()),
                        None => wanted.raw.push(kept.clone()),
                    }
                }
            }
        }
    }

    /// Lists the files of a table, or of all, of the days from one to another.
    pub(super) fn outputs(
        &self,
        table: Option<&str>,
        from: NaiveDate,
        to: Option<NaiveDate>,
    ) -> Vec<(From, Output)> {
        let mut outputs = Vec::new();
        for ((org, day), compacted) in self.all() {
            if *day < from || to.is_some_and(|to| *day > to) {
                continue;
            }
            let of_table = compacted.outputs().iter();
            let of_table =
                of_table.filter(|output| table.is_none_or(|table| output.table == table));
            outputs.extend(of_table.map(|output| (compacted.from(org), output.clone())));
        }
        outputs
    }

    /// Lists the documents of days and what they name, with their SHA-256.
    pub(super) fn documents(
        &self,
        is_asked: impl Fn(NaiveDate) -> bool,
    ) -> impl Iterator<Item = (String, Option<String>)> {
        let of_days = self.all().filter(move |((_, day), _)| is_asked(*day));
        of_days.flat_map(|((org, day), compacted)| {
            let at = &compacted.believed.compaction.sources;
            let key = document_key(org, *day, compacted.believed.compaction.n);
            [
                (at.key.clone(), Some(at.sha256.clone())),
                (key, Some(compacted.believed.sha256.clone())),
            ]
        })
    }

    fn kept(&self) -> impl Iterator<Item = &Listed> {
        self.all().flat_map(|(_, compacted)| &compacted.kept)
    }

    fn all(&self) -> impl Iterator<Item = (&(String, NaiveDate), &Compacted)> {
        let days = self.days.iter();
        days.flat_map(|(day, all)| all.iter().map(move |compacted| (day, compacted)))
    }
}

impl Compacted {
    fn outputs(&self) -> &[Output] {
        &self.believed.compaction.outputs
    }

    fn from(&self, org: &str) -> From {
        let at = &self.believed.compaction.sources;
        From {
            org: org.to_owned(),
            sources: (at.key.clone(), at.sha256.clone()),
        }
    }
}

/// Tells that an organisation's compactions are not taken, where it has any.
fn not_taken(store: &Store, org: &str) -> Result<Option<String>, RecordError> {
    let folder = format!("{org}/v1/compactions");
    let mut days = BTreeSet::new();
    for listed in store.list(&folder, None)? {
        days.extend(document_of(&listed?.key).map(|(_, day, _)| day));
    }
    Ok((!days.is_empty()).then(|| {
        format!(
            "{folder}: expected a trust file that pins who compacted {} days, found none: the objects that these were made of \
             are read in their place, which takes longer; --trust FILE or ICECORE_TRUST names one",
            days.len()
        )
    }))
}

/// Tells whether a key is of a file of the compacted layer.
pub(super) fn is_compacted(key: &str) -> bool {
    output_of(key).is_some()
}

/// Tells the day on which a chain began, as its id says.
fn began_on(chain: &str) -> Option<NaiveDate> {
    let id = uuid::Uuid::try_parse(chain).ok()?;
    let (seconds, _) = id.get_timestamp()?.to_unix();
    let at = chrono::DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
    Some(at.date_naive())
}

/// Gives the beginning of the least id of a day.
fn first_id_of(day: NaiveDate) -> String {
    let ms = day.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    let digits = format!("{ms:012x}");
    let (seconds, rest) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("{seconds}-{rest}")
}
