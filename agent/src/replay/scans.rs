//! How DuckDB is told to read encrypted objects: a call of `read_parquet` takes one key.

use super::keys::duckdb_name;
use super::rows::{Source, StoredRows};
use super::views::{Alike, literal_path, text};
use crate::record::encryption::KeyName;

/// Turns off what would push the keys of a join into the reading of an encrypted object.
pub(super) const SETTING: &str = "SET disabled_optimizers = 'join_filter_pushdown';";

/// Lets a filter not be pushed into the reading of an encrypted object: DuckDB 1.5.5 and 2.0.0 then take another part of it
/// for the one that they decrypt ("Computed AES tag differs"). Seen with files of pyarrow 26 too.
const UNFILTERED: &str = "LIMIT 9223372036854775807";

/// Gives what reads objects of a table that are encrypted by one key, or not at all.
///
/// To read by name DuckDB opens all objects before it reads the first row, so that is for those whose columns may differ.
pub(super) fn scan_of(files: &str, alike: &Alike) -> String {
    let days = "hive_partitioning = true, hive_types = {'dt': DATE}";
    let by_name = alike.columns.is_none();
    match &alike.key {
        None => format!("read_parquet([{files}], union_by_name = {by_name}, {days})"),
        // Files of one key have one writer, and so the same columns; DuckDB 1.5.5 fails at encrypted ones by name.
        Some(key) => {
            let how = opened_by(key);
            format!("(SELECT * FROM read_parquet([{files}], {how}, {days}) {UNFILTERED})")
        }
    }
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
    match key {
        None => format!("SELECT * FROM read_parquet({path}, hive_partitioning = false)"),
        Some(key) => {
            let how = opened_by(key);
            format!(
                "(SELECT * FROM read_parquet({path}, {how}, hive_partitioning = false) {UNFILTERED})"
            )
        }
    }
}

fn opened_by(key: &KeyName) -> String {
    let name = text(&duckdb_name(key));
    format!("encryption_config = {{footer_key: {name}}}")
}
