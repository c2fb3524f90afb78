//! What a login may do is read back from Snowflake: secondary roles are off, or nobody gets tokens.

use anyhow::Result;
use icecore_tests::emulator::{SecondaryRoles, Tuning};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::worked;

const ROLES: &str = "select current_role(), current_secondary_roles()";

fn world(secondary_roles: SecondaryRoles) -> Result<World> {
    let tuning = Tuning {
        secondary_roles,
        ..Tuning::default()
    };
    World::start(&Plan {
        tuning,
        ..Plan::default()
    })
}

/// Counts the statements that Icecore ran by itself.
fn own_looks(world: &World) -> Result<usize> {
    let executed = world.gate.events(Some("executed"))?;
    let is_own = |sql: &str| sql.starts_with("/* icecore login check */");
    let own = executed
        .iter()
        .filter(|one| one["sql"].as_str().is_some_and(is_own));
    Ok(own.count())
}

#[test]
fn secondary_roles_that_a_login_leaves_on_are_switched_off_before_the_agent_has_tokens()
-> Result<()> {
    for (how, looks) in [
        (SecondaryRoles::ByLogin, 1),
        (SecondaryRoles::ByStatement, 3),
    ] {
        let world = world(how)?;
        let steps = json!([{"do": "connect"}, {"do": "sql", "sql": ROLES}, {"do": "close"}]);
        let finished = world.drive(Generation::Four, &steps)?;
        worked(&finished, &["connect", "sql", "close"]);
        let row = &finished.step("sql")?["first"];
        assert_eq!(
            *row,
            json!(["ANALYST", r#"{"roles":"","value":""}"#]),
            "{how:?}: {row}"
        );
        assert_eq!(own_looks(&world)?, looks, "{how:?}");
        world.flush()?;
        let logins = world.query("select distinct sf_role, secondary_roles from logins_all")?;
        assert_eq!(
            logins,
            [json!({"sf_role": "ANALYST", "secondary_roles": "NONE"})]
        );
    }
    Ok(())
}

#[test]
fn a_login_that_keeps_secondary_roles_is_refused_and_closed() -> Result<()> {
    let world = world(SecondaryRoles::Never)?;
    for generation in Generation::ALL {
        let steps = json!([{"do": "connect", "login_timeout": 10}]);
        let refused = world.drive(generation, &steps)?;
        let step = refused.step("connect")?;
        assert_eq!(step["ok"], false, "{step}");
        let told = step["message"].to_string();
        for part in [
            "Icecore refused this login",
            "no secondary roles, warehouse `WH`",
            "secondary roles `LOADER`",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    let opened = world.gate.events(Some("login"))?.len();
    assert_eq!(world.gate.events(Some("closed"))?.len(), opened);
    world.flush()?;
    let events = world.query("select event_code from events where event_code = 'AU006'")?;
    assert_eq!(events.len(), opened);
    assert!(world.query("select * from logins_all")?.is_empty());
    Ok(())
}
