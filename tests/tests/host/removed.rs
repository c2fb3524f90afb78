//! `icecore detach`: nothing of Icecore's is left on the host but its record, its keys and what was installed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::host::{Host, stderr, until};

/// Tells the kernel's numbers of what is pinned below a folder: `link 7`, `prog 8`, `map 9`. Numbers are of `bpf_cmd` in
/// linux/bpf.h, words of `fdinfo` in kernel/bpf/syscall.c.
const IDS: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 64)
    return libc.syscall(321, command, buffer, 64)
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = ctypes.create_string_buffer(os.path.join(folder, name).encode())
        fd = bpf(7, ctypes.addressof(path).to_bytes(8, "little"))
        for line in open(f"/proc/self/fdinfo/{fd}"):
            kind, _, number = line.partition("_id:")
            if kind in ("link", "prog", "map"):
                print(kind, number.strip())
"#;

/// Prints those of such numbers that the kernel still knows.
const LEFT: &str = r#"
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
COMMANDS = {"prog": 13, "map": 14, "link": 30}
for line in sys.stdin:
    kind, number = line.split()
    buffer = ctypes.create_string_buffer(int(number).to_bytes(4, "little"), 64)
    if libc.syscall(321, COMMANDS[kind], buffer, 64) >= 0:
        print(line.strip())
"#;

fn python(script: &str, argument: &str, input: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("python3")
        .args(["-c", script, argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn pinned(host: &Host) -> String {
    let pins = host.config.pins.display().to_string();
    python(IDS, &pins, "")
}

#[track_caller]
fn detach(host: &Host, arguments: &[&str], expected: &str) {
    let config = host.config_file().display().to_string();
    let words = [&["detach", "--config", &config], arguments].concat();
    let output = host.icecore(&words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), format!("icecore: {expected}\n"));
}

/// Lists what is left of Icecore's.
#[track_caller]
fn nothing_is_left(host: &Host, ids: &str) {
    assert!(!host.config.pins.exists(), "pins");
    assert!(!host.cgroup.path().join("icecore").exists(), "cgroups");
    assert!(!host.config.run_dir().exists(), "run_dir");
    until(5, "the kernel lets go of links, programs and maps", || {
        python(LEFT, "", ids).is_empty()
    });
}

#[test]
fn nothing_is_left_and_the_next_start_tells_of_it() {
    let mut host = Host::start();
    let ids = pinned(&host);
    for (kind, least) in [("link", 10), ("prog", 10), ("map", 7)] {
        let count = ids.lines().filter(|line| line.starts_with(kind)).count();
        assert!(count >= least, "{kind}: {ids}");
    }
    assert_eq!(python(LEFT, "", &ids), ids, "the twin: all of it is known");
    let mut session = host
        .session(&["sh", "-c", "echo; sleep 60; exit 9"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = session.stdout.take().unwrap();
    BufReader::new(stdout)
        .read_line(&mut String::new())
        .unwrap();
    assert!(host.daemon().terminate().unwrap().success());
    detach(&host, &["--kill"], "detached");
    assert_eq!(session.wait_with_output().unwrap().status.code(), Some(137));
    nothing_is_left(&host, &ids);
    detach(&host, &[], "nothing was attached");
    nothing_is_left(&host, &ids);

    let note = host.config.state_dir().join("detached.json");
    assert!(note.exists());
    host.start_daemon();
    assert!(!note.exists(), "it is in the record");
    let log = host.daemon().log().unwrap();
    let told = log
        .lines()
        .find(|line| line.contains("everything was detached before this start"));
    assert!(told.unwrap().contains("\"killed\":1"), "{log}");
}

#[test]
fn a_detach_that_broke_off_is_finished_by_the_next() {
    let mut host = Host::start();
    let ids = pinned(&host);
    assert!(host.daemon().terminate().unwrap().success());
    // Killed between any two of its steps it leaves less and less of this.
    let pins = host.config.pins.join("v2");
    for link in ["connect4", "sock_create"] {
        fs::remove_file(pins.join("links").join(link)).unwrap();
    }
    fs::remove_file(pins.join("maps/FLOWS")).unwrap();
    fs::remove_dir(host.cgroup.path().join("icecore/daemon")).unwrap();
    fs::remove_file(host.config.run_dir().join("used.json")).ok();
    fs::write(host.config.run_dir().join("formats.json.new"), "{").unwrap();
    detach(&host, &[], "detached");
    nothing_is_left(&host, &ids);

    // Nor does one that was killed right after the pins.
    host.start_daemon();
    let ids = pinned(&host);
    host.daemon().kill_supervisor().unwrap();
    until(10, "its proxy ends", || {
        let cgroup = host.cgroup.path().join("icecore/daemon/cgroup.procs");
        fs::read_to_string(cgroup).is_ok_and(|processes| processes.is_empty())
    });
    fs::remove_dir_all(host.config.pins.join("v2")).unwrap();
    detach(&host, &[], "detached");
    nothing_is_left(&host, &ids);
}

/// What others put into the run folder stays, and so does the folder.
#[test]
fn what_is_not_ours_stays() {
    let mut host = Host::start();
    assert!(host.daemon().terminate().unwrap().success());
    let other = host.config.run_dir().join("notes");
    fs::write(&other, "x").unwrap();
    detach(&host, &[], "detached");
    let left: Vec<_> = fs::read_dir(host.config.run_dir()).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(fs::read_to_string(other).unwrap(), "x");
}
