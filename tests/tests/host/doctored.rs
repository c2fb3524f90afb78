//! `icecore doctor --only containers`: what it says of containers that are sessions, by what the kernel runs for them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use icecore::connection::redirect::{Installation, Kernel, detach};
use icecore_tests::harness::container::{NETWORK_ADMIN, Net, UNPRIVILEGED};
use icecore_tests::harness::port::Port;
use serde_json::Value;

use crate::containers::{enter, icecore, place, start};
use crate::host::Host;

/// Gives the outcome and the finding of each line, joined.
fn doctor(host: &Host) -> Vec<String> {
    let words = [
        "doctor",
        "--json",
        "--user",
        "nobody",
        "--only",
        "containers",
    ];
    let output = icecore(host, &words);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = document["checks"].as_array().cloned().unwrap_or_default();
    let line = |check: &Value| {
        let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("outcome"), text("found"))
    };
    checks.iter().map(line).collect()
}

/// Programs of others, their pins and the folder that they want; all go when this is dropped.
struct Others(Option<Kernel>, PathBuf, PathBuf);

impl Others {
    /// As real as can be had: Icecore's own, loaded once more.
    fn at(root: &Path, pin_dir: PathBuf, port: &Port) -> Self {
        let folder = root.join("icecore");
        let daemon = folder.join("daemon");
        fs::create_dir_all(&daemon).unwrap();
        let installation = Installation {
            root,
            pin_dir: &pin_dir,
            port: port.number(),
            redirect_ports: &[443],
            program_logs: false,
            guards_host: false,
            heartbeat_stale: Duration::from_secs(2),
            backstop: false,
            daemon_cgroup_id: fs::metadata(&daemon).unwrap().ino(),
        };
        let kernel = Kernel::install(&installation).unwrap();
        Self(Some(kernel), pin_dir, folder)
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        drop(self.0.take());
        detach(&self.1).unwrap();
        fs::remove_dir(self.2.join("daemon")).unwrap();
        fs::remove_dir(&self.2).unwrap();
    }
}

#[test]
fn programs_of_others_in_a_container_or_below_it_are_told_of_that_container() {
    let host = Host::start();
    let quiet = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let other = start(&host, "c2", Net::Own, UNPRIVILEGED);
    let inner = place(&host, "c2").join("inner");
    fs::create_dir(&inner).unwrap();
    let pids = [&quiet, &other].map(|container| container.pid().to_string());
    let sessions = pids.map(|pid| {
        let told = enter(&host, &["--container", &pid, "--require", "enforced"]);
        told["session"].as_str().unwrap().to_owned()
    });
    let lines = doctor(&host);
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    let expected = "ok 2 are sessions that were enforced when they were opened";
    assert!(line.starts_with(expected), "{line}");

    let port = Port::take().unwrap();
    let pins = |name: &str| host.config.pins.with_file_name(name);
    let below = Others::at(&inner, pins("others-below"), &port);
    let lines = doctor(&host);
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    let named = |line: &str| {
        let is_named = |session: &String| line.contains(session.as_str());
        sessions.each_ref().map(is_named)
    };
    let expected = "warning programs of others run there too, for ";
    assert!(line.starts_with(expected), "{line}");
    assert_eq!(named(line), [false, true], "{line}");
    assert!(line.contains("`inner`: "), "{line}");
    drop(below);
    fs::remove_dir(&inner).unwrap();

    let itself = Others::at(&place(&host, "c1"), pins("others"), &port);
    let lines = doctor(&host);
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(line.starts_with(expected), "{line}");
    assert_eq!(named(line), [true, false], "{line}");
    drop(itself);

    // One that is advisory has a line of its own.
    let strong = start(&host, "c3", Net::Own, NETWORK_ADMIN);
    let told = enter(&host, &["--container", &strong.pid().to_string()]);
    let lines = doctor(&host);
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(line.starts_with("warning of 3 that are sessions"), "{line}");
    assert!(line.contains(told["session"].as_str().unwrap()), "{line}");
}
