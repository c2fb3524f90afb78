//! A compaction: a day's rows written again, sorted and in few files, and signed for by whoever did it. Pure.
//!
//! `compactions/dt=D/<n>.json` is the signed document; its number alone makes its name, so that of two who compact at once a
//! store's refusal to put one key twice lets one through. It names `<n>-<hash>.sources`, which lists what was read. A later
//! compaction of the same day adds what came late: readers take all that are believed together.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::documents::{Hex, Listed, time};
use super::envelope::Signed;
use super::keys::public_key;
use super::problem::{Code, Problem};
use super::reach::Unfinished;
use super::read::{Broken, broken, format, is_hex, opened, same, signed};
use crate::record::digest::{hex, sha256};
use crate::record::object::Key;
use crate::record::schema::Table;

/// What a compaction came to; signed by the compactor's installation key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Compaction {
    /// See [`super::documents::FORMAT_VERSION`].
    pub format_version: u32,
    /// Organisation whose record it is.
    pub org: String,
    /// The UTC day of its rows.
    #[serde(with = "day")]
    pub day: NaiveDate,
    /// Place among the day's compactions, dense from 0.
    pub n: u64,
    /// SHA-256 of the document before; none of the first.
    pub prev_sha256: Option<Hex>,
    /// When it was signed.
    #[serde(with = "time")]
    pub created_at: DateTime<Utc>,
    /// The compactor's public key, in base64.
    pub compactor: String,
    /// Version of icecore.
    pub writer_build: String,
    /// The files that were written.
    pub outputs: Vec<Output>,
    /// What was read.
    pub sources: SourcesAt,
}

impl Signed for Compaction {
    const TYPE: &'static str = "application/vnd.icecore.compaction.v1+json";
}

/// A file of a compaction.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its key in the store.
    pub key: String,
    /// SHA-256 of its bytes.
    pub sha256: Hex,
    /// How many bytes it has.
    pub size: u64,
    /// The table whose rows it has.
    pub table: String,
    /// How sensitive they are.
    pub tier: String,
    /// How many there are.
    pub rows: u64,
}

/// Where the list of what was read is, and how much it lists.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourcesAt {
    /// Its key in the store.
    pub key: String,
    /// SHA-256 of its bytes.
    pub sha256: Hex,
    /// How many objects were written again.
    pub inputs: u64,
    /// How many were not; see [`Sources::kept`].
    pub kept: u64,
    /// How many were left out.
    pub left_out: u64,
    /// How many chains were looked at.
    pub chains: u64,
    /// Those that are not whole in them.
    pub unfinished: Vec<Unfinished>,
}

/// What was read for a compaction.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// The objects whose rows were written again.
    pub inputs: Vec<Input>,
    /// Objects of the day that stay where they are: encrypted ones, whose keys are erased by chain and month, and rows of
    /// results.
    pub kept: Vec<Listed>,
    /// Objects of the day that were left out since they could not be believed.
    pub left_out: Vec<LeftOut>,
    /// How far each chain was read that the day is of.
    pub chains: Vec<ReadUpTo>,
}

/// An object whose rows were written again.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its key in the store.
    pub key: String,
    /// SHA-256 of its bytes.
    pub sha256: Hex,
    /// The chain that lists it.
    pub chain: String,
    /// Its table.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
}

/// An object that was not believed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its key in the store, or that of the document that is broken.
    pub key: String,
    /// Why it was not.
    pub reason: String,
}

/// How far a chain was read.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReadUpTo {
    /// The chain.
    pub chain: String,
    /// How many of its manifests were believed.
    pub manifests: u64,
    /// SHA-256 of the last one; none where there was none.
    pub sha256: Option<Hex>,
    /// How many leaves its tree had.
    pub tree_size: u64,
    /// When the last one was signed.
    #[serde(with = "time")]
    pub until: DateTime<Utc>,
    /// Whether it had ended.
    pub closed: bool,
}

/// A compaction that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BelievedCompaction {
    /// What it says.
    pub compaction: Compaction,
    /// SHA-256 of its document.
    pub sha256: Hex,
    /// The key that signed it.
    pub compactor: [u8; 32],
}

/// What of a day's compactions may be believed.
#[derive(Debug, Default)]
pub struct ReadDay {
    /// Those, from the first on.
    pub compactions: Vec<BelievedCompaction>,
    /// What is wrong; what comes after the first break is not believed.
    pub problems: Vec<Problem>,
}

/// Names the folder of a day's compactions.
#[must_use]
pub fn folder(org: &str, day: NaiveDate) -> String {
    format!("{org}/v1/compactions/dt={day}")
}

/// Gives the key of a compaction's document in the store.
#[must_use]
pub fn document_key(org: &str, day: NaiveDate, n: u64) -> String {
    format!("{}/{n:04}.json", folder(org, day))
}

/// Gives the key of what lists a compaction's sources.
#[must_use]
pub fn sources_key(org: &str, day: NaiveDate, n: u64, sha256: &str) -> String {
    let hash: String = sha256.chars().take(16).collect();
    format!("{}/{n:04}-{hash}.sources", folder(org, day))
}

/// Gives the key of a file of rows; `part` counts the files of one table in one compaction.
#[must_use]
pub fn output_key(org: &str, table: &Table, day: NaiveDate, part: usize, sha256: &str) -> String {
    let hash: String = sha256.chars().take(16).collect();
    let (tier, table) = (table.tier.as_str(), table.name);
    format!("{org}/v1/c/{tier}/{table}/dt={day}/part-{part:04}-{hash}.parquet")
}

/// Reads the key of a compaction's document: organisation, day and number; none of another key.
#[must_use]
pub fn document_of(key: &str) -> Option<(&str, NaiveDate, u64)> {
    let [org, "v1", "compactions", day, name] = *key.split('/').collect::<Vec<_>>() else {
        return None;
    };
    let day = day.strip_prefix("dt=")?.parse().ok()?;
    let n = name.strip_suffix(".json")?.parse().ok()?;
    (document_key(org, day, n) == key).then_some((org, day, n))
}

/// Reads the key of a file of rows: organisation and day; none of another key.
#[must_use]
pub fn output_of(key: &str) -> Option<(&str, NaiveDate)> {
    let [org, "v1", "c", tier, table, day, name] = *key.split('/').collect::<Vec<_>>() else {
        return None;
    };
    let table = Table::by_name(table).filter(|table| table.tier.as_str() == tier)?;
    let day: NaiveDate = day.strip_prefix("dt=")?.parse().ok()?;
    let (part, hash) = name
        .strip_prefix("part-")?
        .strip_suffix(".parquet")?
        .split_once('-')?;
    let is_own = is_hex(hash, 16) && output_key(org, table, day, part.parse().ok()?, hash) == key;
    is_own.then_some((org, day))
}

/// Reads a day's compactions, given as the keys and bytes of their documents; `believes` tells whose word counts.
#[must_use]
pub fn read_day<B: AsRef<[u8]>>(
    org: &str,
    day: NaiveDate,
    files: &[(String, B)],
    believes: &dyn Fn(&[u8; 32]) -> bool,
) -> ReadDay {
    let mut read = ReadDay::default();
    let mut documents = Vec::new();
    for (key, bytes) in files {
        match document_of(key).filter(|(of, at, _)| (*of, *at) == (org, day)) {
            Some((_, _, n)) => documents.push((n, key, bytes.as_ref())),
            None => {
                let expected = format!("a document as {}", document_key(org, day, 0));
                read.problems
                    .push(problem(key, (Code::E90, expected, key.clone())));
            }
        }
    }
    documents.sort_unstable_by_key(|(n, ..)| *n);
    let mut prev: Option<Hex> = None;
    for (place, (n, key, bytes)) in documents.into_iter().enumerate() {
        let place = place as u64;
        let believed = if n == place {
            document((org, day), (n, prev.as_ref()), bytes, believes)
        } else {
            broken(Code::E90, format!("number {place}"), format!("number {n}"))
        };
        match believed {
            Ok(believed) => {
                prev = Some(believed.sha256.clone());
                read.compactions.push(believed);
            }
            Err(broken) => {
                read.problems.push(problem(key, broken));
                break;
            }
        }
    }
    read
}

fn problem(key: &str, (code, expected, found): Broken) -> Problem {
    Problem {
        code,
        chain: String::new(),
        what: key.to_owned(),
        expected,
        found,
    }
}

fn document(
    (org, day): (&str, NaiveDate),
    (n, prev): (u64, Option<&Hex>),
    bytes: &[u8],
    believes: &dyn Fn(&[u8; 32]) -> bool,
) -> Result<BelievedCompaction, Broken> {
    let sealed = opened::<Compaction>(Code::E90, bytes)?;
    let named = &sealed.claimed().compactor;
    let Some(compactor) = public_key(named) else {
        return broken(Code::E90, "a compactor's key of 32 bytes in base64", named);
    };
    let compaction = signed(Code::E90, sealed, &compactor)?;
    format(compaction.format_version)?;
    same(Code::E90, "organisation", org, &compaction.org)?;
    same(Code::E90, "day", day, compaction.day)?;
    same(Code::E90, "number", n, compaction.n)?;
    let said = |prev: Option<&Hex>| prev.map_or_else(|| "none".to_owned(), Clone::clone);
    let found = said(compaction.prev_sha256.as_ref());
    same(
        Code::E90,
        "SHA-256 of the document before",
        said(prev),
        found,
    )?;
    for output in &compaction.outputs {
        let is_own = output_of(&output.key) == Some((org, day))
            && output.key.contains(&format!("/{}/", output.table))
            && output.key.contains(&format!("/c/{}/", output.tier))
            && is_hex(&output.sha256, 64)
            && output
                .key
                .ends_with(&format!("-{:.16}.parquet", output.sha256));
        if !is_own {
            let expected = "a file of the day and table, named by its SHA-256";
            return broken(Code::E90, expected, &output.key);
        }
    }
    let sources = &compaction.sources;
    if sources.key != sources_key(org, day, n, &sources.sha256) || !is_hex(&sources.sha256, 64) {
        let expected = "sources named by their SHA-256";
        return broken(Code::E90, expected, &sources.key);
    }
    if !believes(&compactor) {
        let expected = "a signature of a pinned installation";
        return broken(
            Code::E10,
            expected,
            format!("one of {}", compaction.compactor),
        );
    }
    Ok(BelievedCompaction {
        compaction,
        sha256: hex(&sha256(bytes)),
        compactor,
    })
}

impl BelievedCompaction {
    /// Reads what a compaction was made from, given the bytes of [`SourcesAt::key`].
    ///
    /// # Errors
    /// The bytes are others than it names, or list what cannot be a source of it.
    pub fn sources(&self, bytes: &[u8]) -> Result<Sources, Problem> {
        let at = &self.compaction.sources;
        self.read_sources(bytes)
            .map_err(|broken| problem(&at.key, broken))
    }

    fn read_sources(&self, bytes: &[u8]) -> Result<Sources, Broken> {
        let Compaction {
            org,
            day,
            sources: at,
            outputs,
            ..
        } = &self.compaction;
        same(Code::E91, "SHA-256", &at.sha256, &hex(&sha256(bytes)))?;
        let read = serde_json::from_slice::<Sources>(bytes);
        let sources = read.or_else(|error| broken(Code::E90, "sources", error))?;
        let counts = [
            ("inputs", at.inputs, sources.inputs.len()),
            ("kept objects", at.kept, sources.kept.len()),
            (
                "objects that were left out",
                at.left_out,
                sources.left_out.len(),
            ),
            ("chains", at.chains, sources.chains.len()),
        ];
        for (name, expected, found) in counts {
            same(Code::E90, name, expected, found as u64)?;
        }
        for input in &sources.inputs {
            let is_own = Key::parse(&input.key).is_some_and(|key| {
                (&key.org, &key.day, &key.chain, &key.table)
                    == (org, day, &input.chain, &input.table)
            });
            if !is_own || !is_hex(&input.sha256, 64) {
                return broken(Code::E90, "an object of the day", &input.key);
            }
        }
        if at.unfinished != sources.unfinished() {
            let expected = "the chains that its sources do not have whole";
            return broken(Code::E90, expected, "others in its document");
        }
        let rows = |rows: &mut dyn Iterator<Item = u64>| -> u64 { rows.sum() };
        same(
            Code::E92,
            "rows",
            rows(&mut sources.inputs.iter().map(|input| input.rows)),
            rows(&mut outputs.iter().map(|output| output.rows)),
        )?;
        Ok(sources)
    }
}

/// A day as `2026-11-26`.
mod day {
    use chrono::NaiveDate;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(day: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(day)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveDate, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[path = "compaction_tests.rs"]
mod tests;
