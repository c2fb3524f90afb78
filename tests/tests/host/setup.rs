//! What `icecore check` and `icecore daemon` say of a config that is not good, and by which exit code.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::host::{Host, as_nobody, plain, stderr, stdout};

/// Has both commands look at the config; they must say the same of it.
#[track_caller]
fn check(host: &Host, expected: &[&str]) {
    let config = host.config_file().display().to_string();
    let folder = host.path("").display().to_string();
    for command in ["check", "daemon"] {
        let output = host.icecore(&[command, "--config", &config]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
        let told = stderr(&output).replace(&folder, "~/");
        let told: Vec<&str> = told.lines().collect();
        assert_eq!(told, expected, "{command}");
    }
}

#[test]
fn good_config_is_summed_up() {
    let host = Host::without_daemon();
    let config = host.config_file().display().to_string();
    let output = host.icecore(&["check", "--config", &config]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output)
            .contains("account   acme.snowflakecomputing.com (ACME) as user ICECORE_SVC")
    );
}

#[test]
fn a_check_is_told_as_json_with_and_without_problems() {
    let host = Host::without_daemon();
    let config = host.config_file().display().to_string();
    let json = || {
        let output = host.icecore(&["check", "--json", "--config", &config]);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), told)
    };
    let (code, told) = json();
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told["good"], true, "{told}");
    assert_eq!(told["problems"], serde_json::json!([]), "{told}");
    let policy = host.config.policies().join("broken.cedar");
    fs::write(&policy, "permit (principal, action resource);\n").unwrap();
    let text = host.config.text().replace("\"2s\"", "\"2\"");
    fs::write(host.config_file(), text).unwrap();
    let (code, told) = json();
    assert_eq!(code, Some(3), "{told}");
    assert_eq!(told["good"], false, "{told}");
    let problems = told["problems"].to_string();
    for part in ["broken.cedar", "daemon.shutdown_grace: expected a duration"] {
        assert!(problems.contains(part), "{part}: {told}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let host = Host::without_daemon();
    let text = host.config.text().replace("\"2s\"", "\"2\"") + "\n[limits]\nstatement = 1\n";
    fs::write(host.config_file(), text).unwrap();
    fs::set_permissions(&host.config.key_file, Permissions::from_mode(0o644)).unwrap();
    check(
        &host,
        &[
            "~/icecore.toml: daemon.shutdown_grace: expected a duration such as \"30s\", found \"2\"",
            "~/icecore.toml: limits.statement: expected one of the keys request_body_max, statement_max, session_connects_per_second, found an unknown key",
            "~/icecore.toml: account[0].credential.private_key_file: expected a file that only its owner can read (mode 0600 or 0400), found `~/login.p8` with mode 0644",
        ],
    );
}

#[test]
fn wrong_policy_ends_check_and_daemon_with_its_place() {
    let host = Host::without_daemon();
    let policy = host.config.policies().join("broken.cedar");
    fs::write(&policy, "permit (principal, action resource);\n").unwrap();
    let config = host.config_file().display().to_string();
    for command in ["check", "daemon"] {
        let output = host.icecore(&[command, "--config", &config]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("broken.cedar"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn daemon_is_for_root_and_one_a_host() {
    let host = Host::start();
    let config = host.config_file().display().to_string();
    let second = host.icecore(&["daemon", "--config", &config]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("another daemon runs in"));
    let words = [
        &host.icecore.display().to_string(),
        "daemon",
        "--config",
        &config,
    ]
    .map(ToString::to_string);
    let other = plain(&as_nobody(&words)).output().unwrap();
    // Its key is root's alone, so the config is the first thing that is wrong.
    assert_eq!(other.status.code(), Some(3), "{}", stderr(&other));
}

#[test]
fn taken_port_is_told() {
    let host = Host::without_daemon();
    let address = ("127.0.0.1", host.config.port);
    let _taken = std::net::TcpListener::bind(address).unwrap();
    let config = host.config_file().display().to_string();
    let output = host.icecore(&["daemon", "--config", &config]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(&format!("listener `127.0.0.1:{}`: ", host.config.port)),
        "{}",
        stderr(&output)
    );
}

#[test]
fn command_lines_that_are_wrong_end_with_2() {
    let host = Host::without_daemon();
    for arguments in [&["dance"][..], &["run"], &["check", "--jsonl"], &[]] {
        let output = host.icecore(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(host.icecore(&["--help"]).status.code(), Some(0));
}
