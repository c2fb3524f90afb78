//! What a container may have had before its session, wherever that is held, makes it advisory; and nothing else does.

use std::fs;

use icecore_tests::harness::container::{Net, ROOT_ALONE, UNPRIVILEGED};
use serde_json::Value;

use crate::containers::{Server, THERE, enter, fetch, icecore, live, refused, start};
use crate::host::{Host, stderr};

/// How a connection is held, and what is said of it; none of them was seen by main threads and `/proc/net/unix`.
const HELD: [(&str, &str); 7] = [
    ("thread", "has a socket from before its session"),
    ("flight", "descriptors on their way"),
    ("flight-of-nothing", "descriptors on their way"),
    ("backlog", "Unix socket"),
    ("forged", "has a socket from before its session"),
    ("ring", "has an io_uring"),
    (
        "ring-hidden",
        "its cgroup has a TCP socket from before its session",
    ),
];

#[test]
fn a_connection_from_before_makes_a_container_advisory_wherever_it_is_held() {
    let host = Host::start();
    let script = host.path("hold.py");
    fs::write(&script, include_str!("hold.py")).unwrap();
    let held = |mode: &str| {
        let mut container = start(&host, mode, Net::Own, UNPRIVILEGED);
        let server = Server::in_network_of(&container, THERE, 80, "there");
        let line = format!("python3 {} {mode} {THERE} 80 2>&1 &", script.display());
        assert_eq!(container.told(&line).unwrap(), "held", "{mode}");
        (container, server)
    };
    for (mode, text) in HELD {
        let (mut container, _server) = held(mode);
        let pid = container.pid().to_string();
        let strict = icecore(
            &host,
            &["enter", "--container", &pid, "--require", "enforced"],
        );
        refused(&strict, text);
        refused(&strict, "expected a session that is enforced");
        // It goes on, as if nobody had looked.
        assert_eq!(fetch(&host, &mut container, THERE, 80), "there", "{mode}");
        let told = enter(&host, &["--container", &pid]);
        assert_eq!(told["enforcement"], "advisory", "{mode}");
        assert!(told["advisory"].as_str().unwrap().contains(text), "{told}");
        assert_eq!(fetch(&host, &mut container, THERE, 80), "there", "{mode}");
    }
    let (mut twin, _server) = held("twin");
    let pid = twin.pid().to_string();
    let told = enter(&host, &["--container", &pid, "--require", "enforced"]);
    assert_eq!(told["enforcement"], "enforced", "{told}");
    assert_eq!(fetch(&host, &mut twin, THERE, 80), "there");
    let frozen = fs::read_to_string(twin.cgroup().join("cgroup.freeze")).unwrap();
    assert_eq!(frozen, "0\n", "it goes on");
}

#[test]
fn a_container_that_its_runtime_stopped_stays_so_and_another_process_than_the_one_looked_at_is_refused()
 {
    let host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let pid = container.pid().to_string();
    let other = icecore(&host, &["enter", "--container", &pid, "--started-at", "1"]);
    refused(&other, "expected one that started at tick 1");
    let user = icecore(&host, &["enter", "--container", &pid, "--uid", "7"]);
    refused(&user, "expected one of uid 7");
    assert_eq!(live(&host), Vec::<Value>::new(), "{}", stderr(&user));
    let freeze = container.cgroup().join("cgroup.freeze");
    fs::write(&freeze, "1").unwrap();
    let told = enter(&host, &["--container", &pid, "--require", "enforced"]);
    assert_eq!(told["enforcement"], "enforced", "{told}");
    assert_eq!(fs::read_to_string(&freeze).unwrap(), "1\n");
    fs::write(&freeze, "0").unwrap();
    assert_eq!(container.told("echo runs on").unwrap(), "runs on");
}

/// Many images run as root; the number alone gives nothing of the host where no capability comes with it.
#[test]
fn a_container_whose_user_is_root_is_enforced_without_capabilities_and_refused_with_them() {
    let host = Host::start();
    let mut held = start(&host, "c1", Net::Own, ROOT_ALONE);
    let pid = held.pid().to_string();
    let told = enter(&host, &["--container", &pid, "--require", "enforced"]);
    assert_eq!(told["enforcement"], "enforced", "{told}");
    let listed = live(&host);
    assert_eq!((listed.len(), &listed[0]["uid"]), (1, &Value::from(0)));
    let file = host.path("of-root");
    fs::write(&file, "").unwrap();
    let line = format!(
        "chown 1000 {} 2>/dev/null && echo changed || echo denied",
        file.display()
    );
    assert_eq!(held.told(&line).unwrap(), "denied");
    let mut twin = start(&host, "c2", Net::Own, &["env"]);
    let pid = twin.pid().to_string();
    let strict = icecore(
        &host,
        &["enter", "--container", &pid, "--require", "enforced"],
    );
    refused(&strict, "expected a session that is enforced");
    assert_eq!(twin.told(&line).unwrap(), "changed");
}
