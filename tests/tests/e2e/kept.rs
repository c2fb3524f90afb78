//! Logins across proxies: the tokens that a driver holds lead to the same login when the proxy was killed, and nowhere else.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use icecore_tests::time;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::raw::{self, login, statement, token};

/// Makes a world where everything may be done.
fn world() -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        roles: vec![("ICECORE_SVC", "READER")],
        ..Plan::default()
    })?;
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
    // What was compared is on disk.
    for name in ["its result later", "scan"] {
        let later = told(&mut client, name);
        assert_eq!(later["success"], true, "{name}: {later}");
    }
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

/// A login goes on only as what the config gives: with another role it is opened anew.
#[test]
fn a_login_that_the_config_gives_otherwise_is_not_taken_up() -> Result<()> {
    let mut world = world()?;
    let mut again = login();
    again["name"] = "again".into();
    let mut after = statement("after", "c3", "select current_role()");
    after["headers"] = json!({"Authorization": "Snowflake Token=\"${again/body/data/token}\""});
    let steps = json!([
        login(), statement("before", "c1", "select 1"),
        {"do": "pause"},
        statement("lost", "c2", "select 1"), again, after,
        {"do": "pause"},
        statement("still lost", "c4", "select 1"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["login", "before"] {
        assert_eq!(ok(&mut client, name)["body"]["success"], true);
    }
    let config = fs::read_to_string(world.config_file())?;
    let changed = config.replace("role = \"ANALYST\"", "role = \"READER\"");
    assert_ne!(config, changed);
    fs::write(world.config_file(), changed)?;
    go_on_with_another_proxy(&mut world, &mut client)?;
    assert_eq!(ok(&mut client, "lost")["body"]["code"], "390112");
    for name in ["again", "after"] {
        assert_eq!(ok(&mut client, name)["body"]["success"], true);
    }
    fs::write(world.config_file(), config)?;
    go_on_with_another_proxy(&mut world, &mut client)?;
    assert_eq!(ok(&mut client, "still lost")["body"]["code"], "390112");
    drop(client.finish()?);
    let log = world.daemon()?.log()?;
    assert!(log.contains("login was not taken up again"), "{log}");
    Ok(())
}

/// A session that ends while there is no proxy leaves no login open at Snowflake: the next proxy closes it.
#[test]
fn logins_of_a_session_that_ended_without_a_proxy_are_closed() -> Result<()> {
    let mut world = world()?;
    let steps = json!([login(), statement("works", "d1", "select 1"), {"do": "pause"}]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["login", "works"] {
        assert_eq!(ok(&mut client, name)["body"]["success"], true);
    }
    client.expect("pause")?;
    kill_process(world.daemon()?.proxy()?, Signal::KILL)?;
    client.kill()?;
    let is_close = |request: &Value| request["path"] == "/session";
    let mut daemon = world.daemon.take().context("no daemon")?;
    daemon.wait_until(|| {
        let requests = world.gate.events(Some("request"));
        requests.is_ok_and(|requests| requests.iter().any(is_close))
    })?;
    world.daemon = Some(daemon);
    // The row of its end follows Snowflake's answer.
    let expected = [json!({"close_reason": "session ended", "is_final": true})];
    let start = time::instant();
    loop {
        world.flush()?;
        let closed = world.query("select close_reason, is_final from logins")?;
        if closed == expected || start.elapsed() > Duration::from_secs(20) {
            assert_eq!(closed, expected);
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
