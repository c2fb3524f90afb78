//! What the account tells of its own objects beyond what fakesnow does: tags, and nothing at all while a test says so.

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

/// Runs a question about tags, or fails one about anything while the catalogue is down; `None` if fakesnow answers it.
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
    if asked.is_empty() {
        return None;
    }
    let tags = gate.tags.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = tags
        .iter()
        .filter(|tag| asked.contains(&tag.table.as_str()))
        .map(row)
        .collect();
    let columns = ["A", "B", "C", "COLUMN_NAME", "TAG_NAME", "TAG_VALUE"];
    let data = Map::from_iter([("statementTypeId".to_owned(), json!(SELECT))]);
    let table = Arc::new(Table::texts(&columns, rows));
    Some(Ok(execution::outcome(statement, data, table)))
}

fn row(tag: &Tag) -> Vec<Value> {
    let of_column = [&tag.column, &tag.name, &tag.value].map(|text| json!(text));
    tag.table
        .split('.')
        .map(|name| json!(name))
        .chain(of_column)
        .collect()
}
