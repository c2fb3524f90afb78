//! Which rows a name in a query may be of: its own FROM, then the queries around it.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Flow, Found, Item, Source};
use crate::statement::object::is_plain;

/// The rows that the expressions of one query see.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// The rows of FROM.
    pub(super) sources: Vec<Source>,
    /// Columns of the select list by name, which other clauses may call.
    pub(super) aliases: BTreeMap<String, Flow>,
    /// Names that the select list gives, whether they have been read yet or not.
    pub(super) given: BTreeSet<String>,
    /// Whether `*` gives the columns in an order that is not known.
    pub(super) is_unplaced: bool,
    /// Whether rows of FROM go by names that are not known: any qualifier may be theirs.
    pub(super) hides_names: bool,
    /// Whether these are the parameters of a lambda, which have no places.
    pub(super) is_lambda: bool,
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
    /// Finds what a bare name is made of. Where columns are not known it is one of each that it may be.
    pub(super) fn find(&self, name: &str) -> Option<Flow> {
        let all: Vec<&Source> = self.frame.sources.iter().collect();
        let mut found = of_sources(&all, name);
        if let Some(flow) = self.frame.aliases.get(name) {
            let flow = flow.clone();
            Found::join(
                &mut found,
                Found {
                    flow,
                    // Whether a column of a query around comes before it, no page says.
                    is_sure: false,
                },
            );
        } else if found.is_none() && self.frame.given.contains(name) {
            // A name that the list gives further right: of what is not known yet.
            let flow = super::flow::whole(&self.items()).made();
            found = Some(Found {
                flow,
                is_sure: false,
            });
        }
        if let Some(found) = found.as_ref().filter(|found| found.is_sure) {
            return Some(found.flow.clone());
        }
        // It may be a column of a query around this one.
        let outer = self.outer.and_then(|outer| outer.find(name));
        match (found, outer) {
            (Some(mut found), Some(outer)) => {
                found.flow.or(outer);
                Some(found.flow)
            }
            (Some(found), None) => Some(found.flow),
            (None, outer) => outer,
        }
    }

    /// Finds a column of the rows that a qualifier calls; the flow of all of them if they have no such column.
    pub(super) fn find_in(&self, qualifier: &[String], name: &str) -> Option<Flow> {
        let called = self.called(qualifier);
        if called.is_empty() {
            let outer = self.outer.and_then(|outer| outer.find_in(qualifier, name));
            return self.beside_unnamed(name, outer);
        }
        let found = of_sources(&called, name).map(|found| found.flow);
        Some(found.unwrap_or_else(|| whole(&called)))
    }

    /// Adds to what a qualifier means outside what it may mean here, where rows have no name, or one that is not known.
    fn beside_unnamed(&self, name: &str, outer: Option<Flow>) -> Option<Flow> {
        let sources = self.frame.sources.iter();
        let unnamed: Vec<&Source> = sources
            .filter(|source| self.frame.hides_names || source.names.is_empty())
            .collect();
        if unnamed.is_empty() || (outer.is_none() && !self.frame.hides_names) {
            return outer;
        }
        let found = of_sources(&unnamed, name).map(|found| found.flow);
        let mut flow = found.unwrap_or_else(|| whole(&unnamed));
        if let Some(outer) = outer {
            flow.or(outer);
        }
        Some(flow)
    }

    /// Lists the rows of this query that a qualifier calls; several if two members of FROM go by one name.
    pub(super) fn called(&self, qualifier: &[String]) -> Vec<&Source> {
        let sources = self.frame.sources.iter();
        sources
            .filter(|source| source.is_called(qualifier))
            .collect()
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

    /// Tells whether any rows are in sight.
    pub(super) fn has_rows(&self) -> bool {
        !self.frame.sources.is_empty() || self.outer.is_some_and(Env::has_rows)
    }

    /// Lists the columns of all rows of this query, as `*` does.
    pub(super) fn items(&self) -> Vec<Item> {
        let unplaced = self.frame.is_unplaced.then_some(Item::Unplaced);
        let sources = self.frame.sources.iter();
        unplaced
            .into_iter()
            .chain(sources.flat_map(Source::shown))
            .collect()
    }

    /// Finds the n-th column, from 1, as `$1` calls it: without a qualifier, of the one member of FROM.
    pub(super) fn nth(&self, qualifier: &[String], number: usize) -> Flow {
        if self.frame.is_lambda {
            return match self.outer {
                Some(outer) => outer.nth(qualifier, number),
                None => Flow::nothing(),
            };
        }
        let called = self.called(qualifier);
        match (called.as_slice(), self.outer) {
            ([one], _) => one.nth(number),
            ([], Some(outer)) if !qualifier.is_empty() => outer.nth(qualifier, number),
            (_, _) => self.whole().made(),
        }
    }
}

/// Finds what a name is made of that may be of any of some rows.
fn of_sources(sources: &[&Source], name: &str) -> Option<Found> {
    let mut found = None;
    for next in sources.iter().filter_map(|source| source.find(name)) {
        Found::join(&mut found, next);
    }
    // A column without a name has its expression's text for one, which is no plain word as a rule.
    let is_sure = found.as_ref().is_some_and(|found: &Found| found.is_sure);
    if !is_sure || !is_plain(name) {
        for flow in sources.iter().filter_map(|source| source.nameless()) {
            let is_sure = false;
            Found::join(&mut found, Found { flow, is_sure });
        }
    }
    found
}

/// What any column of some rows is made of.
pub(super) fn whole(sources: &[&Source]) -> Flow {
    let mut flow = Flow::nothing();
    for source in sources {
        flow.add(source.whole());
    }
    flow.made()
}
