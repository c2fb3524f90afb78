//! `icecore run`: what a job sees of it.

use std::process::Stdio;

use anyhow::Result;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python::Generation;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::raw;

#[test]
fn exit_code_output_and_arguments_pass_through() -> Result<()> {
    let world = World::start(&Plan::default())?;
    for (code, uid) in [(0, 0), (7, AGENT_UID)] {
        let mut command = world.session(uid, &["--label", "job=nightly"], "sh".as_ref())?;
        let output = command
            .args([
                "-c",
                "echo \"$1|$2\"; echo told >&2; exit $3",
                "sh",
                "a b",
                "*",
                &code.to_string(),
            ])
            .output()?;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout)?, "a b|*\n");
        let errors = String::from_utf8(output.stderr)?;
        assert!(errors.contains("told"), "{errors}");
        assert!(errors.lines().count() >= 2, "no summary: {errors}");
    }
    Ok(())
}

#[test]
fn signals_are_handed_on_and_their_death_is_passed_up() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut command = world.session(AGENT_UID, &[], "sleep".as_ref())?;
    let mut child = command.arg("60").stderr(Stdio::null()).spawn()?;
    // `unshare`, `setpriv` and `icecore run` replace each other: the process started is the launcher.
    for _ in 0..100 {
        let session_runs = world.cgroup.sessions()?.iter().any(|name| {
            let procs = world
                .cgroup
                .path()
                .join("icecore")
                .join(name)
                .join("cgroup.procs");
            std::fs::read_to_string(procs).is_ok_and(|text| !text.is_empty())
        });
        if session_runs {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let pid = Pid::from_raw(i32::try_from(child.id())?).unwrap();
    kill_process(pid, Signal::TERM)?;
    let status = child.wait()?;
    assert_eq!(status.code(), Some(128 + 15), "{status}");
    Ok(())
}

/// The session's end kills what is left and says so.
#[test]
fn leftovers_are_killed_and_named() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut command = world.session(AGENT_UID, &[], "sh".as_ref())?;
    let output = command
        .args(["-c", "setsid sleep 300 >/dev/null 2>&1 </dev/null & exit 0"])
        .output()?;
    let errors = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("sleep"), "{errors}");
    for _ in 0..60 {
        if world.cgroup.sessions()?.is_empty() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the session's cgroup stays: {:?}", world.cgroup.sessions()?);
}

/// What a session took of the host is in its last row, beside the shares that limit it.
#[test]
fn connections_and_cpu_time_of_a_session_are_recorded_at_its_end() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let loops = |count: &str| -> Result<()> {
        let mut command = world.session(AGENT_UID, &["--label", count], "sh".as_ref())?;
        let script = "i=0; while [ $i -lt ${1#loops=} ]; do i=$((i+1)); done";
        let output = command.args(["-c", script, "sh", count]).output()?;
        assert!(output.status.success(), "{output:?}");
        Ok(())
    };
    loops("loops=0")?;
    loops("loops=2000000")?;
    let connected = world.drive(
        Generation::Four,
        &json!([{"do": "connect"}, {"do": "close"}]),
    )?;
    assert_eq!(connected.step("connect")?["ok"], true);
    world.flush()?;
    let rows = world
        .query("select connections, cpu_us from sessions_all where is_final order by closed_at")?;
    let of = |column: &str| -> Vec<i64> {
        let values = rows.iter().map(|row| row[column].as_i64().unwrap_or(-1));
        values.collect()
    };
    let (connections, cpu_us) = (of("connections"), of("cpu_us"));
    let ([.., 0, 0, made], [.., idle, busy, _]) = (&connections[..], &cpu_us[..]) else {
        panic!("{rows:?}");
    };
    assert!(*made > 0 && *idle > 0 && *busy > idle + 200_000, "{rows:?}");
    Ok(())
}

/// What the caller had set stays the base; request variables of a CI's identity are taken out.
#[test]
fn environment_is_merged_and_descriptors_are_not_inherited() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut driver = world.start_driver(Generation::Five, &json!([{"do": "environment"}]))?;
    let step = driver.expect("environment")?;
    let variables = &step["variables"];
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        assert!(variables[name].is_string(), "no {name}: {step}");
    }
    assert_eq!(variables["SF_OCSP_RESPONSE_CACHE_SERVER_ENABLED"], "false");
    assert!(variables.get("TEST_PRIVATE_KEY").is_none());

    // One that the caller left open, on purpose.
    let mut command = world.outside(AGENT_UID, "sh".as_ref())?;
    let control = world.control_socket();
    let output = command
        .args(["-c", "exec 7</etc/passwd; exec \"$@\"", "sh"])
        .arg(&world.icecore)
        .args(["run", "--control"])
        .arg(control)
        .args(["--", "ls", "/proc/self/fd"])
        .output()?;
    // 0, 1, 2 and the folder that is being listed.
    assert_eq!(String::from_utf8(output.stdout)?, "0\n1\n2\n3\n");
    Ok(())
}

#[test]
fn enforced_is_refused_where_the_user_is_root_or_not_the_sessions_own() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let output = world
        .session(0, &["--require", "enforced"], "true".as_ref())?
        .output()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = world
        .session(AGENT_UID, &["--require", "enforced"], "true".as_ref())?
        .output()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let options = ["--require", "enforced", "--user", "nobody"];
    let output = world.session(0, &options, "true".as_ref())?.output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(())
}

/// Where the config itself leaves a way, no session is enforced whole, whoever its user is.
#[test]
fn enforced_is_refused_where_the_config_leaves_a_way() -> Result<()> {
    type Edit = fn(String) -> String;
    let ways: [(Edit, &str); 2] = [
        (
            |text| text.replacen("mode = \"enforce\"", "mode = \"observe\"", 1),
            "`daemon.mode` is `observe`",
        ),
        (
            |text| text.replacen("[capture]", "[capture]\nguard = \"sessions\"", 1),
            "`capture.guard` is `sessions`",
        ),
    ];
    for (edit, why) in ways {
        let world = World::start(&Plan {
            edit,
            ..Plan::default()
        })?;
        let options = ["--require", "enforced", "--user", "nobody"];
        let output = world.session(0, &options, "true".as_ref())?.output()?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8(output.stderr)?;
        assert!(told.contains(why), "{told}");
        let other = world
            .session(0, &["--user", "nobody"], "true".as_ref())?
            .output()?;
        assert!(other.status.success(), "{other:?}");
    }
    Ok(())
}

/// The logins that a session may have open are counted; one that is closed makes room, and no other session is touched.
#[test]
fn a_session_has_its_share_of_logins() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let named = |name: String| {
        let mut step = raw::login();
        step["name"] = name.into();
        step
    };
    let mut steps: Vec<Value> = (0..256).map(|n| named(n.to_string())).collect();
    steps.push(named("over".to_owned()));
    steps.push(json!({"name": "closed", "target": "/session?delete=true",
                      "headers": {"Authorization": "Snowflake Token=\"${7/body/data/token}\""}}));
    steps.push(named("after".to_owned()));
    let file = world.path("home").join("steps.json");
    std::fs::create_dir_all(world.path("home"))?;
    std::fs::write(&file, Value::from(steps).to_string())?;
    let finished = raw::send(&world, &json!(format!("@{}", file.display())))?;
    for name in ["0", "255", "closed", "after"] {
        assert_eq!(raw::body(&finished, name)["success"], true, "{name}");
    }
    let over = raw::body(&finished, "over");
    assert_eq!(over["code"], "390100", "{over}");
    let message = over["message"].to_string();
    assert!(message.contains("256 logins open at once"), "{over}");
    let others = raw::send(&world, &json!([raw::login()]))?;
    assert_eq!(raw::body(&others, "login")["success"], true);
    assert_eq!(world.gate.events(Some("login"))?.len(), 258);
    world.flush()?;
    let told = world.query("select count(*) n from events where event_code = 'RQ001'")?;
    assert_eq!(told, [json!({"n": 1})]);
    Ok(())
}
