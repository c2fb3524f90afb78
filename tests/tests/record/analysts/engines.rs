//! The same files by other engines than DuckDB.

use std::path::{Path, PathBuf};
use std::process::Command;

use icecore_tests::{python, spark};
use serde_json::Value;

use super::asking::{analysts, duckdbs};
use super::made::Made;

/// Asks one engine for the statements in some files.
#[track_caller]
pub(super) fn told(interpreter: &Path, engine: &str, files: &[PathBuf]) -> Value {
    let answer = Command::new(interpreter)
        .arg(python::folder("python").join("engines.py"))
        .arg(engine)
        .args(files)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{engine}: {errors}");
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// Copies a table's files to where no name means anything to an engine: Spark reads `[x]*` as a pattern.
fn copied(made: &Made) -> Vec<PathBuf> {
    let copy = |file: PathBuf| {
        let to = made.beside(file.file_name().unwrap().to_str().unwrap());
        std::fs::copy(file, &to).unwrap();
        to
    };
    made.files("statements").into_iter().map(copy).collect()
}

#[test]
fn duckdb_pyarrow_and_polars_read_the_same() {
    let made = Made::filled();
    let files = copied(&made);
    let [latest, earlier] = duckdbs();
    let expected = told(&latest, "duckdb", &files);
    assert_eq!(expected.as_array().unwrap().len(), 6);
    assert_eq!(told(&earlier, "duckdb", &files), expected);
    assert_eq!(told(&analysts(), "pyarrow", &files), expected);
    assert_eq!(told(&analysts(), "polars", &files), expected);
}

#[test]
fn spark_reads_the_same() {
    let made = Made::filled();
    let files = copied(&made);
    let [latest, _] = duckdbs();
    let expected = told(&latest, "duckdb", &files);
    assert_eq!(
        told(&spark::interpreter().unwrap(), "spark", &files),
        expected
    );
}
