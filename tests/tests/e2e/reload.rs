//! Policies that change under a running daemon: whole sets, none in between, and the last good one whatever happens.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result};
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python::Generation;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

/// Allows everything and looks at no names.
const ALL: &str = r#"@id("all") permit (principal, action, resource);"#;

/// Allows everything but one column, so that names must be known, and the account asked.
const NO_SECRET: &str = r#"
@id("all") permit (principal, action, resource);
@id("no-secret") forbid (principal, action == Icecore::Action::"project", resource) when {
    resource == Icecore::Column::"ACME.ACME_DB.PUBLIC.RELOADED.SECRET"
};
"#;

/// Asks in one login until it is told to stop, while another thread of it says where it is.
const ASKS: &str = "
import threading
login = connect()
cursor = login.cursor()
cursor.execute('create table reloaded (name varchar, secret varchar)')
cursor.execute(\"insert into reloaded values ('ada', 'x')\")
stop, failed, asked = threading.Event(), [], [0, 0]

def ask(which, sql):
    own = login.cursor()
    while not stop.is_set():
        try:
            own.execute(sql).fetchall()
            asked[which] += 1
        except Exception as error:
            failed.append(str(error))

threads = [threading.Thread(target=ask, args=one) for one in [(0, 'select name from reloaded'), (1, 'use schema public')]]
for thread in threads:
    thread.start()
pause('asks')
stop.set()
for thread in threads:
    thread.join()
tell('asked', asked=asked, failed=failed[:3])
for _ in range(4):
    pause()
    failure('secret', lambda: cursor.execute('select secret from reloaded').fetchall())
";

fn set(world: &World, text: &str) -> Result<()> {
    Ok(fs::write(
        world.config.policies().join("read-only.cedar"),
        text,
    )?)
}

fn reload(world: &World, more: &[&str]) -> Result<Output> {
    let config = world.config_file().display().to_string();
    let words = [&["policy", "reload", "--config", &config], more].concat();
    world.icecore(&words)
}

/// Has policies taken and gives the digest of those in force.
fn take(world: &World, text: &str) -> Result<String> {
    set(world, text)?;
    let output = reload(world, &["--json"])?;
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(told["outcome"], "taken", "{told}");
    Ok(told["now"]["sha256"]
        .as_str()
        .context("no digest")?
        .to_owned())
}

#[test]
fn policies_are_replaced_whole_and_the_last_good_ones_stay() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    set(&world, ALL)?;
    world.start_daemon()?;
    let mut driver = crate::piece::start(&world, Generation::Four, ASKS)?;
    driver.expect("asks")?;
    let mut digests = BTreeSet::new();
    for round in 0..50 {
        digests.insert(take(&world, [NO_SECRET, ALL][round % 2])?);
    }
    assert_eq!(digests.len(), 2, "{digests:?}");
    driver.go_on()?;
    let asked = driver.expect("asked")?;
    assert_eq!(asked["failed"], json!([]), "{asked}");
    assert!(asked["asked"][0].as_u64() > Some(20), "{asked}");
    let secret = |driver: &mut icecore_tests::harness::driver::Driver| -> Result<bool> {
        driver.expect("pause")?;
        driver.go_on()?;
        Ok(driver.expect("secret")?["ok"] == true)
    };
    assert!(secret(&mut driver)?, "the last set allows it");

    let output = {
        set(&world, NO_SECRET)?;
        reload(&world, &[])?
    };
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.starts_with("policies reloaded: 2 (sha256 "), "{told}");
    assert!(told.ends_with("..), were 1\n"), "{told}");
    assert!(!secret(&mut driver)?, "the set in force forbids it");

    // What is not good changes nothing, and is told as `policy check` tells it.
    set(&world, "@id(\"all\") permit (principal, action, resource")?;
    let refused = reload(&world, &[])?;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let config = world.config_file().display().to_string();
    let checked = world.icecore(&["policy", "check", "--config", &config])?;
    let problem = |output: &Output| -> String {
        let errors = String::from_utf8_lossy(&output.stderr);
        errors.lines().next().unwrap_or_default().to_owned()
    };
    assert!(
        problem(&refused).contains("read-only.cedar: line 1"),
        "{refused:?}"
    );
    assert_eq!(problem(&refused), problem(&checked));

    // A proxy that takes the place of a killed one has the last good set, whatever the folder holds.
    fs::remove_file(world.config.policies().join("read-only.cedar"))?;
    world.replace_proxy()?;
    assert!(!secret(&mut driver)?, "the set in force was lost");
    set(&world, ALL)?;
    world.replace_proxy()?;
    assert!(
        !secret(&mut driver)?,
        "files were taken that nobody had reloaded"
    );

    let agent = world
        .outside(AGENT_UID, OsStr::new(&world.icecore))?
        .args(["policy", "reload", "--control"])
        .arg(world.control_socket())
        .output()?;
    assert_eq!(agent.status.code(), Some(1), "{agent:?}");

    kill_process(world.daemon()?.supervisor()?, Signal::HUP)?;
    let loaded = "select count(*)::integer n from events where event_code = 'PL001' and detail->>'policies' = '1'";
    let counted = |world: &World| -> Result<Option<i64>> {
        world.flush()?;
        Ok(world.query(loaded)?[0]["n"].as_i64())
    };
    // The start, 25 of the reloads, and the hang-up.
    for _ in 0..100 {
        if counted(&world)? >= Some(27) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(counted(&world)?, Some(27), "a hang-up reloads");
    let events = world.query("select event_code, count(*)::integer n from events where category = 'policy' group by all order by all")?;
    // Besides the first start: 51 reloads, two proxies, the hang-up.
    assert_eq!(
        events,
        [
            json!({"event_code": "PL001", "n": 55}),
            json!({"event_code": "PL002", "n": 1})
        ]
    );
    let judged: BTreeSet<String> = world
        .query("select distinct lower(hex(policy_bundle_sha256)) d from statements_all")?
        .iter()
        .filter_map(|row| Some(row["d"].as_str()?.to_owned()))
        .collect();
    assert_eq!(judged, digests, "each row has one of the two sets");
    let torn = world.query(
        "select statement_id from statements_all group by all having count(distinct policy_bundle_sha256) > 1",
    )?;
    assert_eq!(torn, Vec::<Value>::new());
    Ok(())
}

/// Starting the daemon takes the files, which must be good then.
#[test]
fn a_daemon_that_is_started_takes_the_files() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    world.start_daemon()?;
    let before = take(&world, ALL)?;
    set(&world, NO_SECRET)?;
    world.daemon()?.terminate()?;
    world.start_daemon()?;
    let output = reload(&world, &["--json"])?;
    let told: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(told["now"], told["were"], "{told}");
    assert_ne!(told["now"]["sha256"], json!(before));
    Ok(())
}
