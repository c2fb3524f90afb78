//! What a session may not do, each with the error that its process gets.

use std::net::TcpListener;

use crate::act::{Act, Said};
use crate::bench::{Bench, Session};
use crate::child::Child;

const DENIED: Said = Said::Failed { errno: 1 };
const REFUSED: Said = Said::Failed { errno: 111 };

fn armed() -> (Bench, Child, Session) {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    (bench, proxy, session)
}

#[test]
fn not_armed_is_refused_and_reaches_nobody() {
    let mut bench = Bench::new();
    let proxy = bench.proxy();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    let upstream = bench.upstream_at().to_string();
    assert_eq!(process.connect(&upstream), REFUSED);
    assert_eq!(process.connect("[2001:db8::7]:443"), REFUSED);

    bench.kernel().arm().unwrap();
    assert!(matches!(process.connect(&upstream), Said::Connected { .. }));
    assert!(proxy.accepted().tag.is_some());

    bench.kernel().disarm().unwrap();
    assert_eq!(process.connect(&upstream), REFUSED);
    assert!(proxy.accepted_no_more());
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn proxy_that_is_gone_is_refused_and_its_port_cannot_be_taken() {
    let (bench, proxy, session) = armed();
    drop(proxy);
    let mut process = Child::start(&session.cgroup);
    assert_eq!(process.connect(&bench.upstream_at().to_string()), REFUSED);
    for at in [
        "127.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
    ] {
        let at = format!("{at}:{}", bench.port);
        for process in [&mut process, &mut bench.outsider()] {
            let bind = Act::Bind(at.parse().unwrap());
            assert_eq!(process.tell(bind), DENIED, "{at}");
        }
    }
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn session_may_not_dial_the_proxy() {
    let (bench, proxy, session) = armed();
    let mut process = Child::start(&session.cgroup);
    for at in [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
    ] {
        let at = format!("{at}:{}", bench.port);
        assert_eq!(process.connect(&at), DENIED, "{at}");
    }
    assert!(proxy.accepted_no_more());
}

#[test]
fn socket_made_outside_is_denied_inside() {
    let (mut bench, proxy, session) = armed();
    let other = bench.session();
    let mut process = Child::start(&session.cgroup);
    let mut outsider = bench.outsider();
    let mut elsewhere = Child::start(&other.cgroup);
    for maker in [&mut outsider, &mut elsewhere] {
        let fd = maker.keep_socket(1);
        let taken = Act::ConnectTaken {
            pid: maker.pid(),
            fd,
            to: bench.upstream_at(),
        };
        assert_eq!(process.tell(taken), DENIED);
        let fd = maker.keep_socket(2);
        let taken = Act::SendTaken {
            pid: maker.pid(),
            fd,
            to: "127.77.0.1:53".parse().unwrap(),
        };
        assert_eq!(process.tell(taken), DENIED);
    }
    assert!(proxy.accepted_no_more());
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn sockets_that_cannot_be_governed_are_not_made() {
    let (_bench, _proxy, session) = armed();
    let mut process = Child::start(&session.cgroup);
    // Type and protocol: MPTCP, SCTP, DCCP, SMC, raw TCP, raw ICMP.
    for (kind, protocol) in [(1, 262), (1, 132), (6, 33), (1, 256), (3, 6), (3, 1)] {
        for family in [2, 10] {
            let said = process.tell(Act::Make {
                family,
                kind,
                protocol,
            });
            // A kernel without the protocol says so before it asks anybody.
            let unknown = [93, 94].map(|errno| Said::Failed { errno });
            let is_refused = said == DENIED || unknown.contains(&said);
            assert!(is_refused, "{kind} {protocol}: {said:?}");
            if protocol == 262 || kind == 3 {
                assert_eq!(said, DENIED, "{kind} {protocol}");
            }
        }
    }
    for kind in [1, 2] {
        let make = Act::Make {
            family: 2,
            kind,
            protocol: 0,
        };
        assert_eq!(process.tell(make), Said::Done);
    }
}

#[test]
fn udp_443_is_denied() {
    let (_bench, _proxy, session) = armed();
    let mut process = Child::start(&session.cgroup);
    for at in ["127.77.0.1:443", "[::1]:443", "[::ffff:127.77.0.1]:443"] {
        let at = at.parse().unwrap();
        assert_eq!(process.tell(Act::ConnectUdp(at)), DENIED, "{at}");
        assert_eq!(process.tell(Act::SendUdp(at)), DENIED, "{at}");
    }
    for at in ["127.77.0.1:53", "[::1]:53"] {
        let at = at.parse().unwrap();
        assert_eq!(process.tell(Act::ConnectUdp(at)), Said::Done, "{at}");
        assert_eq!(process.tell(Act::SendUdp(at)), Said::Done, "{at}");
    }
}

#[test]
fn process_of_a_closed_session_gets_no_network() {
    let (mut bench, _proxy, session) = armed();
    let mut process = Child::start(&session.cgroup);
    let plain = TcpListener::bind("127.77.0.2:0").unwrap();
    let fd = process.keep_socket(1);
    bench.kernel().remove_session(session.cgroup_id).unwrap();

    assert_eq!(
        process.connect(&plain.local_addr().unwrap().to_string()),
        DENIED
    );
    let mut outsider = bench.outsider();
    let kept = Act::ConnectTaken {
        pid: process.pid(),
        fd,
        to: bench.upstream_at(),
    };
    assert_eq!(outsider.tell(kept), DENIED);
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn reused_cgroup_id_does_not_match_an_older_sessions_socket() {
    let (mut bench, _proxy, session) = armed();
    let mut process = Child::start(&session.cgroup);
    let fd = process.keep_socket(1);
    let mut tag = session.tag;
    tag.nonce += 1;
    bench.kernel().add_session(session.cgroup_id, tag).unwrap();
    let kept = Act::ConnectTaken {
        pid: process.pid(),
        fd,
        to: bench.upstream_at(),
    };
    assert_eq!(process.tell(kept), DENIED);
}

#[test]
fn other_network_namespace_is_denied() {
    let (bench, _proxy, session) = armed();
    let mut process = Child::start_in_own_netns(&session.cgroup);
    assert_eq!(process.connect("192.0.2.7:443"), DENIED);
    assert_eq!(bench.reached_upstream(), 0);
}
