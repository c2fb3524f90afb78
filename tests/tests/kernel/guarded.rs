//! Guarded addresses, metadata services and the daemon's own ports: who is kept from them, and who is not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use icecore::connection::redirect::Guarded;

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

const DENIED: Said = Said::Failed { errno: 1 };

/// Addresses of their own on loopback: one is guarded, its twin is not.
const GUARDED: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 9);
const TWIN: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 8);

struct Ends {
    _listeners: [TcpListener; 2],
    guarded: SocketAddr,
    twin: SocketAddr,
}

/// Listens at both addresses, and has one guarded.
fn ends(bench: &mut Bench) -> Ends {
    let listeners = [GUARDED, TWIN].map(|address| TcpListener::bind((address, 0)).unwrap());
    let [guarded, twin] = [0, 1].map(|place: usize| listeners[place].local_addr().unwrap());
    let new = bench.kernel().guard(&[Guarded::Address(GUARDED.into())]);
    assert_eq!(new.unwrap(), 1);
    Ends {
        _listeners: listeners,
        guarded,
        twin,
    }
}

fn connects(child: &mut Child, to: SocketAddr) -> bool {
    let said = child.connect(&to.to_string());
    assert!(
        said == DENIED || matches!(said, Said::Connected { .. }),
        "{said:?}"
    );
    said != DENIED
}

fn mapped(at: SocketAddr) -> SocketAddr {
    let std::net::IpAddr::V4(v4) = at.ip() else {
        panic!("expected IPv4");
    };
    SocketAddr::new(v4.to_ipv6_mapped().into(), at.port())
}

#[test]
fn guarded_address_is_denied_inside_and_outside_and_its_twin_is_not() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let ends = ends(&mut bench);
    let mut inside = Child::start(&session.cgroup);
    let mut outside = bench.outsider();
    for process in [&mut inside, &mut outside] {
        assert!(!connects(process, ends.guarded));
        assert!(!connects(process, mapped(ends.guarded)));
        assert!(connects(process, ends.twin));
        assert!(connects(process, mapped(ends.twin)));
        for (to, is_denied) in [(ends.guarded, true), (ends.twin, false)] {
            let expected = if is_denied { DENIED } else { Said::Done };
            for to in [to, SocketAddr::new(to.ip(), 53), mapped(to)] {
                assert_eq!(process.tell(Act::ConnectUdp(to)), expected, "{to}");
                assert_eq!(process.tell(Act::SendUdp(to)), expected, "{to}");
            }
            let first = ends.twin;
            let again = Act::ReconnectUdp { first, then: to };
            assert_eq!(process.tell(again), expected, "AF_UNSPEC, then {to}");
        }
    }
    // The daemon alone reaches it.
    assert!(connects(&mut bench.daemon(), ends.guarded));
    assert!(proxy.accepted_no_more());
}

#[test]
fn session_is_redirected_from_a_guarded_address_on_a_redirected_port() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    ends(&mut bench);
    let mut inside = Child::start(&session.cgroup);
    inside.connect("127.77.0.9:443");
    let tag = proxy.accepted().tag.unwrap();
    assert_eq!(tag.destination, "127.77.0.9:443".parse().unwrap());
    // Outside nobody is redirected, so nobody gets there.
    assert_eq!(bench.outsider().connect("127.77.0.9:443"), DENIED);
}

#[test]
fn after_af_unspec_a_guarded_address_is_as_guarded_as_before() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let ends = ends(&mut bench);
    let mut inside = Child::start(&session.cgroup);
    for first in [ends.twin, "192.0.2.7:443".parse().unwrap()] {
        let then = ends.guarded;
        assert_eq!(inside.tell(Act::Reconnect { first, then }), DENIED);
        let then = ends.twin;
        let said = inside.tell(Act::Reconnect { first, then });
        assert!(matches!(said, Said::Connected { peer, .. } if peer == ends.twin));
    }
    assert!(proxy.accepted().tag.is_some());
}

#[test]
fn one_port_may_be_guarded_alone() {
    let mut bench = Bench::new();
    let session = bench.session();
    let listeners = [0, 0].map(|port| TcpListener::bind((GUARDED, port)).unwrap());
    let [guarded, twin] = [0, 1].map(|place: usize| listeners[place].local_addr().unwrap());
    bench.kernel().guard(&[Guarded::Port(guarded)]).unwrap();
    let mut inside = Child::start(&session.cgroup);
    let mut outside = bench.outsider();
    for process in [&mut inside, &mut outside] {
        assert!(!connects(process, guarded));
        assert!(!connects(process, mapped(guarded)));
        assert!(connects(process, twin));
    }
    assert_eq!(
        bench.kernel().guarded().first(),
        Some(&Guarded::Port(guarded))
    );
}

#[test]
fn guard_for_sessions_leaves_outsiders_alone() {
    let mut bench = Bench::new();
    bench.guards_host = false;
    bench.install().unwrap();
    let session = bench.session();
    let ends = ends(&mut bench);
    assert!(connects(&mut bench.outsider(), ends.guarded));
    assert!(!connects(&mut Child::start(&session.cgroup), ends.guarded));
}

#[test]
fn what_is_not_seen_any_more_is_free_again_and_metadata_never() {
    let mut bench = Bench::new();
    let session = bench.session();
    let ends = ends(&mut bench);
    let mut inside = Child::start(&session.cgroup);
    let hour = Duration::from_secs(3600);
    assert_eq!(bench.kernel().forget_guarded(hour).unwrap(), 0);
    assert!(!connects(&mut inside, ends.guarded));
    // Seen again: not new, and not older than it is.
    let again = [Guarded::Address(GUARDED.into())];
    assert_eq!(bench.kernel().guard(&again).unwrap(), 0);
    // Itself and its NAT64 name.
    assert_eq!(bench.kernel().forget_guarded(Duration::ZERO).unwrap(), 2);
    assert!(connects(&mut inside, ends.guarded));
    assert_eq!(inside.connect("169.254.169.254:80"), DENIED);
}

#[test]
fn guard_outlives_the_supervisor() {
    let mut bench = Bench::new();
    let ends = ends(&mut bench);
    bench.forget_kernel();
    assert!(!connects(&mut bench.outsider(), ends.guarded));
    bench.install().unwrap();
    assert!(!connects(&mut bench.outsider(), ends.guarded));
}

#[test]
fn metadata_is_denied_to_sessions_whether_armed_or_not() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let mut inside = Child::start(&session.cgroup);
    for is_armed in [true, false] {
        if !is_armed {
            bench.kernel().disarm().unwrap();
        }
        for at in [
            "169.254.169.254:80",
            "169.254.169.254:443",
            "169.254.169.254:8080",
            "[::ffff:169.254.169.254]:80",
            "169.254.170.2:80",
            "168.63.129.16:32526",
            "[fd00:ec2::254]:80",
            "[fd20:ce::254]:80",
            "[64:ff9b::169.254.169.254]:80",
        ] {
            assert_eq!(inside.connect(at), DENIED, "{at}");
            let at = at.parse().unwrap();
            assert_eq!(inside.tell(Act::ConnectUdp(at)), DENIED, "{at}");
            assert_eq!(inside.tell(Act::SendUdp(at)), DENIED, "{at}");
        }
    }
    // Names: some clouds' resolvers are there. Connecting a datagram socket sends nothing.
    let dns = "169.254.169.254:53".parse().unwrap();
    assert_ne!(inside.tell(Act::ConnectUdp(dns)), DENIED);
    // Outside every session it is left alone.
    let at = "169.254.169.254:80".parse().unwrap();
    assert_ne!(bench.outsider().tell(Act::ConnectUdp(at)), DENIED);
    assert!(proxy.accepted_no_more());
}

#[test]
fn daemons_own_port_is_kept_from_sessions_alone() {
    let mut bench = Bench::new();
    let session = bench.session();
    let own = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = own.local_addr().unwrap().port();
    let mut inside = Child::start(&session.cgroup);
    let mut outside = bench.outsider();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    assert!(connects(&mut inside, at), "not yet");
    bench.kernel().protect_port(port).unwrap();
    for near in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        assert_eq!(inside.connect(&format!("{near}:{port}")), DENIED, "{near}");
    }
    assert!(connects(&mut outside, at));
    let free = Act::Bind(SocketAddr::from((TWIN, port)));
    assert_eq!(inside.tell(free), DENIED);
    let free = Act::Bind(SocketAddr::from((TWIN, port)));
    assert_eq!(outside.tell(free), Said::Done);
    // The config may have another by the next start.
    bench.install().unwrap();
    assert!(connects(&mut inside, at));
}

/// The backstop: a connection that was made before its address was guarded, and handed in.
#[test]
fn connection_that_was_handed_in_is_cut_by_the_backstop() {
    let mut bench = Bench::new();
    let session = bench.session();
    let echo = TcpListener::bind((GUARDED, 0)).unwrap();
    let at = echo.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in echo.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut one = [0];
                while std::io::Read::read_exact(&mut stream, &mut one).is_ok() {
                    std::io::Write::write_all(&mut stream, &one).unwrap();
                }
            });
        }
    });
    let mut helper = bench.outsider();
    let mut inside = Child::start(&session.cgroup);
    let Said::Kept { fd } = helper.tell(Act::KeepConnected(at)) else {
        panic!("expected a connection");
    };
    let pid = helper.pid();
    bench
        .kernel()
        .guard(&[Guarded::Address(GUARDED.into())])
        .unwrap();
    let write = || Act::WriteTaken { pid, fd };
    assert_eq!(inside.tell(write()), Said::Answered(true), "without it");

    bench.backstop = true;
    bench.install().unwrap();
    assert_eq!(bench.kernel().program_tags().len(), 11);
    assert_eq!(inside.tell(write()), Said::Answered(false));
    assert!(bench.kernel().stats().unwrap().packets_dropped > 0);
    // What is not guarded goes on.
    let twin = TcpListener::bind((TWIN, 0)).unwrap();
    assert!(connects(&mut inside, twin.local_addr().unwrap()));

    bench.backstop = false;
    bench.install().unwrap();
    let Said::Kept { fd } = ({
        bench.kernel().forget_guarded(Duration::ZERO).unwrap();
        helper.tell(Act::KeepConnected(at))
    }) else {
        panic!("expected a connection");
    };
    bench
        .kernel()
        .guard(&[Guarded::Address(GUARDED.into())])
        .unwrap();
    let write = Act::WriteTaken { pid, fd };
    assert_eq!(inside.tell(write), Said::Answered(true), "taken away again");
}
