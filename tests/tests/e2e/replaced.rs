//! Proxy and daemon replaced under load by real drivers: no connect is refused, no statement lost or unrecorded.

use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python::{self, Generation};
use icecore_tests::time;
use serde_json::{Value, json};

use crate::asserts::all_executed_is_recorded;

/// Starts a driver that queries, and dials beside it, until it is told to end.
fn busy(world: &World, generation: Generation, word: &str) -> Result<Driver> {
    let script = world.path("busy.py");
    fs::copy(python::folder("drivers").join("busy.py"), &script)?;
    let python = python::interpreter(generation)?;
    let mut command = world.session(AGENT_UID, &[], python.as_os_str())?;
    command.arg(&script).arg(word);
    let mut driver = Driver::start(command)?;
    driver.expect("connect")?;
    Ok(driver)
}

/// Has `icecore upgrade` replace something; gives what it printed.
fn upgrade(world: &World, arguments: &[&str]) -> Result<String> {
    let control = world.control_socket();
    let control = control.to_string_lossy();
    let words = [&["upgrade", "--control", &control], arguments].concat();
    let output = world.icecore(&words)?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "icecore upgrade: {errors}");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// A copy of the program at another path: what an upgrade, or a downgrade, puts in the place of the one that runs.
fn copy(world: &World, name: &str) -> Result<String> {
    let path = world.path(name);
    fs::copy(&world.icecore, &path)?;
    Ok(path.to_str().context("a path")?.to_owned())
}

/// Lets a busy driver end; gives how many statements and dials it had.
fn end(mut driver: Driver) -> Result<[u64; 2]> {
    driver.go_on()?;
    let told = driver.expect("busy")?;
    ensure!(driver.finish()?.status.success());
    let (dials, queries) = (&told["dials"], &told["queries"]);
    let count = |of: &Value| of.as_u64().unwrap_or_default();
    println!(
        "  {} statements (slowest {} s), {} dials (slowest {} s): {} failed, {} refused, {} else",
        queries["statements"],
        queries["slowest_s"],
        dials["connected"],
        dials["slowest_s"],
        queries["failed"].as_array().map_or(0, Vec::len),
        dials["refused"],
        dials["other"].as_array().map_or(0, Vec::len),
    );
    assert_eq!(dials["refused"], 0, "{told}");
    assert_eq!(dials["other"], json!([]), "{told}");
    assert_eq!(queries["failed"], json!([]), "{told}");
    Ok([count(&queries["statements"]), count(&dials["connected"])])
}

#[test]
fn replacements_under_load_refuse_no_connect_and_lose_no_statement() -> Result<()> {
    let is_long = std::env::var_os("ICECORE_TEST_LONG").is_some();
    let rounds = if is_long { 50 } else { 3 };
    let mut world = World::start(&Plan::default())?;
    let supervisor = world.daemon()?.supervisor()?;
    let others = [copy(&world, "icecore-a")?, copy(&world, "icecore-b")?];
    let drivers = [
        busy(&world, Generation::Four, "4")?,
        busy(&world, Generation::Five, "5")?,
    ];
    let start = time::instant();
    for round in 0..rounds {
        let other = &others[round % 2];
        for arguments in [&["--proxy"][..], &[other]] {
            let said = upgrade(&world, arguments)?;
            println!("round {round}: {said}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    println!(
        "{rounds} proxies and {rounds} daemons replaced in {:?}",
        start.elapsed()
    );
    let mut statements = 0;
    for driver in drivers {
        let [sent, dialled] = end(driver)?;
        assert!(sent > 0 && dialled > 0);
        statements += sent;
    }
    assert_eq!(world.daemon()?.supervisor()?, supervisor);
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");

    all_executed_is_recorded(&world)?;
    // Each text was sent once, executed once and has one end; both logins went on through all of it.
    let executed = world.gate.executed()?;
    let executed = executed.iter().filter(|sql| sql.ends_with(" as A"));
    assert_eq!(executed.count() as u64, statements);
    let trail = world.query(
        "select count(*) as n, count(distinct sql_text) as texts, count(*) filter (status = 'success') as good, \
         count(distinct login_id) as logins from trail where sql_text like '% as A'",
    )?;
    let expected = json!({"n": statements, "texts": statements, "good": statements, "logins": 2});
    assert_eq!(trail, [expected]);
    let sessions = world.query(
        "select count(distinct session_id) as n, any_value(close_reason) as why from sessions_all \
         where session_id in (select session_id from trail) and phase = 'close'",
    )?;
    assert_eq!(sessions, [json!({"n": 2, "why": "exited 0"})]);
    Ok(())
}

/// Shakes hands over one new connection after the other until its input ends; tells how often, and what went wrong.
const SHAKE_HANDS: &str = r#"
import json, socket, ssl, sys, threading, time
HOST = "acme.snowflakecomputing.com"
told = {"step": "hands", "ok": True, "shaken": 0, "slowest_s": 0, "failed": []}
stop = threading.Event()
def shake():
    context = ssl.create_default_context()
    while not stop.is_set():
        began = time.monotonic()
        try:
            with socket.create_connection((HOST, 443), timeout=20) as plain:
                context.wrap_socket(plain, server_hostname=HOST).close()
            told["shaken"] += 1
        except OSError as error:
            told["failed"].append(f"{type(error).__name__}: {error}")
        told["slowest_s"] = max(told["slowest_s"], round(time.monotonic() - began, 3))
threads = [threading.Thread(target=shake) for _ in range(4)]
for thread in threads: thread.start()
print('{"step": "begun", "ok": true}', flush=True)
sys.stdin.readline()
stop.set()
for thread in threads: thread.join()
print(json.dumps(told), flush=True)
"#;

/// The next proxy is told of all sessions before it takes a connection: also one of the session that it is told of last.
#[test]
fn a_connect_in_mid_replacement_waits_until_all_of_200_sessions_are_told() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut command = world.session(AGENT_UID, &[], OsStr::new("sleep"))?;
        idle.push(Idle(command.arg("600").spawn()?));
    }
    let began = time::instant();
    while world.cgroup.sessions()?.len() < idle.len() {
        ensure!(
            began.elapsed() < Duration::from_secs(60),
            "sessions do not begin"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    // Begun last, told last: sessions are told in the order of their ids.
    let python = python::interpreter(Generation::Four)?;
    let mut command = world.session(AGENT_UID, &[], python.as_os_str())?;
    command.args(["-c", SHAKE_HANDS]);
    let mut driver = Driver::start(command)?;
    driver.expect("begun")?;
    for round in 0..4 {
        let arguments = if round % 2 == 0 {
            &["--proxy"][..]
        } else {
            &[]
        };
        println!("{}", upgrade(&world, arguments)?);
        std::thread::sleep(Duration::from_millis(500));
    }
    driver.go_on()?;
    let told = driver.expect("hands")?;
    println!("{told}");
    assert_eq!(told["failed"], json!([]), "{told}");
    assert!(told["shaken"].as_u64() > Some(100), "{told}");
    world.flush()?;
    let resets = world.query(
        "select count(*) as n from events where detail->>'reason' = 'the session is over'",
    )?;
    assert_eq!(resets, [json!({"n": 0})]);
    assert!(
        world.cgroup.sessions()?.len() >= idle.len(),
        "sessions ended"
    );
    assert!(world.daemon()?.proxy().is_ok());
    Ok(())
}

/// A session's command that does nothing; killed at the end.
struct Idle(std::process::Child);

impl Drop for Idle {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What is under way is waited for, or nothing changes; it is cut off where that is asked for.
#[test]
fn a_long_statement_is_not_cut_off_unless_that_is_asked_for() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let sql = "select * from wait_20_seconds";
    let steps = json!([
        {"do": "connect"}, {"do": "sql", "sql": sql, "name": "long"}, {"do": "sql", "sql": "select 2", "name": "next"},
    ]);
    let mut driver = world.start_driver(Generation::Four, &steps)?;
    driver.expect("connect")?;
    until_executed(&world, sql)?;
    let proxy = world.daemon()?.proxy()?;
    let refused = upgrade(&world, &["--proxy", "--wait", "1s"])
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("1 statements and 1 requests were under way"),
        "{refused}"
    );
    assert_eq!(world.daemon()?.proxy()?, proxy);
    // It serves as before.
    let mut other =
        world.start_driver(Generation::Five, &json!([{"do": "sql", "sql": "select 1"}]))?;
    assert_eq!(other.expect("sql")?["ok"], true, "{}", other.output);
    drop(other.finish()?);
    upgrade(&world, &["--proxy", "--wait", "60s"])?;
    assert_ne!(world.daemon()?.proxy()?, proxy);
    for name in ["long", "next"] {
        assert_eq!(driver.expect(name)?["ok"], true, "{}", driver.output);
    }
    drop(driver.finish()?);

    let sql = "select * from wait_30_seconds";
    let mut driver = world.start_driver(
        Generation::Four,
        &json!([{"do": "connect"}, {"do": "sql", "sql": sql, "network_timeout": 20}]),
    )?;
    driver.expect("connect")?;
    until_executed(&world, sql)?;
    upgrade(&world, &["--proxy", "--wait", "1s", "--now"])?;
    world.flush()?;
    let cut = world.query("select status from trail where sql_text like '%wait_30%'")?;
    assert_eq!(cut, [json!({"status": "abandoned"})]);
    driver.kill()?;
    Ok(())
}

/// Bytes that are carried unread do not belong to a proxy's record: they go on through it when it is replaced.
#[test]
fn a_spliced_connection_goes_on_through_replacements() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::new(127, 77, 0, 3), 80))?;
    let address = listener.local_addr()?.ip().to_string();
    let script = format!(
        "import socket, sys\nlink = socket.create_connection(('{address}', 80))\nlink.sendall(b'SSH-2.0-x\\r\\n')\n\
         for number in range(3):\n    print('{{\"step\": \"at\", \"ok\": true}}', flush=True)\n    sys.stdin.readline()\n    \
         link.sendall(b'x' * 1000)\n    assert len(link.recv(1000, socket.MSG_WAITALL)) == 1000\n\
         print('{{\"step\": \"done\", \"ok\": true}}', flush=True)\n"
    );
    let mut command = world.session(AGENT_UID, &[], OsStr::new("python3"))?;
    command.args(["-c", &script]);
    let mut driver = Driver::start(command)?;
    let (server, _) = listener.accept()?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        use std::io::{Read as _, Write as _};
        let (mut from, mut to) = (server.try_clone()?, server);
        from.read_exact(&mut [0; 11])?;
        for _ in 0..3 {
            let mut bytes = [0; 1000];
            from.read_exact(&mut bytes)?;
            to.write_all(&bytes)?;
        }
        Ok(())
    });
    driver.expect("at")?;
    driver.go_on()?;
    driver.expect("at")?;
    upgrade(&world, &["--proxy"])?;
    driver.go_on()?;
    driver.expect("at")?;
    upgrade(&world, &[])?;
    driver.go_on()?;
    driver.expect("done")?;
    echo.join()
        .map_err(|_| anyhow::anyhow!("the echo panicked"))??;
    Ok(())
}

/// The record says that everything was detached, and when.
#[test]
fn a_detach_is_in_the_record() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    assert!(world.daemon()?.terminate()?.success());
    world.daemon = None;
    let config = world.config_file();
    let output = world.icecore(&["detach", "--config", &config.to_string_lossy()])?;
    ensure!(output.status.success(), "{output:?}");
    world.start_daemon()?;
    world.flush()?;
    let rows = world.query("select detail from events where event_code = 'DT001'")?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0]["detail"].to_string().contains("since"), "{rows:?}");
    Ok(())
}

fn until_executed(world: &World, sql: &str) -> Result<()> {
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
    anyhow::bail!("`{sql}` was never executed")
}
