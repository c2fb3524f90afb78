//! The systemd unit, as far as it can be judged without a running systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use icecore_tests::python;

use crate::host::Host;

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

/// What the daemon tells its service manager (sd_notify(3)): that it serves, once it does; that it is alive, more often
/// than asked; that it stops. Nobody else is told: the proxy and sessions do not have the socket.
#[test]
fn a_service_manager_is_told_that_sessions_are_taken_and_that_the_daemon_is_alive() {
    let mut host = Host::without_daemon();
    let socket = host.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let timeout = Duration::from_secs(10);
    manager.set_read_timeout(Some(timeout)).unwrap();
    let wrapper = host.path("wrapper");
    let script = format!(
        "#!/bin/sh\nNOTIFY_SOCKET={} WATCHDOG_USEC=1000000 exec {} \"$@\"\n",
        socket.display(),
        host.icecore.display()
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let icecore = std::mem::replace(&mut host.icecore, wrapper);
    host.start_daemon();
    host.icecore = icecore;

    let hear = || {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let is_beat = |told: &String| told == "WATCHDOG=1\n";
    let mut early = Vec::new();
    let ready = loop {
        let told = hear();
        if !is_beat(&told) {
            break told;
        }
        early.push(told);
    };
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    for _ in 0..4 {
        let told = hear();
        assert!(is_beat(&told), "{told}");
    }
    let proxy = host.daemon().proxy().unwrap().as_raw_nonzero();
    let environment = fs::read(format!("/proc/{proxy}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"));
    host.daemon().terminate().unwrap();
    let rest: Vec<String> = {
        manager.set_nonblocking(true).unwrap();
        let mut buffer = [0; 512];
        let told =
            std::iter::from_fn(|| manager.recv(&mut buffer).ok().map(|n| buffer[..n].to_vec()));
        told.map(|told| String::from_utf8(told).unwrap()).collect()
    };
    let stopping = rest.iter().filter(|told| told.starts_with("STOPPING=1\n"));
    assert_eq!(stopping.count(), 1, "{rest:?}");
}
