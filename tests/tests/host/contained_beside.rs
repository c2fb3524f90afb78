//! What makes a container advisory beside what it holds: rights from before, who is near it, and a host that a look must not hurt.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use icecore_tests::harness::container::{Container, NETWORK_ADMIN, Net, UNPRIVILEGED};
use icecore_tests::time;

use crate::containers::{enter, icecore, place, refused, start, start_at};
use crate::host::{Host, stderr, stdout, until};

#[track_caller]
fn strict(host: &Host, container: &Container, text: &str) {
    let pid = container.pid().to_string();
    let arguments = ["enter", "--container", &pid, "--require", "enforced"];
    refused(&icecore(host, &arguments), text);
}

fn freeze(container: &Container) -> String {
    fs::read_to_string(container.cgroup().join("cgroup.freeze")).unwrap()
}

/// A process outside of a container's cgroup, ended with this.
struct Near(Child);

impl Near {
    fn of(host: &Host, container: &Container, namespaces: &[&str], rights: &[&str]) -> Self {
        let script = "echo 0 > $0/cgroup.procs; exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-euc", script]).arg(host.cgroup.outside());
        command.args(["nsenter", "--target", &container.pid().to_string()]);
        command.args(namespaces).args(rights).args(["sleep", "600"]);
        let child = command.spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        until(10, "it is there", || {
            fs::read_to_string(&comm)
                .is_ok_and(|name| ["sleep\n", "nsenter\n"].contains(&name.as_str()))
        });
        std::thread::sleep(Duration::from_millis(300));
        Self(child)
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        // `nsenter` waits for a child where it enters a PID namespace; that goes first.
        let children = format!("/proc/{0}/task/{0}/children", self.0.id());
        for child in fs::read_to_string(children)
            .unwrap_or_default()
            .split_whitespace()
        {
            drop(Command::new("kill").args(["-9", child]).status());
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_ring_that_could_be_there_makes_a_container_advisory_unless_the_operator_vouches() {
    let mut host = Host::without_daemon();
    let text = host
        .config
        .text()
        .replace("container_io_uring = \"denied\"\n", "");
    fs::write(host.config_file(), text).unwrap();
    host.start_daemon();
    let container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    strict(&host, &container, "capture.container_io_uring");
    let told = enter(&host, &["--container", &container.pid().to_string()]);
    assert_eq!(told["enforcement"], "advisory");
}

#[test]
fn rights_that_a_container_had_at_a_look_are_not_washed_off_by_dropping_them() {
    let host = Host::start();
    // The first line that it hears has it go on without rights: the harness's is its second.
    let first = ["sh", "-c", "echo ready; read -r line; exec \"$@\"", "first"];
    let bare = [
        "setpriv",
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--no-new-privs",
    ];
    let raw = [
        "setpriv",
        "--bounding-set=-all,+net_raw,+setpcap",
        "--inh-caps=-all",
        "--no-new-privs",
    ];
    let all: Vec<&str> = raw.iter().chain(&first).chain(&bare).copied().collect();
    let mut container = start(&host, "c1", Net::Own, &all);
    strict(&host, &container, "CAP_NET_RAW");
    assert_eq!(container.told("go on").unwrap(), "ready");
    let status = fs::read_to_string(format!("/proc/{}/status", container.pid())).unwrap();
    assert!(status.contains("CapPrm:\t0000000000000000"), "{status}");
    strict(
        &host,
        &container,
        "it had CAP_NET_RAW when it was looked at before",
    );
    let twin = start(&host, "c2", Net::Own, UNPRIVILEGED);
    let pid = twin.pid().to_string();
    enter(&host, &["--container", &pid, "--require", "enforced"]);
}

#[test]
fn who_shares_its_processes_or_has_rights_over_its_network_makes_a_container_advisory() {
    let host = Host::start();
    let container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    {
        let _near = Near::of(&host, &container, &["--pid"], UNPRIVILEGED);
        strict(&host, &container, "shares its PID namespace");
    }
    {
        // A pod's other container, with Docker's right to raw packets.
        let sidecar = start(&host, "c2", Net::Of(container.pid()), NETWORK_ADMIN);
        strict(&host, &container, "over its network");
        drop(sidecar);
    }
    let _quiet = start(&host, "c3", Net::Of(container.pid()), UNPRIVILEGED);
    let _of_host = Near::of(&host, &container, &["--net"], &[]);
    let pid = container.pid().to_string();
    let told = enter(&host, &["--container", &pid, "--require", "enforced"]);
    assert_eq!(told["enforcement"], "enforced", "{told}");
}

#[test]
fn what_leads_to_processes_devices_and_namespaces_is_a_way_by_whatever_name() {
    let host = Host::start();
    for (name, script, text) in [
        (
            "c1",
            "import os,sys; f=os.open('/proc/self/ns/user',0)",
            "a namespace open",
        ),
        (
            "c2",
            "import os,sys; f=os.open('/proc/1',0)",
            "file system `proc`",
        ),
        ("c3", "import os,sys; f=os.pidfd_open(os.getpid())", ""),
        (
            "c4",
            "import os,sys; f=os.open('/etc/passwd',0); g=os.memfd_create('x')",
            "",
        ),
    ] {
        let mut container = start(&host, name, Net::Own, UNPRIVILEGED);
        let line = format!(
            "python3 -c \"{script}; print('held',flush=True); os.close(1); os.read(os.pipe()[0],1)\" &"
        );
        assert_eq!(container.told(&line).unwrap(), "held");
        if text.is_empty() {
            let pid = container.pid().to_string();
            enter(&host, &["--container", &pid, "--require", "enforced"]);
        } else {
            strict(&host, &container, text);
        }
        assert_eq!(freeze(&container), "0\n");
    }
}

#[test]
fn a_cgroup_that_somebody_else_may_write_is_advisory_and_not_touched() {
    let host = Host::start();
    let container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let file = container.cgroup().join("cgroup.freeze");
    std::os::unix::fs::chown(&file, Some(1000), None).unwrap();
    strict(&host, &container, "root's alone to write");
    assert_eq!(freeze(&container), "0\n");
}

/// Holds as many netlink sockets as it may, over and over by its threads.
const MANY: &str = "import resource,socket,threading,time
hard=resource.getrlimit(resource.RLIMIT_NOFILE)[1]; resource.setrlimit(resource.RLIMIT_NOFILE,(hard,hard))
kept=[]
try:
 for _ in range(min(hard-64,3000)):
  s=socket.socket(socket.AF_NETLINK,socket.SOCK_RAW,0); s.bind((0,0)); kept.append(s)
except OSError: pass
for _ in range(1500): threading.Thread(target=time.sleep,args=(600,),daemon=True).start()
print('held',flush=True); time.sleep(600)";

#[test]
fn a_container_that_takes_long_to_look_at_stalls_nobody_and_goes_on() {
    let host = Host::start();
    fs::write(host.path("many.py"), MANY).unwrap();
    let mut big = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let line = format!("python3 {} &", host.path("many.py").display());
    assert_eq!(big.told(&line).unwrap(), "held");
    let pid = big.pid().to_string();
    let mut slowest = Duration::ZERO;
    let told = std::thread::scope(|scope| {
        let entering = scope.spawn(|| enter(&host, &["--container", &pid]));
        // Sessions open meanwhile.
        while !entering.is_finished() {
            let one = time::instant();
            let output = host.run(&["echo", "runs"]);
            assert_eq!(stdout(&output), "runs\n", "{}", stderr(&output));
            slowest = slowest.max(one.elapsed());
        }
        entering.join().unwrap()
    });
    let way = told["advisory"].as_str().unwrap();
    assert!(way.contains("cannot be looked at: expected"), "{way}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert_eq!(freeze(&big), "0\n");
}

#[test]
fn a_container_that_a_killed_daemon_left_stopped_goes_on_with_the_next_one() {
    let mut host = Host::start();
    let mut container = start_at(&host, &place(&host, "c1"), Net::Own, UNPRIVILEGED, "A=1");
    host.daemon().kill_supervisor().unwrap();
    // As it is while a look is under way.
    let id = fs::metadata(container.cgroup()).unwrap().ino().to_string();
    let notes = host.config.run_dir().join("frozen");
    fs::create_dir_all(&notes).unwrap();
    fs::write(notes.join(id), container.cgroup().to_str().unwrap()).unwrap();
    fs::write(container.cgroup().join("cgroup.freeze"), "1").unwrap();
    host.start_daemon();
    assert_eq!(freeze(&container), "0\n");
    assert_eq!(container.told("echo runs on").unwrap(), "runs on");
    assert_eq!(fs::read_dir(&notes).unwrap().count(), 0);
}
