//! What lies beside requests that wait: by one listing of their day, or of each folder where that gives nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::asked::Asking;
use super::documents::{Folder, Part, parse, unhex};
use crate::id::ApprovalId;
use crate::record::{RecordError, Store};

/// Most objects of a day that are listed at once. Where there are more, each request's folder is listed apart, so that
/// what lies beside one takes no time of another.
pub(super) const DAY_MAX: usize = 20_000;

/// Most objects that are listed beside one request, then.
const FOLDER_MAX: usize = 2_000;

/// An object beside a request.
pub(super) struct Lying {
    pub(super) key: String,
    pub(super) size_bytes: u64,
    pub(super) modified_at: DateTime<Utc>,
    pub(super) part: Part,
}

/// What lies beside each request that waits.
pub(super) type Beside = BTreeMap<ApprovalId, Result<Vec<Lying>, RecordError>>;

/// What a day's folder holds.
pub(super) struct Day {
    pub(super) beside: Beside,
    /// Why it could not be listed as a whole, though it can be in parts.
    pub(super) odd: Option<String>,
}

/// Lists what lies beside requests of a day that wait; what was seen there is left out.
pub(super) fn day(
    store: &Store,
    folder: &str,
    ids: &[ApprovalId],
    waiting: &BTreeMap<ApprovalId, Asking>,
) -> Day {
    let asked = || ids.iter().filter_map(|id| Some((*id, waiting.get(id)?)));
    let odd = match whole(store, folder, ids, waiting) {
        Ok(Some(beside)) => return Day { beside, odd: None },
        Ok(None) => format!("more than {DAY_MAX} objects of one day"),
        Err(RecordError::OddKey { cause, .. }) => cause,
        Err(error) => {
            let failed = |(id, _)| (id, Err(error.clone()));
            let beside = asked().map(failed).collect();
            return Day { beside, odd: None };
        }
    };
    let one = |(id, asking): (ApprovalId, &Asking)| (id, one(store, asking));
    Day {
        beside: asked().map(one).collect(),
        odd: Some(odd),
    }
}

/// Lists a day from the first request on; ids ascend with the time at which they were made. None where it is too much.
fn whole(
    store: &Store,
    folder: &str,
    ids: &[ApprovalId],
    waiting: &BTreeMap<ApprovalId, Asking>,
) -> Result<Option<Beside>, RecordError> {
    let mut beside: Beside = ids.iter().map(|id| (*id, Ok(Vec::new()))).collect();
    let Some(first) = ids.first() else {
        return Ok(Some(beside));
    };
    let from = format!("{folder}/{first}");
    for (count, listed) in store.list(folder, Some(&from))?.enumerate() {
        if count >= DAY_MAX {
            return Ok(None);
        }
        let listed = listed?;
        if let Some((of, id, part)) = parse(&listed.key)
            && let Some(Ok(lying)) = beside.get_mut(&id)
            && let Some(asking) = waiting.get(&id)
            && is_new(asking, &of, &part)
        {
            lying.push(Lying {
                key: listed.key,
                size_bytes: listed.size_bytes,
                modified_at: listed.modified_at,
                part,
            });
        }
    }
    Ok(Some(beside))
}

/// Lists one request's folder, from decisions on: a key with an empty part is before these.
fn one(store: &Store, asking: &Asking) -> Result<Vec<Lying>, RecordError> {
    let folder = asking.folder.as_str();
    let mut lying = Vec::new();
    for begin in ["decision-", "decision-g"] {
        let mut count = 0;
        for listed in store.list(folder, Some(&format!("{folder}/{begin}")))? {
            let listed = listed?;
            count += 1;
            if let Some((of, _, part)) = parse(&listed.key)
                && is_new(asking, &of, &part)
            {
                lying.push(Lying {
                    key: listed.key,
                    size_bytes: listed.size_bytes,
                    modified_at: listed.modified_at,
                    part,
                });
            }
            if count >= FOLDER_MAX {
                break;
            }
        }
        if count < FOLDER_MAX {
            break;
        }
    }
    Ok(lying)
}

fn is_new(asking: &Asking, of: &Folder, part: &Part) -> bool {
    let is_seen = match part {
        Part::Decision(hash) => unhex(hash).is_some_and(|hash| asking.seen.contains(&hash)),
        Part::Request | Part::Outcome | Part::Genesis | Part::Rubbish => false,
    };
    *of == asking.folder && !is_seen
}
