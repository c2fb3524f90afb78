//! An account described in a file, for policies that are tried without one.
//!
//! ```toml
//! database = "DB"                # the login's
//! schema = "S"
//! [tables]
//! "DB.S.CUSTOMERS" = ["ID NUMBER", "EMAIL TEXT PII=EMAIL"]
//! [views]
//! "DB.S.V" = { text = "create view v as select id from customers", columns = ["ID NUMBER"] }
//! ```
//!
//! A column is its name, its type and its tags. Every name is read as SQL reads it, also those of the tags: bare it is in
//! upper case, in double quotes it stays. Values of tags stay.

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
        let mut relations: BTreeMap<Path, RelationFacts> = BTreeMap::new();
        for (path, class, columns, text) in tables.chain(views) {
            let names = of_text(&path).unwrap_or_default();
            if names.len() != 3 {
                return Err(format!(
                    "expected a name of database, schema and object, found `{path}`"
                ));
            }
            let path = Path::new(names);
            let facts = RelationFacts {
                class,
                columns: read_columns(&path, &columns)?,
                text,
            };
            if relations.insert(path.clone(), facts).is_some() {
                return Err(format!("expected {path} once, found it again"));
            }
        }
        let name = |name: Option<String>| name.as_deref().map(read_name).transpose();
        Ok(Catalogue {
            database: name(self.database)?,
            schema: name(self.schema)?,
            relations,
        })
    }
}

/// Reads one name as SQL does: a bare one is in upper case, one in double quotes stays.
///
/// # Errors
/// What was expected and found.
pub fn read_name(text: &str) -> Result<String, String> {
    let mut names = of_text(text).unwrap_or_default();
    let name = names.pop().filter(|_| names.is_empty());
    name.ok_or_else(|| {
        format!("expected one name, in double quotes where SQL would fold it, found `{text}`")
    })
}

fn read_columns(path: &Path, texts: &[String]) -> Result<Vec<ColumnFacts>, String> {
    let mut columns: Vec<ColumnFacts> = Vec::new();
    for text in texts {
        let column = read_column(text)?;
        if columns.iter().any(|known| known.name == column.name) {
            let name = path.join(&column.name);
            return Err(format!("expected column {name} once, found it again"));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Reads `NAME TYPE TAG=value ...`.
fn read_column(text: &str) -> Result<ColumnFacts, String> {
    let wrong = || format!("expected a column as `NAME TYPE TAG=value`, found `{text}`");
    let (name, rest) = split_name(text).ok_or_else(wrong)?;
    let rest = rest.trim_start();
    let (data_type, mut rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if data_type.is_empty() {
        return Err(wrong());
    }
    let mut tags = BTreeMap::new();
    while !rest.trim_start().is_empty() {
        let (tag, after) = split_name(rest.trim_start()).ok_or_else(wrong)?;
        let after = after.strip_prefix('=').ok_or_else(wrong)?;
        let (value, after) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
        if tags.insert(read_name(tag)?, value.to_owned()).is_some() {
            return Err(format!(
                "expected each tag once, found one again in `{text}`"
            ));
        }
        rest = after;
    }
    Ok(ColumnFacts {
        name: read_name(name)?,
        data_type: data_type.to_owned(),
        tags: Some(tags),
    })
}

/// Splits a text behind the name that it begins with.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let ends = |letter: char| letter == '=' || letter.is_whitespace();
    let Some(quoted) = text.strip_prefix('"') else {
        return text.split_at_checked(text.find(ends)?);
    };
    // A quote inside is written twice, so that the name ends behind an even number of them.
    let mut is_open = true;
    let end = quoted.char_indices().find(|(at, letter)| {
        is_open ^= *letter == '"';
        let next = quoted.get(at + 1..).unwrap_or_default();
        *letter == '"' && !is_open && !next.starts_with('"')
    });
    text.split_at_checked(end?.0 + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_sql_reads_it() {
        let text = r#"
            database = "prod"
            schema = '"Mixed"'
            [tables]
            "prod.\"Mixed\".customers" = ["email TEXT pii=email", '"e ""mail" TEXT "my tag"=Some other=b']
        "#;
        let catalogue = Catalogue::described(text).unwrap();
        assert_eq!(catalogue.database.as_deref(), Some("PROD"));
        assert_eq!(catalogue.schema.as_deref(), Some("Mixed"));
        let path = ["PROD", "Mixed", "CUSTOMERS"].map(str::to_owned).to_vec();
        let facts = catalogue.relations.get(&Path::new(path)).unwrap();
        let tags = |index: usize| facts.columns[index].tags.clone().unwrap();
        assert_eq!(facts.columns[0].name, "EMAIL");
        assert_eq!(tags(0), [("PII".to_owned(), "email".to_owned())].into());
        assert_eq!(facts.columns[1].name, "e \"mail");
        let expected = [("my tag", "Some"), ("OTHER", "b")];
        let expected = expected.map(|(tag, value)| (tag.to_owned(), value.to_owned()));
        assert_eq!(tags(1), expected.into());
    }

    #[test]
    fn what_is_no_column_is_told() {
        let column = read_column("a NUMBER(38,0)").unwrap();
        let facts = (column.name.as_str(), column.data_type.as_str(), column.tags);
        assert_eq!(facts, ("A", "NUMBER(38,0)", Some(BTreeMap::new())));
        for text in [
            "",
            "a",
            "a ",
            "\"a TEXT",
            "a TEXT pii",
            "a TEXT =x",
            "a.b TEXT",
            "a TEXT p=1 P=2",
        ] {
            assert!(
                read_column(text).unwrap_err().contains("expected"),
                "{text}"
            );
        }
    }

    #[test]
    fn two_of_one_name_are_told() {
        for (tables, told) in [
            (
                r#""d.s.t" = []"#.to_owned() + "\n" + r#""D.S.T" = []"#,
                "expected D.S.T once",
            ),
            (
                r#""d.s.t" = ["a TEXT", "A TEXT"]"#.to_owned(),
                "expected column D.S.T.A once",
            ),
        ] {
            let error = Catalogue::described(&format!("[tables]\n{tables}")).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
