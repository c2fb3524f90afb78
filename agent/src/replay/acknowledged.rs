//! Rows that a store acknowledged and that no manifest covers: all that is left of a host that died.
//!
//! The recovery of a host puts rows of one chain into the next, so a row of frames counts only where no object has it.

use std::collections::{BTreeSet, HashSet};

use chrono::NaiveDate;

use super::archive::Archive;
use super::scope::day;
use crate::record::entry::Entry;
use crate::record::{self, Unread, acknowledged};

impl Archive {
    /// Reads the rows of frames that manifests of their own chains do not cover: each once, at its last place.
    pub(super) fn look_at_frames(&mut self, is_asked: impl Fn(NaiveDate) -> bool) {
        let mut seen = HashSet::new();
        // A copy has objects of its own days alone: of others nobody knows here what they have.
        let copied = &self.copied;
        let is_here = |day| copied.is_empty() || copied.iter().any(|days| days.has(day));
        // Names of chains are in the order of their beginning.
        for ((org, id), chain) in self.chains.chains.iter().rev() {
            let frames = chain.frames();
            let of = (org.as_str(), id.as_str());
            let Some(waiting) = self
                .store
                .waiting(of, frames, &chain.read, &mut self.refused)
            else {
                continue;
            };
            for file in waiting.files {
                let rows = match acknowledged(&file, &self.ring) {
                    Ok(rows) => rows,
                    Err(Unread::Closed(closed)) => {
                        *self.closed.entry(closed).or_default() += 1;
                        continue;
                    }
                    Err(Unread::Differs(error)) => {
                        let place = format!("{org}/v1/chains/{id}/{}", file.name);
                        self.refused.push(format!("{place}: {error}"));
                        continue;
                    }
                };
                let rows = rows.into_iter().filter(|row| row.seq >= waiting.tree_size);
                let rows = rows
                    .map(|row| row.entry)
                    .filter(|row| is_asked(day_of(row)) && is_here(day_of(row)));
                self.waiting.extend(
                    rows.filter(|row| id_of(row).is_some_and(|id| seen.insert(id.to_owned()))),
                );
            }
        }
    }

    /// Lists the objects that may have rows of frames again: recovery puts those first into the next chain.
    pub(super) fn again(&self) -> BTreeSet<String> {
        let chains = self.chains.chains.values();
        let later = chains.filter(|chain| chain.before().is_some());
        let first = later.filter_map(|chain| chain.read.manifests.first());
        let objects = first.flat_map(|believed| &believed.manifest.objects);
        let alike = objects.filter(|object| self.may_wait(&object.table, &object.key));
        alike.map(|object| object.key.clone()).collect()
    }

    /// Tells whether rows of frames are of the same table and day as an object.
    pub(super) fn may_wait(&self, table: &str, key: &str) -> bool {
        let day = day(key);
        let mut waiting = self.waiting.iter();
        waiting.any(|row| row.table.name == table && Some(day_of(row)) == day)
    }

    /// Lets go of those rows of frames that an object has, as far as objects were read.
    pub(super) fn forget_again(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let ids: HashSet<&str> = self.waiting.iter().filter_map(id_of).collect();
        let rows = self.rows.values().flatten().filter_map(id_of);
        let again: HashSet<String> = rows
            .filter(|id| ids.contains(id))
            .map(str::to_owned)
            .collect();
        self.waiting
            .retain(|row| id_of(row).is_some_and(|id| !again.contains(id)));
    }

    /// Takes what is left of them among the rows.
    pub(super) fn take_frames(&mut self) {
        self.forget_again();
        for row in std::mem::take(&mut self.waiting) {
            let of_table = self.rows.entry(row.table.name).or_default();
            of_table.push(row.clone());
            self.acknowledged.push(row);
        }
    }

    /// Lists the rows that no signed object has, only frames that the store acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> &[Entry] {
        &self.acknowledged
    }

    /// Counts those of a session.
    pub(super) fn acknowledged_of(&self, session: &str) -> usize {
        let rows = self.acknowledged.iter();
        rows.filter(|row| row.text("session_id") == Some(session))
            .count()
    }
}

fn id_of(row: &Entry) -> Option<&str> {
    row.text("record_id")
}

fn day_of(row: &Entry) -> NaiveDate {
    record::day(row.table, row)
}
