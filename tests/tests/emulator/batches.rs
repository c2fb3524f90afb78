//! Several statements in one request: counted as Snowflake counts, run in order, each with a result of its own.

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::python::{BATCH, Generation};
use serde_json::json;

use crate::bench::Bench;

fn with_batch(piece: &str) -> String {
    format!("{BATCH}{piece}")
}

#[test]
fn both_connectors_walk_through_the_results_of_a_batch() -> Result<()> {
    let bench = Bench::new(20, Tuning::default())?;
    for generation in Generation::ALL {
        let finished = bench.piece(
            generation,
            &with_batch(r#"
with connect() as c:
    at = c.cursor()
    at.execute("select 1; select ';' as a, ?; select ?; -- the end", (10, "x"), num_statements=3)
    tell("batch", results=walked(at))
    at.execute("begin; create or replace table t (a int); insert into t values (1), (2); select max(a) from t; rollback", num_statements=0)
    last = walked(at)
    tell("any", most=last[3][0][0], results=len(last))
"#),
        )?;
        assert_eq!(
            finished.step("batch")?["results"],
            json!([[[1]], [[";", 10]], [["x"]]])
        );
        assert_eq!(
            finished.step("any")?,
            &json!({"step": "any", "most": 2, "results": 5})
        );
    }
    let batches = bench.gate.events(Some("batch"))?;
    assert_eq!(batches.len(), 4);
    let parent = &batches[0]["query_id"];
    let executed = bench.gate.events(Some("executed"))?;
    let parts: Vec<_> = executed
        .iter()
        .filter(|part| part["parent"] == *parent)
        .map(|part| part["sql"].as_str().unwrap())
        .collect();
    assert_eq!(parts, ["select 1", "select ';' as a, ?", "select ?"]);
    Ok(())
}

#[test]
fn another_count_than_the_desired_one_is_refused_before_anything_runs() -> Result<()> {
    let bench = Bench::new(21, Tuning::default())?;
    for generation in Generation::ALL {
        let finished = bench.piece(
            generation,
            r#"
with connect() as c:
    at = c.cursor()
    failure("two for one", lambda: at.execute("select 1; select 2"))
    failure("one for two", lambda: at.execute("select 1", num_statements=2))
    failure("three for two", lambda: at.execute("select 1; select 2; select 3;", num_statements=2))
    at.execute("alter session set MULTI_STATEMENT_COUNT = 0")
    at.execute("select 1; select 2")
    tell("session allows", first=at.fetchall()[0][0])
with connect(session_parameters={"MULTI_STATEMENT_COUNT": 2}) as c:
    failure("session desires", lambda: c.cursor().execute("select 1"))
"#,
        )?;
        for (name, actual, desired) in [
            ("two for one", 2, 1),
            ("one for two", 1, 2),
            ("three for two", 3, 2),
            ("session desires", 1, 2),
        ] {
            let step = finished.step(name)?;
            assert_eq!(
                (&step["errno"], &step["sqlstate"]),
                (&json!(8), &json!("0A000"))
            );
            let words = format!(
                "Actual statement count {actual} did not match the desired statement count {desired}."
            );
            assert!(
                step["message"].to_string().contains(&words),
                "{generation:?}: {step}"
            );
        }
        assert_eq!(finished.step("session allows")?["first"], 1);
    }
    let executed = bench.gate.executed()?;
    assert!(
        !executed.iter().any(|sql| sql.contains('3')),
        "{executed:?}"
    );
    Ok(())
}

#[test]
fn the_first_error_ends_a_batch_and_is_its_error() -> Result<()> {
    let bench = Bench::new(22, Tuning::default())?;
    for generation in Generation::ALL {
        let finished = bench.piece(
            generation,
            r#"
with connect() as c:
    at = c.cursor()
    failure("batch", lambda: at.execute("select 1; select * from no_such_table; select 3", num_statements=3))
    failure("alone", lambda: at.execute("select * from no_such_table"))
"#,
        )?;
        let (batch, alone) = (finished.step("batch")?, finished.step("alone")?);
        assert_eq!(batch["errno"], alone["errno"]);
        assert_eq!(batch["sqlstate"], alone["sqlstate"]);
        assert!(
            batch["message"].to_string().contains("does not exist"),
            "{batch}"
        );
    }
    assert!(!bench.gate.executed()?.contains(&"select 3".to_owned()));
    Ok(())
}

/// Monitoring, results and cancelling work by the ids of the parts too.
#[test]
fn an_async_batch_is_followed_and_cancelled_by_id() -> Result<()> {
    let bench = Bench::new(23, Tuning::default())?;
    let finished = bench.piece(
        Generation::Four,
        &with_batch(
            r#"
import time
with connect() as c:
    results, parts = followed(c, "select 1; select * from wait_1_seconds; select 'b'", 3)
    tell("followed", results=results, ids=len(set(parts)))
    at = c.cursor()
    at.execute_async("select 1; select * from wait_60_seconds", num_statements=2)
    parent = at.sfqid
    time.sleep(0.5)
    tell("cancelled", done=at.abort_query(parent))
    while c.is_still_running(status := c.get_query_status(parent)):
        time.sleep(0.1)
    tell("after", status=status.name)
"#,
        ),
    )?;
    let results = json!([[[1]], [["waited 1 seconds"]], [["b"]]]);
    let followed = json!({"step": "followed", "results": results, "ids": 3});
    assert_eq!(finished.step("followed")?, &followed);
    assert_eq!(finished.step("cancelled")?["done"], true);
    assert_eq!(finished.step("after")?["status"], "ABORTED");
    assert_eq!(bench.gate.events(Some("cancelled"))?.len(), 1);
    Ok(())
}
