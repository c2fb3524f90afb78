//! A container with a network of its own, a real driver in it, and the record of what it did.

use std::ffi::OsStr;
use std::fs;

use anyhow::{Context as _, Result};
use icecore_tests::harness::container::{Container, Net, UNPRIVILEGED};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::{self, Generation};
use serde_json::{Value, json};

/// Dials an address; says whether that is denied.
const DIAL: &str = "import socket,sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 10); print('connected')
except OSError as error: print(error.strerror or error)";

/// Starts a container that sees the world's names and files, and has an environment of a path only.
fn container(world: &World, name: &str) -> Result<Container> {
    let starter = world.outside(0, OsStr::new("env"))?;
    let cgroup = world.cgroup.path().join("system.slice").join(name);
    Container::start(starter, &cgroup, Net::Own, UNPRIVILEGED)
}

/// Makes a session of it; gives what was told, and a line of shell that sets the variables.
fn enter(world: &World, container: &Container) -> Result<(Value, String)> {
    let home = world.path("home").display().to_string();
    let (pid, control) = (container.pid().to_string(), world.control_socket());
    let output = world.icecore(&[
        "enter",
        "--container",
        &pid,
        "--require",
        "enforced",
        "--export",
        "json",
        "--trust-dir",
        &home,
        "--control",
        &control.to_string_lossy(),
    ])?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let variables = told["variables"].as_object().context("no variables")?;
    let set: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("export {name}='{}'", value.as_str().unwrap_or_default()))
        .collect();
    Ok((told.clone(), set.join("; ")))
}

#[test]
fn a_driver_in_a_container_is_governed_and_recorded_and_reaches_no_account_by_itself() -> Result<()>
{
    let mut world = World::start(&Plan::default())?;
    let mut container = container(&world, "docker-1.scope")?;
    let (script, dial) = (world.path("piece.py"), world.path("dial.py"));
    fs::copy(python::folder("drivers").join("piece.py"), &script)?;
    fs::write(&dial, DIAL)?;
    let python = python::interpreter(Generation::Four)?;
    let piece = |sql: &str| {
        format!(
            "HOME={} {} {} \"tell('rows', rows=connect().cursor().execute('{sql}').fetchall())\" 2>/dev/null | tail -1",
            world.path("home").display(),
            python.display(),
            script.display()
        )
    };
    let (first, second) = (piece("select 1"), piece("select 2"));
    let upstream = world.gate.address();
    let dial = format!(
        "python3 {} {} {}",
        dial.display(),
        upstream.ip(),
        upstream.port()
    );

    let (told, variables) = enter(&world, &container)?;
    assert_eq!(told["enforcement"], "enforced");
    container.told(&format!("{variables}; echo set"))?;
    let rows = |line: String| -> Result<Value> {
        let step: Value = serde_json::from_str(&line).with_context(|| format!("line {line:?}"))?;
        Ok(step["rows"].clone())
    };
    assert_eq!(rows(container.told(&first)?)?, json!([[1]]));
    assert_eq!(container.told(&dial)?, "Operation not permitted");
    // The next proxy serves it too.
    world.replace_proxy()?;
    assert_eq!(rows(container.told(&second)?)?, json!([[2]]));
    assert_eq!(world.trap.arrivals(), 0);
    assert_eq!(world.gate.executed()?, ["select 1", "select 2"]);

    let session = told["session"].as_str().context("no session")?.to_owned();
    let control = world.control_socket().to_string_lossy().into_owned();
    let closed = world.icecore(&["close", &session, "--control", &control])?;
    assert!(closed.status.success(), "{closed:?}");
    let after = container.told(&format!("{first}; echo ended"))?;
    assert_eq!(after, "ended", "the driver reaches nobody");
    assert_eq!(
        (world.trap.arrivals(), world.gate.executed()?.len()),
        (0, 2)
    );

    world.flush()?;
    let told = world.query(&format!(
        "select distinct s.scope, s.enforcement, s.close_reason, t.decision, t.sql_kind, count(*) as statements
         from sessions s join statements t using (session_id) where session_id = '{session}' group by all"
    ))?;
    let expected = json!({
        "scope": "container", "enforcement": "enforced", "close_reason": "closed",
        "decision": "allow", "sql_kind": "query", "statements": 2,
    });
    assert_eq!(told, [expected]);
    Ok(())
}
