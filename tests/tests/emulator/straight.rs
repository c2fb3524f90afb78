//! Both generations of the Python connector, straight against the gate.

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::python::Generation;
use serde_json::json;

use crate::bench::Bench;

#[test]
fn both_connectors_do_their_daily_work() -> Result<()> {
    let bench = Bench::new(
        1,
        Tuning {
            poll_after_ms: 700,
            poll_hold_ms: 700,
            ..Tuning::default()
        },
    )?;
    for generation in Generation::ALL {
        let finished = bench.run(
            generation,
            &json!([
                {"do": "connect"},
                {"do": "sql", "name": "binds", "sql": "select customer, amount from orders where id = ?", "binds": [2]},
                {"do": "sql", "name": "wrong", "sql": "select * from no_such_table"},
                {"do": "sql", "name": "many", "sql": "select n from numbers", "sum": true},
                {"do": "sql", "name": "describe", "sql": "select id, customer from orders", "describe": true},
                {"do": "sql", "name": "slow", "sql": "select * from wait_3_seconds"},
                {"do": "abort", "sql": "select * from wait_62_seconds"},
                {"do": "async", "fetch": true, "sql": "select * from wait_2_seconds"},
                {"do": "close"},
                {"do": "connect", "name": "again"},
                {"do": "sql", "name": "after", "sql": "select 1"},
                {"do": "close"},
            ]),
        )?;
        println!("{}", finished.output);
        assert!(finished.status.success());
        let ok = |name: &str| finished.step(name).map(|step| step["ok"] == true);
        for name in [
            "connect", "binds", "many", "describe", "slow", "async", "abort", "close", "again",
            "after",
        ] {
            assert!(
                ok(name)?,
                "{generation:?}: {name}: {}",
                finished.step(name)?
            );
        }
        assert_eq!(finished.step("binds")?["first"], json!(["grace", "99.99"]));
        assert_eq!(finished.step("many")?["rows"], 20_000);
        assert_eq!(finished.step("many")?["sum"], 199_990_000);
        assert_eq!(
            finished.step("describe")?["columns"],
            json!(["ID", "CUSTOMER"])
        );
        assert!(
            !ok("wrong")?
                && finished.step("wrong")?["message"]
                    .to_string()
                    .contains("does not exist")
        );
        assert_eq!(finished.step("abort")?["status"], "ABORTED");
    }
    assert_eq!(bench.gate.events(Some("cancelled"))?.len(), 2);
    Ok(())
}

/// Connector 5.2 does not cancel on Ctrl-C: it waits for its row.
#[test]
fn connector_4_cancels_by_request_id_on_interrupt() -> Result<()> {
    let bench = Bench::new(4, Tuning::default())?;
    let steps =
        json!([{"do": "connect"}, {"do": "interrupt", "sql": "select * from wait_60_seconds"}]);
    let finished = bench.run(Generation::Four, &steps)?;
    assert_eq!(finished.step("interrupt")?["interrupted"], true);
    assert_eq!(bench.gate.events(Some("cancelled"))?.len(), 1);
    Ok(())
}

#[test]
fn expired_session_token_is_renewed_by_both_connectors() -> Result<()> {
    let bench = Bench::new(2, Tuning::default())?;
    for generation in Generation::ALL {
        let mut driver = bench.start(
            generation,
            &json!([
                {"do": "sql", "name": "before", "sql": "select 1"},
                {"do": "pause"},
                {"do": "sql", "name": "after", "sql": "select 2"},
            ]),
        )?;
        driver.expect("before")?;
        driver.expect("pause")?;
        bench.gate.expire_tokens()?;
        driver.go_on()?;
        let after = driver.expect("after")?;
        assert_eq!(after["first"], json!([2]), "{generation:?}: {after}");
    }
    assert_eq!(bench.gate.events(Some("renewed"))?.len(), 2);
    Ok(())
}

#[test]
fn login_with_another_role_is_refused() -> Result<()> {
    let bench = Bench::new(3, Tuning::default())?;
    let finished = bench.run(
        Generation::Five,
        &json!([{"do": "connect", "role": "ACCOUNTADMIN", "login_timeout": 5}]),
    )?;
    let step = finished.step("connect")?;
    assert!(
        step["ok"] == false
            && step["message"]
                .to_string()
                .contains("does not exist or not authorized"),
        "{step}"
    );
    let refused = bench.gate.events(Some("login_refused"))?;
    assert_eq!(
        refused[0]["why"],
        "roleName: expected `ANALYST`, found `ACCOUNTADMIN`"
    );
    Ok(())
}
