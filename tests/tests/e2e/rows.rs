//! Rows of results in the record: what the driver got, to the value, and nothing of before the mask.

use anyhow::{Context, Result};
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::World;
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::catalogue::{CANARY, world_of};
use crate::piece;
use crate::raw;
use crate::v2::{get, submit};

/// Mails are hashed, and the rows of every result are kept.
const KEPT: &str = r#"
@id("all") @rows("full") permit (principal, action, resource);
@id("mask-pii") @remedy("mask:hash") forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII")
};
"#;

const FILL: &str = "insert into customers select n + 2, 'name ' || n, 'canary-' || n || '@x.example' \
                    from acme_db.public.numbers where n < 5000";

/// Rows of customers, of which the first was there before.
const ROWS: u64 = 5001;

fn filled() -> Result<World> {
    let tuning = Tuning {
        chunk_rows: 1000,
        partition_rows: 2000,
        ..Tuning::default()
    };
    let world = world_of(KEPT, CANARY, tuning)?;
    let steps = json!([{"do": "sql", "name": "fill", "sql": FILL}]);
    worked(&world.drive(Generation::Four, &steps)?, &["fill"]);
    Ok(world)
}

/// Reads rows in both forms and tells a digest of them, then values of many types.
const READ: &str = r#"
import hashlib
def digest(rows):
    text = ";".join(",".join(str(cell) for cell in row) for row in rows)
    return hashlib.md5(text.encode()).hexdigest()
for form in ("ARROW", "JSON"):
    with connect(session_parameters={"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}) as c:
        at = c.cursor()
        at.execute("select id, email, name from customers order by id")
        rows = at.fetchall()
        tell(form, query=at.sfqid, rows=len(rows), digest=digest(rows), first=rows[0])
        at.execute("select 12.50::number(10,2) d, true b, '2024-02-29'::date day, 1.5::float f, null::varchar n, 'x | y' d")
        tell("types " + form, query=at.sfqid, row=list(at.fetchone()))
"#;

/// Finds the statement of a query, for `rows_of` wants a constant.
fn statement_of(world: &World, query: &Value) -> Result<String> {
    let query = query.as_str().unwrap_or_default();
    let sql = format!("select statement_id from statements where query_id = '{query}'");
    let found = world.query(&sql)?;
    let row = found.first().context("no statement of the query")?;
    Ok(row["statement_id"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn rows_of_a_statement_are_what_the_driver_got() -> Result<()> {
    let world = filled()?;
    let finished = piece::run(&world, Generation::Four, READ)?;
    world.flush()?;
    for form in ["ARROW", "JSON"] {
        let step = finished.step(form)?;
        assert_eq!(step["rows"], ROWS, "{step}");
        let statement = statement_of(&world, &step["query"])?;
        let kept = world.query(&format!(
            "select count(*) n, md5(string_agg(concat_ws(',', ID, EMAIL, NAME), ';' order by _chunk, _row)) digest, \
             bool_and(regexp_full_match(EMAIL, '[0-9a-f]{{32}}')) hashed, count(distinct _chunk) > 1 chunked, bool_and(_statement_id = '{statement}') own from rows_of('{statement}')"
        ))?;
        let expected = json!({"n": ROWS, "digest": step["digest"], "hashed": true, "chunked": true, "own": true});
        assert_eq!(kept, [expected], "{form}");
        let told = world.query(&format!(
            "select sum(rows)::bigint as rows, sum(masked_cells)::bigint cells, any_value(stored) stored, \
             count(distinct object_sha256) = count(*) one_each from results where statement_id = '{statement}'"
        ))?;
        let expected = json!({"rows": ROWS, "cells": ROWS, "stored": "full", "one_each": true});
        assert_eq!(told, [expected], "{form}");
        let masked = world.query(&format!(
            "select \"column\", method, rule_id, masked_cells from masked where statement_id = '{statement}'"
        ))?;
        let expected = json!({"column": "ACME_DB.PUBLIC.CUSTOMERS.EMAIL", "method": "hash", "rule_id": "mask-pii", "masked_cells": ROWS});
        assert_eq!(masked, [expected], "{form}");

        let types = finished.step(&format!("types {form}"))?;
        let statement = statement_of(&world, &types["query"])?;
        let kept = world.query(&format!(
            "select * exclude (_statement_id, _chunk, _row) from rows_of('{statement}')"
        ))?;
        let expected = json!({"D": "12.50", "B": true, "DAY": "2024-02-29", "F": 1.5, "N": null, "D_2": "x | y"});
        assert_eq!(kept, std::slice::from_ref(&expected), "{form}");
        let got = types["row"].as_array().cloned().unwrap_or_default();
        let values: Vec<Value> = ["D", "B", "DAY", "F", "N", "D_2"]
            .map(|name| expected[name].clone())
            .into();
        assert_eq!(got, values, "{types}");
    }
    let store = format!("file://{}", world.config.store.display());
    let session = world.query("select session_id from masked limit 1")?;
    let session = session[0]["session_id"].as_str().unwrap_or_default();
    let shown = world.icecore(&["replay", session, "--rows", "2", "--store", &store])?;
    let shown = String::from_utf8(shown.stdout)?;
    let first = finished.step("JSON")?["first"].clone();
    let line = format!(
        "    > 1 | {} | ada\n",
        first[1].as_str().unwrap_or_default()
    );
    assert!(shown.contains(&line), "{shown}");
    assert!(shown.contains("ID | EMAIL | NAME"), "{shown}");
    assert!(!shown.contains("name 1\n"), "{shown}");
    Ok(())
}

#[test]
fn partitions_of_the_sql_api_are_kept_with_the_columns_that_the_first_told() -> Result<()> {
    let world = filled()?;
    let rows = "select id, email from acme_db.public.customers order by id";
    let handle = "/api/v2/statements/${api/body/statementHandle}?partition";
    let steps = json!([
        submit(
            "api",
            "requestId=33333333-3333-4333-8333-333333333332",
            rows
        ),
        get("second", &format!("{handle}=1")),
        get("third", &format!("{handle}=2")),
    ]);
    let finished = raw::send(&world, &steps)?;
    world.flush()?;
    let query = raw::body(&finished, "api")["statementHandle"].clone();
    let statement = statement_of(&world, &query)?;
    let kept = world.query(&format!(
        "select _chunk, count(*) n, min(id)::bigint low, max(id)::bigint high, bool_and(length(email) = 32) hashed \
         from rows_of('{statement}') group by 1 order by 1"
    ))?;
    let part = |chunk: u64, n: u64, low: u64| json!({"_chunk": chunk, "n": n, "low": low, "high": low + n - 1, "hashed": true});
    let mut expected = Vec::new();
    let mut low = 1;
    for (chunk, name) in (0..).zip(["api", "second", "third"]) {
        let count = raw::body(&finished, name)["data"]
            .as_array()
            .map_or(0, Vec::len) as u64;
        expected.push(part(chunk, count, low));
        low += count;
    }
    assert!(low > 2000, "{expected:?}");
    assert_eq!(kept, expected);
    Ok(())
}
