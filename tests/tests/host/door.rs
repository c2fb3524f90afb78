//! Attacks on the control socket: by numbers of processes that have ended, by floods and by patience.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use icecore_tests::time;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::host::{Host, as_nobody, plain, runs, stderr, stdout, until};

/// Makes processes whose numbers others had.
fn numbers(host: &Host) -> String {
    let file = host.path("number.py");
    fs::write(&file, include_str!("number.py")).unwrap();
    file.display().to_string()
}

/// Gives a command outside of all sessions.
fn outside(host: &Host, words: &[&str]) -> Command {
    let script = "echo $$ > $0/cgroup.procs; exec \"$@\"";
    let outside = host.cgroup.outside().display().to_string();
    let mut all = ["sh", "-c", script, &outside].map(str::to_owned).to_vec();
    all.extend(words.iter().map(|&word| word.to_owned()));
    plain(&all)
}

#[track_caller]
fn attack(host: &Host, what: &str) -> Value {
    let file = numbers(host);
    let socket = host.socket().display().to_string();
    let output = outside(host, &["python3", &file, what, &socket])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// A program that is ended with the test.
struct Running {
    process: Child,
    says: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(process.stdout.take().unwrap());
        Self { process, says }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn told(&mut self, line: &str) -> String {
        writeln!(self.process.stdin.as_mut().unwrap(), "{line}").unwrap();
        self.line()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A process that is stopped until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: Pid) -> Self {
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _sent = kill_process(self.0, Signal::CONT);
    }
}

/// Whoever has the number of one that connected and ended is not moved, and not killed with the session.
#[test]
fn a_connection_of_one_that_ended_moves_nobody() {
    let host = Host::start();
    let told = attack(&host, "enter");
    let reason = told["told"].as_str().unwrap_or_default();
    assert!(reason.contains("has ended"), "{told}");
    let expected = json!({"same": true, "killed": false, "twin": "entered", "moved": true});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&told[name], value, "{name}: {told}");
    }
}

#[test]
fn a_connection_of_one_that_ended_opens_no_session() {
    let host = Host::start();
    let told = attack(&host, "open");
    assert_eq!(told, json!({"answer": "refused", "twin": "opened"}));
}

/// Connected while nobody accepts, as in an upgrade, and ended: judged by nobody else's cgroup.
#[test]
fn a_sessions_connection_is_not_judged_by_who_has_its_number() {
    let mut host = Host::start();
    let (file, socket) = (numbers(&host), host.socket().display().to_string());
    let waits = format!("echo runs; read line; exec python3 {file} inside {socket}");
    let mut session = Running::start(host.session(&["sh", "-c", &waits]));
    assert_eq!(session.line(), "runs");
    let stopped = Stopped::stop(host.daemon().supervisor().unwrap());
    let number = session.told("go");
    let mut other = Running::start(outside(&host, &["python3", &file, "reborn", &number]));
    assert_eq!(other.line(), number);
    drop(stopped);
    let answer: Value = serde_json::from_str(&session.told("ask")).unwrap();
    assert_ne!(answer["answer"], "identity", "{answer}");
    let pid = number.parse::<i32>().ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

fn enter(host: &Host, arguments: &[&str]) -> Command {
    let config = host.config_file().display().to_string();
    let mut words = vec![host.icecore.display().to_string(), "enter".to_owned()];
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    words.extend(["--config".to_owned(), config]);
    plain(&words)
}

/// The target ends while its session is settled; whoever has its number then is left alone.
#[test]
fn who_gets_the_number_of_what_was_to_be_entered_is_not_moved() {
    let mut host = Host::start();
    let mut target = outside(&host, &["sleep", "95"]).spawn().unwrap();
    let number = target.id().to_string();
    until(5, "the target stands outside", || {
        let place = fs::read_to_string(format!("/proc/{number}/comm"));
        place.is_ok_and(|comm| comm == "sleep\n")
    });
    let stopped = Stopped::stop(host.daemon().proxy().unwrap());
    let asking = enter(&host, &["--pid", &number])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let supervisor = host.daemon().supervisor().unwrap().as_raw_nonzero();
    until(20, "the daemon answers whoever enters", || {
        let threads = fs::read_dir(format!("/proc/{supervisor}/task")).unwrap();
        threads.flatten().any(|thread| {
            let comm = fs::read_to_string(thread.path().join("comm"));
            comm.is_ok_and(|comm| comm == "caller\n")
        })
    });
    // Long enough to be looked at, shorter than a proxy may take to answer.
    std::thread::sleep(Duration::from_secs(1));
    target.kill().unwrap();
    target.wait().unwrap();
    let file = numbers(&host);
    let mut other = Running::start(outside(&host, &["python3", &file, "reborn", &number]));
    assert_eq!(other.line(), number);
    let cgroup = || fs::read_to_string(format!("/proc/{number}/cgroup")).unwrap();
    let before = cgroup();
    drop(stopped);
    let output = asking.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("ended"), "{}", stderr(&output));
    std::thread::sleep(Duration::from_millis(300));
    assert!(runs(number.parse().unwrap()));
    assert_eq!(cgroup(), before);
    let pid = number.parse::<i32>().ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// What a hook looked at is what is moved: of that user, and started then.
#[test]
fn another_process_than_the_one_that_was_looked_at_is_refused() {
    let host = Host::start();
    let target = Running::start(outside(&host, &["cat"]));
    let number = target.process.id().to_string();
    let started = || {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').nth(19).unwrap().to_owned()
    };
    for (arguments, expected) in [
        (["--uid", "65534"], "expected one of uid 65534, found uid 0"),
        (["--started-at", "7"], "expected one that started at tick 7"),
    ] {
        let output = enter(&host, &[&["--pid", &number], &arguments[..]].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!(host.cgroup.sessions().unwrap(), [] as [String; 0]);
    }
    let right = ["--pid", &number, "--uid", "0", "--started-at", &started()];
    let output = enter(&host, &right).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Holds as many connections as it may, with a blank now and then, and makes many more that end at once.
const HOLD: &str = "
import resource, socket, sys, time
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
held = []
def more():
    made = socket.socket(socket.AF_UNIX)
    made.setblocking(False)
    try: made.connect(sys.argv[1])
    except OSError: made.close(); return
    held.append(made)
for _ in range(5000):
    more()
    if len(held) > 700: held.pop(0).close()
print('held', flush=True)
while True:
    for one in list(held):
        try: one.send(b' ')
        except OSError: held.remove(one); one.close()
    while len(held) < 700: more()
    time.sleep(0.2)
";

/// A session's processes may not ask, so they have no place that another could need, and fill no log.
#[test]
fn a_session_takes_no_place_of_its_users_other_sessions() {
    let mut host = Host::start();
    let socket = host.socket().display().to_string();
    let words = host.words(&["python3", "-c", HOLD, &socket]);
    let mut session = Running::start(plain(&as_nobody(&words)));
    assert_eq!(session.line(), "held");
    for _ in 0..5 {
        let output = host.run_as_nobody(&["echo", "runs"]);
        assert_eq!(stdout(&output), "runs\n", "{}", stderr(&output));
    }
    let log = host.daemon().log().unwrap();
    let told = log
        .lines()
        .filter(|line| line.contains("too many control connections"));
    let told: Vec<&str> = told.collect();
    assert!((1..=3).contains(&told.len()), "{told:?}");
}

/// Fills the backlog of a socket, for ever.
const FLOOD: &str = "
import socket, sys
print('floods', flush=True)
while True:
    made = socket.socket(socket.AF_UNIX)
    made.setblocking(False)
    try: made.connect(sys.argv[1])
    except OSError: pass
    made.close()
";

/// The daemon is replaced though its socket's backlog is full: nobody waits for a place in it.
#[test]
fn a_full_backlog_does_not_keep_the_daemon_from_being_replaced() {
    let mut host = Host::start();
    let socket = host.socket().display().to_string();
    let words = host.words(&["python3", "-c", FLOOD, &socket]);
    let mut floods: Vec<Running> = (0..3)
        .map(|_| Running::start(plain(&as_nobody(&words))))
        .collect();
    for flood in &mut floods {
        assert_eq!(flood.line(), "floods");
    }
    let next = host.path("icecore-next");
    fs::copy(&host.icecore, &next).unwrap();
    let config = host.config_file().display().to_string();
    let asks = [
        &host.icecore.display().to_string(),
        "upgrade",
        "--config",
        &config,
        &next.display().to_string(),
    ]
    .map(ToString::to_string);
    let began = time::instant();
    let output = plain(&asks).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(began.elapsed() < Duration::from_secs(60));
    let supervisor = host.daemon().supervisor().unwrap().as_raw_nonzero();
    let program = fs::read_link(format!("/proc/{supervisor}/exe")).unwrap();
    assert_eq!(program, next);
    drop(floods);
}
