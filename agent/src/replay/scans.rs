//! How DuckDB is told to read encrypted objects: a call of `read_parquet` takes one key.

use super::keys::duckdb_name;
use super::rows::{Source, StoredRows};
use super::views::{literal_path, text};
use crate::record::encryption::KeyName;

/// Gives how objects of a table are read that are encrypted by one key, or not at all.
pub(super) fn options(key: Option<&KeyName>) -> String {
    // Files of one key have one writer, and so the same columns; DuckDB 1.5.5 fails at encrypted ones by name.
    let how = key.map_or_else(|| "union_by_name = true".to_owned(), opened_by);
    format!("{how}, hive_partitioning = true, hive_types = {{'dt': DATE}}")
}

/// Gives a query for the rows of each statement's result.
pub(super) fn rows_queries<'r>(
    rows: &'r StoredRows<'_>,
) -> impl Iterator<Item = (&'r str, String)> {
    rows.sources().map(|(statement, parts)| {
        let query = match parts {
            Ok(parts) => {
                let scans: Vec<String> = parts.iter().map(scan).collect();
                scans.join(" UNION ALL BY NAME ")
            }
            Err(closed) => {
                let told = text(&format!("rows of this statement: {closed}"));
                format!("SELECT error({told}), 0 AS _chunk, 0 AS _row")
            }
        };
        (statement, query)
    })
}

fn scan((address, key): &Source) -> String {
    let path = text(&literal_path(address));
    let how = key.as_ref().map(|key| format!(", {}", opened_by(key)));
    let how = how.unwrap_or_default();
    format!("SELECT * FROM read_parquet({path}{how}, hive_partitioning = false)")
}

fn opened_by(key: &KeyName) -> String {
    let name = text(&duckdb_name(key));
    format!("encryption_config = {{footer_key: {name}}}")
}
