//! Containers as sessions: known by a cgroup of others, anywhere below the capture root, that nothing is moved out of.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use icecore::connection::redirect::{SessionTag, cgroup_depth};
use icecore::id::SessionId;

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

const DENIED: Said = Said::Failed { errno: 1 };

const TCP: Act = Act::Make {
    family: 2,
    kind: 1,
    protocol: 6,
};

/// A container's cgroup, which nothing of ours made.
fn cgroup(bench: &Bench, name: &str) -> (PathBuf, u64) {
    let cgroup = bench.root.join(name);
    fs::create_dir_all(&cgroup).unwrap();
    let id = fs::metadata(&cgroup).unwrap().ino();
    (cgroup, id)
}

fn add(bench: &mut Bench, cgroup: &Path, id: u64) -> SessionTag {
    let tag = SessionTag {
        id: SessionId::new(),
        nonce: id ^ 0xc0de,
        uid: 1000,
    };
    let level = cgroup_depth(cgroup).unwrap();
    bench.kernel().add_container(id, level, tag).unwrap();
    tag
}

const KUBEPODS: &str = "kubepods.slice/kubepods-burstable.slice/pod1.slice/cri-1.scope";

#[test]
fn a_container_is_governed_where_it_is_with_all_below_it_and_none_beside_it() {
    let (mut bench, proxy) = Bench::armed();
    let (container, id) = cgroup(&bench, KUBEPODS);
    let nested = container.join("init/work");
    fs::create_dir_all(&nested).unwrap();
    let beside = container.with_file_name("cri-2.scope");
    fs::create_dir(&beside).unwrap();
    let upstream = bench.upstream_at().to_string();
    let mut twin = Child::start(&beside);
    let mut before = Child::start(&container);
    twin.connect(&upstream);
    before.connect(&upstream);
    assert_eq!(bench.reached_upstream(), 2, "no session yet");
    let fd = before.keep_socket(1);

    let tag = add(&mut bench, &container, id);
    let mut below = Child::start(&nested);
    for process in [&mut before, &mut below] {
        process.connect("192.0.2.7:443");
        let told = proxy.accepted().tag.expect("a tag");
        assert_eq!(told.session, tag.id.to_string());
        assert_eq!((told.nonce, told.cgroup_id), (tag.nonce, id));
        assert_eq!(told.pid, process.pid());
    }
    // What it made before is nobody's, and of no use to it.
    let own = Act::ConnectTaken {
        pid: before.pid(),
        fd,
        to: bench.upstream_at(),
    };
    assert_eq!(before.tell(own), DENIED);
    let mptcp = Act::Make {
        family: 2,
        kind: 1,
        protocol: 262,
    };
    assert_eq!(below.tell(mptcp), DENIED);
    twin.connect(&upstream);
    let mut outsider = bench.outsider();
    outsider.connect(&upstream);
    assert_eq!(bench.reached_upstream(), 2);
    assert!(proxy.accepted_no_more());
}

#[test]
fn a_container_whose_session_is_over_gets_no_network_and_falls_nowhere_open() {
    let (mut bench, proxy) = Bench::armed();
    let (container, id) = cgroup(&bench, KUBEPODS);
    let first = add(&mut bench, &container, id);
    let mut process = Child::start(&container);
    let fd = process.keep_socket(1);
    bench.kernel().end_container(id).unwrap();
    assert_eq!(process.connect("192.0.2.7:443"), DENIED);
    assert_eq!(process.tell(TCP), DENIED);
    let kept = Act::ConnectTaken {
        pid: process.pid(),
        fd,
        to: bench.upstream_at(),
    };
    assert_eq!(process.tell(kept), DENIED);
    // Nor does a daemon that is started anew forget it.
    bench.forget_kernel();
    bench.install().unwrap();
    bench.kernel().arm().unwrap();
    assert_eq!(process.tell(TCP), DENIED);
    let [left] = <[_; 1]>::try_from(bench.kernel().containers()).unwrap();
    assert!(left.is_ended && left.cgroup_id == id && left.tag == first);
    assert_eq!(bench.kernel().sessions(), []);
    assert_eq!(bench.reached_upstream(), 0);

    // Opened anew it goes on, and a socket of the session before stays nobody's.
    let second = add(&mut bench, &container, id);
    process.connect("192.0.2.8:443");
    let told = proxy.accepted().tag.expect("a tag");
    assert_eq!(told.session, second.id.to_string());

    bench.kernel().forget_container(id).unwrap();
    assert_eq!(bench.kernel().containers(), []);
    let upstream = bench.upstream_at().to_string();
    process.connect(&upstream);
    assert_eq!(bench.reached_upstream(), 1, "as if it had never been one");
}

#[test]
fn containers_outlive_the_daemon_and_are_governed_while_none_is_there() {
    let (mut bench, _proxy) = Bench::armed();
    let (shallow, shallow_id) = cgroup(&bench, "docker-1.scope");
    let (deep, deep_id) = cgroup(&bench, "a/b/c/d/e/f/g/h");
    add(&mut bench, &shallow, shallow_id);
    add(&mut bench, &deep, deep_id);
    let (mut one, mut other) = (Child::start(&shallow), Child::start(&deep));
    bench.forget_kernel();
    for process in [&mut one, &mut other] {
        assert!(matches!(
            process.connect("192.0.2.7:443"),
            Said::Connected { .. }
        ));
    }
    bench.take_over().unwrap();
    assert_eq!(bench.kernel().containers().len(), 2);
    bench.kernel().disarm().unwrap();
    for process in [&mut one, &mut other] {
        let refused = Said::Failed { errno: 111 };
        assert_eq!(process.connect("192.0.2.7:443"), refused);
    }
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn a_container_that_lies_too_deep_is_refused_alone_and_keeps_no_other_out() {
    let (mut bench, _proxy) = Bench::armed();
    let tag = SessionTag {
        id: SessionId::new(),
        nonce: 7,
        uid: 0,
    };
    // First the deepest, so that what comes after would be too far above it if it had been taken.
    for far in [u32::from(u16::MAX) + 1, 40, 17, 0] {
        let refused = bench.kernel().add_container(7, far, tag).unwrap_err();
        assert!(refused.to_string().contains("1 to 16 levels"), "{refused}");
    }
    assert_eq!(bench.kernel().containers(), []);
    bench.kernel().add_container(7, 16, tag).unwrap();
    bench.kernel().add_container(8, 1, tag).unwrap();
    let (shallow, shallow_id) = cgroup(&bench, "docker-1.scope");
    add(&mut bench, &shallow, shallow_id);
    assert_eq!(bench.kernel().containers().len(), 3);
    let mut process = Child::start(&shallow);
    assert!(matches!(
        process.connect("192.0.2.7:443"),
        Said::Connected { .. }
    ));
}

/// Row 21 of ebpf.md 4.1: whoever is root in a container, with its own network's administration, takes nothing away.
#[test]
fn a_container_of_its_own_network_is_redirected_there() {
    use std::os::fd::AsRawFd as _;
    let (mut bench, mut proxy) = Bench::armed();
    let (container, id) = cgroup(&bench, KUBEPODS);
    let tag = add(&mut bench, &container, id);
    let mut process = Child::start_in_own_netns(&container);
    assert_eq!(process.connect("192.0.2.7:443"), DENIED, "unknown network");
    let map = bench.kernel().destinations_fd().unwrap();
    let said = proxy.tell(Act::ProxyIn {
        port: bench.port,
        of: process.pid(),
        pid: std::process::id(),
        fd: map.as_raw_fd(),
    });
    let Said::Listening { cookie } = said else {
        panic!("expected a listener, found {said:?}");
    };
    let port = bench.port;
    bench.kernel().add_netns(cookie, port).unwrap();
    process.connect("192.0.2.7:443");
    let told = proxy.accepted().tag.expect("a tag");
    assert_eq!(told.session, tag.id.to_string());
    // A daemon that takes over keeps the listener, and the namespace with it.
    bench.take_over().unwrap();
    bench.kernel().arm().unwrap();
    process.connect("192.0.2.9:443");
    assert!(proxy.accepted().tag.is_some());
}
