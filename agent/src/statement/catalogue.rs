//! What is known of an account's objects when a statement is read. Values alone: who fetches them stands elsewhere.

use std::collections::BTreeMap;

use super::kind::Action;
use super::meaning::Meaning;
use super::object::{Class, Path};

/// A column, as the account describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name, exactly.
    pub name: String,
    /// Its type, in Snowflake's words.
    pub data_type: String,
    /// Its tags and their values; `None` if they could not be seen.
    pub tags: Option<BTreeMap<String, String>>,
}

/// A table or view, as the account describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationFacts {
    /// `Table`, `View` or `Stream`.
    pub class: Class,
    /// Its columns, in order.
    pub columns: Vec<ColumnFacts>,
    /// The text of a view, if it can be seen.
    pub text: Option<String>,
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This.
    Relation(&'a RelationFacts),
    /// Nothing is known of it; it may be there.
    Unknown,
}

/// What is known: of an account by name, and of the login that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The login's database, if it has one and it is known.
    pub database: Option<String>,
    /// The login's schema, the same.
    pub schema: Option<String>,
    /// Tables and views by their whole paths.
    pub relations: BTreeMap<Path, RelationFacts>,
}

impl Catalogue {
    /// Looks a relation up by its whole path.
    #[must_use]
    pub fn relation(&self, path: &Path) -> Found<'_> {
        self.relations
            .get(path)
            .map_or(Found::Unknown, Found::Relation)
    }

    /// Follows what an allowed statement changes: where the login is, and which descriptions hold no longer.
    pub fn follow(&mut self, meaning: &Meaning) {
        if let Some(place) = meaning.place() {
            self.database = Some(place.database.clone());
            self.schema.clone_from(&place.schema);
        }
        for access in meaning.accesses() {
            let changes = matches!(access.action, Action::Create | Action::Alter | Action::Drop);
            let path = access.object.path();
            let holds_rows = match access.object.class().depth() {
                1 => access.object.class() == Class::Database,
                depth => depth > 0,
            };
            if !changes || !holds_rows {
                continue;
            }
            // The object itself, or all that is in it.
            self.relations
                .retain(|known, _| !known.names().starts_with(path.names()));
        }
    }

    /// Completes names as Snowflake does for objects of a schema, as far as database and schema are known.
    #[must_use]
    pub fn resolve(&self, names: Vec<String>) -> Path {
        self.known().resolve(names)
    }

    /// Lends what is known.
    pub(super) fn known(&self) -> Known<'_> {
        Known {
            database: self.database.as_deref(),
            schema: self.schema.as_deref(),
            relations: &self.relations,
        }
    }
}

/// What is known, as one place among the account's schemas sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    database: Option<&'a str>,
    schema: Option<&'a str>,
    relations: &'a BTreeMap<Path, RelationFacts>,
}

impl<'a> Known<'a> {
    /// Knows the same, in another schema.
    pub(super) fn seen_from(self, database: &'a str, schema: &'a str) -> Self {
        Self {
            database: Some(database),
            schema: Some(schema),
            ..self
        }
    }

    /// Looks a relation up by its whole path.
    pub(super) fn relation(self, path: &Path) -> Found<'a> {
        self.relations
            .get(path)
            .map_or(Found::Unknown, Found::Relation)
    }

    /// Completes names, as a catalogue does.
    pub(super) fn resolve(self, names: Vec<String>) -> Path {
        let before: &[&str] = match (names.len(), self.database, self.schema) {
            (1, Some(database), Some(schema)) => &[database, schema],
            (2, Some(database), _) => &[database],
            (_, _, _) => &[],
        };
        let before = before.iter().map(|&name| name.to_owned());
        Path::new(before.chain(names).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_from_the_login() {
        let whole = Catalogue {
            database: Some("DB".to_owned()),
            schema: Some("S".to_owned()),
            ..Catalogue::default()
        };
        let resolve = |catalogue: &Catalogue, names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            catalogue.resolve(names).to_string()
        };
        assert_eq!(resolve(&whole, &["T"]), "DB.S.T");
        assert_eq!(resolve(&whole, &["X", "T"]), "DB.X.T");
        assert_eq!(resolve(&whole, &["A", "X", "T"]), "A.X.T");
        assert_eq!(resolve(&Catalogue::default(), &["T"]), "T");
        assert_eq!(resolve(&Catalogue::default(), &["X", "T"]), "X.T");
    }
}
