//! What the kernel tells of what it denied, and what it counts.

use std::net::SocketAddr;
use std::time::Duration;

use icecore::connection::redirect::{
    Deed, Denial, DenyReason, Events, Guarded, Seen, wait_for_events,
};
use icecore_tests::time;

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

const DENIED: Said = Said::Failed { errno: 1 };

/// Most events a second of one session.
const RATE: usize = 64;

/// Reads what was told, until there is nothing for a moment.
fn all(events: &mut Events) -> Vec<(Seen, Denial)> {
    let signal = events.signal().unwrap();
    let mut all = Vec::new();
    let until = time::instant() + Duration::from_secs(10);
    while time::instant() < until {
        let Some(seen) = events.take() else {
            if !all.is_empty() {
                break;
            }
            wait_for_events(&signal, Duration::from_millis(200));
            continue;
        };
        if let Deed::Denied(denial) = seen.deed.clone() {
            all.push((seen, denial));
        }
    }
    all
}

#[track_caller]
fn one(events: &mut Events) -> (Seen, Denial) {
    let mut all = all(events);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn who_was_denied_what_and_why_is_told() {
    let (mut bench, _proxy) = Bench::armed();
    let mut events = bench.kernel().take_events().unwrap();
    assert!(
        bench.kernel().take_events().is_none(),
        "there is one reader"
    );
    let session = bench.session();
    let guarded: SocketAddr = "127.77.0.9:7000".parse().unwrap();
    let places = [Guarded::Address(guarded.ip())];
    bench.kernel().guard(&places).unwrap();
    let mut process = Child::start(&session.cgroup);
    let port = bench.port;
    let proxy_at = SocketAddr::from(([127, 0, 0, 1], port));
    let make = |kind, protocol| Act::Make {
        family: 2,
        kind,
        protocol,
    };
    let nowhere: SocketAddr = "[::]:0".parse().unwrap();
    let look: SocketAddr = "169.254.169.254:80".parse().unwrap();
    let quic: SocketAddr = "127.77.0.1:443".parse().unwrap();
    let connect = |to| Act::Connect { to, v6_only: false };
    for (act, reason, to, protocol) in [
        (connect(guarded), DenyReason::Guarded, guarded, 6),
        (Act::SendUdp(guarded), DenyReason::Guarded, guarded, 17),
        (connect(look), DenyReason::Metadata, look, 6),
        (connect(proxy_at), DenyReason::ProxyPort, proxy_at, 6),
        (Act::ConnectUdp(quic), DenyReason::Quic, quic, 17),
        (make(1, 262), DenyReason::SocketKind, nowhere, 262),
        (make(3, 1), DenyReason::SocketKind, nowhere, 1),
        (Act::Bind(proxy_at), DenyReason::Bind, proxy_at, 6),
    ] {
        let before = bench.kernel().stats().unwrap().denied[&reason];
        assert_eq!(process.tell(act), DENIED, "{reason}");
        let (seen, denial) = one(&mut events);
        assert_eq!((denial.reason, denial.destination), (reason, to));
        assert_eq!(denial.protocol, protocol, "{reason}");
        assert_eq!(seen.session, Some(session.tag.id));
        assert_eq!((seen.pid, seen.uid), (process.pid(), 0));
        assert!(seen.boot_ns > 0 && !seen.comm.is_empty());
        assert_eq!(bench.kernel().stats().unwrap().denied[&reason], before + 1);
    }

    let mut outside = bench.outsider();
    assert_eq!(outside.tell(connect(guarded)), DENIED);
    let (seen, denial) = one(&mut events);
    assert_eq!((seen.session, denial.reason), (None, DenyReason::Guarded));
    assert_eq!(seen.pid, outside.pid());

    let fd = outside.keep_socket(1);
    let taken = Act::ConnectTaken {
        pid: outside.pid(),
        fd,
        to: quic,
    };
    assert_eq!(process.tell(taken), DENIED);
    let (seen, denial) = one(&mut events);
    assert_eq!(denial.reason, DenyReason::ForeignSocket);
    assert_eq!(seen.session, Some(session.tag.id));
    assert_eq!(seen.pid, process.pid());
}

#[test]
fn what_is_allowed_is_counted_and_not_told() {
    let (mut bench, proxy) = Bench::armed();
    let mut events = bench.kernel().take_events().unwrap();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    for _ in 0..3 {
        process.connect("192.0.2.7:443");
        assert!(proxy.accepted().tag.is_some());
    }
    bench.kernel().disarm().unwrap();
    process.connect("192.0.2.7:443");
    let stats = bench.kernel().stats().unwrap();
    assert_eq!((stats.redirected, stats.proxy_down), (3, 1));
    assert_eq!(stats.denied.values().sum::<u64>(), 0);
    assert!(events.take().is_none());
}

#[test]
fn one_sessions_storm_hides_no_other_sessions_denial() {
    const STORM: u32 = 2_000;
    let (mut bench, _proxy) = Bench::armed();
    let mut events = bench.kernel().take_events().unwrap();
    let (loud, quiet) = (bench.session(), bench.session());
    let mut storm = Child::start(&loud.cgroup);
    let mut process = Child::start(&quiet.cgroup);
    let to = "169.254.169.254:80".parse().unwrap();
    assert_eq!(storm.tell(Act::StartStorm { to }), Said::Done);
    let until = time::instant() + Duration::from_secs(30);
    let denied = |bench: &mut Bench| bench.kernel().stats().unwrap().denied[&DenyReason::Metadata];
    while denied(&mut bench) < u64::from(STORM) {
        assert!(time::instant() < until, "the storm is slow");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(process.connect("169.254.169.254:443"), DENIED);
    let Said::Stormed { other, .. } = storm.tell(Act::StopStorm) else {
        panic!("expected the storm's count");
    };
    let all = all(&mut events);
    let of = |id| {
        all.iter()
            .filter(|(seen, _)| seen.session == Some(id))
            .count()
    };
    assert_eq!(of(quiet.tag.id), 1);
    let told = of(loud.tag.id);
    assert!(
        told >= 1 && told < usize::try_from(other).unwrap(),
        "{told}"
    );
    let stats = bench.kernel().stats().unwrap();
    println!(
        "{other} denied: {told} told, {} over the rate, {} lost",
        stats.events_limited, stats.events_lost
    );
    assert!(told >= RATE / 2);
    let left = usize::try_from(stats.events_limited + stats.events_lost).unwrap();
    assert_eq!(told + left, usize::try_from(other).unwrap());
}
