//! An upstream that is down, slow, strange or hostile: a clear error each time, nothing lost, nothing hung.

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::{all_executed_is_recorded, failed_clearly, worked};

/// More times than anybody tries again.
const ALWAYS: u32 = 50;

#[test]
fn strange_answers_are_clear_errors_and_the_next_statement_works() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let faults = [
        ("truncated", FaultKind::Truncated),
        ("cut off", FaultKind::CutOff),
        ("duplicate key", FaultKind::DuplicateKey),
        ("gzip bomb", FaultKind::GzipBomb(400 << 20)),
        ("no JSON", FaultKind::NotJson),
        (
            "redirect",
            FaultKind::Redirect("https://evil.example.com/".into()),
        ),
        ("closed", FaultKind::Close),
        ("no kind", FaultKind::StatementType(-1)),
        // Its login is over by that.
        ("another kind", FaultKind::StatementType(0x3100)),
    ];
    for generation in Generation::ALL {
        let mut steps = vec![json!({"do": "connect", "network_timeout": 30})];
        for (name, _) in &faults {
            steps.push(json!({"do": "pause"}));
            steps.push(json!({"do": "sql", "name": name, "sql": format!("select '{name}'")}));
            steps.push(json!({"do": "pause"}));
            steps.push(json!({"do": "sql", "name": "after", "sql": "select 1"}));
        }
        let mut driver = world.start_driver(generation, &json!(steps))?;
        assert_eq!(driver.expect("connect")?["ok"], true);
        for (name, fault) in &faults {
            driver.expect("pause")?;
            world
                .gate
                .plant_times(Endpoint::Query, fault.clone(), ALWAYS)?;
            driver.go_on()?;
            failed_clearly(&driver.expect(name)?, "Icecore");
            driver.expect("pause")?;
            world.gate.clear_faults()?;
            driver.go_on()?;
            let after = driver.expect("after")?;
            let goes_on = *name != "another kind";
            assert_eq!(after["ok"], goes_on, "{generation:?} after {name}: {after}");
        }
    }
    let trail = all_executed_is_recorded(&world)?;
    for (name, _) in &faults {
        let text = format!("select '{name}'");
        let row = trail.iter().find(|row| row["sql_text"] == text.as_str());
        let row = row.unwrap_or_else(|| panic!("`{text}` is not in the record"));
        assert_ne!(row["status"], "success", "{row}");
    }
    Ok(())
}

#[test]
fn slow_upstream_is_waited_for() -> Result<()> {
    let world = World::start(&Plan::default())?;
    world
        .gate
        .plant(Endpoint::Login, FaultKind::DelayMs(2000))?;
    world
        .gate
        .plant(Endpoint::Query, FaultKind::DelayMs(6000))?;
    let finished = world.drive(Generation::Five, &json!([{"do": "sql", "sql": "select 1"}]))?;
    worked(&finished, &["sql"]);
    Ok(())
}

#[test]
fn upstream_that_is_down_is_said_to_be() -> Result<()> {
    fn elsewhere(text: String) -> String {
        let host = "\"acme.snowflakecomputing.com\" = ";
        let lines = text.lines().map(|line| {
            if line.starts_with(host) {
                format!("{host}\"127.77.0.1:9\"")
            } else {
                line.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
    let world = World::start(&Plan {
        edit: elsewhere,
        ..Plan::default()
    })?;
    for generation in Generation::ALL {
        let finished = world.drive(generation, &json!([{"do": "connect", "login_timeout": 10}]))?;
        failed_clearly(finished.step("connect")?, "Icecore");
    }
    assert_eq!(world.gate.events(Some("accepted"))?.len(), 0);
    Ok(())
}

#[test]
fn upstream_with_an_untrusted_certificate_gets_nothing() -> Result<()> {
    let world = World::start(&Plan {
        wrong_ca: true,
        ..Plan::default()
    })?;
    for generation in Generation::ALL {
        let finished = world.drive(generation, &json!([{"do": "connect", "login_timeout": 10}]))?;
        failed_clearly(finished.step("connect")?, "certificate");
    }
    assert_eq!(
        world.gate.events(Some("request"))?.len(),
        0,
        "a request went to an untrusted server"
    );
    Ok(())
}

#[test]
fn upstream_that_answers_503_is_tried_again_or_said_to_be_down() -> Result<()> {
    let world = World::start(&Plan::default())?;
    world.gate.plant(Endpoint::Query, FaultKind::Status(503))?;
    let steps = json!([
        {"do": "sql", "name": "first", "sql": "select 1", "network_timeout": 30},
        {"do": "sql", "name": "second", "sql": "select 2"},
    ]);
    let finished = world.drive(Generation::Five, &steps)?;
    worked(&finished, &["second"]);
    let first = finished.step("first")?;
    assert!(
        first["ok"] == true || first["message"].to_string().contains("Icecore"),
        "{first}"
    );
    let executed = world.gate.executed()?;
    assert!(
        executed.iter().filter(|sql| *sql == "select 1").count() <= 1,
        "executed twice"
    );
    Ok(())
}

/// A login that Snowflake refuses is told in Snowflake's words.
#[test]
fn refused_login_is_told_in_the_upstreams_words() -> Result<()> {
    let edit = |text: String| text.replace("\"ANALYST\"", "\"OTHER_ROLE\"");
    let world = World::start(&Plan {
        edit,
        ..Plan::default()
    })?;
    let finished = world.drive(
        Generation::Four,
        &json!([{"do": "connect", "login_timeout": 10}]),
    )?;
    failed_clearly(
        finished.step("connect")?,
        "does not exist or not authorized",
    );
    Ok(())
}
