//! The queries of docs/queries, which docs/analysts.md explains.

use std::fs;

use icecore::id::SessionId;
use icecore_tests::python;
use serde_json::Value;

use super::asking::{Answer, ask, duckdbs, sql};
use super::made::{CLOSED, Made};

/// Reads the queries: name and text.
fn queries() -> Vec<(String, String)> {
    let folder = python::folder("..").join("docs/queries");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let mut queries: Vec<_> = files
        .map(|file| {
            let text = fs::read_to_string(file.path()).unwrap();
            (file.file_name().into_string().unwrap(), text)
        })
        .collect();
    queries.sort();
    queries
}

/// Answers all queries by each DuckDB.
fn answers(made: &Made) -> Vec<Vec<Answer>> {
    let variables = format!(
        "{}SET VARIABLE day = DATE '2026-01-01';\nSET VARIABLE session = '{}';\nSET VARIABLE object = 'ACME_DB.PUBLIC.ORDERS';\n",
        sql(made),
        SessionId::from_bytes(CLOSED)
    );
    let texts: Vec<_> = queries().into_iter().map(|(_, text)| text).collect();
    let [latest, earlier] = duckdbs().map(|duckdb| ask(&duckdb, &variables, made, &texts));
    assert_eq!(latest, earlier);
    latest
}

#[test]
fn each_query_answers_on_a_record_and_on_an_empty_store() {
    let answers = answers(&Made::filled());
    let counts: Vec<_> = answers.iter().map(Vec::len).collect();
    // The first asks for a day on which nothing happened; no statement here changed anything.
    assert_eq!(counts, [0, 5, 1, 1, 2, 1, 4, 0, 1, 1]);
    let by_rule = Value::Object(answers[2][0].clone());
    assert_eq!(
        (&by_rule["refused"], &by_rule["example"]),
        (&1.into(), &"drop table orders".into())
    );
    assert!(self::answers(&Made::empty()).iter().all(Vec::is_empty));
}

#[test]
fn the_page_for_analysts_names_each_query_with_its_question() {
    let page = fs::read_to_string(python::folder("..").join("docs/analysts.md")).unwrap();
    for (name, text) in queries() {
        let question = text.lines().next().unwrap().strip_prefix("-- ").unwrap();
        let line = format!("| {question} | [{name}](queries/{name}) |");
        assert!(page.contains(&line), "docs/analysts.md lacks `{line}`");
    }
}
