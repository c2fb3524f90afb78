//! `icecore doctor` where daemon, kernel or what lies outside of the host is not as the config says; each thing for real.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use icecore::connection::redirect::{Installation, Kernel, detach};
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::port::Port;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::stores::MotoS3;
use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::doctor::{doctor, narrow};
use crate::doctor_faults::only_failed;
use crate::store::give;

#[test]
fn a_guard_that_is_not_what_the_config_says_is_told_by_a_try() -> Result<()> {
    const SESSIONS: &str = "guard = \"sessions\"\n";
    let world = World::start(&Plan {
        edit: |text| {
            text.replace(
                "heartbeat_stale =",
                "guard = \"sessions\"\nheartbeat_stale =",
            )
        },
        ..narrow()
    })?;
    let session = ["--only", "session"];
    // It is said, and nobody is surprised: sessions alone are held.
    let told = doctor(&world, "", &session)?;
    assert_eq!(
        (told.code, told.named("failed")),
        (Some(0), Vec::new()),
        "{told:#?}"
    );
    assert_eq!(told.named("not_checked"), ["guard outside"], "{told:#?}");
    // The config says more than the daemon was told.
    let text = fs::read_to_string(world.config_file())?;
    fs::write(world.config_file(), text.replace(SESSIONS, ""))?;
    let told = doctor(&world, "", &session)?;
    only_failed(&told, "guard outside", "it was let through");
    let text = fs::read_to_string(world.config_file())?;
    let text = text.replace(
        "heartbeat_stale =",
        "guard = \"sessions\"\nheartbeat_stale =",
    );
    fs::write(
        world.config_file(),
        text.replace("\"enforce\"", "\"observe\""),
    )?;
    let told = doctor(&world, "", &session)?;
    only_failed(&told, "config", "the daemon has mode enforce");
    Ok(())
}

#[test]
fn a_proxy_that_hangs_and_a_mode_that_refuses_nothing_are_told() -> Result<()> {
    let mut world = World::start(&Plan {
        edit: |text| text.replace("heartbeat_stale = \"20s\"", "heartbeat_stale = \"2s\""),
        mode: "observe".into(),
        ..narrow()
    })?;
    let parts = ["--only", "kernel", "--only", "daemon"];
    let told = doctor(&world, "", &parts)?;
    assert_eq!(
        (told.code, told.named("failed")),
        (Some(0), Vec::new()),
        "{told:#?}"
    );
    assert!(
        told.named("warning").contains(&"mode".to_owned()),
        "{told:#?}"
    );
    let proxy = world.daemon()?.proxy()?;
    kill_process(proxy, Signal::STOP)?;
    std::thread::sleep(Duration::from_millis(3500));
    let told = doctor(&world, "", &parts);
    kill_process(proxy, Signal::CONT)?;
    only_failed(&told?, "heartbeat", "lost after 2000 ms");
    Ok(())
}

#[test]
fn other_programs_on_the_hooks_are_told_in_order_and_what_they_do() -> Result<()> {
    let world = World::start(&narrow())?;
    let session = ["--only", "session"];
    assert_eq!(doctor(&world, "", &session)?.code, Some(0));
    // As real as can be had: Icecore's own, loaded once more, which know none of the daemon's sessions.
    let root = world.cgroup.path();
    let daemon = fs::metadata(root.join("icecore/daemon"))?.ino();
    let pins = world.config.pins.with_file_name("others");
    let port = Port::take()?;
    let installation = Installation {
        root,
        pin_dir: &pins,
        port: port.number(),
        redirect_ports: &[443],
        program_logs: false,
        guards_host: false,
        heartbeat_stale: Duration::from_secs(2),
        backstop: false,
        daemon_cgroup_id: daemon,
    };
    let others = Others(Kernel::install(&installation)?, &pins);
    let told = doctor(&world, "", &session)?;
    let hooks = told.found("hooks");
    assert!(hooks.contains("\"outcome\":\"warning\""), "{told:#?}");
    assert!(
        hooks.contains("connect4: Icecore's, then `connect4` (id "),
        "{hooks}"
    );
    // The canary says what that means: they take the connection.
    assert!(
        told.named("failed").contains(&"canary".to_owned()),
        "{told:#?}"
    );
    assert_eq!(told.code, Some(1));
    drop(others);
    assert_eq!(doctor(&world, "", &session)?.code, Some(0));
    Ok(())
}

/// Programs of others; they go when this is dropped.
struct Others<'o>(#[expect(dead_code, reason = "held")] Kernel, &'o Path);

impl Drop for Others<'_> {
    fn drop(&mut self) {
        detach(self.1).unwrap();
    }
}

#[test]
fn an_issuer_is_asked_and_sessions_of_a_token_are_opened() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = crate::identity::world_with(
        "[identity]\nwithout_token = \"refuse\"\ntoken_use = \"host\"",
        &issuer.url(),
        "",
    )?;
    let accounts = ["--only", "accounts"];
    let told = doctor(&world, "", &accounts)?;
    assert!(
        told.found("issuer").contains("idp: 1 keys, tokens by"),
        "{told:#?}"
    );
    assert!(told.named("ok").contains(&"issuer".to_owned()), "{told:#?}");
    issuer.set_down(true);
    let told = doctor(&world, "", &accounts)?;
    assert!(
        told.named("failed").contains(&"issuer".to_owned()),
        "{told:#?}"
    );
    issuer.set_down(false);

    let told = doctor(&world, "", &["--only", "session"])?;
    only_failed(&told, "session", "none can be opened");
    let token = issuer.token(&json!({}))?;
    let first = format!("export TOKEN_OF_TEST={token}");
    let words = ["--only", "session", "--identity-token-env", "TOKEN_OF_TEST"];
    let told = doctor(&world, &first, &words)?;
    assert_eq!(
        (told.code, told.named("failed")),
        (Some(0), Vec::new()),
        "{told:#?}"
    );
    Ok(())
}

#[test]
fn a_store_is_tried_for_what_it_must_take_and_refuse() -> Result<()> {
    let mut moto = MotoS3::start()?;
    let mut world = World::without_daemon(&narrow())?;
    give(&world, &moto.reached("writer")?)?;
    world.start_daemon()?;
    let store = ["--only", "store"];
    let told = doctor(&world, "", &store)?;
    assert_eq!(told.code, Some(0), "{told:#?}");
    assert_eq!(
        told.named("ok"),
        ["record", "store", "store removal"],
        "{told:#?}"
    );
    assert!(
        told.found("store removal").contains("AccessDenied"),
        "{told:#?}"
    );
    // The right to record is none to ask about the bucket.
    assert_eq!(told.named("not_checked"), ["store lock"], "{told:#?}");
    assert!(
        told.found("store lock").contains("lock-seen.json"),
        "{told:#?}"
    );
    moto.go_down()?;
    let told = doctor(&world, "", &store)?;
    assert_eq!(told.code, Some(1), "{told:#?}");
    assert!(
        told.named("failed").contains(&"store".to_owned()),
        "{told:#?}"
    );
    assert!(told.found("store").contains("no answer"), "{told:#?}");
    Ok(())
}

#[test]
fn a_buckets_lock_is_asked_for() -> Result<()> {
    let mut moto = MotoS3::start()?;
    let mut world = World::without_daemon(&narrow())?;
    give(&world, &moto.reached("seer")?)?;
    world.start_daemon()?;
    let store = ["--only", "store"];
    let told = doctor(&world, "", &store)?;
    assert_eq!(
        told.named("ok"),
        ["record", "store", "store lock", "store removal"],
        "{told:#?}"
    );
    assert!(
        told.found("store lock")
            .contains("30 days in compliance mode"),
        "{told:#?}"
    );
    moto.govern()?;
    let told = doctor(&world, "", &store)?;
    assert_eq!(told.named("warning"), ["store lock"], "{told:#?}");
    assert!(
        told.found("store lock").contains("governance mode"),
        "{told:#?}"
    );
    // No signature of the question is shown.
    assert!(!format!("{told:?}").contains("X-Amz-"), "{told:#?}");
    Ok(())
}
