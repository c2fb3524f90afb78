//! Budgets: a session and a principal get what they may and no more, whatever restarts meanwhile.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::catalogue;

/// Longer than what was used may be in memory alone.
const WRITTEN_WITHIN: Duration = Duration::from_millis(1_500);

/// Makes a world where reading is allowed and a budget's policies hold.
fn world(budget: &str) -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        tuning: Tuning {
            chunk_rows: 3_000,
            ..Tuning::default()
        },
        ..Plan::default()
    })?;
    fs::write(world.config.policies().join("budget.cedar"), budget)?;
    world.start_daemon()?;
    Ok(world)
}

fn forbid(id: &str, reason: &str, condition: &str) -> String {
    format!(
        "@id(\"{id}\") @reason(\"{reason}\") forbid (principal, action, resource) when {{ {condition} }};\n"
    )
}

fn sql(name: &str, sql: &str) -> Value {
    json!({"do": "sql", "name": name, "sql": sql})
}

#[track_caller]
fn refused(step: &Value, reason: &str, rule: &str) {
    let message = step["message"].to_string();
    assert_eq!(step["ok"], false, "{step}");
    assert!(message.contains("Icecore refused this statement"), "{step}");
    assert!(message.contains(reason), "{step}");
    assert!(message.contains(&format!("(rule {rule};")), "{step}");
}

fn next(driver: &mut Driver, name: &str) -> Result<bool> {
    Ok(driver.expect(name)?["ok"] == true)
}

#[test]
fn a_session_and_a_day_have_so_many_statements_whatever_is_killed() -> Result<()> {
    let of_session = "this session has used its 5 statements";
    let of_day = "you have used today's 8 statements on this host";
    let mut world = world(
        &[
            forbid(
                "of-session",
                of_session,
                "context.used.session.statements >= 5",
            ),
            forbid("of-day", of_day, "context.used.today.statements >= 8"),
        ]
        .concat(),
    )?;
    let one = |name| sql(name, "select 1");
    let mut driver = world.start_driver(
        Generation::Four,
        &json!([
            one("1"), {"do": "multi", "name": "2 and 3", "sql": "select 1; select 2", "count": 2},
            {"do": "pause"},
            {"do": "multi", "name": "4 to 6", "sql": "select 1; select 2; select 3", "count": 3},
            one("4"), one("5"), one("6"),
        ]),
    )?;
    assert!(next(&mut driver, "1")? && next(&mut driver, "2 and 3")?);
    driver.expect("pause")?;
    std::thread::sleep(WRITTEN_WITHIN);
    world.replace_proxy()?;
    driver.go_on()?;
    refused(
        &driver.expect("4 to 6")?,
        &format!("statement 3 of 3: {of_session}"),
        "of-session",
    );
    assert!(next(&mut driver, "4")? && next(&mut driver, "5")?);
    refused(&driver.expect("6")?, of_session, "of-session");
    drop(driver.finish()?);

    // Another session of the same principal has three left of the day.
    let steps = json!([one("1"), one("2"), one("3"), one("4")]);
    let second = world.drive(Generation::Five, &steps)?;
    worked(&second, &["1", "2", "3"]);
    refused(second.step("4")?, of_day, "of-day");
    std::thread::sleep(WRITTEN_WITHIN);

    // The day goes on with the next daemon too; another principal has its own.
    drop(world.daemon.take());
    world.start_daemon()?;
    let third = world.drive(Generation::Four, &json!([one("1")]))?;
    refused(third.step("1")?, of_day, "of-day");
    let other = world.start_driver_as(65_533, Generation::Four, &json!([one("1")]))?;
    worked(&other.finish()?, &["1"]);

    world.flush()?;
    let rows = world.query(
        "select rule_ids[1] as rule, count(*) as n from statements where decision = 'block' group by all order by all",
    )?;
    let expected = [
        json!({"rule": "of-day", "n": 2}),
        json!({"rule": "of-session", "n": 2}),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

/// Runs statements, each called by its own text.
fn run(world: &World, generation: Generation, statements: &[(&str, &str)]) -> Result<Finished> {
    let steps = statements.iter().map(|(name, text)| sql(name, text));
    world.drive(generation, &Value::from_iter(steps))
}

#[test]
fn rows_count_as_they_are_delivered_inline_and_in_chunks() -> Result<()> {
    let reason = "this session has been given its 20,002 rows";
    let world = world(&forbid(
        "rows",
        reason,
        "context.used.session.rows >= 20002",
    ))?;
    for generation in Generation::ALL {
        let finished = run(
            &world,
            generation,
            &[
                ("20,000", "select n from numbers"),
                ("20,001", "select 1"),
                ("20,002", "select 1"),
                ("20,003", "select 1"),
            ],
        )?;
        worked(&finished, &["20,000", "20,001", "20,002"]);
        assert_eq!(finished.step("20,000")?["rows"], 20_000);
        refused(finished.step("20,003")?, reason, "rows");
    }
    // Some of them came in chunks.
    assert!(!world.gate.events(Some("chunk"))?.is_empty());
    Ok(())
}

#[test]
fn failures_count_in_a_row_whoever_says_no_and_however_late() -> Result<()> {
    let reason = "3 statements in a row were refused or failed";
    let budget = forbid("failures", reason, "context.used.session.failures >= 3");
    let world = world(&budget)?;
    let (refuse, fail) = ("drop table orders", "select no_such_column from orders");
    let finished = run(
        &world,
        Generation::Four,
        &[
            ("r1", refuse),
            ("r2", refuse),
            ("works", "select 1"),
            ("r3", refuse),
            ("f1", fail),
            ("works again", "select 1"),
            ("f2", fail),
            ("f3", fail),
            ("f4", fail),
            ("tripped", "select 1"),
        ],
    )?;
    worked(&finished, &["works", "works again"]);
    for name in ["r1", "r2", "r3", "f1", "f2", "f3", "f4"] {
        let step = finished.step(name)?;
        assert_eq!(step["ok"], false, "{step}");
        assert!(!step["message"].to_string().contains(reason), "{step}");
    }
    refused(finished.step("tripped")?, reason, "failures");

    // What Snowflake goes on with has neither succeeded nor failed before its end.
    let late = json!({"do": "async", "name": "late", "sql": fail});
    let steps = json!([
        sql("f1", fail), sql("f2", fail), late, {"do": "sleep", "seconds": 2}, sql("tripped", "select 1"),
    ]);
    let finished = world.drive(Generation::Four, &steps)?;
    let late = finished.step("late")?;
    assert_eq!(late["status"], "FAILED_WITH_ERROR", "{late}");
    refused(finished.step("tripped")?, reason, "failures");
    Ok(())
}

#[test]
fn columns_with_tags_count_once_and_before_their_statement_runs() -> Result<()> {
    let reason = "that would be a column with a tag";
    let policies = [
        "@id(\"all\") permit (principal, action, resource);\n",
        &forbid(
            "tagged",
            reason,
            "context.used.session.sensitive_columns > 0",
        ),
    ];
    let world = catalogue::world(&policies.concat(), catalogue::CANARY)?;
    let finished = run(
        &world,
        Generation::Four,
        &[
            ("name", "select name from customers"),
            ("email", "select name from customers where email = 'x'"),
            ("again", "select count(name) from customers"),
        ],
    )?;
    worked(&finished, &["name", "again"]);
    refused(finished.step("email")?, reason, "tagged");
    Ok(())
}
