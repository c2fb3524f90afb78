//! Which rows a name in a query may be of: its own FROM, then the queries around it.

use std::collections::BTreeMap;

use super::flow::{Flow, Found, Item, Source};

/// The rows that the expressions of one query see.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// The rows of FROM.
    pub(super) sources: Vec<Source>,
    /// Columns of the select list by name, which other clauses may call.
    pub(super) aliases: BTreeMap<String, Flow>,
}

/// A query's surroundings.
#[derive(Clone, Copy)]
pub(super) struct Env<'a> {
    /// Its own rows.
    pub(super) frame: &'a Frame,
    /// The query that it is in.
    pub(super) outer: Option<&'a Env<'a>>,
}

impl Env<'_> {
    /// Finds what a bare name is made of. Where relations have columns that nobody knows, it is a column of each.
    pub(super) fn find(&self, name: &str) -> Option<Flow> {
        let mut found: Option<Found> = None;
        let of_sources = self
            .frame
            .sources
            .iter()
            .filter_map(|source| source.find(name));
        let alias = self.frame.aliases.get(name).map(|flow| Found {
            flow: flow.clone(),
            is_sure: true,
        });
        for next in of_sources.chain(alias) {
            match &mut found {
                None => found = Some(next),
                Some(earlier) => {
                    earlier.flow.or(next.flow);
                    earlier.is_sure |= next.is_sure;
                }
            }
        }
        match found {
            Some(found) if found.is_sure => Some(found.flow),
            Some(mut found) => {
                // It may be a column of a query around this one.
                if let Some(outer) = self.outer.and_then(|outer| outer.find_sure(name)) {
                    found.flow.or(outer);
                }
                Some(found.flow)
            }
            None => self.outer.and_then(|outer| outer.find(name)),
        }
    }

    /// Finds a name that some query around has for sure.
    fn find_sure(&self, name: &str) -> Option<Flow> {
        let sure = self
            .frame
            .sources
            .iter()
            .filter_map(|source| source.find(name))
            .find(|found| found.is_sure);
        match sure {
            Some(found) => Some(found.flow),
            None => self.outer.and_then(|outer| outer.find_sure(name)),
        }
    }

    /// Finds a column of the rows that a qualifier calls; the flow of all of them if they have no such column.
    pub(super) fn find_in(&self, qualifier: &[String], name: &str) -> Option<Flow> {
        match self.called(qualifier) {
            Some(source) => {
                let found = source.find(name).map(|found| found.flow);
                Some(found.unwrap_or_else(|| source.whole().made()))
            }
            None => self.outer.and_then(|outer| outer.find_in(qualifier, name)),
        }
    }

    /// Finds the rows of this query that a qualifier calls.
    pub(super) fn called(&self, qualifier: &[String]) -> Option<&Source> {
        let mut sources = self.frame.sources.iter();
        sources.find(|source| source.is_called(qualifier))
    }

    /// What all rows in sight are made of: for a name that is of none of them.
    pub(super) fn whole(&self) -> Flow {
        let mut flow = Flow::nothing();
        for source in &self.frame.sources {
            flow.add(source.whole());
        }
        if let Some(outer) = self.outer {
            flow.add(outer.whole());
        }
        flow
    }

    /// Lists the columns of all rows of this query, as `*` does.
    pub(super) fn items(&self) -> Vec<Item> {
        let sources = self.frame.sources.iter();
        sources.flat_map(Source::shown).collect()
    }

    /// Finds the n-th column, from 1, as `$1` calls it.
    pub(super) fn nth(&self, number: usize) -> Flow {
        let items = self.items();
        let known = items.iter().take(number).all(Item::is_one);
        match number.checked_sub(1).and_then(|place| items.get(place)) {
            Some(item) if known => item.whole(),
            Some(_) | None => self.whole().made(),
        }
    }
}
