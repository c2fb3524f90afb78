//! The account that the corpus is read in, from `corpus/catalogue.toml`.

use std::collections::BTreeMap;
use std::fs;

use icecore::statement::{Catalogue, Class, ColumnFacts, Path, RelationFacts};
use icecore_tests::python::folder;
use serde::Deserialize;

/// The file as it is written.
#[derive(Deserialize)]
struct File {
    tables: BTreeMap<String, Vec<String>>,
    views: BTreeMap<String, View>,
}

#[derive(Deserialize)]
struct View {
    text: Option<String>,
    columns: Vec<String>,
}

/// Reads the catalogue.
pub(crate) fn catalogue() -> Catalogue {
    let text = fs::read_to_string(folder("corpus/catalogue.toml")).unwrap();
    let file: File = toml::from_str(&text).unwrap();
    let tables = file
        .tables
        .into_iter()
        .map(|(path, columns)| (path, Class::Table, columns, None));
    let views = file
        .views
        .into_iter()
        .map(|(path, view)| (path, Class::View, view.columns, view.text));
    let relations = tables.chain(views).map(|(path, class, columns, text)| {
        let facts = RelationFacts {
            class,
            columns: columns.iter().map(|column| self::column(column)).collect(),
            text,
        };
        (self::path(&path), facts)
    });
    Catalogue {
        database: Some("DB".to_owned()),
        schema: Some("S".to_owned()),
        relations: relations.collect(),
    }
}

/// Reads a path whose quoted names hold no dots.
fn path(text: &str) -> Path {
    let names = text
        .split('.')
        .map(|name| name.trim_matches('"').to_owned());
    Path::new(names.collect())
}

/// Reads `NAME TYPE tag=value ...`; a name in quotes may hold blanks.
fn column(text: &str) -> ColumnFacts {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap(),
        None => text.split_once(' ').unwrap(),
    };
    let mut words = rest.split_whitespace();
    let data_type = words.next().unwrap().to_owned();
    let tags = words.map(|word| {
        let (tag, value) = word.split_once('=').unwrap();
        (tag.to_owned(), value.to_owned())
    });
    ColumnFacts {
        name: name.to_owned(),
        data_type,
        tags: Some(tags.collect()),
    }
}
