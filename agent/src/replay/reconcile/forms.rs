//! The forms of an exported list, each read into rows of text by upper-case names. Pure.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::Array as _;
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value as Json;

/// Names under which an API's page holds its list.
const LISTS: [&str; 3] = ["workflow_runs", "jobs", "data"];

type Rows = Vec<BTreeMap<String, String>>;

/// Reads CSV with a head; two columns of one name are refused.
pub(super) fn csv(text: &str) -> Result<Rows, String> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| error.to_string())?;
    let head: Vec<String> = head.iter().map(named).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = head.iter().find(|name| !seen.insert(*name)) {
        return Err(format!("two columns `{twice}`"));
    }
    let mut rows = Rows::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let cells = head.iter().cloned().zip(record.iter().map(str::to_owned));
        rows.push(cells.collect());
    }
    Ok(rows)
}

/// Reads JSON: a list, a page of an API, or one document after the other.
pub(super) fn json(text: &str) -> Result<Rows, String> {
    let mut rows = Rows::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Json>() {
        let document = document.map_err(|error| error.to_string())?;
        let list = LISTS.iter().find_map(|name| document.get(name));
        let items = match (list, &document) {
            (Some(Json::Array(items)), _) | (None, Json::Array(items)) => items.as_slice(),
            (_, one) => std::slice::from_ref(one),
        };
        for item in items {
            let mut row = BTreeMap::new();
            let Json::Object(members) = item else {
                return Err("a row that is no object".to_owned());
            };
            for (name, value) in members {
                put(&mut row, &named(name), value)?;
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

fn put(row: &mut BTreeMap<String, String>, name: &str, value: &Json) -> Result<(), String> {
    let text = match value {
        Json::Null => return Ok(()),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) => value.to_string(),
        Json::Object(members) => {
            for (inner, value) in members {
                if !value.is_object() {
                    put(row, &format!("{name}.{}", named(inner)), value)?;
                }
            }
            return Ok(());
        }
    };
    match row.insert(name.to_owned(), text) {
        Some(_) => Err(format!("two members `{name}`")),
        None => Ok(()),
    }
}

/// Reads Parquet.
pub(super) fn parquet(bytes: Bytes) -> Result<Rows, String> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| error.to_string())?;
    let fields = reader.schema().fields().iter();
    let names: Vec<String> = fields.map(|field| named(field.name())).collect();
    let reader = reader.build().map_err(|error| error.to_string())?;
    let mut rows = Rows::new();
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        for row in 0..batch.num_rows() {
            let mut cells = BTreeMap::new();
            for (name, column) in names.iter().zip(batch.columns()) {
                if !column.is_null(row) {
                    let text = array_value_to_string(column, row);
                    cells.insert(name.clone(), text.map_err(|error| error.to_string())?);
                }
            }
            rows.push(cells);
        }
    }
    Ok(rows)
}

fn named(name: &str) -> String {
    name.trim().to_uppercase()
}
