//! The record as an analyst reads it: `icecore duckdb` gives the views, DuckDB reads the Parquet.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::python::{self, Generation};

/// Runs a query over the store at `store` and gives its rows.
pub fn query(icecore: &Path, store: &Path, scratch: &Path, sql: &str) -> Result<Vec<Value>> {
    let printed = Command::new(icecore)
        .args(["duckdb", "--store"])
        .arg(format!("file://{}", store.display()))
        .output()?;
    let errors = String::from_utf8_lossy(&printed.stderr).into_owned();
    ensure!(printed.status.success(), "icecore duckdb: {errors}");
    let views = scratch.join("views.sql");
    fs::write(&views, &printed.stdout)?;
    let answer = Command::new(python::interpreter(Generation::Five)?)
        .arg(python::folder("python").join("query.py"))
        .arg(&views)
        .arg(sql)
        .output()?;
    let errors = String::from_utf8_lossy(&answer.stderr).into_owned();
    ensure!(answer.status.success(), "DuckDB on `{sql}`: {errors}");
    String::from_utf8(answer.stdout)?
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("row `{line}`")))
        .collect()
}
