//! A spool that is missing, read-only or full: statements are refused, in words, and nothing unrecorded is executed.

use std::fs;

use anyhow::Result;
use icecore_tests::harness::disk::SmallDisk;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::failed_clearly;

fn paused() -> Value {
    json!([
        {"do": "sql", "name": "before", "sql": "select 'before'"},
        {"do": "pause"},
        {"do": "sql", "name": "meanwhile", "sql": "select 'meanwhile'", "network_timeout": 20},
        {"do": "pause"},
        {"do": "close"},
        {"do": "sql", "name": "after", "sql": "select 'after'"},
    ])
}

#[test]
fn statements_are_refused_while_the_disk_is_full_and_the_daemon_survives() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    let disk = SmallDisk::mount(&world.config.state_dir(), "64m")?;
    world.start_daemon()?;
    let mut driver = world.start_driver(Generation::Five, &paused())?;
    assert_eq!(driver.expect("before")?["ok"], true, "{}", driver.output);
    driver.expect("pause")?;
    // What the spool has preallocated is used up by statements.
    let filler = disk.fill()?;
    driver.go_on()?;
    let meanwhile = driver.expect("meanwhile")?;
    if meanwhile["ok"] == false {
        failed_clearly(&meanwhile, "record");
        assert!(
            !world
                .gate
                .executed()?
                .iter()
                .any(|sql| sql.contains("meanwhile")),
            "executed unrecorded"
        );
    }
    drop(filler);
    assert!(world.daemon()?.log().is_ok());
    Ok(())
}

#[test]
fn statements_are_refused_while_the_spool_is_read_only() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    let disk = SmallDisk::mount(&world.config.state_dir(), "64m")?;
    disk.remount("ro")?;
    let file = world.config_file().to_string_lossy().into_owned();
    let started = world.icecore(&["daemon", "--config", &file])?;
    assert!(
        !started.status.success(),
        "a daemon that cannot record must not start"
    );
    let text = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(text.to_lowercase().contains("read-only"), "{text}");
    disk.remount("rw")?;
    world.start_daemon()?;
    let steps = json!([{"do": "sql", "sql": "select 1"}]);
    assert_eq!(
        world.drive(Generation::Five, &steps)?.step("sql")?["ok"],
        true
    );
    Ok(())
}

#[test]
fn spool_taken_away_while_running_refuses_or_records_but_never_forgets() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut driver = world.start_driver(Generation::Four, &paused())?;
    assert_eq!(driver.expect("before")?["ok"], true, "{}", driver.output);
    driver.expect("pause")?;
    fs::rename(
        world.config.state_dir().join("spool"),
        world.path("spool-taken"),
    )?;
    driver.go_on()?;
    let meanwhile = driver.expect("meanwhile")?;
    fs::rename(
        world.path("spool-taken"),
        world.config.state_dir().join("spool"),
    )?;
    if meanwhile["ok"] == false {
        failed_clearly(&meanwhile, "record");
    }
    // Sealing fails or works; what was executed is in the store after the next start at the latest.
    let mut world = world;
    world.daemon()?.terminate()?;
    world.start_daemon()?;
    world.flush()?;
    let texts = world.query("select sql_text from statement_texts")?;
    for sql in world.gate.executed()? {
        assert!(
            texts.iter().any(|row| row["sql_text"] == sql.as_str()),
            "`{sql}` is not in the record"
        );
    }
    Ok(())
}

/// Statements of 250 kB against a spool of 1 MiB: refused once it is full, and taken again once it is sealed.
#[test]
fn full_spool_limit_refuses_statements() -> Result<()> {
    let world = World::start(&Plan {
        spool_max: "1MiB".into(),
        ..Plan::default()
    })?;
    let mut steps = Vec::new();
    for number in 0..8 {
        let text = "-- 01234567890123456\n".repeat(12_500);
        let sql = format!("select {number} as filler\n{text}");
        steps.push(json!({"do": "sql", "name": format!("filler {number}"), "sql": sql}));
    }
    steps.push(json!({"do": "pause"}));
    steps.push(json!({"do": "close"}));
    steps.push(json!({"do": "sql", "name": "after", "sql": "select 'after'"}));
    // Too long for an argument.
    let file = world.path("home").join("steps.json");
    fs::create_dir_all(world.path("home"))?;
    fs::write(&file, json!(steps).to_string())?;
    let mut driver =
        world.start_driver(Generation::Five, &json!(format!("@{}", file.display())))?;
    let mut refused = 0;
    for number in 0..8 {
        let step = driver.expect(&format!("filler {number}"))?;
        let executed = world.gate.executed()?;
        let ran = executed
            .iter()
            .any(|sql| sql.starts_with(&format!("select {number} as filler")));
        assert_eq!(
            step["ok"] == true,
            ran,
            "answer and emulator differ: {step}"
        );
        if !ran {
            failed_clearly(&step, "could not be recorded");
            refused += 1;
        }
    }
    assert!(refused > 0, "the limit was never reached");
    driver.expect("pause")?;
    world.flush()?;
    driver.go_on()?;
    driver.expect("close")?;
    assert_eq!(driver.expect("after")?["ok"], true, "{}", driver.output);
    Ok(())
}
