//! What of a store can tell of one session.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days as Later, NaiveDate};

use super::archive::{Archive, ReadError};
use super::chains::Id;
use super::curated::{Curated, Wanted};
use super::scope::{Made, day};
use super::taking::Stays;
use crate::record::chain::documents::Listed;
use crate::record::entry::Entry;

/// How many days after its end something may still be written of a session, and one more since a day is counted whole.
const AFTER_DAYS: u64 = 2;

/// Reads what can tell of the session whose id begins so; of more than one only what tells them apart.
///
/// The rows that open and close a session lie in the folder of the day on which it began, whichever chain they came to. They
/// name the chain; rows that chain did not seal are in chains of the same installation, under the days on which they were
/// made.
pub(super) fn one_session(
    archive: &mut Archive,
    curated: &Curated,
    begin: &str,
) -> Result<(), ReadError> {
    let begin = begin.trim().to_ascii_lowercase();
    let Some(made) = Made::of(&begin) else {
        everything(archive, curated);
        return Ok(());
    };
    let days = made.days();
    let outputs = curated.outputs(Some("sessions"), days.from, Some(days.to));
    let chains = archive.chains_in(outputs, &begin);
    archive.look_at(chains)?;
    let since = archive.chains().objects_since(made.floor());
    let opening = since.filter(|(_, object)| {
        object.table == "sessions" && days.have(&object.key) && object.may_tell_of(&begin)
    });
    let opening = opening.map(|(_, object)| object.clone()).collect();
    archive.take(opening, Stays::All);
    let Some(opened) = Opened::of(archive, &begin) else {
        everything(archive, curated);
        return Ok(());
    };
    if opened.ids.len() > 1 {
        return Ok(());
    }
    let outputs = curated.outputs(None, days.from, opened.last_day);
    let mut chains = archive.chains_in(outputs, &begin);
    chains.extend(opened.chains.iter().cloned());
    archive.look_at(chains.clone())?;
    let akin = archive.chains().akin(&chains);
    let is_by_then = |key: &str| match (opened.last_day, day(key)) {
        (Some(last), Some(day)) => day <= last,
        (_, _) => true,
    };
    let since = archive.chains().objects_since(made.floor());
    // What its own chains say beside it, of their hosts, is told too.
    let may_tell = |id: &Id, object: &Listed| chains.contains(id) || object.may_tell_of(&begin);
    let of_session = since.filter(|(id, object)| {
        akin.contains(*id) && is_by_then(&object.key) && may_tell(id, object)
    });
    let of_session: Vec<Listed> = of_session.map(|(_, object)| object.clone()).collect();
    archive.add(of_session);
    Ok(())
}

impl Archive {
    /// Reads all events of the chains that the sessions were found in whose ids begin so: what policies ask for is told as they are loaded, which may
    /// be long before a session.
    #[must_use]
    pub fn with_events(mut self, begin: &str) -> Self {
        let begin = begin.trim().to_ascii_lowercase();
        let is_of = |row: &&Entry| {
            let id = row.text("session_id");
            id.is_some_and(|id| id.starts_with(&begin))
        };
        let rows = self.table("sessions").iter().filter(is_of);
        let chains = rows.map(|row| {
            let [org, chain] =
                ["org_id", "chain_id"].map(|column| row.text(column).unwrap_or_default());
            (org.to_owned(), chain.to_owned())
        });
        let chains: BTreeSet<Id> = chains.collect();
        let objects = self.chains.objects();
        let events =
            objects.filter(|(id, object)| object.table == "events" && chains.contains(*id));
        let events: Vec<Listed> = events.map(|(_, object)| object.clone()).collect();
        self.add(events);
        self.sorted()
    }
}

/// Reads all: no id tells when it began, or nothing tells of its opening.
fn everything(archive: &mut Archive, curated: &Curated) {
    let raw = curated.raw(archive.chains(), |_| true);
    let all = archive.chains().objects().map(|(_, object)| object);
    let all: Vec<Listed> = all
        .filter(|object| raw.contains(&*object.key))
        .cloned()
        .collect();
    let mut wanted = Wanted::default();
    curated.choose(
        archive.chains(),
        &mut BTreeMap::new(),
        |_| true,
        &mut wanted,
    );
    archive.add(
        all.into_iter()
            .chain(wanted.raw)
            .chain(wanted.rows)
            .collect(),
    );
    archive.take_compacted(wanted.compacted, Stays::All);
}

/// What the rows say that open and close sessions.
struct Opened {
    ids: BTreeSet<String>,
    chains: BTreeSet<Id>,
    /// The last day of which objects are read; none as long as a session is not over.
    last_day: Option<NaiveDate>,
}

impl Opened {
    /// Reads them; none where there are none.
    fn of(archive: &Archive, begin: &str) -> Option<Self> {
        let mut opened = Self {
            ids: BTreeSet::new(),
            chains: BTreeSet::new(),
            last_day: None,
        };
        let framed = archive.waiting.iter();
        let framed = framed.filter(|row| row.table.name == "sessions");
        for row in archive.table("sessions").iter().chain(framed) {
            let Some(id) = row.text("session_id").filter(|id| id.starts_with(begin)) else {
                continue;
            };
            let [org, chain] =
                ["org_id", "chain_id"].map(|column| row.text(column).unwrap_or_default());
            opened.ids.insert(id.to_owned());
            opened.chains.insert((org.to_owned(), chain.to_owned()));
            // A clock that was set back closes a session before it was opened.
            let closed = row.int("closed_at").filter(|_| row.is("is_final"));
            let closed = closed.map(|closed| closed.max(row.int("opened_at").unwrap_or(closed)));
            let closed = closed.and_then(DateTime::from_timestamp_micros);
            let last =
                closed.and_then(|at| at.date_naive().checked_add_days(Later::new(AFTER_DAYS)));
            opened.last_day = opened.last_day.max(last);
        }
        (!opened.ids.is_empty()).then_some(opened)
    }
}

#[cfg(test)]
#[path = "session_scope_tests.rs"]
mod tests;
