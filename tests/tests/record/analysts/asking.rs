//! Asks DuckDB through the views, as analysts do.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use icecore::replay::{Archive, Chains, StoredRows, views};
use icecore_tests::python::{self, Generation};
use serde_json::{Map, Value};

use super::made::Made;

/// Both generations of DuckDB: what `pip install duckdb` gives, and the last that reads S3 from wheels alone.
pub(super) fn duckdbs() -> [PathBuf; 2] {
    let latest = python::interpreter(Generation::Five).unwrap();
    [latest, analysts()]
}

/// The environment of DuckDB 1.5.5, pyarrow and Polars.
pub(super) fn analysts() -> PathBuf {
    python::environment("analysts").unwrap().join("bin/python")
}

/// One row of an answer.
pub(super) type Answer = Map<String, Value>;

/// Gives the views of a store as SQL.
pub(super) fn sql(made: &Made) -> String {
    sql_of(&made.url())
}

/// Gives the views of the store at a URL as SQL.
pub(super) fn sql_of(url: &str) -> String {
    let archive = Archive::read(url).unwrap();
    let mut sql = Vec::new();
    let chains = Chains::read(url).unwrap();
    views(
        &archive,
        &chains,
        &StoredRows::of(&archive, |_| true),
        &mut sql,
    )
    .unwrap();
    String::from_utf8(sql).unwrap()
}

/// Answers queries, one list of rows each, by one DuckDB.
pub(super) fn ask(duckdb: &Path, views: &str, made: &Made, queries: &[String]) -> Vec<Vec<Answer>> {
    ask_with(duckdb, views, made, queries, &[])
}

/// Answers queries as [`ask`] does, with variables in DuckDB's environment.
pub(super) fn ask_with(
    duckdb: &Path,
    views: &str,
    made: &Made,
    queries: &[String],
    environment: &[(&str, &str)],
) -> Vec<Vec<Answer>> {
    let file = made.beside("views.sql");
    std::fs::write(&file, views).unwrap();
    let mut asked = Command::new(duckdb)
        .envs(environment.iter().copied())
        .arg(python::folder("python").join("ask.py"))
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let queries = serde_json::to_vec(queries).unwrap();
    asked.stdin.take().unwrap().write_all(&queries).unwrap();
    let answer = asked.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{}: {errors}", duckdb.display());
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// Answers one query alike by both generations of DuckDB.
#[track_caller]
pub(super) fn ask_both(views: &str, made: &Made, query: &str) -> Value {
    let answers = duckdbs().map(|duckdb| ask(&duckdb, views, made, &[query.to_owned()]));
    assert_eq!(answers[0], answers[1], "{query}");
    let [answers, _] = answers;
    let rows = answers.into_iter().next().unwrap();
    Value::Array(rows.into_iter().map(Value::Object).collect())
}
