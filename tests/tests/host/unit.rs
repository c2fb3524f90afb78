//! The systemd unit, as far as it can be judged without a running systemd.

use std::fs;
use std::process::Command;

use icecore_tests::python;

/// Gives the unit's text.
fn unit() -> String {
    fs::read_to_string(python::folder("../packaging").join("icecore.service")).unwrap()
}

/// Lets systemd read a unit, whose program must be there; gives what it says, and nothing on a host without it.
fn said_by_systemd(unit: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("icecore.service");
    let unit = unit.replace("/usr/local/bin/icecore", "/bin/true");
    fs::write(&file, unit).unwrap();
    let verify = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&file)
        .output();
    let Ok(output) = verify else {
        eprintln!("not shown: this host has no systemd-analyze");
        return None;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    // It exits with 0 whatever it ignores, and speaks of the host's other units too.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("icecore"))
        .collect();
    Some(ours.join("\n"))
}

#[test]
fn systemd_takes_every_line_of_the_unit() {
    let Some(said) = said_by_systemd(&unit()) else {
        return;
    };
    assert_eq!(said, "");
    let wrong = unit().replace("KillMode=mixed", "KillMode=mxied");
    let said = said_by_systemd(&wrong).unwrap();
    assert!(said.contains("kill mode"), "a wrong line passes: {said}");
}

#[test]
fn nothing_in_the_unit_makes_cgroups_or_pins_read_only() {
    for line in unit().lines() {
        for taken in [
            "ProtectControlGroups=",
            "ProtectKernelTunables=",
            "ProtectSystem=strict",
            "ProcSubset=",
            "PrivateNetwork=",
            "PrivateUsers=",
            "RuntimeDirectory=",
        ] {
            assert!(!line.starts_with(taken), "{line}");
        }
    }
}
