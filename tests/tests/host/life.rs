//! What outlives whom: launchers, proxies, supervisors, sessions.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::{Host, runs, stderr, until};

/// A session that sleeps, with its first process's id.
struct Sleeper {
    launcher: Child,
    pid: u32,
}

fn sleeper(host: &Host, seconds: u32) -> Sleeper {
    let script = format!("echo $$; sleep {seconds}; exit 9");
    let mut launcher = host
        .session(&["sh", "-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(launcher.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    Sleeper {
        launcher,
        pid: line.trim().parse().unwrap(),
    }
}

/// Tells whether a process of a new session could open a connection that the proxy takes.
fn is_accepting(host: &Host) -> bool {
    TcpStream::connect(("127.0.0.1", host.config.port)).is_ok()
}

#[test]
fn session_ends_with_its_launcher() {
    let host = Host::start();
    let mut sleeper = sleeper(&host, 60);
    kill_process(Pid::from_child(&sleeper.launcher), Signal::KILL).unwrap();
    sleeper.launcher.wait().unwrap();
    until(5, "the session is killed", || !runs(sleeper.pid));
    until(5, "its cgroup is removed", || {
        host.cgroup.sessions().unwrap().is_empty()
    });
    until(5, "its end is recorded", || {
        let files = fs::read_dir(host.config.run_dir().join("sessions"));
        files.unwrap().count() == 0
    });
}

#[test]
fn killed_proxy_is_replaced_and_sessions_go_on() {
    let mut host = Host::start();
    let sleeper = sleeper(&host, 3);
    let proxy = host.daemon().proxy().unwrap();
    kill_process(proxy, Signal::KILL).unwrap();
    until(10, "there is another proxy", || {
        host.daemon().proxy().is_ok_and(|next| next != proxy)
    });
    until(10, "sessions are taken", || {
        host.run(&["true"]).status.success()
    });
    let output = sleeper.launcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(
        stderr(&output).contains("icecore replay"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn stopped_daemon_leaves_sessions_to_the_next() {
    let mut host = Host::start();
    let sleeper = sleeper(&host, 3);
    assert!(host.daemon().terminate().unwrap().success());
    assert!(runs(sleeper.pid));
    assert!(!is_accepting(&host));
    host.start_daemon();
    let output = sleeper.launcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(
        stderr(&output).contains("0 statements"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn killed_supervisor_takes_the_proxy_with_it_and_leaves_sessions_to_the_next() {
    let mut host = Host::start();
    let sleeper = sleeper(&host, 3);
    let proxy = host.daemon().proxy().unwrap();
    host.daemon().kill_supervisor().unwrap();
    let proxy = u32::try_from(proxy.as_raw_nonzero().get()).unwrap();
    until(5, "the proxy ends", || !runs(proxy));
    until(5, "nobody listens", || !is_accepting(&host));
    assert!(runs(sleeper.pid));
    host.start_daemon();
    let output = sleeper.launcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(
        stderr(&output).contains("0 statements"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn launcher_ends_with_its_command_though_the_daemon_is_gone() {
    let mut host = Host::start();
    let sleeper = sleeper(&host, 1);
    host.daemon().terminate().unwrap();
    let output = sleeper.launcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(
        stderr(&output).contains("the session was lost: the daemon is not there"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn session_that_nobody_takes_up_is_killed_after_30_seconds() {
    let mut host = Host::start();
    let mut sleeper = sleeper(&host, 120);
    host.daemon().kill_supervisor().unwrap();
    kill_process(Pid::from_child(&sleeper.launcher), Signal::KILL).unwrap();
    sleeper.launcher.wait().unwrap();
    host.start_daemon();
    assert!(runs(sleeper.pid));
    until(40, "the session is killed", || !runs(sleeper.pid));
    until(5, "its cgroup is removed", || {
        host.cgroup.sessions().unwrap().is_empty()
    });
}

#[test]
fn detach_refuses_while_anything_runs_unless_it_may_kill() {
    let mut host = Host::start();
    let config = host.config_file().display().to_string();
    let while_running = host.icecore(&["detach", "--kill", "--config", &config]);
    assert_eq!(while_running.status.code(), Some(1));
    assert!(stderr(&while_running).contains("another daemon runs"));

    let sleeper = sleeper(&host, 60);
    host.daemon().terminate().unwrap();
    let with_session = host.icecore(&["detach", "--config", &config]);
    assert_eq!(with_session.status.code(), Some(1));
    assert!(stderr(&with_session).contains("1 session runs"));
    assert!(runs(sleeper.pid));

    let killed = host.icecore(&["detach", "--kill", "--config", &config]);
    assert_eq!(killed.status.code(), Some(0), "{}", stderr(&killed));
    assert!(!runs(sleeper.pid));
    assert!(!host.config.pins.exists());
    assert!(!host.cgroup.path().join("icecore").exists());
    let output = sleeper.launcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(137));

    host.start_daemon();
    assert!(host.run(&["true"]).status.success());
}
