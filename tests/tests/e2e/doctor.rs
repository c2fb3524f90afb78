//! `icecore doctor` on a host where all is well: each line is proved, with real drivers, and the record shows what doctor did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::{Plan, World};

use serde_json::{Value, json};

/// As whom jobs run: uid 65534, which has no way to root.
pub(crate) const USER: &str = "nobody";

/// What doctor said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) checks: Vec<Value>,
}

impl Told {
    /// Gives each check's outcome; of several of a name the worst, in the order of its words here.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, String> {
        const WORST: [&str; 4] = ["ok", "warning", "not_checked", "failed"];
        let rank = |outcome: &str| WORST.iter().position(|one| *one == outcome);
        let mut outcomes: BTreeMap<String, String> = BTreeMap::new();
        for check in &self.checks {
            let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
            let worst = outcomes.entry(text("name")).or_default();
            if rank(worst) < rank(&text("outcome")) {
                *worst = text("outcome");
            }
        }
        outcomes
    }

    /// Names the checks that ended so.
    pub(crate) fn named(&self, outcome: &str) -> Vec<String> {
        let all = self.outcomes().into_iter();
        all.filter(|(_, one)| one == outcome)
            .map(|(name, _)| name)
            .collect()
    }

    /// Gives all that was found under a name, and each fix.
    pub(crate) fn found(&self, name: &str) -> String {
        let of_name = self.checks.iter().filter(|check| check["name"] == name);
        of_name.map(ToString::to_string).collect()
    }
}

/// Runs doctor below the world's cgroup, in a shell that does something first.
pub(crate) fn doctor(world: &World, first: &str, more: &[&str]) -> Result<Told> {
    let mut command = world.outside(0, "sh".as_ref())?;
    let output = command
        .args(["-euc", &format!("{first}\nexec \"$@\""), "doctor"])
        .arg(&world.icecore)
        .args(["doctor", "--json", "--user", USER, "--config"])
        .arg(world.config_file())
        .args(more)
        .output()?;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok(Told {
        code: output.status.code(),
        checks: document["checks"].as_array().cloned().unwrap_or_default(),
    })
}

/// A world whose account's user holds one role and has a network policy.
pub(crate) fn narrow() -> Plan {
    Plan {
        tuning: Tuning {
            narrow_user: true,
            ..Tuning::default()
        },
        ..Plan::default()
    }
}

/// Gives the folder that a driver's packages are in.
pub(crate) fn environment(product: Product) -> Result<PathBuf> {
    let words = product.words("".as_ref())?;
    let last = PathBuf::from(words.last().context("no words")?);
    if product == Product::Node {
        return Ok(last);
    }
    let python = PathBuf::from(words.first().context("no words")?);
    Ok(python
        .parent()
        .and_then(|bin| bin.parent())
        .context("no environment")?
        .to_owned())
}

#[test]
fn a_good_host_is_proved_line_by_line_with_each_driver() -> Result<()> {
    let world = World::start(&narrow())?;
    let products = [
        Product::Connector4,
        Product::Connector5,
        Product::Adbc,
        Product::Node,
    ];
    let folders: Vec<String> = products
        .into_iter()
        .map(|product| Ok(environment(product)?.display().to_string()))
        .collect::<Result<_>>()?;
    let look: Vec<&str> = folders
        .iter()
        .flat_map(|folder| ["--look", folder])
        .collect();
    let told = doctor(&world, "", &look)?;
    assert_eq!(told.code, Some(0), "{told:#?}");
    assert_eq!(told.named("failed"), [""; 0], "{told:#?}");
    let proved = told.named("ok");
    for name in [
        "account",
        "canary",
        "cgroups",
        "clock skew",
        "daemon",
        "descriptors",
        "guard",
        "guard inside",
        "guard outside",
        "heartbeat",
        "hooks",
        "io_uring",
        "metadata",
        "mode",
        "pins",
        "policies",
        "privileges",
        "programs",
        "proxy port",
        "record",
        "record mode",
        "rights",
        "secret files",
        "session",
        "sockets",
        "udp",
    ] {
        assert!(proved.contains(&name.to_owned()), "{name}: {told:#?}");
    }
    // The root of a test is never the hierarchy's, and that is told.
    assert!(
        told.named("warning").contains(&"attach point".to_owned()),
        "{told:#?}"
    );
    let drivers: Vec<&str> = told
        .checks
        .iter()
        .filter(|check| check["name"] == "driver" && check["outcome"] == "ok")
        .filter_map(|check| check["found"].as_str())
        .collect();
    for (version, folder) in [
        "snowflake-connector-python 4.8.1",
        "snowflake-connector-python 5.2.0",
        "adbc-driver-snowflake 1.11.0",
        "snowflake-sdk 3.3.0",
    ]
    .iter()
    .zip(&folders)
    {
        let is_it = |line: &&&str| line.starts_with(version) && line.contains(folder.as_str());
        assert!(
            drivers.iter().any(|line| is_it(&line)),
            "{version} in {folder}: {told:#?}"
        );
    }

    // Nothing went past the proxy, and the record has doctor's sessions under its label, and its drivers' statements.
    assert_eq!(world.trap.arrivals(), 0);
    world.flush()?;
    let sessions = world.query(&format!(
        "select count(distinct session_id) as sessions from sessions
         where \"user\" = '{USER}' and list_contains(labels, {{'name': 'doctor', 'value': 'true'}})",
    ))?;
    // One for what is tried, one to look for drivers, one for each, one for a JVM.
    assert_eq!(
        sessions[0]["sessions"],
        json!(drivers.len() + 3),
        "{sessions:?}"
    );
    let asked = world.query("select count(*) as asked from statements")?;
    assert_eq!(asked[0]["asked"], json!(4), "{asked:?}");
    Ok(())
}

#[test]
fn lines_are_for_people_with_a_fix_below_what_is_not_good() -> Result<()> {
    let world = World::start(&narrow())?;
    let mut command = world.outside(0, world.icecore.as_os_str())?;
    let output = command
        .args(["doctor", "--user", USER, "--only", "kernel", "--config"])
        .arg(world.config_file())
        .output()?;
    let told = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(0), "{told}");
    let line = |start: &str| told.lines().position(|line| line.starts_with(start));
    assert!(line("ok           pins").is_some(), "{told}");
    let warned = line("warning      attach point").context("no such line")?;
    let below = told.lines().nth(warned + 1).unwrap_or_default();
    assert!(below.trim_start().starts_with("fix: "), "{told}");
    assert!(!told.contains("driver"), "{told}");
    Ok(())
}

#[test]
fn without_a_daemon_nothing_is_taken_for_granted() -> Result<()> {
    let world = World::without_daemon(&narrow())?;
    let told = doctor(&world, "", &[])?;
    assert_eq!(told.code, Some(4), "{told:#?}");
    assert_eq!(told.named("failed"), ["daemon", "programs"], "{told:#?}");
    assert!(
        told.found("daemon").contains("systemctl start icecore"),
        "{told:#?}"
    );
    for name in ["session", "drivers", "record"] {
        assert!(
            told.named("not_checked").contains(&name.to_owned()),
            "{name}: {told:#?}"
        );
    }
    // What needs no daemon is looked at all the same.
    for name in ["account", "policies", "rights"] {
        assert!(
            told.named("ok").contains(&name.to_owned()),
            "{name}: {told:#?}"
        );
    }
    let config = world.config_file();
    let config = config.to_string_lossy();
    for (user, config, code, name) in [
        ("nobody", "/nowhere.toml", 3, "config"),
        ("no-such-user", &*config, 2, "user"),
    ] {
        let words = ["doctor", "--json", "--user", user, "--config", config];
        let output = world.icecore(&words)?;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let check = &told["checks"][0];
        assert_eq!(
            (&told["good"], &check["name"], &check["outcome"]),
            (&json!(false), &json!(name), &json!("failed")),
            "{told}"
        );
        assert_eq!(told["counts"]["failed"], json!(1), "{told}");
    }
    Ok(())
}

#[test]
fn only_root_is_the_doctor() -> Result<()> {
    let world = World::without_daemon(&narrow())?;
    let mut command = world.outside(65534, world.icecore.as_os_str())?;
    let output = command.args(["doctor", "--user", USER]).output()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("expected to be started as root"));
    Ok(())
}
