//! Invariants as attacks: the red agent, as an unprivileged user in a session, obtains nothing; its twin works.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::programs;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python::{self, Generation};
use icecore_tests::red::Facts;
use serde_json::{Value, json};

use crate::raw;

pub(crate) fn facts(world: &mut World) -> Result<PathBuf> {
    let state = world.config.state_dir();
    let mut private = vec![
        state.clone(),
        state.join("ca"),
        state.join("spool"),
        state.join("keys"),
        world.config.key_file.clone(),
        world.config.store.clone(),
        world.config.pins.clone(),
        world.path("bpf"),
        world.config.run_dir().join("sessions"),
    ];
    for entry in fs::read_dir(state.join("ca"))? {
        let path = entry?.path();
        if fs::read_to_string(&path).is_ok_and(|text| text.contains("PRIVATE KEY")) {
            private.push(path);
        }
    }
    let root = world.cgroup.path().to_owned();
    let daemon = world.daemon()?;
    let pids = [daemon.supervisor()?, daemon.proxy()?]
        .map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    let facts = Facts {
        account: SocketAddr::from((world.account_address, 443)),
        upstream: world.gate.address(),
        upstream_ca_file: world.path("upstream-ca.pem"),
        proxy_port: world.config.port,
        private,
        control_socket: world.control_socket(),
        icecore: world.icecore.clone(),
        daemon_pids: pids.to_vec(),
        cgroups: vec![
            root.join("outside"),
            root.join("icecore/daemon"),
            root.clone(),
        ],
        handoff_file: world.path("home").join("handoff.json"),
    };
    let file = world.path("facts.json");
    fs::write(&file, serde_json::to_string_pretty(&facts)?)?;
    Ok(file)
}

pub(crate) fn lines(text: &str) -> Result<Vec<Value>> {
    text.lines()
        .map(|line| serde_json::from_str(line).context(line.to_owned()))
        .collect()
}

#[test]
fn red_agent_obtains_nothing_and_its_twin_works() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let program = programs::place("icecore-red-agent", &world.path(""))?;
    let facts = facts(&mut world)?;

    // The twin keeps its session open, so that its tokens and query are there to be stolen.
    let mut command = world.session(AGENT_UID, &[], program.as_os_str())?;
    command
        .arg("twin")
        .arg(&facts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut twin = command.spawn()?;
    let mut twin_lines = BufReader::new(twin.stdout.take().context("no stdout")?);
    loop {
        let mut line = String::new();
        twin_lines.read_line(&mut line)?;
        let step: Value =
            serde_json::from_str(&line).with_context(|| format!("twin said `{line}`"))?;
        assert_eq!(step["ok"], true, "the harmless twin: {step}");
        if step["twin"] == "ready" {
            break;
        }
    }

    let mut command = world.session(AGENT_UID, &[], program.as_os_str())?;
    let output = command.arg("attack").arg(&facts).output()?;
    writeln!(twin.stdin.take().context("no stdin")?, "go")?;
    assert!(twin.wait()?.success());

    let attacks = lines(&String::from_utf8(output.stdout)?)?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(attacks.len() > 80, "only {} attacks ran", attacks.len());
    let obtained: Vec<&Value> = attacks
        .iter()
        .filter(|attack| attack["obtained"] != false)
        .collect();
    assert!(obtained.is_empty(), "{obtained:#?}");

    nothing_happened_upstream(&world)?;
    let twins = "select CUSTOMER from ORDERS order by ID";
    let executed = world.gate.executed()?;
    let times = executed.iter().filter(|sql| *sql == twins).count();
    assert_eq!(times, 1, "the twin's repeated request was executed again");
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    Ok(())
}

/// The emulator is the witness: no forbidden statement ran, no path but the drivers' own arrived.
fn nothing_happened_upstream(world: &World) -> Result<()> {
    for sql in world.gate.executed()? {
        assert!(!sql.contains("canary-write"), "executed: {sql}");
        assert!(
            !sql.contains("PAYROLL") && !sql.contains("second"),
            "executed: {sql}"
        );
    }
    let known = [
        "/session/v1/login-request",
        "/session/token-request",
        "/session/heartbeat",
        "/session",
        "/queries/v1/query-request",
        "/queries/v1/abort-request",
    ];
    for request in world.gate.events(Some("request"))? {
        let path = request["path"].as_str().unwrap_or_default();
        let by_id = path.starts_with("/queries/") || path.starts_with("/monitoring/queries/");
        assert!(known.contains(&path) || by_id, "arrived: {request}");
    }
    Ok(())
}

/// Tokens of a session, taken by a process outside of every session, by another session, and when the session is over.
#[test]
fn stolen_tokens_are_worth_nothing_anywhere_else_and_each_try_is_recorded() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut owner = raw::start(
        &world,
        &json!([raw::login(), {"do": "pause"}, raw::statement("own", "o1", "select 'own' as A")]),
    )?;
    let tokens = owner.expect("login")?["body"]["data"].clone();
    owner.expect("pause")?;
    let stolen = |host: Option<String>| {
        let shown = |part: &str| {
            let token = tokens[part].as_str().unwrap_or_default();
            json!({"Authorization": format!("Snowflake Token=\"{token}\"")})
        };
        let mut asked = raw::statement("session", "s1", "select 'stolen' as A");
        asked["headers"] = shown("token");
        let mut renewed = json!({
            "name": "master", "target": "/session/token-request", "headers": shown("masterToken"),
            "body": {"oldSessionToken": tokens["token"], "requestType": "RENEW"},
        });
        if let Some(host) = host {
            asked["host"] = host.clone().into();
            renewed["host"] = host.into();
        }
        json!([asked, renewed])
    };
    let proxy = format!("127.0.0.1:{}", world.config.port);
    let mut outside = world.outside(
        AGENT_UID,
        python::interpreter(Generation::Four)?.as_os_str(),
    )?;
    outside
        .arg(world.path("raw.py"))
        .arg(stolen(Some(proxy)).to_string());
    let outside = Driver::start(outside)?.finish()?;
    for name in ["session", "master"] {
        let step = outside.step(name)?;
        assert_eq!(step["error"], "ConnectionResetError", "{step}");
    }
    let fails = |finished: &Finished| {
        for (name, code) in [("session", "390112"), ("master", "390114")] {
            assert_eq!(
                raw::body(finished, name)["code"],
                code,
                "{}",
                finished.output
            );
        }
    };
    fails(&raw::send(&world, &stolen(None))?);
    owner.go_on()?;
    let twin = owner.expect("own")?;
    assert_eq!(twin["body"]["success"], true, "{twin}");
    drop(owner.finish()?);
    fails(&raw::send(&world, &stolen(None))?);

    assert_eq!(world.gate.executed()?, ["select 'own' as A"]);
    world.flush()?;
    let events = world.query(
        "select event_code, severity, count(*) n from events where event_code in ('AU003', 'AU008', 'NT001') \
         and coalesce(detail::varchar, '') not like '%169.254.%' group by all order by all",
    )?;
    let event =
        |code: &str, severity: u8| json!({"event_code": code, "severity": severity, "n": 2});
    let expected = [event("AU003", 4), event("AU008", 3), event("NT001", 3)];
    assert_eq!(events, expected);
    Ok(())
}

/// Each attempt on the way to Snowflake leaves an event or a refused statement.
#[test]
fn refused_attempts_are_in_the_record() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let program = programs::place("icecore-red-agent", &world.path(""))?;
    let facts = facts(&mut world)?;
    let output = world
        .session(AGENT_UID, &[], program.as_os_str())?
        .arg("attack")
        .arg(&facts)
        .output()?;
    assert!(output.status.success());
    world.flush()?;
    let counts = world.query(
        "select (select count(*) from trail where decision <> 'allow') refused,
                (select count(*) from events where event_code not like 'CH%') events",
    )?;
    assert!(counts[0]["refused"].as_i64() > Some(5), "{counts:?}");
    assert!(counts[0]["events"].as_i64() > Some(5), "{counts:?}");
    assert_ne!(counts, [json!({})]);
    Ok(())
}
