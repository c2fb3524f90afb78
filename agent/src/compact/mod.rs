//! `icecore compact`: a day's rows written again, sorted and in few large files, with a signed word for what was read.
//!
//! `day` finds what the record has of a day and what earlier compactions have taken, `work` reads, sorts and writes. Nothing
//! is deleted, and a day with anything that cannot be believed is left as it is.

mod day;
mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::Serialize;

use crate::record::chain::compaction::{LeftOut, Output};
use crate::record::chain::keys::SigningKey;
use crate::record::curated::CuratedError;
use crate::record::{RecordError, Store, StoreAt};
use crate::verify::{Trust, enrolled_in};
use day::Day;

/// How often another compactor may have been faster.
const RACES_MAX: usize = 5;

/// What is to be compacted, and by whom.
pub struct Asked<'a> {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// Whom to believe; without it nothing is pinned.
    pub trust: Option<&'a Trust>,
    /// Signs for it.
    pub key: &'a SigningKey,
    /// What happens to what cannot be believed.
    pub doubt: Doubt,
    /// How far to go.
    pub until: Until,
    /// A folder for what does not fit into memory.
    pub spill: &'a Path,
    /// What the time is.
    pub now: DateTime<Utc>,
    /// Version of icecore.
    pub build: &'a str,
    /// Is told how far it is.
    pub done: &'a dyn Fn(Progress),
}

/// What happens to what cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing is written.
    Stops,
    /// It is left out, and listed as that.
    LeftOut,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Tells what would be read.
    Told,
    /// Writes it.
    Written,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects that were read.
    pub read: u64,
    /// Of how many.
    pub of: u64,
    /// Rows that were written.
    pub written: u64,
}

/// What came of it in one organisation's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The organisation.
    pub org: String,
    /// The day.
    pub day: String,
    /// Key of the signed document; none where nothing was written.
    pub document: Option<String>,
    /// Objects whose rows are written again.
    pub inputs: u64,
    /// Their bytes.
    pub input_bytes: u64,
    /// Their rows.
    pub rows: u64,
    /// The files.
    pub outputs: Vec<Output>,
    /// Objects of the day that stay where they are.
    pub kept: u64,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
    /// Objects that earlier compactions have taken.
    pub before: u64,
}

/// Why a day was not compacted.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The day is not over.
    #[error("expected a day that is over (UTC), found {day}")]
    NotOver {
        /// The day.
        day: NaiveDate,
    },
    /// Whoever trusts as the trust file says would not believe it.
    #[error("expected a key that the trust file pins to sign with, found {key}")]
    Unpinned {
        /// The key, in base64.
        key: String,
    },
    /// Something cannot be believed.
    #[error("{} objects or documents of the day cannot be believed, and nothing was written", .0.len())]
    Doubts(Vec<LeftOut>),
    /// Others kept being faster.
    #[error("other compactors wrote the day's documents {RACES_MAX} times meanwhile")]
    Raced,
    /// Store, disk or rows.
    #[error(transparent)]
    Work(#[from] CuratedError),
}

impl From<RecordError> for CompactError {
    fn from(error: RecordError) -> Self {
        Self::Work(error.into())
    }
}

/// Compacts a day of all organisations in a store.
///
/// # Errors
/// The day is not over, something of it cannot be believed, or the store cannot be read or written.
pub fn compact(store: &str, asked: &Asked<'_>) -> Result<Vec<Compacted>, CompactError> {
    let (_, end) = bounds(asked.day);
    if asked.now < end {
        return Err(CompactError::NotOver { day: asked.day });
    }
    let store = Store::open(&StoreAt::read(store)?)?;
    let mut compacted = Vec::new();
    for org in store.folders("")? {
        if !store.folders(&format!("{org}/v1/chains"))?.is_empty() {
            let trust = asked.trust.map(|trust| enrolled_in(&store, &org, trust));
            let trust = trust.transpose()?;
            let asked = Asked {
                trust: trust.as_ref(),
                ..*asked
            };
            compacted.push(of_org(&store, &org, &asked)?);
        }
    }
    Ok(compacted)
}

fn of_org(store: &Store, org: &str, asked: &Asked<'_>) -> Result<Compacted, CompactError> {
    let own = asked.key.public();
    // Who only asks signs nothing, and may have no key yet.
    let signs = asked.until == Until::Written;
    if signs && (asked.trust).is_some_and(|trust| trust.installation(org, own).is_none()) {
        let key = asked.key.public_text();
        return Err(CompactError::Unpinned { key });
    }
    for _ in 0..RACES_MAX {
        let mut day = Day::read(store, org, asked)?;
        if asked.doubt == Doubt::Stops && !day.doubts.is_empty() {
            return Err(CompactError::Doubts(day.doubts));
        }
        if asked.until == Until::Told || day.is_done() {
            return Ok(day.told());
        }
        if let Some(compacted) = work::write(store, &mut day, asked)? {
            return Ok(compacted);
        }
    }
    Err(CompactError::Raced)
}

/// Gives when a day begins and ends.
fn bounds(day: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    let begin = day.and_time(NaiveTime::MIN).and_utc();
    let end = begin.checked_add_days(Days::new(1));
    (begin, end.unwrap_or(DateTime::<Utc>::MAX_UTC))
}
