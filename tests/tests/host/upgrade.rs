//! `icecore upgrade`: the daemon and its proxy replaced while sessions go on, or nothing changed at all.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::{Host, as_nobody, plain, runs, stderr, stdout, until};

/// A session that goes on until it is told to end.
struct Session {
    launcher: Child,
}

impl Session {
    fn start(host: &Host) -> Self {
        let launcher = host
            .session(&["sh", "-c", "read line; exit 9"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let session = Self { launcher };
        until(10, "the session runs", || {
            host.cgroup.sessions().is_ok_and(|all| !all.is_empty())
        });
        session
    }

    /// Lets its command end; the record has the end.
    #[track_caller]
    fn ends_on_record(mut self) {
        drop(self.launcher.stdin.take());
        let output = self.launcher.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{}", stderr(&output));
        let told = stderr(&output);
        assert!(told.contains("0 statements"), "{told}");
    }
}

/// A program that takes over, at a path of its own.
fn copy(host: &Host, name: &str) -> PathBuf {
    let path = host.path(name);
    fs::copy(&host.icecore, &path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// A program that is the real one when it is asked, and something else when it is to take over.
fn script(host: &Host, name: &str, takes_over: &str) -> PathBuf {
    let path = host.path(name);
    let real = host.icecore.display();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in\n*--take-over*) {takes_over};;\n*) exec {real} \"$@\";;\nesac\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

fn upgrade(host: &Host, arguments: &[&str]) -> Output {
    let config = host.config_file().display().to_string();
    let words = [&["upgrade", "--config", &config], arguments].concat();
    host.icecore(&words)
}

/// The processes of a daemon, and the file that the supervisor runs.
fn who(host: &mut Host) -> (Pid, PathBuf, Pid) {
    let supervisor = host.daemon().supervisor().unwrap();
    let program = fs::read_link(format!("/proc/{}/exe", supervisor.as_raw_nonzero())).unwrap();
    (supervisor, program, host.daemon().proxy().unwrap())
}

#[track_caller]
fn refused_and_nothing_changed(host: &mut Host, arguments: &[&str], expected: &str) {
    let before = who(host);
    let session = Session::start(host);
    let output = upgrade(host, arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    assert_eq!(who(host), before, "{}", stderr(&output));
    session.ends_on_record();
}

#[test]
fn a_program_takes_over_in_the_same_process_and_sessions_go_on() {
    let mut host = Host::start();
    let (supervisor, _, proxy) = who(&mut host);
    let session = Session::start(&host);
    let next = copy(&host, "icecore-next");
    let output = upgrade(&host, &[&next.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("daemon replaced: "),
        "{}",
        stdout(&output)
    );
    let after = who(&mut host);
    assert_eq!(after.0, supervisor);
    assert_eq!(after.1, next);
    assert_ne!(after.2, proxy);
    // Its proxy is of the same program.
    let of_proxy = fs::read_link(format!("/proc/{}/exe", after.2.as_raw_nonzero())).unwrap();
    assert_eq!(of_proxy, next);
    session.ends_on_record();
    // Back again, as a downgrade, and once more by the path of the daemon itself.
    let back = host.icecore.display().to_string();
    for arguments in [&[back.as_str()][..], &[]] {
        let session = Session::start(&host);
        let output = upgrade(&host, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(who(&mut host).1, host.icecore);
        session.ends_on_record();
    }
    // The lock was never free, and the daemon can be stopped as any.
    let config = host.config_file().display().to_string();
    let second = host.icecore(&["daemon", "--config", &config]);
    assert!(stderr(&second).contains("another daemon runs in"));
    assert!(host.daemon().terminate().unwrap().success());
}

#[test]
fn a_signal_replaces_the_proxy_alone() {
    let mut host = Host::start();
    let (supervisor, program, proxy) = who(&mut host);
    let session = Session::start(&host);
    kill_process(supervisor, Signal::USR2).unwrap();
    until(20, "another proxy serves", || {
        let log = host.daemon().log().unwrap();
        log.contains("proxy replaced")
    });
    let after = who(&mut host);
    assert_eq!((after.0, after.1), (supervisor, program));
    let old = u32::try_from(proxy.as_raw_nonzero().get()).unwrap();
    until(5, "the proxy before ends", || !runs(old));
    session.ends_on_record();
}

/// The config is read anew; one that is not good, or that the supervisor would have to read too, changes nothing.
#[test]
fn a_proxy_takes_a_changed_config_if_it_is_good() {
    let mut host = Host::start();
    let text = host.config.text();
    let write = |text: &str| fs::write(host.config_file(), text).unwrap();
    write(&text.replace("connect_timeout = \"3s\"", "connect_timeout = \"3\""));
    let bad = "upstream.connect_timeout: expected a duration";
    refused_and_nothing_changed(&mut host, &["--proxy"], bad);
    let write = |text: &str| fs::write(host.config_file(), text).unwrap();
    write(&text.replace("shutdown_grace = \"2s\"", "shutdown_grace = \"3s\""));
    refused_and_nothing_changed(&mut host, &["--proxy"], "`icecore upgrade` takes changes");
    let port = format!("port = {}", host.config.port);
    let write = |text: &str| fs::write(host.config_file(), text).unwrap();
    write(&text.replace(&port, "port = 7"));
    let place = format!("capture.port: expected {}", host.config.port);
    refused_and_nothing_changed(&mut host, &[], &place);

    let proxy = who(&mut host).2;
    let write = |text: &str| fs::write(host.config_file(), text).unwrap();
    write(&text.replace("connect_timeout = \"3s\"", "connect_timeout = \"4s\""));
    let output = upgrade(&host, &["--proxy"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_ne!(who(&mut host).2, proxy);
}

#[test]
fn what_cannot_take_over_is_refused_before_anything_changes() {
    let mut host = Host::start();
    let missing = host.path("missing").display().to_string();
    refused_and_nothing_changed(&mut host, &[&missing], "expected a program, found");
    let open = copy(&host, "open");
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let open = open.display().to_string();
    refused_and_nothing_changed(&mut host, &[&open], "only its owner can write");
    let other = host.path("other");
    fs::write(&other, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
    refused_and_nothing_changed(&mut host, &[path(&other)], "the word of an icecore");
    let words = [
        host.icecore.display().to_string(),
        "upgrade".to_owned(),
        "--config".to_owned(),
        host.config_file().display().to_string(),
    ];
    let output = plain(&as_nobody(&words)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("only root may"),
        "{}",
        stderr(&output)
    );
}

/// A state as a later version writes it: the program that runs here is the earlier one, which must not touch it.
#[test]
fn a_downgrade_to_what_does_not_know_the_state_is_refused() {
    let mut host = Host::start();
    let formats = host.config.run_dir().join("formats.json");
    let good = fs::read_to_string(&formats).unwrap();
    let later = good.replace("\"sessions\":1", "\"sessions\":2");
    assert_ne!(later, good);
    fs::write(&formats, &later).unwrap();
    refused_and_nothing_changed(
        &mut host,
        &[],
        "expected sessions up to 1, found sessions 2",
    );
    // Nor does it start over it, and it leaves it as it is.
    assert!(host.daemon().terminate().unwrap().success());
    let config = host.config_file().display().to_string();
    let cold = host.icecore(&["daemon", "--config", &config]);
    assert_eq!(cold.status.code(), Some(1), "{}", stderr(&cold));
    assert!(
        stderr(&cold).contains("found sessions 2"),
        "{}",
        stderr(&cold)
    );
    assert!(stderr(&cold).contains("start the icecore that wrote it"));
    assert_eq!(fs::read_to_string(&formats).unwrap(), later);
    fs::write(&formats, good).unwrap();
    host.start_daemon();

    let pins = host.config.pins.join("v99");
    fs::create_dir(&pins).unwrap();
    refused_and_nothing_changed(&mut host, &[], "found v99");
    fs::remove_dir(&pins).unwrap();

    let session = host.config.run_dir().join("sessions/later.json");
    fs::write(&session, "{\"facts\":{\"id\":7}}").unwrap();
    refused_and_nothing_changed(&mut host, &[], "expected a session of this version");
    fs::remove_file(&session).unwrap();
    assert_eq!(upgrade(&host, &[]).status.code(), Some(0));
}

/// It shows that it can take over, and is gone when it is to: the one that runs goes on.
#[test]
fn a_program_that_cannot_be_started_leaves_the_daemon_as_it_is() {
    let mut host = Host::start();
    let next = host.path("gone");
    let real = host.icecore.display();
    let text = format!("#!/bin/sh\nrm -- \"$0\"\nexec {real} \"$@\"\n");
    fs::write(&next, text).unwrap();
    fs::set_permissions(&next, Permissions::from_mode(0o755)).unwrap();
    let session = Session::start(&host);
    let (supervisor, program, _) = who(&mut host);
    let output = upgrade(&host, &[&next.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("cannot be started"),
        "{}",
        stderr(&output)
    );
    let after = who(&mut host);
    assert_eq!((after.0, after.1), (supervisor, program));
    session.ends_on_record();
}

/// It takes over and its proxy does not come to serve: the one before has all back, in the same process.
#[test]
fn a_program_that_does_not_come_to_serve_gives_all_back() {
    let mut host = Host::start();
    let (supervisor, ..) = who(&mut host);
    let kept = host.config.run_dir().join("proxy/policies.json");
    let (kept, aside) = (kept.display(), host.path("aside"));
    let aside = aside.display();
    // What its proxy begins with is away for a while.
    let takes_over = format!(
        "mv {kept} {aside}; (sleep 3; mv {aside} {kept}) & exec {} \"$@\"",
        host.icecore.display()
    );
    let next = script(&host, "no-policies", &takes_over);
    let session = Session::start(&host);
    let output = upgrade(&host, &[&next.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(
        told.contains("the one before has all back: the proxy cannot start"),
        "{told}"
    );
    assert_eq!(host.daemon().supervisor().unwrap(), supervisor);
    let log = host.daemon().log().unwrap();
    assert!(
        log.contains("this program cannot take over, and gives all back"),
        "{log}"
    );
    until(20, "sessions are taken", || {
        host.run(&["true"]).status.success()
    });
    session.ends_on_record();
    assert_eq!(upgrade(&host, &[]).status.code(), Some(0));
}

/// It ends with the exec: nobody is left who could take anything back. All is closed, and said to be.
#[test]
fn a_program_that_ends_leaves_all_closed_until_the_next_start() {
    let mut host = Host::start();
    let next = script(&host, "ends", "exit 1");
    let session = Session::start(&host);
    let output = upgrade(&host, &[&next.display().to_string()]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(
        told.contains("sessions are cut off, and nothing goes around"),
        "{told}"
    );
    assert!(told.contains("systemctl restart icecore"), "{told}");
    let status = host
        .daemon()
        .wait(std::time::Duration::from_secs(5))
        .unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(!is_accepting(&host));
    host.start_daemon();
    session.ends_on_record();
}

fn is_accepting(host: &Host) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", host.config.port)).is_ok()
}

/// Callers that come while a program takes over wait for it: none is told that there is no daemon.
#[test]
fn sessions_that_are_opened_meanwhile_wait() {
    let mut host = Host::start();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let next = copy(&host, "icecore-next");
    let opened = std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            let mut opened = 0;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let output = host.run(&["true"]);
                assert!(
                    output.status.success(),
                    "after {opened}: {}",
                    stderr(&output)
                );
                opened += 1;
            }
            opened
        });
        for _ in 0..2 {
            for arguments in [&["--proxy"][..], &[path(&next)]] {
                let output = upgrade(&host, arguments);
                assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            }
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        opening.join().unwrap()
    });
    println!("{opened} sessions were opened over 4 replacements");
    assert!(opened > 4, "{opened}");
    assert!(host.daemon().terminate().unwrap().success());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
