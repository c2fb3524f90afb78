//! Containers as sessions: where they are, in networks of their own, and what they cannot take away.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use icecore_tests::harness::container::{Container, NETWORK_ADMIN, Net, UID, UNPRIVILEGED};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::host::{Host, as_nobody, plain, stderr, stdout, until};

/// Asks a server by port 80, which is redirected; says what it answers, or how the connect failed.
const FETCH: &str = "import socket,sys
try:
 s=socket.create_connection((sys.argv[1],int(sys.argv[2])),8); s.settimeout(8)
 s.sendall(b'GET / HTTP/1.1\\r\\nHost: x.example\\r\\n\\r\\n')
 print(s.recv(99).decode().strip() or 'closed')
except OSError as e: print(e.strerror or e)";

/// Answers whoever asks with one word.
const SERVE: &str = "import socket,sys
s=socket.create_server((sys.argv[1],int(sys.argv[2]))); print('up',flush=True)
while True:
 c,_=s.accept(); c.recv(999); c.sendall(sys.argv[3].encode()); c.close()";

pub(crate) const THERE: &str = "127.88.1.1";

/// A server beside the containers, ended with this.
pub(crate) struct Server(Child);

impl Server {
    fn start(mut command: Command, at: &str, port: u16, word: &str) -> Self {
        let mut child = command
            .args(["python3", "-c", SERVE, at, &port.to_string(), word])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        Self(child)
    }

    pub(crate) fn in_network_of(container: &Container, at: &str, port: u16, word: &str) -> Self {
        Self::start(container.in_network(&["env"]), at, port, word)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn place(host: &Host, name: &str) -> PathBuf {
    host.cgroup
        .path()
        .join("kubepods.slice/pod1.slice")
        .join(name)
}

pub(crate) fn start(host: &Host, name: &str, net: Net, rights: &[&str]) -> Container {
    start_with(host, name, net, rights, "NOTHING=1")
}

pub(crate) fn start_with(
    host: &Host,
    name: &str,
    net: Net,
    rights: &[&str],
    variable: &str,
) -> Container {
    start_at(host, &place(host, name), net, rights, variable)
}

pub(crate) fn start_at(
    host: &Host,
    cgroup: &Path,
    net: Net,
    rights: &[&str],
    variable: &str,
) -> Container {
    fs::write(host.path("fetch.py"), FETCH).unwrap();
    let outside = host.cgroup.outside().display().to_string();
    let mut starter = Command::new("sh");
    let script = "echo $$ > $0/cgroup.procs; exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \"$@\"";
    starter.args(["-c", script, &outside, variable]);
    Container::start(starter, cgroup, net, rights).unwrap()
}

pub(crate) fn fetch(host: &Host, container: &mut Container, at: &str, port: u16) -> String {
    let script = format!("python3 {} {at} {port}", host.path("fetch.py").display());
    container.told(&script).unwrap()
}

pub(crate) fn icecore(host: &Host, arguments: &[&str]) -> Output {
    let config = host.config_file().display().to_string();
    let program = host.icecore.display().to_string();
    let mut words = vec![program];
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    words.extend(["--config".to_owned(), config]);
    plain(&words).output().unwrap()
}

#[track_caller]
pub(crate) fn enter(host: &Host, arguments: &[&str]) -> Value {
    let arguments = [&["enter", "--export", "json"], arguments].concat();
    let output = icecore(host, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = PathBuf::from(told["variables"]["SSL_CERT_FILE"].as_str().unwrap());
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    told
}

#[track_caller]
pub(crate) fn refused(output: &Output, text: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    assert!(stderr(output).contains(text), "{}", stderr(output));
}

pub(crate) fn live(host: &Host) -> Vec<Value> {
    let output = icecore(host, &["sessions", "--live", "--json"]);
    let text = stdout(&output);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) const DENIED: &str = "Operation not permitted";

#[test]
fn a_container_is_governed_in_its_own_network_until_its_session_ends() {
    let host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let pid = container.pid().to_string();
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    assert_eq!(
        fetch(&host, &mut container, THERE, 80),
        "there",
        "no session yet"
    );

    let told = enter(&host, &["--container", &pid, "--require", "enforced"]);
    assert_eq!(told["enforcement"], "enforced", "{told}");
    assert!(told["network"].as_u64().is_some() && told["ca_pem"].as_str().is_some());
    assert_eq!(told["cgroup"], container.cgroup().to_str().unwrap());
    let session = told["session"].as_str().unwrap().to_owned();
    let [listed] = <[Value; 1]>::try_from(live(&host)).unwrap();
    assert_eq!(
        (&listed["scope"], &listed["uid"], &listed["enforcement"]),
        (&"container".into(), &UID.into(), &"enforced".into())
    );
    // Nothing was moved, and what is not Snowflake's is reached, by the proxy.
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(own.trim_end().ends_with("/c1"), "{own}");
    assert_eq!(fetch(&host, &mut container, THERE, 80), "there");
    let log = host.path("daemon.log");
    assert!(
        fs::read_to_string(log)
            .unwrap()
            .contains("listens in a container's network")
    );

    // The proxy's own port is closed to it, and whoever else dials it in there is reset.
    let port = host.config.port;
    assert_eq!(fetch(&host, &mut container, "127.0.0.1", port), DENIED);
    let fetch_file = host.path("fetch.py").display().to_string();
    let other = container
        .in_network(&["python3", &fetch_file, "127.0.0.1", &port.to_string()])
        .output()
        .unwrap();
    assert!(
        ["Connection reset by peer\n", "closed\n"].contains(&stdout(&other).as_str()),
        "{}",
        stdout(&other)
    );

    let closed = icecore(&host, &["close", &session]);
    assert_eq!(closed.status.code(), Some(0), "{}", stderr(&closed));
    assert_eq!(fetch(&host, &mut container, THERE, 80), DENIED);
    assert_eq!(container.told("echo runs on").unwrap(), "runs on");
    // Entered anew it goes on; once it has ended the session has too.
    enter(&host, &["--container", &pid]);
    assert_eq!(fetch(&host, &mut container, THERE, 80), "there");
    drop(container);
    until(10, "the session ends with its container", || {
        live(&host).is_empty()
    });
}

#[test]
fn what_is_passed_on_leaves_by_the_containers_network_and_never_by_the_hosts() {
    let host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let pid = container.pid().to_string();
    enter(&host, &["--container", &pid]);
    // What only the host reaches: a session on the host does, the container does not.
    let at = "127.88.1.2";
    let _of_host = Server::start(Command::new("env"), at, 80, "of the host");
    let file = host.path("fetch.py").display().to_string();
    let twin = host.run(&["python3", &file, at, "80"]);
    assert_eq!(stdout(&twin), "of the host\n", "{}", stderr(&twin));
    let told = fetch(&host, &mut container, at, 80);
    assert!(!told.contains("of the host"), "{told}");
    // The same address in its own network is its own.
    let _of_container = Server::in_network_of(&container, at, 80, "of the container");
    assert_eq!(fetch(&host, &mut container, at, 80), "of the container");
    assert_eq!(
        stdout(&host.run(&["python3", &file, at, "80"])),
        "of the host\n"
    );
}

#[test]
fn containers_of_a_pod_share_a_listener_and_the_last_one_takes_it_along() {
    let host = Host::start();
    let mut one = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let mut other = start(&host, "c2", Net::Of(one.pid()), UNPRIVILEGED);
    let _server = Server::in_network_of(&one, THERE, 80, "there");
    let first = enter(&host, &["--container", &one.pid().to_string()]);
    let second = enter(&host, &["--cgroup", other.cgroup().to_str().unwrap()]);
    assert_eq!(first["network"], second["network"]);
    assert_ne!(first["session"], second["session"]);
    for container in [&mut one, &mut other] {
        assert_eq!(fetch(&host, container, THERE, 80), "there");
    }
    icecore(&host, &["close", first["session"].as_str().unwrap()]);
    assert_eq!(fetch(&host, &mut one, THERE, 80), DENIED);
    assert_eq!(fetch(&host, &mut other, THERE, 80), "there");
    icecore(&host, &["close", second["session"].as_str().unwrap()]);
    let free = format!(
        "import socket; socket.create_server(('127.0.0.1', {}))",
        host.config.port
    );
    until(5, "nobody listens in their network", || {
        // A bind is the daemon's alone: a connect shows whether somebody listens.
        let dial = free.replace("create_server", "create_connection");
        let dialled = one.in_network(&["python3", "-c", &dial]).output().unwrap();
        stderr(&dialled).contains("ConnectionRefusedError")
    });
}

#[test]
fn a_network_that_nobody_told_of_is_denied_and_one_below_a_session_can_be_told() {
    let host = Host::start();
    // A container whose cgroup is below a session's, as `--cgroup-parent` has it.
    let mut keeper = host.session(&["sleep", "60"]).spawn().unwrap();
    until(20, "a session runs", || !live(&host).is_empty());
    let [listed] = <[Value; 1]>::try_from(live(&host)).unwrap();
    let session = listed["session"].as_str().unwrap().to_owned();
    let cgroup = PathBuf::from(listed["cgroup"].as_str().unwrap()).join("docker-1");
    fs::write(host.path("fetch.py"), FETCH).unwrap();
    let mut starter = Command::new("env");
    starter.args(["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
    let mut container = Container::start(starter, &cgroup, Net::Own, UNPRIVILEGED).unwrap();
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    assert_eq!(fetch(&host, &mut container, THERE, 80), DENIED);
    let pid = container.pid().to_string();
    let own = std::process::id().to_string();
    let wrong = icecore(&host, &["enter", "--session", &session, "--netns-of", &own]);
    refused(&wrong, "in the session or in a cgroup below it");
    let joined = icecore(&host, &["enter", "--session", &session, "--netns-of", &pid]);
    assert_eq!(joined.status.code(), Some(0), "{}", stderr(&joined));
    assert_eq!(fetch(&host, &mut container, THERE, 80), "there");
    keeper.kill().unwrap();
    keeper.wait().unwrap();
    until(10, "the container ends with its session", || {
        !Path::new("/proc").join(&pid).exists()
    });
}

#[test]
fn the_listener_comes_back_whoever_is_killed_or_replaced() {
    let mut host = Host::start();
    let mut container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let pid = container.pid().to_string();
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    let session = enter(&host, &["--container", &pid])["session"].clone();

    let proxy = host.daemon().proxy().unwrap();
    kill_process(proxy, Signal::KILL).unwrap();
    until(30, "the next proxy listens there", || {
        let told = fetch(&host, &mut container, THERE, 80);
        told == "there"
            && host
                .daemon
                .as_ref()
                .unwrap()
                .proxy()
                .is_ok_and(|next| next != proxy)
    });

    for arguments in [&["upgrade", "--proxy"][..], &["upgrade"]] {
        let output = icecore(&host, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        until(20, "it is reached after an upgrade", || {
            fetch(&host, &mut container, THERE, 80) == "there"
        });
    }

    host.daemon().kill_supervisor().unwrap();
    let told = fetch(&host, &mut container, THERE, 80);
    assert_ne!(told, "there", "nobody governs it");
    host.start_daemon();
    until(20, "the next daemon listens there", || {
        fetch(&host, &mut container, THERE, 80) == "there"
    });
    assert_eq!(live(&host)[0]["session"], session);
    drop(container);
    until(10, "the session ends with its container", || {
        live(&host).is_empty()
    });
}

/// Row 21 of ebpf.md 4.1; whoever may administer its network is recorded as advisory, for packets past its sockets.
#[test]
fn root_in_a_container_takes_nothing_away_by_its_networks_rules() {
    let host = Host::start();
    let mut container = start(&host, "c1", Net::Own, NETWORK_ADMIN);
    let pid = container.pid().to_string();
    let _server = Server::in_network_of(&container, THERE, 80, "there");
    let strict = icecore(
        &host,
        &["enter", "--container", &pid, "--require", "enforced"],
    );
    refused(&strict, "expected a session that is enforced");
    refused(&strict, "CAP_NET_");
    assert_eq!(
        fetch(&host, &mut container, THERE, 80),
        "there",
        "as before"
    );
    let told = enter(&host, &["--container", &pid]);
    assert_eq!(told["enforcement"], "advisory");
    assert_eq!(
        told["advisory"]
            .as_str()
            .unwrap()
            .matches("CAP_NET_RAW")
            .count(),
        1
    );
    for flush in [
        "iptables -F; iptables -t nat -F; nft flush ruleset; echo done",
        "ip rule flush; ip rule add from all lookup main pref 32766 && echo done",
        "ip link set lo down && ip link set lo up && echo done",
        "ip addr add 198.51.100.7/32 dev lo && echo done",
    ] {
        assert_eq!(
            container
                .told(&format!("{{ {flush}; }} 2>/dev/null"))
                .unwrap(),
            "done",
            "{flush}"
        );
        assert_eq!(fetch(&host, &mut container, THERE, 80), "there");
    }
    // By no address of its own, and by no way around the hook, does it reach the proxy's port or another network's.
    assert_eq!(
        fetch(&host, &mut container, "127.0.0.1", host.config.port),
        DENIED
    );
    let unshared =
        "unshare --net sh -c 'ip link set lo up; python3 $0 127.88.1.1 80' FILE 2>&1 | tail -1";
    let unshared = unshared.replace("FILE", &host.path("fetch.py").display().to_string());
    let told = container.told(&unshared).unwrap();
    assert!(told.contains(DENIED), "{told}");
}

/// Row 20: what dials from another network's helper, as slirp4netns and pasta do for a rootless container, is a process like any.
#[test]
fn a_helper_in_the_hosts_network_is_governed_by_its_cgroup_and_a_gateway_leads_to_no_proxy() {
    let host = Host::start();
    let mut helper = start(&host, "helper", Net::Host, UNPRIVILEGED);
    let _server = Server::start(Command::new("env"), THERE, 80, "of the host");
    let told = enter(&host, &["--container", &helper.pid().to_string()]);
    assert_eq!(told["network"], Value::Null);
    assert_eq!(fetch(&host, &mut helper, THERE, 80), "of the host");
    assert_eq!(
        fetch(&host, &mut helper, "127.0.0.1", host.config.port),
        DENIED
    );
    // The proxy listens on loopback alone: no gateway's address leads to it from a bridge.
    let other: IpAddr = "127.88.9.9".parse().unwrap();
    assert!(TcpListener::bind((other, 0)).is_ok());
    let dialled = std::net::TcpStream::connect((other, host.config.port));
    assert!(dialled.is_err(), "{dialled:?}");
    icecore(&host, &["close", told["session"].as_str().unwrap()]);
    assert_eq!(fetch(&host, &mut helper, THERE, 80), DENIED);
}

#[test]
fn what_must_not_be_a_session_is_refused_and_nothing_is_detached_under_one() {
    let mut host = Host::start();
    let container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let pid = container.pid().to_string();
    let root = host.cgroup.path().display().to_string();
    let home = format!("{root}/icecore");
    for (cgroup, text) in [
        (&root, "holds no cgroup of ours"),
        (&home, "holds no cgroup of ours"),
    ] {
        refused(&icecore(&host, &["enter", "--cgroup", cgroup]), text);
    }
    let empty = host.cgroup.path().join("empty");
    fs::create_dir(&empty).unwrap();
    refused(
        &icecore(&host, &["enter", "--cgroup", empty.to_str().unwrap()]),
        "expected a process in it",
    );
    refused(
        &icecore(&host, &["enter", "--cgroup", "/no/such/cgroup"]),
        "cannot be looked at",
    );
    let words = [
        &host.icecore.display().to_string(),
        "enter",
        "--container",
        &pid,
        "--control",
        &host.socket().display().to_string(),
    ];
    let nobody = plain(&as_nobody(&words.map(|word: &str| word.to_owned())))
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(1), "{}", stderr(&nobody));
    for arguments in [
        &["enter"][..],
        &["enter", "--container", &pid, "--pid", &pid],
        &["enter", "--session", "x"],
    ] {
        assert_eq!(
            icecore(&host, arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }

    let inode = {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(container.cgroup()).unwrap().ino().to_string()
    };
    let told = enter(&host, &["--cgroup", &inode]);
    assert_eq!(told["cgroup"], container.cgroup().to_str().unwrap());
    refused(
        &icecore(&host, &["enter", "--container", &pid]),
        "is a session already",
    );
    let above = container.cgroup().parent().unwrap().display().to_string();
    refused(
        &icecore(&host, &["enter", "--cgroup", &above]),
        "or holds one",
    );

    host.daemon().terminate().unwrap();
    host.daemon = None;
    let detached = icecore(&host, &["detach"]);
    refused(&detached, "session runs");
    assert!(container.cgroup().exists());
}
