//! A proxy that hangs, whole or in one of its cores, and programs that are taken away: refused, recorded, and ended.

use std::time::Duration;

use anyhow::Result;
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::wedge::Wedge;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use icecore_tests::time;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

/// Near the default of 2 s, and what a machine that other tests share still keeps; those that hang nothing leave more time.
pub(crate) fn hangs_soon(text: String) -> String {
    text.replace("heartbeat_stale = \"20s\"", "heartbeat_stale = \"5s\"")
}

/// A wait that is longer than the heartbeat may be old.
const LONGER: Duration = Duration::from_secs(9);

fn steps() -> Value {
    let dial = json!({"do": "dial", "host": "acme.snowflakecomputing.com", "port": 443});
    let select = json!({"do": "sql", "sql": "select 1", "network_timeout": 30});
    json!([select, {"do": "pause"}, dial, {"do": "pause"}, {"do": "close"}, select])
}

fn start() -> Result<(World, Driver)> {
    let world = World::start(&Plan {
        edit: hangs_soon,
        ..Plan::default()
    })?;
    let mut driver = world.start_driver(Generation::Four, &steps())?;
    assert_eq!(driver.expect("sql")?["ok"], true, "{}", driver.output);
    driver.expect("pause")?;
    Ok((world, driver))
}

/// The session dials while the proxy hangs: refused at once, and nothing reaches the trap behind the address.
fn dial_is_refused(world: &World, driver: &mut Driver) -> Result<()> {
    driver.go_on()?;
    let dial = driver.expect("dial")?;
    assert_eq!(dial["error"], "ConnectionRefusedError", "{dial}");
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    Ok(())
}

/// The session goes on, and the record says how long it could not.
fn goes_on_and_is_recorded(world: &World, driver: &mut Driver) -> Result<()> {
    driver.expect("pause")?;
    driver.go_on()?;
    driver.expect("close")?;
    let select = driver.expect("sql")?;
    assert_eq!(select["ok"], true, "{select}");
    let told = "select cast(detail->>'lasted_ms' as integer) as ms, severity from events where event_code = 'EN002'";
    for _ in 0..50 {
        world.flush()?;
        if let Some(row) = world.query(told)?.first() {
            assert!(row["ms"].as_i64() >= Some(2000), "{row}");
            assert_eq!(row["severity"], 4);
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("EN002 is not in the record");
}

#[test]
fn stopped_proxy_refuses_sessions_until_it_goes_on() -> Result<()> {
    let (mut world, mut driver) = start()?;
    let proxy = world.daemon()?.proxy()?;
    kill_process(proxy, Signal::STOP)?;
    std::thread::sleep(LONGER);
    let refused = dial_is_refused(&world, &mut driver);
    kill_process(proxy, Signal::CONT)?;
    refused?;
    goes_on_and_is_recorded(&world, &mut driver)
}

#[test]
fn one_core_that_is_blocked_refuses_sessions_until_it_goes_on() -> Result<()> {
    let (mut world, mut driver) = start()?;
    let proxy = world.daemon()?.proxy()?;
    let Some(wedge) = Wedge::drive_in(proxy)? else {
        eprintln!("this host has one core: not tried");
        return Ok(());
    };
    std::thread::sleep(LONGER);
    let refused = dial_is_refused(&world, &mut driver);
    drop(wedge);
    refused?;
    goes_on_and_is_recorded(&world, &mut driver)
}

#[test]
fn programs_that_are_taken_away_end_all_sessions_within_a_second() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut driver = world.start_driver(Generation::Four, &steps())?;
    assert_eq!(driver.expect("sql")?["ok"], true, "{}", driver.output);
    driver.expect("pause")?;
    let sessions = world.cgroup.sessions()?;
    assert_eq!(sessions.len(), 1);
    let pin = world.config.pins.join("v2/links/connect4");
    std::fs::remove_file(&pin)?;
    let start = time::instant();
    let events = world
        .cgroup
        .path()
        .join("icecore")
        .join(&sessions[0])
        .join("cgroup.events");
    while std::fs::read_to_string(&events).is_ok_and(|events| events.contains("populated 1")) {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "the session runs on"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = start.elapsed();
    println!("the session was killed after {} ms", ended.as_millis());
    assert!(ended < Duration::from_millis(1500), "{ended:?}");

    // What was taken away is back, and sessions begin again.
    for _ in 0..50 {
        if pin.exists() && world.takes_sessions() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(pin.exists());
    crate::piece::run(
        &world,
        Generation::Four,
        "connect().cursor().execute('select 1').fetchall()",
    )?;
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    world.flush()?;
    let told = world.query(
        "select severity, detail->>'brought_back' as back, detail->>'sessions_ended' as ended from events where event_code = 'EN001'",
    )?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["severity"], &told[0]["back"]),
        (&json!(5), &json!("true"))
    );
    assert!(
        told[0]["ended"].to_string().contains(&sessions[0]),
        "{told:?}"
    );
    let ended = world.query(&format!(
        "select close_reason from sessions where session_id = '{}' and closed_at is not null",
        sessions[0]
    ))?;
    assert_eq!(
        ended,
        [json!({"close_reason": "kernel programs were taken away"})]
    );
    Ok(())
}
