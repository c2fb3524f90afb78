//! Logins across proxies: the tokens that a driver holds lead to the same login when the proxy was killed, and nowhere else.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::raw::{self, login, statement, token};

/// Makes a world where everything may be done.
fn world() -> Result<World> {
    let mut world = World::without_daemon(&Plan::default())?;
    let policies = world.config.policies();
    fs::write(
        policies.join("all.cedar"),
        "@id(\"all\") permit (principal, action, resource);",
    )?;
    world.start_daemon()?;
    Ok(world)
}

#[track_caller]
fn ok(driver: &mut Driver, name: &str) -> Value {
    let step = driver.expect(name).unwrap();
    assert_eq!(step["ok"], true, "{step}");
    step
}

/// Waits for a pause, has the proxy killed and another one started, and lets the client go on.
fn go_on_with_another_proxy(world: &mut World, driver: &mut Driver) -> Result<()> {
    driver.expect("pause")?;
    world.replace_proxy()?;
    driver.go_on()
}

fn a_driver_goes_on(generation: Generation) -> Result<()> {
    let mut world = world()?;
    let scan = |name: &str| json!({"do": "sql", "name": name, "sql": "select A from KEPT"});
    let mut driver = world.start_driver(
        generation,
        &json!([
            {"do": "connect"},
            {"do": "sql", "name": "make", "sql": "create temporary table KEPT as select 7 as A"},
            {"do": "pause"}, scan("next"),
            // Renewed for a statement, not by the driver; then that is lost too.
            {"do": "pause"}, scan("renewed"), {"do": "sleep", "seconds": 3},
            {"do": "pause"}, scan("last"),
            {"do": "close"},
        ]),
    )?;
    for name in ["connect", "make"] {
        ok(&mut driver, name);
    }
    go_on_with_another_proxy(&mut world, &mut driver)?;
    assert_eq!(ok(&mut driver, "next")["first"], json!([7]));
    driver.expect("pause")?;
    world.gate.expire_tokens()?;
    driver.go_on()?;
    assert_eq!(ok(&mut driver, "renewed")["first"], json!([7]));
    driver.expect("sleep")?;
    go_on_with_another_proxy(&mut world, &mut driver)?;
    assert_eq!(ok(&mut driver, "last")["first"], json!([7]));
    ok(&mut driver, "close");
    drop(driver.finish()?);

    assert_eq!(world.gate.events(Some("login"))?.len(), 1);
    // What was renewed was kept: the last proxy had nothing to renew.
    let requests = world.gate.events(Some("request"))?;
    let renewals = requests
        .iter()
        .filter(|request| request["path"] == "/session/token-request");
    assert_eq!(renewals.count(), 1);
    world.flush()?;
    let logins = world.query(
        "select count(distinct login_id) as logins, count(*) filter (phase = 'close') as closed, \
         count(distinct principal) as principals, any_value(close_reason) as why from logins_all",
    )?;
    let expected =
        json!({"logins": 1, "closed": 1, "principals": 1, "why": "closed by the client"});
    assert_eq!(logins, [expected]);
    let statements =
        world.query("select count(distinct login_id) as logins, count(*) as n from trail")?;
    assert_eq!(statements, [json!({"logins": 1, "n": 4})]);
    // The real tokens are in no file, not even sealed.
    for entry in fs::read_dir(world.config.run_dir().join("sessions"))? {
        let text = fs::read_to_string(entry?.path())?;
        assert!(!text.contains("logins"), "{text}");
    }
    Ok(())
}

#[test]
fn connector_4_goes_on_with_its_login_when_the_proxy_is_killed() -> Result<()> {
    a_driver_goes_on(Generation::Four)
}

#[test]
fn connector_5_goes_on_with_its_login_when_the_proxy_is_killed() -> Result<()> {
    a_driver_goes_on(Generation::Five)
}

/// Renewal works, what was closed stays closed, ids of before lead nowhere; after the session nothing is good any more.
#[test]
fn tokens_are_as_good_as_before_and_die_with_the_session() -> Result<()> {
    let mut world = world()?;
    let mut closed = login();
    closed["name"] = "closed".into();
    let shown = |name: &str, token: &str| {
        let mut step = statement(name, "", "select 2");
        step["target"] = "/queries/v1/query-request".into();
        step["headers"] = json!({"Authorization": format!("Snowflake Token=\"{token}\"")});
        step
    };
    let result = |name: &str| json!({"name": name, "method": "GET", "headers": token(), "target": "/queries/${before/body/data/queryId}/result"});
    let steps = json!([
        login(), closed,
        {"name": "close", "target": "/session?delete=true",
         "headers": {"Authorization": "Snowflake Token=\"${closed/body/data/token}\""}},
        statement("before", "b1", "select 1"), result("its result"),
        {"do": "pause"},
        shown("of the closed", "${closed/body/data/token}"),
        shown("master as token", "${login/body/data/masterToken}"),
        result("its result later"),
        statement("scan", "b2", "select * from table(result_scan('${before/body/data/queryId}'))"),
        {"name": "renew", "target": "/session/token-request",
         "headers": {"Authorization": "Snowflake Token=\"${login/body/data/masterToken}\""},
         "body": {"oldSessionToken": "${login/body/data/token}", "requestType": "RENEW"}},
        shown("by the old", "${login/body/data/token}"),
        {"do": "pause"},
        shown("by the new", "${renew/body/data/sessionToken}"),
        // The same request once more is the same statement; another text under its id is none of Snowflake's.
        statement("again", "b1", "select 1"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    let told = |client: &mut Driver, name: &str| ok(client, name)["body"].clone();
    for name in ["login", "closed", "close", "before", "its result"] {
        assert_eq!(told(&mut client, name)["success"], true, "{name}");
    }
    go_on_with_another_proxy(&mut world, &mut client)?;
    for name in ["of the closed", "master as token"] {
        assert_eq!(told(&mut client, name)["code"], "390112", "{name}");
    }
    let later = told(&mut client, "its result later").to_string();
    assert!(
        later.contains("sent no statement with that query id") && later.contains("restart"),
        "{later}"
    );
    let scan = told(&mut client, "scan").to_string();
    assert!(scan.contains("Icecore refused this statement"), "{scan}");
    let renewed = told(&mut client, "renew");
    assert_eq!(renewed["success"], true, "{renewed}");
    assert_eq!(told(&mut client, "by the old")["success"], true);
    go_on_with_another_proxy(&mut world, &mut client)?;
    for name in ["by the new", "again"] {
        assert_eq!(told(&mut client, name)["success"], true, "{name}");
    }
    drop(client.finish()?);
    let executed = world.gate.executed()?;
    assert_eq!(
        executed.iter().filter(|sql| *sql == "select 1").count(),
        1,
        "{executed:?}"
    );

    let token = renewed["data"]["sessionToken"].as_str().unwrap_or_default();
    let master = renewed["data"]["masterToken"].as_str().unwrap_or_default();
    world.replace_proxy()?;
    std::thread::sleep(Duration::from_millis(500));
    let after = raw::send(
        &world,
        &json!([shown("token", token), shown("master", master)]),
    )?;
    for name in ["token", "master"] {
        assert_eq!(raw::body(&after, name)["code"], "390112");
    }
    assert_eq!(world.gate.events(Some("login"))?.len(), 2);
    Ok(())
}
