//! What a view over the record is, and what each of its columns means. Pure.

use super::{chains, derived, flat, health, shapes};
use crate::record::schema::{COMMON, Column, Table, Type};

/// A view that is made from tables and from views before it.
pub(super) struct View {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    /// By which alias its columns are named, and of which table or view.
    pub(super) of: &'static [(&'static str, &'static str)],
    pub(super) columns: &'static [Part],
    /// Its query from `FROM` on.
    pub(super) from: &'static str,
}

/// Some columns of a view.
pub(super) enum Part {
    /// All that a relation has.
    All(&'static str),
    /// Those of a relation that keep their names.
    Same(&'static str, &'static [&'static str]),
    /// One more: its name, how it is computed, what it says.
    New(&'static str, &'static str, &'static str),
}

/// One column of a view.
pub(super) struct Shown {
    pub(super) name: &'static str,
    pub(super) sql: String,
    pub(super) doc: &'static str,
}

/// Columns that the view of each table has beside the table's.
#[rustfmt::skip]
pub(super) static BESIDE: [Column; 3] = [
    Column::new(0, "dt", Type::Text, "UTC day that the row is filed under: that of its statement's, session's or login's start where it has one, else of `ts`."),
    Column::new(0, "in_manifest", Type::Bool, "Whether a signed manifest lists the object that holds the row; if not, the store acknowledged it before its host signed it (`strict_remote`)."),
    Column::new(0, "verified", Type::Bool, "Whether the object's bytes were those that the record tells of when these views were printed."),
];

/// What the view of objects that were left out says.
pub(super) const LEFT_OUT_DOC: &str =
    "One row an object that was left out of these views, whole or in part.";

/// Its columns, and what they mean.
pub(super) const LEFT_OUT: [(&str, &str); 2] = [
    ("object", "Key of the object."),
    ("reason", "Why it was left out, or what of it."),
];

/// All views, each after those that it is made from.
pub(super) fn views() -> impl Iterator<Item = &'static View> {
    let topics: [&'static [View]; 4] = [
        &derived::VIEWS,
        &flat::VIEWS,
        &health::VIEWS,
        &shapes::VIEWS,
    ];
    topics.into_iter().flatten()
}

/// Names the view of a table's rows as they are: the plain name is kept for what most questions are about.
pub(super) fn base_name(table: &Table) -> String {
    if views().any(|view| view.name == table.name) {
        format!("{}_all", table.name)
    } else {
        table.name.to_owned()
    }
}

impl View {
    /// Lists the columns in order.
    pub(super) fn shown(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        for part in self.columns {
            match part {
                Part::All(alias) => {
                    let all = columns(self.relation(alias));
                    shown.extend(all.into_iter().map(|(name, doc)| same(alias, name, doc)));
                }
                Part::Same(alias, names) => {
                    let all = columns(self.relation(alias));
                    shown.extend(names.iter().map(|name| {
                        let found = all.iter().find(|(column, _)| column == name);
                        same(alias, name, found.map_or("", |(_, doc)| doc))
                    }));
                }
                Part::New(name, sql, doc) => shown.push(Shown {
                    name,
                    sql: (*sql).to_owned(),
                    doc,
                }),
            }
        }
        shown
    }

    /// Names the relation whose columns are all that it has.
    pub(super) fn same_as(&self) -> Option<&'static str> {
        match self.columns {
            [Part::All(alias)] => Some(self.relation(alias)),
            _ => None,
        }
    }

    fn relation(&self, alias: &str) -> &'static str {
        let found = self.of.iter().find(|(known, _)| *known == alias);
        found.map_or("", |(_, relation)| relation)
    }
}

fn same(alias: &str, name: &'static str, doc: &'static str) -> Shown {
    Shown {
        name,
        sql: format!("{alias}.{}", super::ident(name)),
        doc,
    }
}

/// Lists the names and meanings of a relation's columns.
fn columns(relation: &str) -> Vec<(&'static str, &'static str)> {
    if relation == "left_out" {
        return LEFT_OUT.to_vec();
    }
    if relation == "chains" {
        return chains::COLUMNS.map(|(name, _, doc)| (name, doc)).to_vec();
    }
    if let Some(view) = views().find(|view| view.name == relation) {
        let shown = view.shown().into_iter();
        return shown.map(|shown| (shown.name, shown.doc)).collect();
    }
    let name = relation.strip_suffix("_all").unwrap_or(relation);
    let own = Table::by_name(name).map_or(&[][..], |table| table.own);
    let all = COMMON.iter().chain(own).chain(&BESIDE);
    all.map(|column| (column.name, column.doc)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_column_of_each_view_has_a_meaning_and_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for view in views() {
            assert!(names.insert(view.name), "{}", view.name);
            assert!(view.doc.ends_with('.'), "{}", view.name);
            let mut columns = BTreeSet::new();
            for column in view.shown() {
                let path = format!("{}.{}", view.name, column.name);
                assert!(columns.insert(column.name), "{path} twice");
                assert!(column.doc.ends_with('.'), "{path}: `{}`", column.doc);
            }
        }
    }
}
