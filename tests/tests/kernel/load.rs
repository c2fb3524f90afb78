//! Many connections at once: none without its session, none with another's; and what a connect costs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use icecore::connection::redirect::Guarded;

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

/// Sessions at once, processes in each, and connections that each process makes.
const SESSIONS: usize = 2;
const PROCESSES: usize = 2;
const CONNECTIONS: u32 = 2_500;

/// Datagrams of which the mean is told, and how often.
const SENT: u32 = 100_000;
const ROUNDS: usize = 5;

/// Connects of which the median is told.
const TIMED: u32 = 5_000;

#[test]
fn ten_thousand_connections_have_the_right_session() {
    let (mut bench, proxy) = Bench::armed();
    let mut expected = BTreeMap::new();
    let mut processes = Vec::new();
    for _ in 0..SESSIONS {
        let session = bench.session();
        for _ in 0..PROCESSES {
            let process = Child::start(&session.cgroup);
            expected.insert(process.pid(), session.tag.id.to_string());
            processes.push(process);
        }
    }
    for (number, process) in processes.iter_mut().enumerate() {
        let to = format!("192.0.2.{number}:443").parse().unwrap();
        process.order(Act::Many {
            to,
            count: CONNECTIONS,
        });
    }
    let total = CONNECTIONS as usize * SESSIONS * PROCESSES;
    let (mut missing, mut wrong) = (0, 0);
    for _ in 0..total {
        let accepted = proxy.accepted();
        let pid: u32 = accepted.told.split(' ').next().unwrap().parse().unwrap();
        match accepted.tag {
            None => missing += 1,
            Some(tag) if tag.session != expected[&pid] || tag.pid != pid => wrong += 1,
            Some(_) => {}
        }
    }
    for process in &processes {
        assert_eq!(process.answer(), Said::Done);
    }
    println!(
        "{total} connections of {} processes: {missing} missing, {wrong} wrong",
        processes.len()
    );
    assert_eq!((missing, wrong), (0, 0));
    assert!(proxy.accepted_no_more());
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn cost_of_a_connect_is_told() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    // All three end at the same listener: from where no program runs, from where they let pass, and redirected.
    let above = bench.root.parent().unwrap().to_owned();
    let proxy_at = SocketAddr::from((Ipv4Addr::LOCALHOST, bench.port));
    let upstream_at = bench.upstream_at();
    for (name, mut process, to) in [
        ("no hooks", Child::start(&above), proxy_at),
        ("outside every session", bench.outsider(), proxy_at),
        ("redirected", Child::start(&session.cgroup), upstream_at),
    ] {
        let said = process.tell(Act::Time { to, count: TIMED });
        let Said::Took {
            socket_p50_ns,
            connect_p50_ns,
        } = said
        else {
            panic!("expected times, found {said:?}");
        };
        println!("{name}: p50 of socket {socket_p50_ns} ns, of connect {connect_p50_ns} ns");
        let tagged = (0..TIMED)
            .filter(|_| proxy.accepted().tag.is_some())
            .count();
        let expected = if to == upstream_at { TIMED as usize } else { 0 };
        assert_eq!(tagged, expected);
    }
}

/// What each packet pays for the backstop, with as many guarded places as the host may come to know.
#[test]
fn cost_of_the_backstop_is_told() {
    let mut bench = Bench::new();
    let places: Vec<Guarded> = (0..1000_u32)
        .map(|number| Guarded::Address(Ipv4Addr::from(0xc633_6400 + number).into()))
        .collect();
    bench.kernel().guard(&places).unwrap();
    let sink = UdpSocket::bind((Ipv4Addr::new(127, 77, 0, 8), 0)).unwrap();
    let to = sink.local_addr().unwrap();
    let mut process = bench.outsider();
    let mut best = [i64::MAX; 2];
    for _ in 0..ROUNDS {
        for (place, backstop) in [false, true].into_iter().enumerate() {
            bench.backstop = backstop;
            bench.install().unwrap();
            let Said::Sent { mean_ns } = process.tell(Act::TimeSends { to, count: SENT }) else {
                panic!("expected a time");
            };
            best[place] = best[place].min(mean_ns);
        }
    }
    println!(
        "a datagram takes {} ns, with the backstop {} ns: {} ns more",
        best[0],
        best[1],
        best[1] - best[0]
    );
}
