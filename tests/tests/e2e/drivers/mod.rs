//! Unmodified connectors of both wire generations, in a session of an unprivileged user.

mod facts;
mod logins;
mod matrix;
mod restart;
mod trust;

use anyhow::Result;
use icecore_tests::emulator::{CLIENT_CREDENTIAL_FIELDS, Tuning};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::{all_executed_is_recorded, refused, worked};

#[test]
fn both_connectors_work_through_the_real_redirection() -> Result<()> {
    let tuning = Tuning {
        poll_after_ms: 700,
        poll_hold_ms: 700,
        ..Tuning::default()
    };
    let world = World::start(&Plan {
        tuning,
        ..Plan::default()
    })?;
    for generation in Generation::ALL {
        let finished = world.drive(
            generation,
            &json!([
                {"do": "connect"},
                {"do": "sql", "name": "binds", "sql": "select customer, amount from orders where id = ?", "binds": [2]},
                {"do": "sql", "name": "refused", "sql": "insert into orders values (9, 'eve', 0)"},
                {"do": "sql", "name": "wrong", "sql": "select * from no_such_table"},
                {"do": "sql", "name": "many", "sql": "select n from numbers", "sum": true},
                {"do": "sql", "name": "describe", "sql": "select id, customer from orders", "describe": true},
                {"do": "sql", "name": "slow", "sql": "select * from wait_3_seconds"},
                {"do": "abort", "sql": "select * from wait_60_seconds"},
                {"do": "async", "fetch": true, "sql": "select * from wait_2_seconds"},
                {"do": "close"},
                {"do": "connect", "name": "again"},
                {"do": "sql", "name": "after", "sql": "select 1"},
                {"do": "close", "name": "closed"},
            ]),
        )?;
        assert!(finished.status.success(), "{}", finished.output);
        worked(
            &finished,
            &[
                "connect", "binds", "many", "describe", "slow", "abort", "close", "again", "after",
                "closed",
            ],
        );
        worked(&finished, &["async"]);
        assert_eq!(finished.step("binds")?["first"], json!(["grace", "99.99"]));
        refused(finished.step("refused")?);
        let wrong = finished.step("wrong")?;
        assert!(
            wrong["message"].to_string().contains("does not exist"),
            "{wrong}"
        );
        assert_eq!(
            (&wrong["errno"], &wrong["sqlstate"]),
            (&json!(2003), &json!("42S02")),
            "{wrong}"
        );
        assert_eq!(finished.step("many")?["rows"], 20_000);
        assert_eq!(finished.step("many")?["sum"], 199_990_000);
        assert_eq!(
            finished.step("describe")?["columns"],
            json!(["ID", "CUSTOMER"])
        );
        assert_eq!(finished.step("abort")?["status"], "ABORTED");
    }
    assert!(
        !world
            .gate
            .executed()?
            .iter()
            .any(|sql| sql.contains("insert"))
    );
    assert_eq!(world.gate.events(Some("cancelled"))?.len(), 2);
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    only_ours_arrived(&world)?;
    all_executed_is_recorded(&world)?;
    Ok(())
}

/// No field, header or token of the client's went upstream.
fn only_ours_arrived(world: &World) -> Result<()> {
    for request in world.gate.events(Some("request"))? {
        let body = request["body"].as_str().unwrap_or_default();
        assert!(!body.contains("dummy-password"), "{request}");
        assert_eq!(request["host"], "acme.snowflakecomputing.com", "{request}");
        if request["path"] == "/session/v1/login-request" {
            let body: Value = serde_json::from_str(body)?;
            for field in CLIENT_CREDENTIAL_FIELDS {
                assert!(body["data"].get(field).is_none(), "`{field}` in {body}");
            }
        }
    }
    assert_eq!(
        world.gate.events(Some("login_refused"))?,
        Vec::<Value>::new()
    );
    Ok(())
}

#[test]
fn expired_tokens_are_renewed_with_the_real_ones() -> Result<()> {
    let world = World::start(&Plan::default())?;
    for generation in Generation::ALL {
        let mut driver = world.start_driver(
            generation,
            &json!([
                {"do": "sql", "name": "before", "sql": "select 1"},
                {"do": "pause"},
                {"do": "sql", "name": "after", "sql": "select 2"},
            ]),
        )?;
        driver.expect("before")?;
        driver.expect("pause")?;
        world.gate.expire_tokens()?;
        driver.go_on()?;
        let after = driver.expect("after")?;
        assert_eq!(after["first"], json!([2]), "{generation:?}: {after}");
    }
    assert!(!world.gate.events(Some("renewed"))?.is_empty());
    Ok(())
}

#[test]
fn connector_4_cancels_by_request_id_on_interrupt() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([{"do": "interrupt", "sql": "select * from wait_60_seconds"}]);
    let finished = world.drive(Generation::Four, &steps)?;
    assert_eq!(
        finished.step("interrupt")?["interrupted"],
        true,
        "{}",
        finished.output
    );
    assert_eq!(world.gate.events(Some("cancelled"))?.len(), 1);
    let trail = all_executed_is_recorded(&world)?;
    assert_eq!(trail[0]["status"], "cancelled", "{:?}", trail[0]);
    Ok(())
}

/// A POST is answered within 40 s while the statement goes on, whoever holds it: here the upstream answers late.
#[test]
fn statement_longer_than_a_poll_is_waited_for() -> Result<()> {
    let tuning = Tuning {
        poll_after_ms: 60_000,
        ..Tuning::default()
    };
    let world = World::start(&Plan {
        tuning,
        ..Plan::default()
    })?;
    let long = std::env::var_os("ICECORE_TEST_LONG").is_some();
    let seconds = if long { 100 } else { 45 };
    let sql = format!("select * from wait_{seconds}_seconds");
    let steps = json!([{"do": "sql", "sql": sql}]);
    let mut drivers = Vec::new();
    for generation in Generation::ALL {
        drivers.push(world.start_driver(generation, &steps)?);
    }
    for driver in drivers {
        let finished = driver.finish()?;
        worked(&finished, &["sql"]);
    }
    assert_eq!(
        world.gate.executed()?.len(),
        2,
        "a statement was executed twice"
    );
    Ok(())
}
