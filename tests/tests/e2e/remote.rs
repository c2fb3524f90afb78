//! `strict_remote`: what the agent was answered is in the store though its host is gone, and nothing runs that is not.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use icecore_tests::time;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::asserts::failed_clearly;

fn strict() -> Plan {
    Plan {
        record_mode: "strict_remote".into(),
        ..Plan::default()
    }
}

#[test]
fn what_was_answered_is_read_though_host_and_spool_are_gone() -> Result<()> {
    let mut world = World::start(&strict())?;
    let steps = json!([
        {"do": "sql", "name": "first", "sql": "select 'kept'"},
        {"do": "pause"},
    ]);
    let mut driver = world.start_driver(Generation::Five, &steps)?;
    assert_eq!(driver.expect("first")?["ok"], true, "{}", driver.output);
    driver.expect("pause")?;
    let proxy = world.daemon()?.proxy()?;
    kill_process(proxy, Signal::KILL)?;
    world.daemon()?.kill_supervisor()?;
    world.daemon = None;
    fs::remove_dir_all(world.config.state_dir().join("spool"))?;

    let rows = world.query(
        "select s.session_id, t.sql_text, s.status, s.in_manifest from statements_all s \
         join statement_texts t using (statement_id) where s.is_final and t.sql_text = 'select ''kept'''",
    )?;
    let [row] = rows.as_slice() else {
        anyhow::bail!("{rows:?}")
    };
    assert_eq!(
        (&row["status"], &row["in_manifest"]),
        (&json!("success"), &json!(false))
    );
    let session = row["session_id"].as_str().context("no session")?;
    let store = format!("file://{}", world.config.store.display());
    let told = world.icecore(&["replay", session, "--store", &store])?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(text.contains("select 'kept'"), "{text}");
    assert!(text.contains("not sealed"), "{text}");
    Ok(())
}

#[test]
fn statements_are_refused_while_the_store_is_away_and_taken_once_it_is_back() -> Result<()> {
    let mut world = World::start(&strict())?;
    let steps = json!([
        {"do": "sql", "name": "before", "sql": "select 'before'"},
        {"do": "pause"},
        {"do": "sql", "name": "meanwhile", "sql": "select 'meanwhile'", "network_timeout": 40},
        {"do": "pause"},
        {"do": "sql", "name": "after", "sql": "select 'after'"},
    ]);
    let mut driver = world.start_driver(Generation::Five, &steps)?;
    assert_eq!(driver.expect("before")?["ok"], true, "{}", driver.output);
    driver.expect("pause")?;
    let (store, away) = (world.config.store.clone(), world.path("away"));
    fs::rename(&store, &away)?;
    fs::write(&store, "not a folder")?;
    driver.go_on()?;
    let meanwhile = driver.expect("meanwhile")?;
    failed_clearly(&meanwhile, "did not acknowledge the record");
    let message = meanwhile["message"].to_string();
    assert_eq!(message.matches("Icecore refused").count(), 1, "{message}");
    let ran = |world: &World, text: &str| -> Result<usize> {
        let executed = world.gate.executed()?;
        Ok(executed.iter().filter(|sql| sql.contains(text)).count())
    };
    assert_eq!(ran(&world, "meanwhile")?, 0);
    driver.expect("pause")?;
    fs::remove_file(&store)?;
    fs::rename(&away, &store)?;
    let start = time::instant();
    while !world
        .daemon()?
        .log()?
        .contains("acknowledges the record again")
    {
        ensure!(
            start.elapsed() < Duration::from_secs(30),
            "{}",
            world.daemon()?.log()?
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    driver.go_on()?;
    assert_eq!(driver.expect("after")?["ok"], true, "{}", driver.output);
    assert_eq!(ran(&world, "after")?, 1);
    world.flush()?;
    let told: Vec<Value> =
        world.query("select event_code from events where event_code in ('RC001', 'RC002')")?;
    ensure!(!told.is_empty(), "the outage is in the record");
    Ok(())
}
