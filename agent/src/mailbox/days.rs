//! What lies in the folders of all requests of some days: as a whole, or in parts where one key keeps all from being listed.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::documents::{Part, parse};
use crate::record::{RecordError, Store};

/// How many days are listed one by one: a request waits for seven at most, and clocks may be apart.
const DAYS_MAX: u64 = 10;

/// What lies in one folder: keys with their sizes.
pub(super) type Lying = BTreeMap<String, Vec<(String, u64, Part)>>;

/// Folders, and why some of them cannot be listed.
#[derive(Default)]
pub(super) struct Folders {
    pub(super) lying: Lying,
    pub(super) odd: Vec<(String, String)>,
}

/// Lists the folders of requests from a day on.
pub(super) fn from(store: &Store, root: &str, from: NaiveDate) -> Result<Folders, RecordError> {
    let mut folders = Folders::default();
    let whole = store.list_from(root, &format!("dt={from}"));
    let whole = whole.and_then(|listed| {
        for listed in listed {
            let listed = listed?;
            add(&mut folders.lying, (listed.key, listed.size_bytes));
        }
        Ok(())
    });
    match whole {
        Ok(()) => return Ok(folders),
        Err(RecordError::OddKey { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut folders = Folders::default();
    for day in from.iter_days().take_while(|day| {
        let end = from.checked_add_days(Days::new(DAYS_MAX));
        end.is_none_or(|end| *day < end)
    }) {
        one_by_one(store, &format!("{root}/dt={day}"), &mut folders)?;
    }
    Ok(folders)
}

/// Lists one request's folder from decisions on: a key with an empty part is before these, and counts for nothing.
pub(super) fn of_request(
    store: &Store,
    folder: &str,
) -> Result<Vec<(String, u64, Part)>, RecordError> {
    let mut lying = Lying::new();
    for listed in store.list(folder, Some(&format!("{folder}/decision-")))? {
        let listed = listed?;
        add(&mut lying, (listed.key, listed.size_bytes));
    }
    Ok(lying.remove(folder).unwrap_or_default())
}

/// Lists each folder of a day apart.
fn one_by_one(store: &Store, day: &str, folders: &mut Folders) -> Result<(), RecordError> {
    let ids = match store.folders(day) {
        Ok(ids) => ids,
        Err(RecordError::OddKey { cause, .. }) => {
            folders.odd.push((day.to_owned(), cause));
            return whole_day(store, day, folders);
        }
        Err(error) => return Err(error),
    };
    for id in ids {
        let folder = format!("{day}/{id}");
        match of_request(store, &folder) {
            Ok(lying) => drop(folders.lying.insert(folder, lying)),
            Err(RecordError::OddKey { cause, .. }) => folders.odd.push((folder, cause)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lists a day from the first id on, where a key with an empty part is before all of them.
fn whole_day(store: &Store, day: &str, folders: &mut Folders) -> Result<(), RecordError> {
    for listed in store.list(day, Some(&format!("{day}/0")))? {
        match listed {
            Ok(listed) => add(&mut folders.lying, (listed.key, listed.size_bytes)),
            // It was told.
            Err(RecordError::OddKey { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn add(lying: &mut Lying, (key, size_bytes): (String, u64)) {
    if let Some((folder, _, part)) = parse(&key) {
        let folder = lying.entry(folder.as_str().to_owned()).or_default();
        folder.push((key, size_bytes, part));
    }
}
