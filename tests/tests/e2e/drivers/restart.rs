//! The proxy is killed while a driver waits: nothing runs twice, nothing hangs, the login goes on, and so does a new one.
//!
//! A driver that sends the statement again which was cut gets its result; another shows an error within its time-outs.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};
use rustix::process::{Signal, kill_process};
use serde_json::json;

use super::facts::{ADBC, CLI, CONNECTOR_4, CONNECTOR_5, CRATE, Facts, Logins, NODE, SQL_API};
use super::matrix::executed;

const CUT: &str = "select * from wait_15_seconds";

#[test]
fn connector_4_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&CONNECTOR_4)
}

#[test]
fn connector_5_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&CONNECTOR_5)
}

#[test]
fn node_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&NODE)
}

#[test]
fn adbc_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&ADBC)
}

#[test]
fn snow_sql_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&CLI)
}

#[test]
fn sql_api_client_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&SQL_API)
}

#[test]
fn the_crate_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&CRATE)
}

fn proxy_killed_in_the_middle(facts: &Facts) -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let mut driver = world.start_driver(
        facts.product,
        &json!([
            {"do": "connect", "network_timeout": 20},
            {"do": "sql", "name": "cut", "sql": CUT},
            {"do": "pause"},
            {"do": "sql", "name": "next", "sql": "select 1"},
            {"do": "close"},
            {"do": "connect", "name": "again", "network_timeout": 20},
            {"do": "sql", "name": "after", "sql": "select 2"},
            {"do": "close", "name": "closed"},
        ]),
    )?;
    driver.expect("connect")?;
    executed(&world, CUT)?;
    kill_process(world.daemon()?.proxy()?, Signal::KILL)?;
    let cut = driver.expect("cut")?;
    println!("{:?} shows for the cut statement: {cut}", facts.product);
    assert_eq!(cut["ok"], facts.sends_again, "{cut}");
    assert!(cut["seconds"].as_f64() < Some(60.0), "{cut}");

    driver.expect("pause")?;
    let mut daemon = world.daemon.take().unwrap();
    daemon.wait_until(|| world.takes_sessions())?;
    world.daemon = Some(daemon);
    let logins = world.gate.events(Some("login"))?.len();
    driver.go_on()?;
    let next = driver.expect("next")?;
    println!("{:?} shows for the next one: {next}", facts.product);
    assert_eq!(next["ok"], true, "{next}");
    assert!(next["seconds"].as_f64() < Some(60.0), "{next}");
    if facts.logins == Logins::PerConnection {
        let now = world.gate.events(Some("login"))?.len();
        assert_eq!(now, logins, "{next}");
    }
    for name in ["close", "again", "after", "closed"] {
        let step = driver.expect(name)?;
        assert_eq!(step["ok"], true, "{step}\n{}", driver.output);
    }
    let ran = world.gate.executed()?;
    assert_eq!(ran.iter().filter(|sql| *sql == CUT).count(), 1, "{ran:?}");
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");

    // The cut statement is on record as abandoned, in a chain that says it was recovered.
    world.flush()?;
    let sql = format!("select status from trail where sql_text = '{CUT}' order by started_at");
    let mut expected = vec![json!({"status": "abandoned"})];
    if facts.sends_again {
        expected.push(json!({"status": "success"}));
    }
    assert_eq!(world.query(&sql)?, expected);
    Ok(())
}
