//! The proxy takes its own user over from a daemon that ran as root, and works there as it did.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use icecore_tests::harness::config::PROXY_UID;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::asserts::all_executed_is_recorded;

const WORK: &str = "
connection = connect()
tell('read', rows=connection.cursor().execute('select 1').fetchall())
failure('write', lambda: connection.cursor().execute('drop table orders'))
";

/// Gives what below a folder belongs to another user.
fn others(folder: &Path, uid: u32) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if fs::symlink_metadata(folder)?.uid() != uid {
        found.push(folder.display().to_string());
    }
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            found.extend(others(&entry?.path(), uid)?);
        }
    }
    Ok(found)
}

fn as_root(text: String) -> String {
    let user = format!("user = {PROXY_UID}");
    assert!(text.contains(&user));
    text.replace(&user, "user = \"root\"")
}

#[test]
fn what_a_proxy_of_roots_left_is_taken_up_under_its_own_user() -> Result<()> {
    let mut world = World::start(&Plan {
        edit: as_root,
        ..Plan::default()
    })?;
    let state = world.config.state_dir();
    let work = |world: &World| crate::piece::run(world, Generation::Four, WORK);
    assert_eq!(work(&world)?.step("read")?["rows"], json!([[1]]));
    assert_eq!(others(&state, 0)?, [""; 0]);
    // Killed, so that rows wait in its spool; and what it left lies where versions before put it.
    let proxy = world.daemon()?.proxy()?;
    kill_process(world.daemon()?.supervisor()?, Signal::STOP)?;
    kill_process(proxy, Signal::KILL)?;
    world.daemon()?.kill_supervisor()?;
    let kept = world.config.proxy_dir();
    for entry in fs::read_dir(&kept)? {
        let entry = entry?;
        fs::rename(entry.path(), world.config.run_dir().join(entry.file_name()))?;
    }
    fs::remove_dir(&kept)?;
    let used = world.config.run_dir().join("policies.json");
    assert!(used.exists(), "the proxy left nothing that could be moved");

    fs::write(world.config_file(), world.config.text())?;
    world.start_daemon()?;
    assert!(!used.exists());
    assert_eq!(others(&kept, PROXY_UID)?, [""; 0]);
    assert_eq!(others(&state, PROXY_UID)?, [""; 0]);
    assert_eq!(work(&world)?.step("write")?["errno"], 3001);
    world.replace_proxy()?;
    assert_eq!(work(&world)?.step("read")?["rows"], json!([[1]]));
    let trail = all_executed_is_recorded(&world)?;
    assert_eq!(trail.len(), 6, "{trail:?}");
    // Whose program it was is read by the supervisor: the proxy may not.
    assert!(trail.iter().all(|row| row["exe"].is_string()), "{trail:?}");
    assert_eq!(others(&world.config.store, PROXY_UID)?, [""; 0]);
    Ok(())
}

#[test]
fn folders_of_a_third_user_are_refused() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    world.daemon()?.terminate()?;
    let text = world.config.text();
    let other = format!("user = {}", PROXY_UID + 1);
    fs::write(
        world.config_file(),
        text.replace(&format!("user = {PROXY_UID}"), &other),
    )?;
    let failure = world.start_daemon().unwrap_err().to_string();
    assert!(
        failure.contains(&format!("owned by uid {PROXY_UID}")),
        "{failure}"
    );
    Ok(())
}
