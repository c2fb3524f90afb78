//! `icecore enter --watch`: which containers become sessions, and that none keeps others from it.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use icecore_tests::harness::container::{NETWORK_ADMIN, Net, UNPRIVILEGED};
use serde_json::Value;

use crate::containers::{Server, THERE, fetch, icecore, live, start, start_at, start_with};
use crate::host::{Host, stderr};

/// A watch that runs, and ends with this.
struct Watch {
    child: Child,
    sessions: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
}

impl Watch {
    fn start(host: &Host, variable: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(&host.icecore)
            .args(["enter", "--watch", variable, "--label", "by=watch"])
            .args(arguments)
            .args(["--config", &host.config_file().display().to_string()])
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let sessions = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            sessions,
            said,
        }
    }

    fn session(&mut self) -> String {
        self.sessions.next().unwrap().unwrap()
    }

    /// Waits until it says something that begins so.
    fn says(&mut self, beginning: &str) -> String {
        let mut said = self.said.by_ref().map_while(Result::ok);
        let found = said.find(|line| line.starts_with(beginning));
        found.unwrap_or_else(|| panic!("it said nothing that begins with {beginning:?}"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn variable() -> String {
    format!("ICECORE_SESSION={}", uuid::Uuid::new_v4())
}

#[test]
fn containers_that_are_watched_for_become_sessions_and_no_others() {
    let host = Host::start();
    let variable = variable();
    let arguments = [
        "--require",
        "enforced",
        "--watch-below",
        "icecore-test-*/kubepods.slice",
    ];
    // First what is not below: a user's own, as a rootless engine makes it.
    let users = (host.cgroup.path()).join("user.slice/user-1000.slice/docker-1.scope");
    let _users = start_at(&host, &users, Net::Own, UNPRIVILEGED, &variable);
    let mut watch = Watch::start(&host, &variable, &arguments);
    let mut container = start_with(&host, "c1", Net::Own, UNPRIVILEGED, &variable);
    let _other = start(&host, "c2", Net::Own, UNPRIVILEGED);
    let strong = start_with(&host, "c3", Net::Own, NETWORK_ADMIN, &variable);
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    let session = watch.session();
    let [listed] = <[Value; 1]>::try_from(live(&host)).unwrap();
    assert_eq!(
        (&listed["session"], &listed["pid"]),
        (&session.into(), &container.pid().into())
    );
    assert_eq!(fetch(&host, &mut container, THERE, 80), "there");
    let refused = format!(
        "icecore: process {}: expected a session that is enforced",
        strong.pid()
    );
    assert!(watch.says(&refused).contains("CAP_NET_RAW"));
    assert_eq!(live(&host).len(), 1);
}

#[test]
fn a_container_that_lies_too_deep_is_refused_and_the_next_is_not() {
    let host = Host::start();
    let variable = variable();
    let deep = host.cgroup.path().join(format!("deep{}", "/x".repeat(17)));
    let _deep = start_at(&host, &deep, Net::Own, UNPRIVILEGED, &variable);
    let by_hand = icecore(&host, &["enter", "--cgroup", deep.to_str().unwrap()]);
    assert_eq!(by_hand.status.code(), Some(1), "{}", stderr(&by_hand));
    assert!(
        stderr(&by_hand).contains("1 to 16 levels"),
        "{}",
        stderr(&by_hand)
    );
    let below = [
        "--watch-below",
        "icecore-test-*/kubepods.slice",
        "--watch-below",
        "icecore-test-*/deep",
    ];
    let mut watch = Watch::start(&host, &variable, &below);
    let container = start_with(&host, "c1", Net::Own, UNPRIVILEGED, &variable);
    watch.session();
    let [listed] = <[Value; 1]>::try_from(live(&host)).unwrap();
    assert_eq!(listed["pid"], container.pid());
}

#[test]
fn the_watchers_own_token_is_no_containers() {
    let host = Host::start();
    for own in [
        &["--identity-token-env", "TOKEN"][..],
        &["--identity-token-file", "/etc/hostname"],
        &["--started-at", "7"],
    ] {
        let arguments = [&["enter", "--watch", "A=1"], own].concat();
        let output = icecore(&host, &arguments);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    for wrong in ["", "a//b", "../user.slice"] {
        let output = icecore(&host, &["enter", "--watch", "A=1", "--watch-below", wrong]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{wrong:?}: {}",
            stderr(&output)
        );
    }
}
