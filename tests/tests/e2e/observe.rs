//! Mode `observe`: nothing is refused, everything is said.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::worked;

#[test]
fn observe_lets_pass_and_records_the_verdict_of_enforce() -> Result<()> {
    let world = World::start(&Plan {
        mode: "observe".into(),
        ..Plan::default()
    })?;
    let steps = json!([
        {"do": "sql", "name": "read", "sql": "select 1"},
        {"do": "sql", "name": "write", "sql": "insert into orders values (4, 'barbara', 1)"},
    ]);
    let finished = world.drive(Generation::Five, &steps)?;
    worked(&finished, &["read", "write"]);
    assert!(
        world
            .gate
            .executed()?
            .iter()
            .any(|sql| sql.contains("barbara"))
    );
    world.flush()?;
    let trail = world.query(
        "select sql_text, decision, policy_mode, mode, rule_ids from trail order by started_at",
    )?;
    assert_eq!(trail[0]["decision"], "allow", "{trail:?}");
    // `flag` with enforce's rule: allowed here, and would have been refused.
    assert_eq!(trail[1]["decision"], "flag", "{trail:?}");
    assert_eq!(trail[1]["rule_ids"], json!(["default-deny"]), "{trail:?}");
    assert!(
        trail
            .iter()
            .all(|row| row["policy_mode"] == "observe" && row["mode"] == "observe"),
        "{trail:?}"
    );
    Ok(())
}

/// Credentials are swapped in `observe` too: the emulator would have refused the dummy password.
#[test]
fn observe_says_so_in_the_session_summary() -> Result<()> {
    let world = World::start(&Plan {
        mode: "observe".into(),
        ..Plan::default()
    })?;
    let output = world.session(0, &[], "true".as_ref())?.output()?;
    let summary = String::from_utf8(output.stderr)?;
    assert!(summary.contains("observe"), "{summary}");
    Ok(())
}
