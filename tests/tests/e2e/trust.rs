//! What trusts the proxy in a session, beside the connectors: a real JVM; and what a killed launcher leaves.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::{java, python, time};

/// Runs `Post.java` in a session whose launcher has one more variable.
fn post(world: &World, variable: &str) -> Result<Output> {
    let program = world.path("Post.java");
    fs::copy(python::folder("drivers").join("Post.java"), &program)?;
    Ok(world
        .outside(AGENT_UID, OsStr::new("env"))?
        .arg(variable)
        .arg(&world.icecore)
        .args(["run", "--control"])
        .arg(world.control_socket())
        .arg("--")
        .arg(java::launcher()?)
        .arg(program)
        .arg("https://acme.snowflakecomputing.com")
        .output()?)
}

#[test]
fn a_jvm_trusts_the_proxy_unless_its_caller_chose_a_store() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();

    let trusting = post(&world, "JAVA_TOOL_OPTIONS=-Xmx256m")?;
    let (said, told) = (text(&trusting.stdout), text(&trusting.stderr));
    assert!(said.starts_with("200 {"), "{said}\n{told}");
    assert!(said.contains(r#""success":true"#), "{said}");
    assert!(!told.contains("warning:"), "{told}");
    assert!(
        told.contains("-Xmx256m -Djavax.net.ssl.trustStore="),
        "{told}"
    );

    let own = world.path("own.jks");
    // No certificate at all: magic, version 2, none, and a digest that is not asked for without a password.
    let empty = [
        &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0][..],
        &[0; 20],
    ]
    .concat();
    fs::write(&own, empty)?;
    let variable = format!(
        "JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore={}",
        own.display()
    );
    let distrusting = post(&world, &variable)?;
    let (said, told) = (text(&distrusting.stdout), text(&distrusting.stderr));
    assert!(said.starts_with("untrusted: "), "{said}\n{told}");
    assert!(
        told.contains("warning: JVMs keep the trust store that JAVA_TOOL_OPTIONS chooses"),
        "{told}"
    );
    Ok(())
}

#[test]
fn what_a_killed_launcher_left_is_removed_by_the_next_one() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let folders = || -> Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(world.path("home"))? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with("icecore-") {
                folders.push(path);
            }
        }
        Ok(folders)
    };
    let mut command = world.session(AGENT_UID, &[], "sh".as_ref())?;
    let mut launcher = command.args(["-c", "sleep 600"]).spawn()?;
    let start = time::instant();
    // The last file: nothing gives the folder a later time after it.
    let written = |folder: &PathBuf| folder.join("java.jks").exists();
    while !folders()?.iter().any(written) {
        assert!(start.elapsed() < Duration::from_secs(20), "no session");
        std::thread::sleep(Duration::from_millis(20));
    }
    let left = folders()?;
    // As if it were long ago; while the launcher lives, that changes nothing.
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::open(&left[0])?.set_modified(long_ago)?;
    assert!(
        world
            .session(AGENT_UID, &[], "true".as_ref())?
            .status()?
            .success()
    );
    assert_eq!(folders()?, left);

    launcher.kill()?;
    launcher.wait()?;
    let start = time::instant();
    while !folders()?.is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?} is still there",
            folders()?
        );
        assert!(
            world
                .session(AGENT_UID, &[], "true".as_ref())?
                .status()?
                .success()
        );
    }
    Ok(())
}
