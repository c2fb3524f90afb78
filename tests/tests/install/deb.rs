//! The .deb from its installation to its removal, in a fresh Debian.

use std::fs;
use std::time::Duration;

use icecore_tests::time;

use crate::fresh::said;
use crate::place::Place;

#[test]
fn the_package_installs_governs_upgrades_and_leaves_nothing() {
    let place = Place::make();
    let fresh = &place.fresh;
    let first = place.deb("0.1.0");
    // Where doctor looks for what jobs have.
    fresh.run(&[
        "sh",
        "-euc",
        "mkdir -p /usr/local/lib/python3.11/dist-packages; cp -r /opt/. /usr/local/lib/python3.11/dist-packages/",
    ]);
    let before = fresh.listed();

    // Installed, and nothing begins by itself.
    let told = fresh.run(&["dpkg", "--install", &first]);
    assert!(
        told.contains("there is no /etc/icecore/icecore.toml yet"),
        "{told}"
    );
    let user = fresh.run(&["getent", "passwd", "icecore"]);
    assert!(
        user.trim().ends_with(":/nonexistent:/usr/sbin/nologin"),
        "{user}"
    );
    let modes = fresh.run(&[
        "stat",
        "-c",
        "%n %a %U",
        "/etc/icecore/keys",
        "/var/lib/icecore",
    ]);
    assert_eq!(
        modes,
        "/etc/icecore/keys 700 root\n/var/lib/icecore 755 root\n"
    );
    assert!(fresh.run(&["dpkg", "--verify", "icecore"]).is_empty());
    assert!(!fresh.has("/sys/fs/bpf/icecore"));
    assert!(!fresh.cgroup.path().join("icecore").exists());
    let example = "/usr/share/doc/icecore/examples/icecore.toml";
    let output = fresh.tried(&["icecore", "check", "--config", example]);
    let said_of_example = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said_of_example}");
    assert!(
        said_of_example.contains("keys/acme.p8"),
        "{said_of_example}"
    );
    assert!(
        !said_of_example.contains("unknown key"),
        "{said_of_example}"
    );

    // Governed.
    place.configure();
    let mut daemon = place.start();
    place.one_statement_ran_and_one_was_refused();
    assert_eq!(place.gate.executed().unwrap(), ["select 1"]);
    assert_eq!(place.trap.arrivals(), 0);
    fresh.run(&["icecore", "flush"]);
    let sessions = fresh.run(&["icecore", "sessions"]);
    assert!(sessions.contains("1 allowed, 1 refused"), "{sessions}");

    // Proved, with the driver that is installed there.
    let told = fresh.run(&["icecore", "doctor", "--user", "nobody"]);
    assert!(!told.contains("FAILED"), "{told}");
    for line in [
        "ok           canary ",
        "ok           guard outside ",
        "ok           account ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let driver = told
        .lines()
        .find(|line| line.starts_with("ok           driver "));
    assert!(
        driver.is_some_and(|line| line.contains("the proxy, which had its statement")),
        "{told}"
    );
    assert_eq!(place.trap.arrivals(), 0);

    // Upgraded under a running daemon and a running session: both go on.
    let mut session = place.sleeper();
    let config = fs::read(fresh.path("etc/icecore/icecore.toml")).unwrap();
    let second = place.deb("0.1.0+1");
    fresh.run(&["dpkg", "--install", &second]);
    let version = fresh.run(&[
        "dpkg-query",
        "--show",
        "--showformat",
        "${Version}",
        "icecore",
    ]);
    assert_eq!(version, "0.1.0+1");
    assert!(daemon.is_there() && session.is_there());
    assert_eq!(
        fs::read(fresh.path("etc/icecore/icecore.toml")).unwrap(),
        config
    );
    daemon.end();
    let mut daemon = place.start();
    assert!(session.is_there());
    place.one_statement_ran_and_one_was_refused();

    // Not removed while anything runs, and what runs goes on.
    let refused = |why: &str| {
        let output = fresh.tried(&["dpkg", "--remove", "icecore"]);
        let told = said(&output);
        assert!(!output.status.success() && told.contains(why), "{told}");
        let state = fresh.run(&[
            "dpkg-query",
            "--show",
            "--showformat",
            "${db:Status-Status}",
            "icecore",
        ]);
        assert_eq!(state, "installed");
    };
    refused("another daemon runs");
    assert!(daemon.is_there() && session.is_there());
    daemon.end();
    refused("1 session runs");
    assert!(session.is_there());
    let daemon = place.start();
    drop(session);
    let start = time::instant();
    while !fresh.cgroup.sessions().unwrap().is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(40),
            "the session stays"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.end();

    // Removed: out of the kernel; config and record stay until a purge.
    fresh.run(&["dpkg", "--remove", "icecore"]);
    assert!(!fresh.path("usr/bin/icecore").exists());
    assert!(!fresh.has("/sys/fs/bpf/icecore"));
    assert!(!fresh.cgroup.path().join("icecore").exists());
    assert!(!fresh.has("/run/icecore"));
    assert!(fresh.path("etc/icecore/icecore.toml").exists());
    let told = place.purge();
    assert!(
        told.contains("the record in /var/lib/icecore stays"),
        "{told}"
    );
    assert!(!fresh.path("etc/icecore").exists());
    assert!(fresh.path("var/lib/icecore/store").exists());

    // Deleted only by two words where rows wait, and then all of it.
    let answer = |question: &str| {
        let line = format!("echo icecore icecore/{question} boolean true | debconf-set-selections");
        fresh.run(&["dpkg", "--install", &second]);
        fresh.run(&["sh", "-c", &line]);
    };
    fresh.write("/var/lib/icecore/spool/chain/00000001.wal", 0o600, "frames");
    answer("delete-record");
    let told = place.purge();
    assert!(
        told.contains("1 file(s) of it are in no store yet"),
        "{told}"
    );
    assert!(fresh.path("var/lib/icecore/store").exists());
    fs::remove_file(fresh.path("var/lib/icecore/spool/chain/00000001.wal")).unwrap();
    answer("delete-record");
    let told = place.purge();
    assert!(told.contains("was deleted"), "{told}");
    // The user stays, by Debian's custom; so do the copies that passwd(5)'s tools keep.
    let is_kept = |path: &&String| path.starts_with("/etc/") && path.ends_with('-');
    let after: Vec<String> = fresh.listed();
    let left: Vec<&String> = after.iter().filter(|path| !before.contains(path)).collect();
    let left: Vec<&&String> = left.iter().filter(|path| !is_kept(path)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(before.iter().all(|path| after.contains(path)));
    fresh.run(&["getent", "passwd", "icecore"]);
}
