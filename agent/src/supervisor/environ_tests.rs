//! Processes whose environments are read, and those that keep whoever reads waiting.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::fs::mkfifoat;
use tempfile::TempDir;

use super::super::cgroup::{SessionCgroup, own_path};
use super::*;
use crate::connection::sys::boot_ns;
use crate::id::SessionId;

/// A process that runs until this value is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a program with nothing but these variables, and waits until it is that program.
fn running(program: &str, words: &[&str], variables: &[(&str, String)]) -> Running {
    let mut command = Command::new(program);
    command.args(words).env_clear().stdin(Stdio::null());
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    // Once it has a parent's lines no more it is the program.
    Running(command.arg0("looked-at").spawn().unwrap())
}

fn sleeping(variables: &[(&str, String)]) -> Running {
    running("/bin/sleep", &["60"], variables)
}

fn connected(process: &Running) -> Connected {
    // As long after its start as a client takes at least.
    thread::sleep(Duration::from_millis(30));
    Connected {
        pid: process.0.id(),
        exec_id: 7,
        at_ns: boot_ns(),
    }
}

fn of(session: &str) -> (&'static str, String) {
    ("CLAUDE_CODE_SESSION_ID", session.to_owned())
}

fn look(of: Connected) -> io::Result<Environment> {
    read(Path::new("/proc"), of, |_| true, || false)
}

#[test]
fn what_is_named_is_read_of_the_process_that_connected() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let process = sleeping(&[
        ("SECRET", "geheim".to_owned()),
        of("one"),
        ("TRACEPARENT", trace.clone()),
    ]);
    let found = look(connected(&process)).unwrap();
    assert_eq!(found.traceparent, Some(trace));
    assert_eq!(found.agent_sessions, ["one"]);
}

#[test]
fn a_number_that_is_anothers_by_now_says_nothing() {
    let before_ns = boot_ns();
    let process = sleeping(&[of("one")]);
    let later = connected(&process);
    let error = look(Connected {
        at_ns: before_ns,
        ..later
    })
    .unwrap_err();
    assert!(error.to_string().contains("started later"), "{error}");
    let error = read(Path::new("/proc"), later, |_| true, || true).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    assert!(look(later).is_ok());
    drop(process);
    assert!(look(later).is_err());
}

/// A number may have gone to a process of another session meanwhile, and a proxy that was taken over may ask for any.
#[test]
fn a_process_of_another_cgroup_says_nothing() {
    let process = sleeping(&[of("one")]);
    let of = connected(&process);
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let mount = crate::connection::redirect::v2_mount().unwrap();
    let own = mount.join(own_path(&own).unwrap().trim_start_matches('/'));
    let look = |folder: &Path| {
        let cgroup = SessionCgroup::known(folder.to_owned());
        let is_of = |proc_cgroup: &str| cgroup.holds(proc_cgroup);
        read(Path::new("/proc"), of, is_of, || false)
    };
    assert_eq!(look(&own).unwrap().agent_sessions, ["one"]);
    let elsewhere = TempDir::new().unwrap();
    for other in [elsewhere.path(), &elsewhere.path().join("gone")] {
        let error = look(other).unwrap_err();
        assert!(error.to_string().contains("another cgroup"), "{error}");
    }
}

#[test]
fn of_a_huge_environment_the_beginning_is_read() {
    let filling = || -> Vec<(String, String)> {
        // The kernel takes 128 KiB of one text at most (`MAX_ARG_STRLEN`).
        (0..4)
            .map(|n| (format!("B{n}"), "x".repeat(60 << 10)))
            .collect()
    };
    let start = |first: &str| {
        let mut command = Command::new("/usr/bin/env");
        command.args(["-i"]).arg(format!("{first}=1"));
        // In this order.
        command.args(
            filling()
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        command.args(["CODEX_SESSION_ID=late", "/bin/sleep", "60"]);
        Running(command.stdin(Stdio::null()).spawn().unwrap())
    };
    let process = start("CLAUDE_CODE_SESSION_ID");
    let of = connected(&process);
    // `env` has to become `sleep` first.
    let environ = format!("/proc/{}/environ", of.pid);
    while fs::read(&environ).unwrap_or_default().len() < 240 << 10 {
        thread::yield_now();
    }
    assert_eq!(look(of).unwrap().agent_sessions, ["1"]);
}

/// A folder as `/proc` is, in which whoever opens a process's environment waits until somebody writes it.
fn blocking(of: Connected) -> TempDir {
    let proc = TempDir::new().unwrap();
    let folder = proc.path().join(of.pid.to_string());
    fs::create_dir(&folder).unwrap();
    for name in ["stat", "cgroup"] {
        let text = fs::read(format!("/proc/{}/{name}", of.pid)).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    mkfifoat(
        rustix::fs::CWD,
        folder.join("environ"),
        Mode::RUSR | Mode::WUSR,
    )
    .unwrap();
    proc
}

/// Reads on a thread that is given up on, as `tell` does; none where the session has no place left.
fn begin(
    proc: &Path,
    of: Connected,
    loans: &Arc<Loans>,
    session: SessionId,
) -> Option<Receiver<io::Result<Environment>>> {
    let loan = loans.take(Opened::Environment(session))?;
    let (say, said) = channel();
    let proc = proc.to_owned();
    thread::spawn(move || {
        let read = read(&proc, of, |_| true, || false);
        drop(loan);
        drop(say.send(read));
    });
    Some(said)
}

#[test]
fn a_process_that_keeps_readers_waiting_takes_its_own_places_alone() {
    let process = sleeping(&[]);
    let of = connected(&process);
    let proc = blocking(of);
    let loans = Arc::<Loans>::default();
    let (ill, well) = (SessionId::new(), SessionId::new());
    let waiting: Vec<_> = (0..100)
        .map_while(|_| begin(proc.path(), of, &loans, ill))
        .collect();
    assert!((1..100).contains(&waiting.len()));
    for said in &waiting {
        let said = said.recv_timeout(Duration::from_millis(20));
        assert!(matches!(said, Err(RecvTimeoutError::Timeout)));
    }
    // Others are read meanwhile.
    let said = begin(Path::new("/proc"), of, &loans, well).unwrap();
    assert!(said.recv().unwrap().is_ok());
    assert!(begin(proc.path(), of, &loans, ill).is_none());
    // Once it lets them go on its places are back. Opened for both, it waits for no reader, however many one opening has let go.
    let environ = proc.path().join(of.pid.to_string()).join("environ");
    while begin(Path::new("/proc"), of, &loans, ill).is_none() {
        let mut both = File::options()
            .read(true)
            .write(true)
            .open(&environ)
            .unwrap();
        both.write_all(b"CLAUDE_CODE_SESSION_ID=late\0").unwrap();
        drop(both);
        thread::yield_now();
    }
    drop(waiting);
}

/// Namespaces hide nothing from the host's root, and lend no number of theirs.
#[test]
fn a_process_in_namespaces_of_its_own_is_read_by_its_number_here() {
    let own = [
        "--user",
        "--map-root-user",
        "--pid",
        "--mount",
        "--fork",
        "--kill-child",
    ];
    let words = [own.as_slice(), &["/bin/sleep", "60"]].concat();
    let process = running("/usr/bin/unshare", &words, &[of("inside")]);
    let children = format!("/proc/{0}/task/{0}/children", process.0.id());
    let pid = loop {
        let text = fs::read_to_string(&children).unwrap_or_default();
        if let Some(pid) = text.split_ascii_whitespace().next() {
            break pid.parse().unwrap();
        }
        thread::yield_now();
    };
    let within = Connected {
        pid,
        ..connected(&process)
    };
    assert_eq!(look(within).unwrap().agent_sessions, ["inside"]);
}
