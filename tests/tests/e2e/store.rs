//! A daemon whose store is at a cloud: tried by `check --connect`, written by a real session, read back by the program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::harness::programs;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::stores::{MotoS3, Reached};
use serde_json::{Value, json};

use crate::asserts::worked;

/// Puts a store in the place of the world's own, opened by a credential in a file.
pub(crate) fn give(world: &World, reached: &Reached) -> Result<()> {
    let file = world.config_file();
    let own = format!("store = \"file://{}\"", world.config.store.display());
    let config = fs::read_to_string(&file)?;
    anyhow::ensure!(config.contains(&own), "{config}");
    let config = config.replace(&own, &format!("store = \"{}\"", reached.url));
    let credential = world.path("store.json");
    fs::write(&credential, &*reached.secret)?;
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o600))?;
    let options = format!(
        "\n[record.store_options]\nregion = \"eu-central-1\"\nendpoint = \"{}\"\ncredential_file = {credential:?}\n",
        reached.endpoint
    );
    Ok(fs::write(&file, config + &options)?)
}

fn check(world: &World) -> Result<(Option<i32>, Value, String)> {
    let config = world.config_file().display().to_string();
    let output = world.icecore(&["check", "--connect", "--json", "--config", &config])?;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), told["store"].clone(), errors))
}

#[test]
fn a_session_is_recorded_at_a_bucket_that_was_tried_before() -> Result<()> {
    let mut moto = MotoS3::start()?;
    let reached = moto.reached("writer")?;
    let mut world = World::without_daemon(&Plan::default())?;
    give(&world, &reached)?;
    let (code, told, errors) = check(&world)?;
    assert_eq!(
        (code, &told["outcome"]),
        (Some(0), &json!("taken")),
        "{errors}"
    );

    world.start_daemon()?;
    let done = world.drive(
        Product::Connector5,
        &json!([{ "do": "sql", "sql": "select 1", "name": "one" }]),
    )?;
    worked(&done, &["one"]);
    world.flush()?;
    let read = Command::new(programs::built()?.join("icecore"))
        .args(["sessions", "--json", "--store", &reached.url])
        .env_clear()
        .envs(
            reached
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .output()?;
    let errors = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success() && errors.is_empty(), "{errors}");
    let told = String::from_utf8(read.stdout)?;
    let first = told.lines().next().context("no session")?;
    let row: Value = serde_json::from_str(first)?;
    assert!(row["session_id"].is_string(), "{row}");
    let versions = moto.versions()?;
    assert!(
        versions.values().all(|found| *found == (1, 0)),
        "{versions:?}"
    );
    assert!(
        !fs::exists(&world.config.store)?,
        "nothing is left on this host's own store"
    );
    Ok(())
}

#[test]
fn a_store_that_does_not_take_objects_is_told_with_what_to_do() -> Result<()> {
    let mut moto = MotoS3::start()?;
    let world = World::without_daemon(&Plan::default())?;
    // A reader's keys.
    give(&world, &moto.reached("reader")?)?;
    let (code, told, errors) = check(&world)?;
    assert_eq!(
        (code, &told["outcome"]),
        (Some(1), &json!("refused")),
        "{errors}"
    );
    assert!(
        errors.contains("AccessDenied") && errors.contains("hint: let the daemon"),
        "{errors}"
    );
    moto.go_down()?;
    let (code, told, errors) = check(&world)?;
    assert_eq!(
        (code, &told["outcome"]),
        (Some(4), &json!("unreachable")),
        "{errors}"
    );
    Ok(())
}
