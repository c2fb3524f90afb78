//! What the account tells of its own objects beyond what fakesnow does: tags, all that a test describes, and nothing at all
//! while a test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Gate;
use super::answers::SqlError;
use super::execution::{self, SELECT};
use super::results::Table;
use super::statements::{Ended, Statement};

/// How the statements begin by which Icecore asks for objects.
const COMMENT: &str = "/* icecore catalogue */";

/// The table function that lists the tags of a table's columns.
const TAGS_OF: &str = "tag_references_all_columns('";

/// A tag of a column, as its owner set it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Database, schema and table, joined by dots; none of them needs quotes.
    pub table: String,
    /// The column.
    pub column: String,
    /// The tag.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A table or view that the account says it has; nothing can be read of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Database, schema and name.
    pub path: [String; 3],
    /// The same as SQL writes it.
    pub told: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// A view's text, if anybody may see it.
    pub text: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<DescribedColumn>,
}

/// A column of such an object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DescribedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: String,
    /// Its tags and their values.
    pub tags: BTreeMap<String, String>,
}

/// Runs a question about tags or what is described, or fails one about anything while the catalogue is down; `None` if
/// fakesnow answers it.
pub(super) fn run(gate: &Gate, statement: &Statement, sql: &str) -> Option<Ended> {
    if !sql.starts_with(COMMENT) {
        return None;
    }
    if gate.tuning().catalogue_down {
        let words = "the catalogue is down, says the test";
        return Some(Err(Arc::new(SqlError::new("000603", "XX000", words))));
    }
    let asked: Vec<&str> = sql
        .split(TAGS_OF)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('\'')?.0))
        .collect();
    let described = gate
        .described
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let (columns, rows) = if asked.is_empty() {
        let rows = relations(&described, sql);
        (["A", "B", "C", "D", "E", "F"], rows)
    } else {
        let tags = gate.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let tags = tags
            .iter()
            .filter(|tag| asked.contains(&tag.table.as_str()));
        let rows = tags.map(row).chain(tags_of(&described, &asked));
        let columns = ["A", "B", "C", "COLUMN_NAME", "TAG_NAME", "TAG_VALUE"];
        (columns, rows.collect())
    };
    if asked.is_empty() && rows.is_empty() {
        return None;
    }
    let data = Map::from_iter([("statementTypeId".to_owned(), json!(SELECT))]);
    let table = Arc::new(Table::texts(&columns, rows));
    Some(Ok(execution::outcome(statement, data, table)))
}

/// Lists what is described of the database that is asked about.
fn relations(described: &[Described], sql: &str) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for object in described {
        let [database, schema, name] = &object.path;
        if !sql.contains(&format!("\"{database}\".information_schema.tables")) {
            continue;
        }
        let mut tell = |what: &str, one: Value, other: Value, place: usize| {
            let of = [what, schema, name].map(|text| json!(text));
            let told = [one, other, json!(place.to_string())];
            rows.push(of.into_iter().chain(told).collect());
        };
        if object.is_view {
            tell("table", json!("VIEW"), Value::Null, 0);
            tell("view", json!(object.text), Value::Null, 0);
        } else {
            tell("table", json!("BASE TABLE"), Value::Null, 0);
        }
        for (place, column) in (1..).zip(&object.columns) {
            tell("column", json!(column.name), json!(column.data_type), place);
        }
    }
    rows
}

/// Lists the described tags of the columns of some tables.
fn tags_of(described: &[Described], asked: &[&str]) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    let asked = described
        .iter()
        .filter(|object| asked.contains(&object.told.as_str()));
    for object in asked {
        for column in &object.columns {
            for (tag, value) in &column.tags {
                let texts = object.path.iter().chain([&column.name, tag, value]);
                rows.push(texts.map(|text| json!(text)).collect());
            }
        }
    }
    rows
}

fn row(tag: &Tag) -> Vec<Value> {
    let of_column = [&tag.column, &tag.name, &tag.value].map(|text| json!(text));
    tag.table
        .split('.')
        .map(|name| json!(name))
        .chain(of_column)
        .collect()
}
