//! The proxy is killed while a driver waits: nothing runs twice, nothing hangs, and a new login works.
//!
//! What a driver shows for the statement that was cut and for the next one on the same connection is its own affair;
//! it is printed, and both must end within the driver's own time-outs, and a lost login is said to be lost.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};
use rustix::process::{Signal, kill_process};
use serde_json::json;

use super::facts::{ADBC, CLI, CONNECTOR_4, CONNECTOR_5, CRATE, Facts, NODE, SQL_API};
use super::matrix::executed;

const CUT: &str = "select * from wait_50_seconds";

#[test]
fn connector_4_logs_in_again_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&CONNECTOR_4)
}

#[test]
fn connector_5_logs_in_again_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&CONNECTOR_5)
}

#[test]
fn node_logs_in_again_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&NODE)
}

#[test]
fn adbc_logs_in_again_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&ADBC)
}

#[test]
fn snow_sql_logs_in_again_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&CLI)
}

#[test]
fn sql_api_client_goes_on_after_the_proxy_was_killed() -> Result<()> {
    proxy_killed_in_the_middle(&SQL_API)
}

#[test]
fn the_crate_logs_in_again_after_the_proxy_was_killed() -> Result<()> {
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
    assert_eq!(cut["ok"], false, "{cut}");
    assert!(cut["seconds"].as_f64() < Some(60.0), "{cut}");

    driver.expect("pause")?;
    let mut daemon = world.daemon.take().unwrap();
    daemon.wait_until(|| world.takes_sessions())?;
    world.daemon = Some(daemon);
    driver.go_on()?;
    let next = driver.expect("next")?;
    println!("{:?} shows for the next one: {next}", facts.product);
    // A login is lost with the proxy; who brings a credential with each statement does not notice.
    assert_eq!(next["ok"] == true, facts.lost_login.is_none(), "{next}");
    assert_eq!(next["errno"].as_i64(), facts.lost_login, "{next}");
    assert!(next["seconds"].as_f64() < Some(60.0), "{next}");

    // To close a login that is lost may fail, but it ends.
    driver.expect("close")?;
    for name in ["again", "after", "closed"] {
        let step = driver.expect(name)?;
        assert_eq!(step["ok"], true, "{step}\n{}", driver.output);
    }
    let ran = world.gate.executed()?;
    assert_eq!(ran.iter().filter(|sql| *sql == CUT).count(), 1, "{ran:?}");
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");

    // The cut statement is on record as abandoned, in a chain that says it was recovered.
    world.flush()?;
    let sql = format!("select status from trail where sql_text = '{CUT}'");
    assert_eq!(world.query(&sql)?, [json!({"status": "abandoned"})]);
    Ok(())
}
