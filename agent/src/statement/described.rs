//! An account described in a file, for policies that are tried without one.
//!
//! ```toml
//! database = "DB"                # the login's
//! schema = "S"
//! [tables]
//! "DB.S.CUSTOMERS" = ["ID NUMBER", "EMAIL TEXT pii=email"]
//! [views]
//! "DB.S.V" = { text = "create view v as select id from customers", columns = ["ID NUMBER"] }
//! ```
//!
//! A column is its name, its type and its tags; names with other letters than SQL folds stand in double quotes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::catalogue::{Catalogue, ColumnFacts, RelationFacts};
use super::lineage::names::of_text;
use super::object::{Class, Path};
use crate::config::read_text;

/// A described account, as it is written down.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Described {
    database: Option<String>,
    schema: Option<String>,
    tables: BTreeMap<String, Vec<String>>,
    views: BTreeMap<String, View>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    text: Option<String>,
    columns: Vec<String>,
}

impl Catalogue {
    /// Reads a description.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn described(text: &str) -> Result<Self, String> {
        read_text::<Described>(text)?.catalogue()
    }
}

impl Described {
    /// Gives what is known by it.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn catalogue(self) -> Result<Catalogue, String> {
        let tables = self
            .tables
            .into_iter()
            .map(|(path, columns)| (path, Class::Table, columns, None));
        let views = self
            .views
            .into_iter()
            .map(|(path, view)| (path, Class::View, view.columns, view.text));
        let mut relations = BTreeMap::new();
        for (path, class, columns, text) in tables.chain(views) {
            let names = of_text(&path).unwrap_or_default();
            if names.len() != 3 {
                return Err(format!(
                    "expected a name of database, schema and object, found `{path}`"
                ));
            }
            let columns = columns.iter().map(|column| read_column(column));
            let facts = RelationFacts {
                class,
                columns: columns.collect::<Result<_, _>>()?,
                text,
            };
            relations.insert(Path::new(names), facts);
        }
        Ok(Catalogue {
            database: self.database,
            schema: self.schema,
            relations,
        })
    }
}

/// Reads `NAME TYPE tag=value ...`.
fn read_column(text: &str) -> Result<ColumnFacts, String> {
    let wrong = || format!("expected a column as `NAME TYPE tag=value`, found `{text}`");
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"'),
        None => text.split_once(' '),
    }
    .ok_or_else(wrong)?;
    let mut words = rest.split_whitespace();
    let data_type = words.next().ok_or_else(wrong)?.to_owned();
    let tags = words.map(|word| {
        let (tag, value) = word.split_once('=').ok_or_else(wrong)?;
        Ok((tag.to_owned(), value.to_owned()))
    });
    Ok(ColumnFacts {
        name: name.to_owned(),
        data_type,
        tags: Some(tags.collect::<Result<_, String>>()?),
    })
}
