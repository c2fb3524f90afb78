//! Networks of containers: what is wrong in one holds up no other, and nothing of it is left behind.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use icecore_tests::harness::container::{Container, Net, UNPRIVILEGED};
use icecore_tests::time;

use crate::containers::{DENIED, Server, THERE, enter, fetch, icecore, live, refused, start};
use crate::host::{Host, plain, stderr, stdout, until};

/// Tells how a connect on loopback went, from outside of the container's cgroup.
fn dial(host: &Host, pid: u32) -> String {
    let script = format!(
        "import socket; socket.create_connection(('127.0.0.1', {}), 3)",
        host.config.port
    );
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/proc/{pid}/ns/net"));
    let output = command.args(["python3", "-c", &script]).output().unwrap();
    let last = stderr(&output)
        .lines()
        .last()
        .unwrap_or("connected")
        .to_owned();
    last.split(':').next().unwrap_or_default().to_owned()
}

const NOBODY_LISTENS: &str = "ConnectionRefusedError";

/// Kills the supervisor, and waits until its proxy has let go of these networks.
fn kill_daemon(host: &mut Host, containers: &[&Container]) {
    host.daemon().kill_supervisor().unwrap();
    for container in containers {
        until(30, "the proxy has ended", || {
            dial(host, container.pid()) == NOBODY_LISTENS
        });
    }
}

/// A process beside a container's first one, in its cgroup, by a command that says one line.
struct Beside(Child);

impl Beside {
    fn start(container: &Container, words: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = "echo 0 > $0/cgroup.procs; exec \"$@\"";
        command.args(["-euc", script]).arg(container.cgroup());
        let mut child = command
            .args(words)
            .args(["sh", "-c", "ip link set lo up; echo up; exec sleep 300"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert_eq!(line, "up\n");
        Self(child)
    }

    fn in_network_of(container: &Container) -> Self {
        let network = format!("--net=/proc/{}/ns/net", container.pid());
        Self::start(container, &["nsenter", &network])
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn networks_that_refuse_the_port_hold_up_no_restart_and_are_told_and_denied() {
    let mut host = Host::start();
    let names = ["c1", "c2", "c3"];
    let mut stuck = names.map(|name| start(&host, name, Net::Own, UNPRIVILEGED));
    let mut good = start(&host, "c4", Net::Own, UNPRIVILEGED);
    let _there = Server::in_network_of(&good, THERE, 80, "there");
    let pids: Vec<String> = stuck.iter().map(|one| one.pid().to_string()).collect();
    let told: Vec<_> = (pids.iter())
        .map(|pid| enter(&host, &["--container", pid]))
        .collect();
    enter(&host, &["--container", &good.pid().to_string()]);

    let [one, two, three] = &stuck;
    kill_daemon(&mut host, &[one, two, three]);
    let port = host.config.port;
    let taken = [one, two, three].map(|one| Server::in_network_of(one, "127.0.0.1", port, "taken"));
    let begun = time::instant();
    host.start_daemon();
    until(10, "the other container is served", || {
        fetch(&host, &mut good, THERE, 80) == "there"
    });
    // One after the other they had ten seconds each.
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    for container in &mut stuck {
        assert_eq!(fetch(&host, container, THERE, 80), DENIED);
    }
    for told in &told {
        let (session, network) = (told["session"].as_str().unwrap(), &told["network"]);
        until(20, "it is told", || {
            let log = host.daemon.as_ref().unwrap().log().unwrap();
            log.lines().any(|line| {
                line.contains("session's network has no proxy")
                    && line.contains(session)
                    && line.contains(&network.to_string())
            })
        });
    }
    drop(taken);
    let [one, ..] = &mut stuck;
    let _server = Server::in_network_of(one, THERE, 80, "there");
    let session = told[0]["session"].as_str().unwrap();
    let arguments = ["enter", "--session", session, "--netns-of", &pids[0]];
    let joined = icecore(&host, &arguments);
    assert_eq!(joined.status.code(), Some(0), "{}", stderr(&joined));
    assert_eq!(fetch(&host, one, THERE, 80), "there");
}

#[test]
fn a_restart_listens_in_networks_on_record_alone_whoever_is_left_in_there() {
    let mut host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    // By a process that ends.
    let entered = Beside::in_network_of(&container);
    let pid = entered.0.id().to_string();
    let session = enter(&host, &["--container", &pid])["session"].clone();
    assert_eq!(fetch(&host, &mut container, THERE, 80), "there");
    drop(entered);
    // Networks that its processes made, which nobody told of.
    let others = [(); 4].map(|()| Beside::start(&container, &["unshare", "--net"]));

    kill_daemon(&mut host, &[&container]);
    host.start_daemon();
    until(20, "the next daemon listens there", || {
        fetch(&host, &mut container, THERE, 80) == "there"
    });
    assert_eq!(live(&host)[0]["session"], session);
    for other in &others {
        assert_eq!(dial(&host, other.0.id()), NOBODY_LISTENS);
    }
}

#[test]
fn a_network_whose_port_is_waited_for_holds_up_no_other() {
    let host = Host::start();
    let slow = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let mut good = start(&host, "c2", Net::Own, UNPRIVILEGED);
    let _there = Server::in_network_of(&good, THERE, 80, "there");
    let _taken = Server::in_network_of(&slow, "127.0.0.1", host.config.port, "taken");
    let config = host.config_file().display().to_string();
    let pid = slow.pid().to_string();
    let program = host.icecore.display().to_string();
    let words = [
        "enter",
        "--export",
        "json",
        "--container",
        &pid,
        "--config",
        &config,
    ];
    let words: Vec<String> = [&[program.as_str()], &words[..]]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    // Each waits a second for the port.
    let mut waiting: Vec<Child> = (0..10)
        .map(|_| plain(&words).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let begun = time::instant();
    enter(&host, &["--container", &good.pid().to_string()]);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(fetch(&host, &mut good, THERE, 80), "there");
    let last = waiting.pop().unwrap().wait_with_output().unwrap();
    refused(&last, "network: ");
    for mut process in waiting {
        assert_eq!(process.wait().unwrap().code(), Some(1));
    }
}

/// Fills a pinned map of networks with some that are nobody's, or takes these out again.
///
/// Source of the commands and of their attributes: linux/include/uapi/linux/bpf.h (`BPF_OBJ_GET`, `BPF_MAP_UPDATE_ELEM`,
/// `BPF_MAP_DELETE_ELEM`).
const FILL: &str = "
import ctypes, errno, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 144)
    answer = libc.syscall(321, command, buffer, 144)
    return -ctypes.get_errno() if answer < 0 else answer
path = ctypes.create_string_buffer(sys.argv[1].encode())
pin = bpf(7, struct.pack('=Q', ctypes.addressof(path)))
assert pin >= 0, errno.errorcode[-pin]
key, value = ctypes.create_string_buffer(8), ctypes.create_string_buffer(2)
fills = sys.argv[2] == 'fill'
command, end = (2, -errno.E2BIG) if fills else (3, -errno.ENOENT)
at = ctypes.addressof(value) if fills else 0
done = 0
while True:
    struct.pack_into('=Q', key, 0, 2 ** 63 + done)
    answer = bpf(command, struct.pack('=IxxxxQQQ', pin, ctypes.addressof(key), at, 0))
    if answer != 0:
        assert answer == end, errno.errorcode[-answer]
        break
    done += 1
print(done)
";

fn fill(host: &Host, what: &str) -> usize {
    let versions = fs::read_dir(&host.config.pins).unwrap().flatten();
    let maps: Vec<PathBuf> = versions
        .map(|version| version.path().join("maps/NETNS"))
        .filter(|map| map.exists())
        .collect();
    let [map] = <[PathBuf; 1]>::try_from(maps).unwrap();
    let mut command = Command::new("python3");
    let output = command.args(["-c", FILL]).arg(map).arg(what).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim().parse().unwrap()
}

#[test]
fn a_network_that_the_kernel_has_no_room_for_is_refused_and_nobody_listens_there() {
    let host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    let pid = container.pid().to_string();
    let filled = fill(&host, "fill");
    assert!(filled > 1000, "{filled}");
    refused(&icecore(&host, &["enter", "--container", &pid]), "NETNS");
    assert!(live(&host).is_empty());
    until(5, "the proxy lets go of its listener", || {
        dial(&host, container.pid()) == NOBODY_LISTENS
    });
    assert_eq!(
        fetch(&host, &mut container, THERE, 80),
        "there",
        "as before"
    );
    assert_eq!(fill(&host, "empty"), filled);
    enter(&host, &["--container", &pid]);
    assert_eq!(fetch(&host, &mut container, THERE, 80), "there");
}

/// Asks the kernel for any port, in two ways: `bind` of port 0, and `listen` without a `bind`, which no hook of ours sees.
const ANY_PORT: &str = "import socket,sys
def got(make):
 s=socket.socket()
 try: make(s); return str(s.getsockname()[1])
 except OSError as e: return e.strerror
print(got(lambda s: s.bind(('127.0.0.1',0))), got(lambda s: s.listen()), sep=' / ')";

#[test]
fn nobody_in_a_containers_network_is_given_the_proxys_port_while_no_daemon_is_there() {
    let mut host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let mut twin = start(&host, "c2", Net::Own, UNPRIVILEGED);
    fs::write(host.path("any.py"), ANY_PORT).unwrap();
    enter(&host, &["--container", &container.pid().to_string()]);
    kill_daemon(&mut host, &[&container]);
    // As who administers a network may: without ports that need a privilege, and with one port alone that is given out.
    let port = host.config.port;
    let narrow = format!(
        "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; echo {port} {port} > /proc/sys/net/ipv4/ip_local_port_range"
    );
    for container in [&container, &twin] {
        let mut narrowing = container.in_network(&["sh", "-euc", &narrow]);
        assert!(narrowing.status().unwrap().success());
    }
    let any = format!("python3 {}", host.path("any.py").display());
    assert_eq!(twin.told(&any).unwrap(), format!("{port} / {port}"));
    let taken = "Address already in use";
    assert_eq!(container.told(&any).unwrap(), format!("{taken} / {taken}"));
}

/// Opens many connections at once; says how many had their answer.
const BURST: &str = "import socket,sys,threading
done=[]
def one():
 s=socket.create_connection((sys.argv[1],80),20); s.settimeout(20)
 s.sendall(b'GET / HTTP/1.1\\r\\nHost: x.example\\r\\n\\r\\n'); done.append(s.recv(99))
all=[threading.Thread(target=one) for _ in range(int(sys.argv[2]))]
for t in all: t.start()
for t in all: t.join()
print(done.count(b'there'))";

#[test]
fn a_containers_burst_is_carried_whole() {
    let host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    fs::write(host.path("burst.py"), BURST).unwrap();
    enter(&host, &["--container", &container.pid().to_string()]);
    let burst = format!(
        "python3 {} {THERE} 120 2>&1",
        host.path("burst.py").display()
    );
    assert_eq!(container.told(&burst).unwrap(), "120");
}

#[test]
fn a_session_has_its_share_of_networks_and_those_that_nobody_is_in_make_room() {
    let host = Host::start();
    let container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let told = enter(&host, &["--container", &container.pid().to_string()]);
    let session = told["session"].as_str().unwrap();
    let join = |one: &Beside| {
        let pid = one.0.id().to_string();
        icecore(&host, &["enter", "--session", session, "--netns-of", &pid])
    };
    let mut others: Vec<Beside> = (1..32)
        .map(|_| Beside::start(&container, &["unshare", "--net"]))
        .collect();
    for other in &others {
        let joined = join(other);
        assert_eq!(joined.status.code(), Some(0), "{}", stderr(&joined));
    }
    let last = Beside::start(&container, &["unshare", "--net"]);
    refused(&join(&last), "at most 32 networks");
    assert_eq!(dial(&host, last.0.id()), NOBODY_LISTENS);
    // What this one had is let go of.
    drop(others.pop());
    let joined = join(&last);
    assert_eq!(joined.status.code(), Some(0), "{}", stderr(&joined));
    assert_ne!(dial(&host, last.0.id()), NOBODY_LISTENS);
    for other in &others {
        assert_ne!(dial(&host, other.0.id()), NOBODY_LISTENS);
    }
}
