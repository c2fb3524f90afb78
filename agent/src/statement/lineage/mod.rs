//! What a statement means: one walk over the parser's tree, by matches without wildcards.
//!
//! Where something cannot be told the walk says more, never less: a name that may be of two tables is a use of both, a
//! column that nobody knows is a use of any. What it cannot follow at all is a doubt, on which policies decide.

mod condition;
mod dml;
mod expr;
mod flow;
mod from;
mod function;
mod functions;
mod join;
pub(super) mod names;
mod query;
mod scan;
mod scope;
mod semantic;
mod set;
mod shaped;
mod star;
mod table;
mod with;
mod write;

use std::collections::BTreeSet;

use sqlparser::ast::Statement;

use flow::{Flow, Item};
use scope::Env;

use super::Scope;
use super::catalogue::Known;
use super::meaning::{Meaning, Output, OutputColumn, Use};
use super::object::{Object, Path};
use super::origins::Recall;
use super::parse::Unreadable;
use super::texts::Texts;

/// How much of a statement is read: queries in queries may be read more than once. Source: a statement of the longest
/// text that is read takes a tenth of it.
const STEPS_MAX: usize = 200_000;

/// What a view counts as beside what is read of it.
const VIEW_STEPS: usize = 20;

/// How deep views may rest on views.
const VIEWS_MAX: usize = 16;

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    /// In a select list: what is made of a column becomes a value.
    List,
    /// Where it decides about rows.
    Rows,
}

/// A member of WITH.
struct Named {
    name: String,
    items: Vec<Item>,
}

/// The walk over one statement.
struct Walk<'a> {
    catalogue: Known<'a>,
    texts: &'a Texts,
    /// Names that mean parameters and variables where they are no columns.
    variables: &'a BTreeSet<String>,
    /// Tells where the rows of earlier results come from.
    recall: Option<&'a Recall<'a>>,
    meaning: Meaning,
    ctes: Vec<Named>,
    views: usize,
    /// Whether the statement stands in a block.
    in_block: bool,
    /// Whether what a statement changes is read.
    is_target: bool,
    /// How much has been read.
    steps: usize,
    /// Whether it is within MATCH_RECOGNIZE.
    in_match: bool,
}

/// Tells what a statement means.
pub(super) fn understand(statement: &Statement, scope: &Scope<'_>) -> Result<Meaning, Unreadable> {
    let own = Texts::default();
    let mut walk = Walk {
        catalogue: scope.catalogue().known(),
        texts: scope.texts.unwrap_or(&own),
        variables: scope.names(),
        recall: scope.recall,
        meaning: Meaning::default(),
        ctes: Vec::new(),
        views: 0,
        in_block: scope.in_block(),
        is_target: false,
        in_match: false,
        steps: 0,
    };
    walk.statement(statement)?;
    Ok(walk.meaning)
}

impl Walk<'_> {
    /// Counts what is read; refuses what takes too long.
    fn step(&mut self, count: usize) -> Result<(), Unreadable> {
        self.steps += count;
        if self.steps > STEPS_MAX {
            return Err(Unreadable::TooLong);
        }
        Ok(())
    }

    /// Counts what it costs to look for a column among all rows in sight.
    fn search(&mut self, env: Env<'_>) -> Result<(), Unreadable> {
        let mut sources = env.frame.sources.len();
        let mut around = env.outer;
        while let Some(env) = around {
            sources += env.frame.sources.len();
            around = env.outer;
        }
        self.step(sources)
    }

    /// Notes one use of all that a value is made of.
    fn note(&mut self, flow: &Flow, how: Use) {
        self.steps += flow.from.len();
        for column in &flow.from {
            self.meaning.use_column(how, column.clone());
        }
    }

    /// Notes that columns go elsewhere than into the result.
    fn store(&mut self, items: &[Item]) {
        for item in items {
            self.note(&item.whole(), Use::Store);
        }
    }

    /// Notes that columns are the statement's result.
    fn deliver(&mut self, items: Vec<Item>) {
        for item in &items {
            self.note(&item.whole(), Use::Project);
        }
        let columns: Option<Vec<OutputColumn>> = items
            .into_iter()
            .map(|item| match item {
                Item::One { name, flow } => Some(OutputColumn {
                    name,
                    is_bare: flow.is_bare && flow.is_of_one,
                    from: flow.from,
                }),
                Item::Rest { .. } | Item::Unplaced => None,
            })
            .collect();
        let unknown = Output::Unknown("the columns of a table are not known");
        self.meaning.give(columns.map_or(unknown, Output::Known));
    }

    /// Gives where Snowflake may find a name: one without a schema is looked for in the login's schema and in `PUBLIC`.
    ///
    /// Source: Snowflake's reference, `SEARCH_PATH`, whose default is `$current, $public`; no login changes it.
    fn paths(&self, names: Vec<String>) -> Vec<Path> {
        let is_single = names.len() == 1;
        let path = self.catalogue.resolve(names);
        let public = match path.names() {
            [database, schema, name] if is_single && !self.is_target && schema != "PUBLIC" => {
                let names = [database, "PUBLIC", name].map(|name: &str| name.to_owned());
                Some(Path::new(names.to_vec()))
            }
            _ => None,
        };
        std::iter::once(path).chain(public).collect()
    }

    /// Notes that something about columns cannot be followed.
    fn doubt(&mut self, why: &'static str) {
        self.meaning.doubt(why);
    }

    /// Reads a view's text where the view is; `None` if it cannot be followed.
    fn view(&mut self, view: &Object, text: &str) -> Option<Vec<Item>> {
        if self.views >= VIEWS_MAX {
            return None;
        }
        self.step(VIEW_STEPS).ok()?;
        let read = self.texts.of_view(text);
        let read = read.as_ref().as_ref()?;
        let Statement::Query(query) = &read.tree().ok()?.statement else {
            return None;
        };
        let [database, schema, _] = view.path().names() else {
            return None;
        };
        let catalogue = self.catalogue.seen_from(database, schema);
        let none = BTreeSet::new();
        let mut inner = Walk {
            catalogue,
            texts: self.texts,
            variables: &none,
            recall: None,
            meaning: Meaning::default(),
            ctes: Vec::new(),
            views: self.views + 1,
            in_block: false,
            is_target: false,
            in_match: false,
            steps: self.steps,
        };
        let items = inner.query(query, None);
        self.steps = inner.steps;
        let items = items.ok()?;
        self.meaning.absorb_columns(inner.meaning);
        Some(items)
    }
}

#[cfg(test)]
mod tests;
