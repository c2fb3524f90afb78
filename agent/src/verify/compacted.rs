//! Compactions: whether a day's compacted files have the rows of what they were made from, those and no others.
//!
//! A compacted row's leaf is the raw row's, so that where raw objects are gone, as their retention may have it, the chain's
//! tree is made from compacted rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chrono::{Days, NaiveDate, NaiveTime};

use super::Asked;
use super::layout::Layout;
use super::objects::{Named, Objects};
use super::report::Finding;
use super::segment::Deep;
use super::trust::Trust;
use crate::record::chain::compaction::{
    BelievedCompaction, Input, Output, document_of, output_of, read_day,
};
use crate::record::chain::documents::Listed;
use crate::record::chain::problem::Code;
use crate::record::chain::tree::Hash;
use crate::record::curated::{Sum, Summing, check};
use crate::record::schema::Table;
use crate::record::{Key, RecordError, hex, sha256};

/// Leaves and their places.
type Leaves = Vec<(u64, Hash)>;

/// What compactions say, and what their files hold.
#[derive(Debug)]
pub(super) struct Compactions {
    summing: Summing,
    /// What was compacted, by its key.
    taken: HashMap<String, Taken>,
    pub(super) findings: Vec<Finding>,
    /// How many compactions are believed.
    pub(super) believed: u64,
}

/// An object that was compacted.
#[derive(Debug)]
struct Taken {
    input: Input,
    /// The compaction's document.
    document: String,
    /// Its rows as compacted files have them; none where these were not read.
    sum: Option<Sum>,
    /// Their leaves, where the object itself is gone.
    leaves: Option<Leaves>,
    is_listed: AtomicBool,
}

impl Compactions {
    /// Knows of none.
    pub(super) fn none() -> Result<Self, RecordError> {
        Ok(Self {
            summing: Summing::new()?,
            taken: HashMap::new(),
            findings: Vec::new(),
            believed: 0,
        })
    }

    /// Reads the compactions of the days that are asked for.
    pub(super) fn read(
        objects: &dyn Objects,
        layouts: &BTreeMap<String, Layout>,
        trusts: &BTreeMap<&str, Trust>,
        asked: &Asked<'_>,
    ) -> Result<Self, RecordError> {
        let mut compactions = Self::none()?;
        for (org, layout) in layouts {
            compactions.org(objects, (org, layout), trusts.get(org.as_str()), asked)?;
        }
        Ok(compactions)
    }

    fn org(
        &mut self,
        objects: &dyn Objects,
        (org, layout): (&str, &Layout),
        trust: Option<&Trust>,
        asked: &Asked<'_>,
    ) -> Result<(), RecordError> {
        let named = |folder: &str| layout.beside.get(folder).into_iter().flatten();
        let mut days: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
        for Named { key, .. } in named("compactions") {
            match document_of(key) {
                Some((_, day, _)) => days.entry(day).or_default().push(key.clone()),
                // One that no document names was left by a compactor that was cut off.
                None if key.ends_with(".sources") => {}
                None => self.stray(key),
            }
        }
        days.retain(|day, _| is_asked(*day, asked));
        let shelf = Shelf {
            objects,
            layout,
            org,
            deep: asked.deep,
            files: named("c").map(|file| (&*file.key, file.size)).collect(),
        };
        let mut unclear = BTreeSet::new();
        let mut known = BTreeSet::new();
        for (day, keys) in days {
            let documents = objects.get_many(keys)?;
            let believes =
                |key: &[u8; 32]| trust.is_none_or(|trust| trust.installation(org, key).is_some());
            let read = read_day(org, day, &documents, &believes);
            if !read.problems.is_empty() {
                unclear.insert(day);
            }
            let problems = read.problems.into_iter().map(Finding::from);
            self.findings.extend(problems);
            for (believed, (document, _)) in read.compactions.iter().zip(sorted(&documents)) {
                let outputs = &believed.compaction.outputs;
                known.extend(outputs.iter().map(|output| output.key.clone()));
                self.compaction(&shelf, believed, document)?;
            }
        }
        for Named { key, .. } in named("c") {
            match output_of(key) {
                None => self.stray(key),
                Some((_, day)) if !is_asked(day, asked) || unclear.contains(&day) => {}
                Some(_) if known.contains(key) => {}
                Some(_) => {
                    let finding =
                        Finding::new(Code::W94, ("", key), "a compaction that lists it", "none");
                    let why = "a compaction that was cut off leaves files, and so do two at once; readers leave it out";
                    self.findings.push(finding.explained(Some(why.to_owned())));
                }
            }
        }
        Ok(())
    }

    fn stray(&mut self, key: &str) {
        let expected = "an object of the record's layout";
        let finding = Finding::new(Code::E43, ("", key), expected, "another");
        self.findings.push(finding);
    }

    fn tell(&mut self, code: Code, key: &str, expected: impl ToString, found: impl ToString) {
        let finding = Finding::new(code, ("", key), expected, found);
        self.findings.push(finding);
    }

    fn compaction(
        &mut self,
        shelf: &Shelf<'_>,
        believed: &BelievedCompaction,
        document: &str,
    ) -> Result<(), RecordError> {
        self.believed += 1;
        let at = &believed.compaction.sources.key;
        let is_there = shelf.layout.beside.get("compactions");
        let is_there = is_there.is_some_and(|named| named.iter().any(|named| named.key == *at));
        let sources = if is_there {
            believed.sources(&shelf.objects.get(at)?)
        } else {
            self.tell(Code::E91, at, "a list of sources", "none");
            return Ok(());
        };
        let sources = match sources {
            Ok(sources) => sources,
            Err(problem) => {
                self.findings.push(problem.into());
                return Ok(());
            }
        };
        let mut read = Rows::of(shelf, &sources.inputs);
        let mut is_whole = true;
        for output in &believed.compaction.outputs {
            match self.output(shelf, output)? {
                Some(bytes) if shelf.deep == Deep::Rows => {
                    is_whole &= self.rows(shelf, output, bytes, &mut read);
                }
                Some(_) => {}
                None => is_whole = false,
            }
        }
        for (input, (sum, leaves)) in sources.inputs.into_iter().zip(read.inputs) {
            let is_read = is_whole && shelf.deep == Deep::Rows;
            if is_read && sum.rows != input.rows {
                let expected = format!("{} rows of {}", input.rows, input.key);
                self.tell(Code::E92, document, expected, sum.rows);
            }
            let taken = Taken {
                document: document.to_owned(),
                sum: is_read.then_some(sum),
                leaves: leaves.filter(|_| is_read),
                is_listed: AtomicBool::new(false),
                input,
            };
            let key = taken.input.key.clone();
            if let Some(other) = self.taken.insert(key.clone(), taken) {
                let found = format!("another in {}", other.document);
                let expected = format!("{key} in one compaction");
                self.tell(Code::E93, document, expected, found);
            }
        }
        Ok(())
    }

    /// Reads a file that is what was signed.
    fn output(&mut self, shelf: &Shelf<'_>, output: &Output) -> Result<Option<Bytes>, RecordError> {
        if !shelf.files.contains_key(&*output.key) {
            self.tell(Code::E91, &output.key, "a compacted file", "none");
            return Ok(None);
        }
        let bytes = shelf.objects.get(&output.key)?;
        let found = hex(&sha256(&bytes));
        if found == output.sha256 && bytes.len() as u64 == output.size {
            return Ok(Some(bytes));
        }
        let told = |size, hash: &str| format!("{size} bytes with SHA-256 {hash}");
        let expected = told(output.size, &output.sha256);
        self.tell(
            Code::E91,
            &output.key,
            expected,
            told(bytes.len() as u64, &found),
        );
        Ok(None)
    }

    /// Takes a file's rows; tells whether all could be read.
    fn rows(&mut self, shelf: &Shelf<'_>, output: &Output, bytes: Bytes, read: &mut Rows) -> bool {
        let Some(table) = Table::by_name(&output.table) else {
            self.tell(Code::E92, &output.key, "rows of a table", &output.table);
            return false;
        };
        let mut rows = 0;
        let mut extra = None;
        let checked = check((shelf.org, table), bytes, |chain, seq, leaf| {
            rows += 1;
            if !read.take(&self.summing, (table.name, chain, seq), leaf) && extra.is_none() {
                extra = Some((chain.to_owned(), seq));
            }
        });
        if let Err(error) = checked {
            self.tell(Code::E92, &output.key, "rows of its table", error);
            return false;
        }
        if rows != output.rows {
            self.tell(
                Code::E92,
                &output.key,
                format!("{} rows", output.rows),
                rows,
            );
        }
        if let Some((chain, seq)) = extra {
            let expected = "rows of what was read";
            let finding = Finding::new(Code::E92, (&chain, &output.key), expected, "another");
            self.findings.push(finding.at(seq));
        }
        true
    }

    /// Tells what a manifest's object and what was compacted of it do not agree about.
    pub(super) fn listed(&self, object: &Listed) -> Option<Finding> {
        let taken = self.taken.get(&object.key)?;
        taken.is_listed.store(true, Ordering::Relaxed);
        let Input { sha256, rows, .. } = &taken.input;
        if object.sha256 == *sha256 && object.rows == Some(*rows) {
            return None;
        }
        let told = |rows: u64, hash: &str| format!("{rows} rows with SHA-256 {hash}");
        let expected = told(object.rows.unwrap_or_default(), &object.sha256);
        let place = (&*taken.input.chain, &*taken.document);
        let found = format!("{} of {}", told(*rows, sha256), object.key);
        Some(Finding::new(Code::E93, place, expected, found))
    }

    /// Tells whether the rows of an object that is gone are in compacted files.
    pub(super) fn has(&self, object: &Listed) -> bool {
        let taken = self.taken.get(&object.key);
        taken.is_some_and(|taken| taken.input.sha256 == object.sha256)
    }

    /// Gives the leaves of an object that is gone.
    pub(super) fn leaves(&self, object: &Listed) -> &[(u64, Hash)] {
        let taken = self.taken.get(&object.key);
        let leaves = taken.and_then(|taken| taken.leaves.as_deref());
        leaves.unwrap_or_default()
    }

    /// Compares an object's rows with those of compacted files.
    pub(super) fn compare(&self, object: &Listed, leaves: &[(u64, Hash)]) -> Option<Finding> {
        let taken = self.taken.get(&object.key)?;
        let compacted = taken.sum?;
        let mut sum = Sum::default();
        for (seq, leaf) in leaves {
            self.summing.add(&mut sum, *seq, leaf);
        }
        // Another number of rows was told already.
        (sum != compacted && sum.rows == compacted.rows).then(|| {
            let place = (&*taken.input.chain, &*taken.document);
            let expected = format!("the rows of {}", object.key);
            Finding::new(Code::E92, place, expected, "others of the same number")
        })
    }

    /// Tells of objects that were compacted and that no believed manifest of a checked chain lists.
    pub(super) fn unlisted(&self, is_checked: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut taken: Vec<&Taken> = self.taken.values().collect();
        taken.retain(|taken| {
            !taken.is_listed.load(Ordering::Relaxed) && is_checked(&taken.input.chain)
        });
        taken.sort_unstable_by_key(|taken| &taken.input.key);
        let tell = |taken: &&Taken| {
            let place = (&*taken.input.chain, &*taken.document);
            let expected = "an object that a believed manifest lists";
            Finding::new(Code::E93, place, expected, &taken.input.key)
        };
        taken.iter().map(tell).collect()
    }
}

/// What compactions of one organisation are looked up in.
struct Shelf<'a> {
    objects: &'a dyn Objects,
    layout: &'a Layout,
    org: &'a str,
    deep: Deep,
    files: HashMap<&'a str, u64>,
}

/// The rows of compacted files, by the object that they were read from.
struct Rows {
    inputs: Vec<(Sum, Option<Leaves>)>,
    /// Where an object's rows end: table, chain and last place, then the first place and which object.
    ends: BTreeMap<(String, String, u64), (u64, usize)>,
}

impl Rows {
    fn of(shelf: &Shelf<'_>, inputs: &[Input]) -> Self {
        let mut rows = Self {
            inputs: Vec::new(),
            ends: BTreeMap::new(),
        };
        for (at, input) in inputs.iter().enumerate() {
            let chain = shelf.layout.chains.get(&input.chain);
            let is_there = chain.is_some_and(|chain| chain.listed.contains_key(&input.key));
            rows.inputs
                .push((Sum::default(), (!is_there).then(Vec::new)));
            let place = |seq: i64| u64::try_from(seq).unwrap_or_default();
            if let Some(key) = Key::parse(&input.key) {
                let end = (key.table, key.chain, place(key.seq_max));
                rows.ends.insert(end, (place(key.seq_min), at));
            }
        }
        rows
    }

    /// Takes a row; tells whether it is of any object.
    fn take(
        &mut self,
        summing: &Summing,
        (table, chain, seq): (&str, &str, u64),
        leaf: Hash,
    ) -> bool {
        let from = (table.to_owned(), chain.to_owned(), seq);
        let Some(((of_table, of_chain, _), (first, at))) = self.ends.range(from..).next() else {
            return false;
        };
        let is_within = of_table == table && of_chain == chain && *first <= seq;
        let Some((sum, leaves)) = self.inputs.get_mut(*at).filter(|_| is_within) else {
            return false;
        };
        summing.add(sum, seq, &leaf);
        if let Some(leaves) = leaves {
            leaves.push((seq, leaf));
        }
        true
    }
}

/// Gives a day's documents by their numbers, as they are believed.
fn sorted(documents: &[(String, Bytes)]) -> Vec<&(String, Bytes)> {
    let mut sorted: Vec<_> = documents.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| document_of(key).map(|(_, _, n)| n));
    sorted
}

fn is_asked(day: NaiveDate, asked: &Asked<'_>) -> bool {
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let end = day.checked_add_days(Days::new(1)).map(midnight);
    let is_too_early = asked
        .from
        .is_some_and(|from| end.is_some_and(|end| end <= from));
    let is_too_late = asked.to.is_some_and(|to| midnight(day) >= to);
    !is_too_early && !is_too_late
}
