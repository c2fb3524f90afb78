//! What a session's connects become: redirected, with the truth told at both ends.

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

/// Connects from a session and checks what the proxy, and the process, are told.
#[track_caller]
fn check(act: Act, wanted: &str) {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);

    let peer = process.peer_of(act);

    let tag = proxy.accepted().tag.expect("a tag");
    assert_eq!(tag.session, session.tag.id.to_string());
    assert_eq!(tag.nonce, session.tag.nonce);
    assert_eq!(tag.cgroup_id, session.cgroup_id);
    assert_eq!(tag.pid, process.pid());
    assert_eq!(tag.uid, 0);
    assert!(tag.cookie > 0 && tag.boot_ns > 0 && !tag.comm.is_empty());
    assert_eq!(tag.destination, wanted.parse().unwrap());
    assert_eq!(peer.ip().to_canonical(), tag.destination.ip());
    assert_eq!(peer.port(), tag.destination.port());
    assert_eq!(bench.reached_upstream(), 0);
}

fn connect(to: &str, v6_only: bool) -> Act {
    let to = to.parse().unwrap();
    Act::Connect { to, v6_only }
}

#[test]
fn ipv4_is_redirected() {
    check(connect("192.0.2.7:443", false), "192.0.2.7:443");
}

#[test]
fn ipv6_is_redirected() {
    check(connect("[2001:db8::7]:443", false), "[2001:db8::7]:443");
}

#[test]
fn ipv6_only_socket_is_redirected() {
    check(connect("[2001:db8::7]:80", true), "[2001:db8::7]:80");
}

#[test]
fn mapped_ipv4_is_redirected() {
    check(connect("[::ffff:192.0.2.7]:443", false), "192.0.2.7:443");
}

#[test]
fn second_connect_of_a_socket_tells_its_own_destination() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    let reconnect = Act::Reconnect {
        first: "192.0.2.7:443".parse().unwrap(),
        then: "192.0.2.8:80".parse().unwrap(),
    };
    assert_eq!(process.peer_of(reconnect), "192.0.2.8:80".parse().unwrap());
    let told = [proxy.accepted(), proxy.accepted()].map(|accepted| accepted.tag.unwrap());
    assert_eq!(told[0].destination, "192.0.2.7:443".parse().unwrap());
    assert_eq!(told[1].destination, "192.0.2.8:80".parse().unwrap());
}

#[test]
fn connect_after_a_redirected_one_has_no_stale_destination() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    // A port that is not redirected: the socket is then an ordinary one.
    let plain = std::net::TcpListener::bind("127.77.0.2:0").unwrap();
    let then = plain.local_addr().unwrap();
    let first = "192.0.2.7:443".parse().unwrap();
    assert_eq!(process.peer_of(Act::Reconnect { first, then }), then);
    assert!(proxy.accepted().tag.is_some());
    assert!(proxy.accepted_no_more());
}

#[test]
fn nested_cgroup_belongs_to_its_session() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let nested = session.cgroup.join("job/step");
    std::fs::create_dir_all(&nested).unwrap();
    let mut process = Child::start(&nested);
    process.connect("192.0.2.7:443");
    let tag = proxy.accepted().tag.unwrap();
    assert_eq!(tag.session, session.tag.id.to_string());
    assert_eq!(tag.cgroup_id, session.cgroup_id);
}

#[test]
fn other_ports_of_a_session_are_left_alone() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let plain = std::net::TcpListener::bind("127.77.0.2:0").unwrap();
    let at = plain.local_addr().unwrap().to_string();
    let mut process = Child::start(&session.cgroup);
    assert!(matches!(process.connect(&at), Said::Connected { .. }));
    assert_eq!(plain.accept().unwrap().1.ip().to_string(), "127.0.0.1");
    assert!(proxy.accepted_no_more());
}

#[test]
fn process_outside_every_session_is_untouched() {
    let (mut bench, proxy) = Bench::armed();
    bench.session();
    let mut outsider = bench.outsider();
    let upstream = bench.upstream_at();
    assert_eq!(
        outsider.peer_of(connect(&upstream.to_string(), false)),
        upstream
    );
    assert_eq!(bench.reached_upstream(), 1);
    // Nor is what only sessions are refused.
    for (kind, protocol) in [(1, 262), (3, 1)] {
        let make = Act::Make {
            family: 2,
            kind,
            protocol,
        };
        assert_eq!(outsider.tell(make), Said::Done, "protocol {protocol}");
    }
    let quic = "127.77.0.1:443".parse().unwrap();
    assert_eq!(outsider.tell(Act::SendUdp(quic)), Said::Done);
    assert_eq!(outsider.tell(Act::ConnectUdp(quic)), Said::Done);
    assert!(proxy.accepted_no_more());
}

#[test]
fn outsider_who_dials_the_proxy_has_no_tag() {
    let (bench, proxy) = Bench::armed();
    let mut outsider = bench.outsider();
    outsider.connect(&format!("127.0.0.1:{}", bench.port));
    assert_eq!(proxy.accepted().tag, None);
}
