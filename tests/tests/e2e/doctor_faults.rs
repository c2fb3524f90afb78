//! `icecore doctor` where something is wrong: each fault is a real one, and turns its own line red, with a fix.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::emulator::{Credential, Tuning};
use icecore_tests::harness::world::{AGENT_UID, Plan, World};

use crate::doctor::{Told, doctor, environment, narrow};

#[track_caller]
pub(crate) fn only_failed(told: &Told, name: &str, found: &str) {
    assert_eq!(told.named("failed"), [name], "{told:#?}");
    assert_eq!(told.code, Some(1), "{told:#?}");
    let line = told.found(name);
    assert!(
        line.contains(found) && line.contains("\"fix\":\""),
        "{line}"
    );
}

#[test]
fn pins_that_others_may_open_are_told() -> Result<()> {
    let world = World::start(&narrow())?;
    let kernel = ["--only", "kernel"];
    assert_eq!(doctor(&world, "", &kernel)?.code, Some(0));
    let pins = &world.config.pins;
    fs::set_permissions(pins, fs::Permissions::from_mode(0o755))?;
    only_failed(&doctor(&world, "", &kernel)?, "pins", "mode 755");
    fs::set_permissions(pins, fs::Permissions::from_mode(0o700))?;
    assert_eq!(doctor(&world, "", &kernel)?.code, Some(0));
    Ok(())
}

#[test]
fn an_account_that_the_guard_does_not_know_is_told() -> Result<()> {
    let world = World::start(&narrow())?;
    // The config was changed, and the daemon was not told.
    let text = fs::read_to_string(world.config_file())?;
    let upstream = world.config.upstream.to_string();
    let file = world.path("changed.toml");
    fs::write(&file, text.replace(&upstream, "192.0.2.77:443"))?;
    let words = ["--only", "kernel", "--config"];
    let mut command = world.outside(0, world.icecore.as_os_str())?;
    let output = command
        .args(["doctor", "--json", "--user", "nobody"])
        .args(words)
        .arg(&file)
        .output()?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let checks = told["checks"].as_array().cloned().unwrap_or_default();
    let told = Told {
        code: output.status.code(),
        checks,
    };
    only_failed(
        &told,
        "guard",
        "acme.snowflakecomputing.com at [Address(192.0.2.77)]",
    );
    Ok(())
}

#[test]
fn a_user_who_can_become_root_is_told() -> Result<()> {
    let world = World::start(&narrow())?;
    let groups = world.path("group");
    fs::write(
        &groups,
        "root:x:0:\ndocker:x:999:nobody\nnogroup:x:65534:\n",
    )?;
    let first = format!("mount --bind {} /etc/group", groups.display());
    let told = doctor(&world, &first, &["--only", "rights"])?;
    only_failed(&told, "rights", "its user is in group docker");
    let told = doctor(&world, "", &["--only", "rights"])?;
    assert_eq!(told.code, Some(0), "{told:#?}");
    Ok(())
}

#[test]
fn a_credential_that_is_refused_and_a_user_of_two_roles_are_told() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let accounts = ["--only", "accounts"];
    let told = doctor(&world, "", &accounts)?;
    only_failed(&told, "account", "it holds 2 roles (ANALYST, LOADER)");
    assert!(
        told.found("account").contains("no network policy"),
        "{told:#?}"
    );
    let pat = Credential::Pat {
        token: "another".to_owned(),
    };
    world.gate.tune(narrow().tuning)?;
    world.gate.rotate("ACME", &pat)?;
    only_failed(&doctor(&world, "", &accounts)?, "account", "refused");
    Ok(())
}

#[test]
fn a_clock_that_is_wrong_is_told() -> Result<()> {
    let world = World::start(&narrow())?;
    let accounts = ["--only", "accounts"];
    assert_eq!(doctor(&world, "", &accounts)?.code, Some(0));
    world.gate.tune(Tuning {
        clock_wrong: true,
        ..narrow().tuning
    })?;
    let told = doctor(&world, "", &accounts)?;
    only_failed(
        &told,
        "clock skew",
        "ahead of that of acme.snowflakecomputing.com",
    );
    Ok(())
}

#[test]
fn a_key_that_a_job_can_read_is_told() -> Result<()> {
    let world = World::start(&narrow())?;
    let session = ["--only", "session"];
    assert_eq!(doctor(&world, "", &session)?.code, Some(0));
    let key = world.config.state_dir().join("ca/ca.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    for folder in [key.parent(), Some(world.config.state_dir().as_path())] {
        let folder = folder.context("no folder")?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    only_failed(
        &doctor(&world, "", &session)?,
        "secret files",
        "ca/ca.key: opened",
    );
    Ok(())
}

/// Command lines of processes that have a word in them, looked at over and over until this is dropped.
struct CommandLines {
    ends: Arc<AtomicBool>,
    looking: Option<JoinHandle<String>>,
}

impl CommandLines {
    fn with(word: &'static str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ends);
        let look = move || {
            let mut seen = String::new();
            while !end.load(Ordering::SeqCst) {
                for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    if line.contains(word) && !seen.contains(&line) {
                        seen.push_str(&line);
                        seen.push('\n');
                    }
                }
            }
            seen
        };
        Self {
            ends,
            looking: Some(thread::spawn(look)),
        }
    }

    fn seen(mut self) -> Result<String> {
        self.ends.store(true, Ordering::SeqCst);
        let looking = self.looking.take().context("not looked")?;
        looking.join().ok().context("the look failed")
    }
}

impl Drop for CommandLines {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_lies_in_the_cas_place_is_neither_shown_nor_waited_for() -> Result<()> {
    const SECRET: &str = "only-root-may-read-this";
    let world = World::start(&narrow())?;
    let session = ["--only", "session"];
    let look = CommandLines::with("doctor-probe");
    assert_eq!(doctor(&world, "", &session)?.code, Some(0));
    let seen = look.seen()?;
    assert!(
        seen.contains("doctor-probe outside") && seen.contains("doctor-probe inside"),
        "{seen}"
    );
    assert!(!seen.contains("CERTIFICATE"), "{seen}");

    let secret = world.path("secret.pem");
    fs::write(&secret, SECRET)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let ca = world.config.state_dir().join("ca/ca.pem");
    let bounded = "set -- timeout 60 \"$@\"";
    fs::rename(&ca, world.path("ca.pem"))?;
    symlink(&secret, &ca)?;
    let look = CommandLines::with(SECRET);
    let told = doctor(&world, bounded, &session)?;
    assert_eq!(look.seen()?, "");
    only_failed(&told, "session", "none can be opened");
    assert!(!format!("{told:?}").contains(SECRET), "{told:#?}");

    fs::remove_file(&ca)?;
    let pipe = std::process::Command::new("mkfifo").arg(&ca).status()?;
    anyhow::ensure!(pipe.success());
    let told = doctor(&world, bounded, &session)?;
    only_failed(&told, "session", "none can be opened");

    fs::remove_file(&ca)?;
    fs::rename(world.path("ca.pem"), &ca)?;
    assert_eq!(doctor(&world, "", &session)?.code, Some(0));
    Ok(())
}

/// Makes a Python environment of a job's own: it has the packages of another, and runs these lines before anything else.
pub(crate) fn environment_with(world: &World, lines: &str) -> Result<PathBuf> {
    let of = environment(Product::Connector4)?;
    let own = world.path("job-venv");
    let version = fs::read_dir(of.join("lib"))?
        .next()
        .context("no packages")??
        .file_name();
    let version = version.to_string_lossy().into_owned();
    let packages = own.join("lib").join(&version).join("site-packages");
    // The folder is what doctor finds; Python takes the real package, which has an `__init__.py`.
    fs::create_dir_all(packages.join("snowflake/connector"))?;
    fs::create_dir_all(own.join("bin"))?;
    fs::copy(of.join("pyvenv.cfg"), own.join("pyvenv.cfg"))?;
    let interpreter = fs::canonicalize(of.join("bin/python"))?;
    symlink(interpreter, own.join("bin").join(&version))?;
    let others = of.join("lib").join(&version).join("site-packages");
    let paths = format!("{}\n", others.display());
    fs::write(packages.join("others.pth"), paths)?;
    fs::write(packages.join("sitecustomize.py"), lines)?;
    open(&own)?;
    Ok(own)
}

fn open(folder: &Path) -> Result<()> {
    let status = std::process::Command::new("chmod")
        .args(["-R", "go+rX"])
        .arg(folder)
        .status()?;
    anyhow::ensure!(status.success());
    Ok(())
}

#[test]
fn a_jobs_environment_that_distrusts_is_told_and_never_runs_as_root() -> Result<()> {
    let world = World::start(&narrow())?;
    let seen = world.path("home/uids");
    let lines = format!(
        "import os\nwith open('{}', 'a') as out:\n    out.write(f'{{os.getuid()}} {{os.geteuid()}}\\n')\n",
        seen.display()
    );
    let own = environment_with(&world, &lines)?;
    let look = own.to_string_lossy().into_owned();
    let words = ["--only", "drivers", "--look", &look];
    let first = format!(
        "mkdir -p {0}; chmod 777 {0}; umask 0; : > {1}; chmod 666 {1}",
        world.path("home").display(),
        seen.display()
    );
    let told = doctor(&world, &first, &words)?;
    assert_eq!(told.code, Some(0), "{told:#?}");
    assert!(
        told.found("driver")
            .contains("snowflake-connector-python 4.8.1"),
        "{told:#?}"
    );
    let uids = fs::read_to_string(&seen)?;
    let own_uid = format!("{AGENT_UID} {AGENT_UID}");
    assert!(
        !uids.is_empty() && uids.lines().all(|line| line == own_uid),
        "{uids}"
    );

    // The twin whose certificates are its own.
    let lines = "import os\nfor name in ('REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE', 'CURL_CA_BUNDLE'):\n    os.environ.pop(name, None)\n";
    fs::write(
        own.join("lib")
            .join(
                fs::read_dir(own.join("lib"))?
                    .next()
                    .context("no lib")??
                    .file_name(),
            )
            .join("site-packages/sitecustomize.py"),
        lines,
    )?;
    let told = doctor(&world, "", &words)?;
    only_failed(&told, "driver", "does not trust the proxy");
    assert!(
        told.found("driver").contains("REQUESTS_CA_BUNDLE"),
        "{told:#?}"
    );
    Ok(())
}
