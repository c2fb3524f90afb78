//! The queries of docs/queries, which docs/analysts.md explains.

use std::fs;

use icecore::id::SessionId;
use icecore_tests::python;
use serde_json::{Value, json};

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
    answers_with(made, "")
}

/// The same, after other SQL.
fn answers_with(made: &Made, given: &str) -> Vec<Vec<Answer>> {
    let variables = format!(
        "{}SET VARIABLE day = DATE '2026-01-01';\nSET VARIABLE session = '{}';\nSET VARIABLE object = 'ACME_DB.PUBLIC.ORDERS';\nSET VARIABLE prompt = 'p1';\n{}",
        sql(made),
        SessionId::from_bytes(CLOSED),
        given
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
    assert_eq!(counts, [0, 5, 1, 1, 2, 1, 4, 0, 1, 1, 0, 0, 0, 0]);
    let by_rule = Value::Object(answers[2][0].clone());
    assert_eq!(
        (&by_rule["refused"], &by_rule["example"]),
        (&1.into(), &"drop table orders".into())
    );
    assert!(self::answers(&Made::empty()).iter().all(Vec::is_empty));
}

/// Links as they are recorded: a person's prompt and what a model made of it for a sub-agent, one statement that is none of a
/// tool's SQL, one of an agent's session of which no more is known, and none for the last.
const LINKED: &str = "
CREATE TABLE given AS FROM links UNION ALL BY NAME
SELECT session_id, statement_id, statement_id || '.0' AS link_id, v.* FROM statements JOIN (VALUES
    ('20', 'p1', 'u1', 'm1', 'A', 'bytes', false),
    ('21', 'p2', 'u2', 'm2', 'D', 'time', true),
    ('22', 'p1', NULL, NULL, 'B', 'tree', false),
    ('23', NULL, NULL, NULL, 'E', 'lineage', false)
) v(begin, prompt_key, tool_call_id, llm_call_id, grade, method, mismatch) ON starts_with(statement_id, v.begin);
CREATE OR REPLACE VIEW links AS SELECT * EXCLUDE (begin) FROM given;
CREATE TABLE asked AS FROM prompts UNION ALL BY NAME SELECT session_id, v.* FROM sessions, (VALUES
    ('p1', NULL, 'claimed', 'tidy up'), ('p2', 'p1', 'model', 'look at the customers')
) v(prompt_key, root_prompt_key, origin, text) WHERE agent_name IS NOT NULL;
CREATE OR REPLACE VIEW prompts AS FROM asked;
CREATE TABLE used AS FROM tool_calls UNION ALL BY NAME SELECT session_id, v.* FROM sessions, (VALUES
    ('u1', 'm1', 'Bash'), ('u1', 'm1', 'Bash'), ('u2', 'm2', 'Bash'), ('u2', 'another', 'Write')
) v(tool_call_id, llm_call_id, tool_name) WHERE agent_name IS NOT NULL;
CREATE OR REPLACE VIEW tool_calls AS FROM used;
CREATE TABLE written AS FROM tool_call_args UNION ALL BY NAME
SELECT DISTINCT session_id, tool_call_id, llm_call_id, tool_name || ' it' AS args FROM used;
CREATE OR REPLACE VIEW tool_call_args AS FROM written;
CREATE TABLE done AS SELECT * REPLACE (starts_with(statement_id, '20') OR starts_with(statement_id, '22') AS is_write) FROM statements;
CREATE OR REPLACE VIEW statements AS FROM done;
";

#[test]
fn questions_of_prompts_are_answered_by_the_links_that_hold() {
    let answers = answers_with(&Made::filled(), LINKED);
    let of = |number: usize, columns: &[&str]| -> Vec<Vec<Value>> {
        let values = |row: &Answer| columns.iter().map(|name| row[*name].clone()).collect();
        answers[number - 1].iter().map(values).collect()
    };
    let rows = |rows: Value| -> Vec<Vec<Value>> { serde_json::from_value(rows).unwrap() };
    assert_eq!(
        of(9, &["agent", "statements", "unlinked", "not_read"]),
        rows(json!([["claude-code", 5, 2, 1]]))
    );
    // A prompt's sub-agent is part of it; a use with two rows is one, and another call's use of the same id is not it.
    assert_eq!(
        of(11, &["sql_text", "grade", "tool_name", "args"]),
        rows(json!([
            [
                "select id from orders where amount > 10",
                "A",
                "Bash",
                "Bash it"
            ],
            ["select email from customers", "D", "Bash", "Bash it"],
            ["drop table orders", "B", null, null],
        ]))
    );
    // What was refused changed nothing.
    assert_eq!(
        of(
            12,
            &["prompt_key", "origin", "prompt", "grade", "statements"]
        ),
        rows(json!([["p1", "claimed", "tidy up", "A", 1]]))
    );
    assert_eq!(
        of(13, &["sql_text", "agent_name", "grade", "prompt"]),
        rows(json!([[
            "select email from customers",
            "claude-code",
            "D",
            "tidy up"
        ]]))
    );
    assert_eq!(
        of(
            14,
            &["agent", "grade", "method", "statements", "mismatches"]
        ),
        rows(json!([
            ["claude-code", "A", "bytes", 1, 0],
            ["claude-code", "B", "tree", 1, 0],
            ["claude-code", "D", "time", 1, 1],
            ["claude-code", "E", "lineage", 1, 0],
        ]))
    );
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
