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
    BelievedCompaction, LeftOut, Output, ReadUpTo, SourcesAt, document_key, document_of, folder,
    output_of, read_day,
};
use crate::record::chain::documents::Listed;
use crate::record::chain::reach::Unfinished;
use crate::record::{RecordError, RowsKey, Store, hex, sha256};

/// The believed compactions of a store.
#[derive(Debug, Default)]
pub(super) struct Curated {
    days: BTreeMap<(String, NaiveDate), Vec<Compacted>>,
    /// What of it is not taken since nothing is pinned, one line each.
    pub(super) unpinned: Vec<String>,
    uncovered: BTreeMap<String, Uncovered>,
}

/// One of them.
#[derive(Debug)]
struct Compacted {
    believed: BelievedCompaction,
    kept: Vec<Listed>,
    /// How many manifests it read of each chain that must be looked at.
    read: BTreeMap<String, u64>,
    is_looked_at: bool,
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
        let inputs = signed::<Inputs<'_>>(&bytes, sha256);
        let inputs = inputs.map_err(|reason| format!("{key}: {reason}"))?.inputs;
        let inputs = inputs.into_iter();
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
            sessions: None,
            columns: None,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uncovered {
    /// Those whose ids are not less.
    pub(super) from: String,
    /// Earlier ones that may have rows of other days.
    pub(super) open: BTreeSet<String>,
}

/// What a compaction's sources say that readers may need, beside what was read.
#[derive(Deserialize)]
struct Sources {
    kept: Vec<Listed>,
    left_out: Vec<LeftOut>,
    chains: Vec<ReadUpTo>,
}

impl Sources {
    fn read(store: &Store, at: &SourcesAt) -> Result<Self, String> {
        let bytes = store.get(&at.key).map_err(|error| error.to_string())?;
        signed(&bytes, &at.sha256)
    }
}

/// What of a compaction's sources was read.
#[derive(Deserialize)]
struct Inputs<'a> {
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    key: &'a str,
    sha256: &'a str,
    table: &'a str,
    rows: u64,
}

fn signed<'a, T: Deserialize<'a>>(bytes: &'a [u8], expected: &str) -> Result<T, String> {
    if hex(&sha256(bytes)) != expected {
        return Err("its bytes are not those that were signed".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
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
        let mut keys = Vec::new();
        for listed in store.list(&format!("{org}/v1/compactions"), None)? {
            keys.push(listed?.key);
        }
        keys.retain(|key| document_of(key).is_some());
        let mut documents: BTreeMap<NaiveDate, Vec<(String, Bytes)>> = BTreeMap::new();
        for (key, bytes) in store.get_many(keys) {
            if let Some((_, day, _)) = document_of(&key) {
                documents.entry(day).or_default().push((key, bytes?));
            }
        }
        let mut reach: BTreeMap<String, Unfinished> = BTreeMap::new();
        for (day, files) in documents {
            let read = read_day(org, day, &files, &believes);
            let problems = read.problems.iter();
            refused.extend(problems.map(|problem| format!("{}: {problem}", folder(org, day))));
            let mut of_day = Vec::new();
            for believed in read.compactions {
                let mut compacted = Compacted::of(believed);
                let at = compacted.sources();
                let is_needed = at.kept > 0 || at.left_out > 0;
                if is_needed && let Err(reason) = compacted.look(store, refused) {
                    // What it covers is not known, so nothing of the day is taken from it or from later ones.
                    refused.push(reason);
                    break;
                }
                for chain in &compacted.sources().unfinished {
                    let known = reach.get_mut(&chain.chain);
                    match known {
                        Some(known) => known.join(chain),
                        None => drop(reach.insert(chain.chain.clone(), chain.clone())),
                    }
                }
                of_day.push(compacted);
            }
            if !of_day.is_empty() {
                self.days.insert((org.to_owned(), day), of_day);
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
        self.look_from(store, (org, next), refused);
        // Without a chain before it, all are looked at.
        let uncovered = (next > began).then(|| {
            let open = reach.into_values().filter(|chain| !chain.is_whole());
            Uncovered {
                from: first_id_of(next),
                open: open.map(|chain| chain.chain).collect(),
            }
        });
        let known = uncovered.iter().map(|one| (org.to_owned(), one.clone()));
        self.uncovered.extend(known);
        Ok(uncovered)
    }

    /// Reads what compactions of a day and later ones have of each chain: these chains are looked at.
    fn look_from(
        &mut self,
        store: &Store,
        (org, from): (&str, NaiveDate),
        refused: &mut Vec<String>,
    ) {
        let later = self.days.range_mut((org.to_owned(), from)..);
        for (_, of_day) in later.take_while(|((of, _), _)| of == org) {
            for place in 0..of_day.len() {
                let looked = of_day.get_mut(place).map(|one| one.look(store, refused));
                if let Some(Err(reason)) = looked {
                    refused.push(reason);
                    of_day.truncate(place);
                    break;
                }
            }
        }
    }

    /// Tells whether compactions have all of a chain.
    fn covers(&self, org: &str, chain: &str) -> bool {
        let uncovered = self.uncovered.get(org);
        uncovered.is_some_and(|one| *chain < *one.from && !one.open.contains(chain))
    }

    /// Lists the objects of chains that no compaction has written again.
    pub(super) fn raw<'c>(
        &self,
        chains: &'c Chains,
        is_asked: impl Fn(&str) -> bool,
    ) -> BTreeSet<&'c str> {
        let kept: BTreeSet<&str> = self.kept().map(|kept| kept.key.as_str()).collect();
        let mut raw = BTreeSet::new();
        let looked_at = chains.chains.iter();
        for ((org, id), chain) in looked_at.filter(|((org, id), _)| !self.covers(org, id)) {
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
                let is_listed = chains.chains.contains_key(&(org.clone(), chain.to_owned()))
                    && !self.covers(org, chain);
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
    fn of(believed: BelievedCompaction) -> Self {
        let unfinished = believed.compaction.sources.unfinished.iter();
        let read = unfinished.map(|chain| (chain.chain.clone(), chain.manifests));
        Self {
            read: read.collect(),
            kept: Vec::new(),
            is_looked_at: false,
            believed,
        }
    }

    fn sources(&self) -> &SourcesAt {
        &self.believed.compaction.sources
    }

    /// Reads its sources, if they were not read.
    fn look(&mut self, store: &Store, refused: &mut Vec<String>) -> Result<(), String> {
        if self.is_looked_at {
            return Ok(());
        }
        let at = self.sources();
        let sources = Sources::read(store, at).map_err(|reason| format!("{}: {reason}", at.key))?;
        let left_out = sources.left_out.iter();
        refused.extend(left_out.map(|out| format!("{}: {}", out.key, out.reason)));
        let chains = sources.chains.into_iter();
        self.read
            .extend(chains.map(|chain| (chain.chain, chain.manifests)));
        self.kept = sources.kept;
        self.is_looked_at = true;
        Ok(())
    }

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
