//! `icecore reconcile` with what the emulator saw, as Snowflake's history would say it.

use std::fs;
use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result};
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::World;
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::catalogue::{CANARY, world_of};

const POLICY: &str = r#"@id("all") permit (principal, action, resource);"#;

/// Two statements of one request, one that fails, one that is refused by nobody.
fn recorded() -> Result<World> {
    let world = world_of(POLICY, CANARY, Tuning::default())?;
    let steps = json!([
        {"do": "sql", "name": "first", "sql": "select id, name from customers"},
        {"do": "sql", "name": "fails", "sql": "select nothing_of_this_name from customers"},
        {"do": "sql", "name": "second", "sql": "insert into customers values (7, 'x', 'y')"},
    ]);
    worked(
        &world.drive(Generation::Four, &steps)?,
        &["first", "second"],
    );
    world.flush()?;
    Ok(world)
}

/// Gives what the emulator executed as rows of QUERY_HISTORY: its own id, session and time of each, Icecore's own too.
fn history(world: &World) -> Result<Vec<Value>> {
    let executed = world.gate.events(Some("executed"))?;
    let row = |event: &Value| {
        json!({
            "QUERY_ID": event["query_id"],
            "SESSION_ID": event["session"],
            "START_TIME": event["at"].to_string(),
            "USER_NAME": "ICECORE_SVC",
            "QUERY_TEXT": event["sql"],
        })
    };
    Ok(executed.iter().map(row).collect())
}

fn sessions(world: &World) -> Result<Vec<Value>> {
    let logins = world.gate.events(Some("login"))?;
    let row = |event: &Value| {
        json!({
            "SESSION_ID": event["session"],
            "CREATED_ON": event["at"].to_string(),
            "USER_NAME": "ICECORE_SVC",
        })
    };
    Ok(logins.iter().map(row).collect())
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Compares, with no lag: the emulator's history has all.
fn reconcile(world: &World, queries: &[Value], logins: &[Value], more: &[&str]) -> Result<Output> {
    let files = ["queries.jsonl", "logins.jsonl"].map(|name| world.path(name));
    fs::write(&files[0], lines(queries))?;
    fs::write(&files[1], lines(logins))?;
    let [queries, logins] = [text(&files[0]), text(&files[1])];
    let store = format!("file://{}", world.config.store.display());
    let arguments = [
        "reconcile",
        "--queries",
        &queries,
        "--logins",
        &logins,
        "--lag",
        "0",
    ];
    let rest = ["--exported-at", "2099-01-01", "--store", &store];
    world.icecore(&[&arguments[..], &rest[..], more].concat())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn report(output: &Output) -> Result<Value> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).context(error)
}

#[test]
fn what_went_around_and_what_never_ran_is_listed() -> Result<()> {
    let world = recorded()?;
    let (queries, logins) = (history(&world)?, sessions(&world)?);
    let clean = reconcile(&world, &queries, &logins, &["--json"])?;
    let found = report(&clean)?;
    assert_eq!(found["findings"], json!([]), "{found:#}");
    assert_eq!(clean.status.code(), Some(0));
    assert_eq!(
        found["counts"]["queries_recorded"], found["counts"]["statements"],
        "{found:#}"
    );
    assert!(
        found["counts"]["statements"].as_u64() >= Some(3),
        "{found:#}"
    );
    assert!(
        found["counts"]["queries_own"].as_u64() >= Some(1),
        "{found:#}"
    );

    let gone = queries
        .iter()
        .find(|row| row["QUERY_TEXT"] == "select id, name from customers");
    let gone = gone.context("it was not executed")?.clone();
    let mut others: Vec<Value> = queries.into_iter().filter(|row| *row != gone).collect();
    let mut bypass = gone.clone();
    bypass["QUERY_ID"] = "01ffffff-0000-0000-0000-000000000001".into();
    bypass["SESSION_ID"] = 99.into();
    bypass["QUERY_TEXT"] = "select email from customers -- \u{1b}]52;c;eA==\u{7}".into();
    others.push(bypass.clone());
    let mut login = bypass.clone();
    login["CREATED_ON"] = login["START_TIME"].take();
    let logins = [logins, vec![login]].concat();
    let output = reconcile(&world, &others, &logins, &["--json"])?;
    assert_eq!(output.status.code(), Some(1));
    let found = report(&output)?;
    let kinds: Vec<&str> = (found["findings"].as_array().into_iter().flatten())
        .filter_map(|finding| finding["kind"].as_str())
        .collect();
    let expected = ["unrecorded_query", "unrecorded_login", "not_in_snowflake"];
    assert_eq!(kinds, expected, "{found:#}");
    assert_eq!(found["findings"][0]["id"], bypass["QUERY_ID"]);

    let table = reconcile(&world, &others, &logins, &[])?;
    let table = String::from_utf8(table.stdout)?;
    assert!(
        table.contains("ran in Snowflake, in no row of the record (1)"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "{table}");
    Ok(())
}
