//! Icecore stopped and killed: nothing bypasses, nothing is lost, sessions go on.

use std::time::Duration;

use anyhow::Result;
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::asserts::all_executed_is_recorded;

/// Steps of a session that dials and queries whenever it is told to.
fn steps(rounds: usize) -> Value {
    let dial = json!({"do": "dial", "host": "acme.snowflakecomputing.com", "port": 443});
    let select = json!({"do": "sql", "sql": "select 1", "network_timeout": 20});
    let mut steps = vec![select.clone()];
    for _ in 0..rounds {
        steps.extend([json!({"do": "pause"}), dial.clone(), json!({"do": "pause"})]);
        steps.extend([json!({"do": "close"}), select.clone()]);
    }
    Value::Array(steps)
}

/// The session dials while Icecore is down: refused, and the trap behind the address sees nothing.
fn dial_is_refused(world: &World, driver: &mut Driver) -> Result<()> {
    driver.expect("pause")?;
    driver.go_on()?;
    let dial = driver.expect("dial")?;
    assert_eq!(dial["error"], "ConnectionRefusedError", "{dial}");
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    Ok(())
}

/// The same session queries once Icecore is back.
fn session_goes_on(driver: &mut Driver) -> Result<()> {
    driver.expect("pause")?;
    driver.go_on()?;
    driver.expect("close")?;
    let select = driver.expect("sql")?;
    assert_eq!(select["ok"], true, "{select}");
    Ok(())
}

#[test]
fn stopped_daemon_refuses_sessions_until_it_is_back() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let mut driver = world.start_driver(Generation::Four, &steps(1))?;
    assert_eq!(driver.expect("sql")?["ok"], true, "{}", driver.output);
    let requests = world.gate.events(Some("request"))?.len();
    assert!(world.daemon()?.terminate()?.success());
    dial_is_refused(&world, &mut driver)?;
    let after = world.gate.events(Some("request"))?;
    let queries = after
        .iter()
        .skip(requests)
        .filter(|request| request["path"] == "/queries/v1/query-request");
    assert_eq!(
        queries.count(),
        0,
        "a query went out while the daemon was down"
    );
    world.start_daemon()?;
    session_goes_on(&mut driver)?;
    all_executed_is_recorded(&world)?;
    Ok(())
}

#[test]
fn killed_supervisor_refuses_sessions_until_it_is_back() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let mut driver = world.start_driver(Generation::Five, &steps(1))?;
    assert_eq!(driver.expect("sql")?["ok"], true, "{}", driver.output);
    let proxy = world.daemon()?.proxy()?;
    world.daemon()?.kill_supervisor()?;
    world.daemon = None;
    // The proxy ends when its supervisor is gone; until then it governs what arrives.
    wait_for_end(proxy);
    dial_is_refused(&world, &mut driver)?;
    world.start_daemon()?;
    session_goes_on(&mut driver)?;
    all_executed_is_recorded(&world)?;
    Ok(())
}

/// The supervisor holds the listener and starts a new proxy: a connect waits or is refused, and never bypasses.
#[test]
fn killed_proxy_comes_back_and_sessions_go_on() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let mut driver = world.start_driver(Generation::Four, &steps(3))?;
    assert_eq!(driver.expect("sql")?["ok"], true, "{}", driver.output);
    for _ in 0..3 {
        let proxy = world.daemon()?.proxy()?;
        kill_process(proxy, Signal::KILL)?;
        driver.expect("pause")?;
        driver.go_on()?;
        driver.expect("dial")?;
        assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
        let mut daemon = world.daemon.take().unwrap();
        daemon.wait_until(|| world.takes_sessions())?;
        world.daemon = Some(daemon);
        session_goes_on(&mut driver)?;
    }
    all_executed_is_recorded(&world)?;
    Ok(())
}

#[test]
fn killed_agent_leaves_a_recorded_statement() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let sql = "select * from wait_20_seconds";
    let mut driver = world.start_driver(
        Generation::Five,
        &json!([{"do": "connect"}, {"do": "sql", "sql": sql}]),
    )?;
    driver.expect("connect")?;
    wait_for_execution(&world, sql)?;
    driver.kill()?;
    for _ in 0..100 {
        if world.cgroup.sessions()?.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(world.cgroup.sessions()?, Vec::<String>::new());
    // The statement is withdrawn or runs to its end; either way the record says which.
    std::thread::sleep(Duration::from_secs(2));
    world.flush()?;
    let rows = world.query("select * from statements_all where not is_final")?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let ended = world.query("select close_reason from sessions where close_reason is not null and closed_at is not null")?;
    assert!(!ended.is_empty(), "the session's end is not recorded");
    Ok(())
}

#[test]
fn daemon_stopped_in_the_middle_of_a_query_loses_nothing() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let sql = "select * from wait_3_seconds";
    let mut driver = world.start_driver(
        Generation::Four,
        &json!([{"do": "connect"}, {"do": "sql", "sql": sql, "network_timeout": 15}]),
    )?;
    driver.expect("connect")?;
    wait_for_execution(&world, sql)?;
    let status = world.daemon()?.terminate()?;
    assert!(status.success(), "{status}\n{}", world.daemon()?.log()?);
    world.daemon = None;
    let trail = world.query("select status, sql_text, rows_returned from trail")?;
    assert_eq!(trail.len(), 1, "{trail:?}");
    assert_eq!(trail[0]["sql_text"], sql);
    // Within the grace the statement ends and is delivered.
    assert_eq!(trail[0]["status"], "success", "{trail:?}");
    let step = driver.expect("sql")?;
    assert_eq!(step["ok"], true, "{step}");
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    Ok(())
}

/// What was running when everything was killed is found again as abandoned, in a chain that says it was recovered.
#[test]
fn statement_cut_by_kill_9_is_recovered_as_abandoned() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let sql = "select * from wait_30_seconds";
    let mut driver = world.start_driver(
        Generation::Five,
        &json!([{"do": "connect"}, {"do": "sql", "sql": sql}]),
    )?;
    driver.expect("connect")?;
    wait_for_execution(&world, sql)?;
    // The proxy first: it must have no moment to close its chain.
    kill_process(world.daemon()?.proxy()?, Signal::KILL)?;
    world.daemon()?.kill_supervisor()?;
    world.daemon = None;
    driver.kill()?;
    world.start_daemon()?;
    world.flush()?;
    let trail = world.query("select status, sql_text from trail")?;
    assert!(
        trail
            .iter()
            .any(|row| row["sql_text"] == sql && row["status"] == "abandoned"),
        "{trail:?}"
    );
    let recovered = world.query("select count(*) n from events where event_code = 'CH004'")?;
    assert!(recovered[0]["n"].as_i64() >= Some(1), "{recovered:?}");
    Ok(())
}

fn wait_for_end(pid: Pid) {
    for _ in 0..200 {
        let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
        let Ok(stat) = std::fs::read_to_string(path) else {
            return;
        };
        // Ended, or a zombie that waits for whoever inherited it. Its last thread closes the listener: fields 3 and 20 of
        // proc_pid_stat(5), its state and the number of its threads.
        let fields: Vec<&str> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .collect();
        let threads = fields.get(17).and_then(|count| count.parse().ok());
        if fields.first() == Some(&"Z") && threads.is_none_or(|count: u32| count <= 1) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the proxy outlives its supervisor by 10 s");
}

fn wait_for_execution(world: &World, sql: &str) -> Result<()> {
    for _ in 0..200 {
        if world
            .gate
            .executed()?
            .iter()
            .any(|executed| executed == sql)
        {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("`{sql}` was never executed");
}
