//! Secrets from each source rotate under a session that goes on, and are seen nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;
use icecore_tests::emulator::Credential;
use icecore_tests::harness::moto::{self, Moto};
use icecore_tests::harness::vault::{NAMESPACE, ROLE_ID, SECRET_ID, Vault};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::worked;
use crate::credentials::rotation::{configure, nothing_is_seen, put};

const OLD: &str = "old-source-token-51d0";
const NEW: &str = "new-source-token-9be7";

fn register(world: &World, token: &str) -> Result<()> {
    let token = token.to_owned();
    world.gate.rotate("ACME", &Credential::Pat { token })
}

/// Rotates a secret under a driver that stays logged in, and logs in again: with no restart, and at the first try.
fn rotates(
    world: &mut World,
    source: &str,
    reference: &str,
    rotate: impl FnOnce() -> Result<()>,
) -> Result<String> {
    register(world, OLD)?;
    configure(
        world,
        &format!("{{ kind = \"pat\", token = {{ {source} }} }}"),
    )?;
    let mut driver = world.start_driver(
        Generation::Four,
        &json!([
            {"do": "connect", "name": "old"},
            {"do": "sql", "name": "before", "sql": "select 1"},
            {"do": "pause"},
            {"do": "sql", "name": "after", "sql": "select 2"},
            {"do": "connect", "name": "new", "login_timeout": 10},
            {"do": "sql", "name": "again", "sql": "select 3"},
            {"do": "environment"},
        ]),
    )?;
    for name in ["old", "before"] {
        let step = driver.expect(name)?;
        assert_eq!(step["ok"], true, "{reference}: {step}");
    }
    driver.expect("pause")?;
    register(world, NEW)?;
    rotate()?;
    driver.go_on()?;
    let finished = driver.finish()?;
    worked(&finished, &["after", "new", "again"]);
    world.flush()?;
    let logins = world.query(
        "select distinct credential_ref from logins_all where phase = 'open' order by 1 desc",
    )?;
    assert!(
        logins.contains(&json!({ "credential_ref": reference })),
        "{logins:?}"
    );
    Ok(finished.output)
}

#[test]
fn a_secret_in_vault_rotates_under_a_session_and_serves_while_vault_is_down() -> Result<()> {
    let vault = Vault::start(OLD)?;
    let mut world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("secrets"))?;
    let secret_id = world.path("secrets/secret-id");
    put(&secret_id, SECRET_ID)?;
    let source = format!(
        "source = \"vault\", address = \"{}\", namespace = \"{NAMESPACE}\", mount = \"kv\", path = \"snowflake/acme\", field = \"token\", role_id = \"{ROLE_ID}\", secret_id_file = \"{}\"",
        vault.address(),
        secret_id.display()
    );
    let output = rotates(&mut world, &source, "vault:kv/snowflake/acme#token", || {
        vault.put(NEW);
        // The role's token is revoked too: the daemon logs in to Vault again.
        vault.revoke();
        Ok(())
    })?;
    assert_eq!(vault.reads(), 2, "one for each value, none for each login");
    vault.seal(true);
    let steps = json!([{"do": "connect"}]);
    worked(&world.drive(Generation::Four, &steps)?, &["connect"]);
    // The kept secret is refused and gone: without Vault there is none, and the operator is told why.
    register(&world, "rotated-while-sealed-77")?;
    let refused = world.drive(
        Generation::Four,
        &json!([{"do": "connect", "login_timeout": 10}]),
    )?;
    let told = refused.step("connect")?["message"].to_string();
    assert!(
        told.contains("Icecore's own credential for this account cannot be used"),
        "{told}"
    );
    assert!(!told.contains("vault"), "{told}");
    assert!(world.daemon()?.log()?.contains("HTTP status 503 (sealed"));
    world.daemon()?.terminate()?;
    world.daemon = None;
    let secrets = [
        ("old", OLD),
        ("new", NEW),
        ("secret id", SECRET_ID),
        ("Vault's token", "hvs.login"),
    ];
    let secrets: Vec<(String, String)> = secrets
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    nothing_is_seen(&world, &secrets, &output)
}

#[test]
fn a_secret_that_a_command_prints_rotates_under_a_session() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("secrets"))?;
    let token = world.path("secrets/token");
    put(&token, OLD)?;
    let program = world.path("secrets/print");
    fs::write(
        &program,
        format!("#!/bin/sh\nexec /bin/cat {}\n", token.display()),
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700))?;
    let shown = program.display().to_string();
    let output = rotates(
        &mut world,
        &format!("source = \"command\", argv = [\"{shown}\"], refresh = \"1h\""),
        &format!("command:{shown}"),
        || put(&token, NEW),
    )?;
    no_session_reads(&world, &[&token, &program])?;
    world.daemon()?.terminate()?;
    world.daemon = None;
    let secrets = [("old", OLD), ("new", NEW)];
    let secrets: Vec<(String, String)> = secrets
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    nothing_is_seen(&world, &secrets, &output)
}

#[test]
fn a_secret_at_aws_rotates_under_a_session() -> Result<()> {
    let mut moto = Moto::start(OLD)?;
    let mut world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("secrets"))?;
    world.variables = moto.variables();
    let source = format!(
        "source = \"aws\", region = \"{}\", secret_id = \"{}\", json_key = \"token\", endpoint = \"{}\"",
        moto::REGION,
        moto::NAME,
        moto.origin()
    );
    let reference = format!("aws:{}#token", moto::NAME);
    let secret_key = moto.secret_key().to_owned();
    let output = rotates(&mut world, &source, &reference, || moto.put(NEW))?;
    no_session_reads(&world, &[])?;
    // Keys of another signer are refused, by moto and so here.
    let wrong = ("AWS_SECRET_ACCESS_KEY".to_owned(), "x".repeat(40));
    world.variables.push(wrong);
    world.daemon()?.terminate()?;
    world.start_daemon()?;
    let refused = world.drive(
        Generation::Four,
        &json!([{"do": "connect", "login_timeout": 10}]),
    )?;
    assert_eq!(refused.step("connect")?["ok"], false);
    let log = world.daemon()?.log()?;
    assert!(log.contains("HTTP status 403"), "{log}");
    world.daemon()?.terminate()?;
    world.daemon = None;
    let secrets = [("old", OLD), ("new", NEW), ("AWS key", secret_key.as_str())];
    let secrets: Vec<(String, String)> = secrets
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    nothing_is_seen(&world, &secrets, &output)
}

#[test]
fn secrets_of_the_daemons_environment_and_of_systemd_open_logins_and_no_session_reads_them()
-> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    let folder = world.path("secrets");
    fs::create_dir(&folder)?;
    // systemd's folder is its user's alone (systemd.exec(5), `LoadCredential=`).
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    let credential = folder.join("acme-token");
    put(&credential, NEW)?;
    world.variables = vec![
        ("ACME_TOKEN".to_owned(), OLD.to_owned()),
        (
            "CREDENTIALS_DIRECTORY".to_owned(),
            folder.display().to_string(),
        ),
    ];
    let mut output = String::new();
    for (source, reference, token) in [
        (
            "source = \"env\", variable = \"ACME_TOKEN\"",
            "env:ACME_TOKEN",
            OLD,
        ),
        (
            "source = \"systemd\", name = \"acme-token\"",
            "systemd:acme-token",
            NEW,
        ),
    ] {
        register(&world, token)?;
        let line = format!("{{ kind = \"pat\", token = {{ {source} }} }}");
        configure(&mut world, &line)?;
        let steps = json!([
            {"do": "connect"},
            {"do": "sql", "name": "one", "sql": "select 1"},
            {"do": "environment"},
        ]);
        let finished = world.drive(Generation::Four, &steps)?;
        worked(&finished, &["connect", "one"]);
        output.push_str(&finished.output);
        no_session_reads(&world, &[&credential])?;
        world.flush()?;
        let logins =
            world.query("select credential_ref from logins_all order by opened_at desc limit 1")?;
        assert_eq!(logins, [json!({ "credential_ref": reference })]);
    }
    world.daemon()?.terminate()?;
    world.daemon = None;
    let secrets = [("environment's", OLD), ("systemd's", NEW)];
    let secrets: Vec<(String, String)> = secrets
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    nothing_is_seen(&world, &secrets, &output)
}

/// Neither the files nor the daemon's environment can be read by the agent's user; its own file can, so the test sees.
fn no_session_reads(world: &World, files: &[&Path]) -> Result<()> {
    let open = world.path("open");
    fs::write(&open, "readable")?;
    let read = |path: &Path| -> Result<bool> {
        let mut command = world.session(
            icecore_tests::harness::world::AGENT_UID,
            &[],
            "/bin/cat".as_ref(),
        )?;
        Ok(command.arg(path).output()?.status.success())
    };
    assert!(read(&open)?);
    let daemon = world
        .daemon
        .as_ref()
        .map(|daemon| daemon.proxy())
        .transpose()?;
    let proxy = daemon.map(|pid| format!("/proc/{}/environ", pid.as_raw_nonzero()));
    for path in files.iter().copied().chain(proxy.as_deref().map(Path::new)) {
        assert!(!read(path)?, "{}", path.display());
    }
    Ok(())
}
