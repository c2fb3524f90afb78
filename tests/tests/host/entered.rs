//! Sessions of processes that ran before: a job's worker, a container. And what root is told of sessions that live.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Output, Stdio};

use serde_json::Value;

use crate::host::{Host, as_nobody, plain, runs, stderr, stdout, until};

/// A process outside of every session that does what it is told, line by line, with a child of its own.
struct Worker {
    process: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
    child: u32,
}

impl Worker {
    fn start(host: &Host) -> Self {
        let script = "echo $$ > $0/cgroup.procs; sleep 71 & echo $!; while read -r line; do eval \"$line\"; done";
        let outside = host.cgroup.outside().display().to_string();
        let words = ["sh", "-c", script, &outside].map(str::to_owned);
        let mut process = plain(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut worker = Self {
            says: BufReader::new(process.stdout.take().unwrap()),
            hears: process.stdin.take().unwrap(),
            process,
            child: 0,
        };
        worker.child = worker.line().parse().unwrap();
        worker
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Has it do something and gives the one line that it says.
    fn told(&mut self, script: &str) -> String {
        writeln!(self.hears, "{script}").unwrap();
        self.line()
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn words(host: &Host, arguments: &[&str]) -> Vec<String> {
    let config = host.config_file().display().to_string();
    let mut words = vec![host.icecore.display().to_string()];
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    words.extend(["--config".to_owned(), config]);
    words
}

fn icecore(host: &Host, arguments: &[&str]) -> Output {
    plain(&words(host, arguments)).output().unwrap()
}

#[track_caller]
fn enter(host: &Host, pid: u32) -> String {
    let output = icecore(host, &["enter", "--pid", &pid.to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

fn live(host: &Host) -> Vec<Value> {
    let output = icecore(host, &["sessions", "--live", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn cgroup_of(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap()
        .to_owned()
}

/// Connects to where nobody listens: refused outside of sessions, taken by the proxy inside.
const DIAL: &str = "import socket,sys\ntry:\n socket.create_connection(('127.88.7.9', 443), 5)\n print('taken')\nexcept OSError as e:\n print(e.strerror)";

#[test]
fn a_worker_and_all_that_it_started_become_a_session_that_ends_with_it() {
    let host = Host::start();
    let mut worker = Worker::start(&host);
    let file = host.path("dial.py");
    fs::write(&file, DIAL).unwrap();
    let dial = format!("python3 {}", file.display());
    assert_eq!(worker.told(&dial), "Connection refused");
    let session = enter(&host, worker.pid());
    for pid in [worker.pid(), worker.child] {
        assert!(cgroup_of(pid).ends_with(&session), "{}", cgroup_of(pid));
    }
    assert_eq!(worker.told(&dial), "taken");
    let later: u32 = worker.told("sleep 72 & echo $!").parse().unwrap();
    assert!(cgroup_of(later).ends_with(&session));

    let [listed] = <[Value; 1]>::try_from(live(&host)).unwrap();
    assert_eq!(listed["session"], session.as_str());
    assert_eq!(
        (&listed["enforcement"], &listed["scope"]),
        (&"advisory".into(), &"job".into())
    );
    assert_eq!(
        (&listed["pid"], &listed["entered"]),
        (&worker.pid().into(), &true.into())
    );
    assert!(listed["exe"].as_str().unwrap().ends_with("sh"), "{listed}");

    worker.end();
    for pid in [worker.child, later] {
        until(10, "what the worker left is killed", || !runs(pid));
    }
    until(5, "the cgroup is removed", || {
        host.cgroup.sessions().unwrap().is_empty()
    });
    assert_eq!(live(&host), [] as [Value; 0]);
}

/// As a runner's hook does it: what asks is itself of the tree that is moved.
#[test]
fn a_worker_may_have_itself_made_a_session() {
    let host = Host::start();
    let mut worker = Worker::start(&host);
    let ask = words(&host, &["enter", "--pid", "$$"]).join(" ");
    let session = worker.told(&format!("{ask} 2>/dev/null"));
    for pid in [worker.pid(), worker.child] {
        assert!(
            cgroup_of(pid).ends_with(&session),
            "{session}: {}",
            cgroup_of(pid)
        );
    }
}

/// Identity is by ancestor: a cgroup below the session's, as `docker run --cgroup-parent` makes one, is in the session.
#[test]
fn a_cgroup_below_a_sessions_is_in_the_session() {
    let host = Host::start();
    let worker = Worker::start(&host);
    enter(&host, worker.pid());
    let [listed] = <[Value; 1]>::try_from(live(&host)).unwrap();
    let nested = PathBuf::from(listed["cgroup"].as_str().unwrap()).join("container/init");
    fs::create_dir_all(&nested).unwrap();
    let file = host.path("dial.py");
    fs::write(&file, DIAL).unwrap();
    let script = format!(
        "echo $$ > {}/cgroup.procs; exec python3 {}",
        nested.display(),
        file.display()
    );
    let inside = plain(&["sh", "-c", &script].map(str::to_owned))
        .output()
        .unwrap();
    assert_eq!(stdout(&inside), "taken\n", "{}", stderr(&inside));
    let outside = plain(&["python3".to_owned(), file.display().to_string()])
        .output()
        .unwrap();
    assert_eq!(stdout(&outside), "Connection refused\n");
}

#[test]
fn a_session_of_a_process_outlives_the_daemon_and_ends_by_a_word() {
    let mut host = Host::start();
    let mut worker = Worker::start(&host);
    let session = enter(&host, worker.pid());
    host.daemon().kill_supervisor().unwrap();
    host.start_daemon();
    // Nobody takes it up; it lives as long as its process.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(live(&host)[0]["session"], session.as_str());
    assert_eq!(worker.told("echo here"), "here");

    let output = icecore(&host, &["close", &session]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = format!(
        "icecore: session {session} ended: 0 statements; killed what was left running: 2\n"
    );
    assert_eq!(stderr(&output), told);
    assert!(!runs(worker.child));
    let again = icecore(&host, &["close", &session]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        stderr(&again).contains("there is no such session"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn what_must_not_be_moved_is_refused() {
    let mut host = Host::start();
    let mut worker = Worker::start(&host);
    #[track_caller]
    fn refused(output: &Output, text: &str) {
        assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
        assert!(stderr(output).contains(text), "{}", stderr(output));
    }
    let pid = worker.pid().to_string();
    let nobody = plain(&as_nobody(&words(&host, &["enter", "--pid", &pid])))
        .output()
        .unwrap();
    refused(&nobody, "cannot be looked at");
    let list = plain(&as_nobody(&words(&host, &["sessions", "--live"])))
        .output()
        .unwrap();
    refused(&list, "only root may");
    let close = ["close", "01890a5d-ac96-774b-bcce-b302099a8057"];
    refused(
        &plain(&as_nobody(&words(&host, &close))).output().unwrap(),
        "only root may",
    );

    let supervisor = host
        .daemon()
        .supervisor()
        .unwrap()
        .as_raw_nonzero()
        .to_string();
    refused(
        &icecore(&host, &["enter", "--pid", &supervisor]),
        "or the daemon's",
    );
    // This test's own process started the daemon.
    let own = std::process::id().to_string();
    refused(
        &icecore(&host, &["enter", "--pid", &own]),
        "cannot be moved into a session",
    );
    let ended = {
        let mut one = Worker::start(&host);
        one.end();
        one.pid().to_string()
    };
    refused(
        &icecore(&host, &["enter", "--pid", &ended]),
        "cannot be looked at",
    );

    let session = enter(&host, worker.pid());
    refused(
        &icecore(&host, &["enter", "--pid", &pid]),
        "it is in a session already",
    );
    // From inside, even root may not: `icecore enter` and `icecore close` are for outside.
    let inside = words(&host, &["close", &session]).join(" ");
    let answer = worker.told(&format!("{inside} 2>&1"));
    assert_eq!(
        answer,
        "icecore: a process in a session may not use the daemon"
    );
}

/// What a job's later steps need is printed, and the files outlive the command.
#[test]
fn trust_is_exported_for_a_shell_and_for_a_runner() {
    let host = Host::start();
    let worker = Worker::start(&host);
    let pid = worker.pid().to_string();
    let output = icecore(&host, &["enter", "--pid", &pid, "--export", "sh"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let script = format!(
        "{}\nhead -c 27 \"$SSL_CERT_FILE\"; echo; echo \"$REQUESTS_CA_BUNDLE\"",
        stdout(&output)
    );
    let read = plain(&as_nobody(&["sh", "-c", &script].map(str::to_owned)))
        .output()
        .unwrap();
    let text = stdout(&read);
    let (first, file) = text.trim().split_once('\n').unwrap();
    assert_eq!(first, "-----BEGIN CERTIFICATE-----");
    fs::remove_dir_all(PathBuf::from(file).parent().unwrap()).unwrap();

    let other = Worker::start(&host);
    let pid = other.pid().to_string();
    let output = icecore(
        &host,
        &[
            "enter", "--pid", &pid, "--export", "github", "--scope", "step",
        ],
    );
    let text = stdout(&output);
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
    };
    let file = PathBuf::from(value("NODE_EXTRA_CA_CERTS").unwrap());
    assert!(
        file.exists() && value("JAVA_TOOL_OPTIONS").is_some(),
        "{text}"
    );
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    let scopes: Vec<Value> = live(&host)
        .into_iter()
        .map(|one| one["scope"].clone())
        .collect();
    assert_eq!(scopes, ["job", "step"]);
}
