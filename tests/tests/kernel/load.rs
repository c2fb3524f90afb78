//! Many connections at once: none without its session, none with another's; and what a connect costs.

use std::collections::BTreeMap;

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

/// Sessions at once, processes in each, and connections that each process makes.
const SESSIONS: usize = 2;
const PROCESSES: usize = 2;
const CONNECTIONS: u32 = 2_500;

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
    // A listener of the same kind, dialled without hooks, by an outsider with them, and through the redirection.
    let to = bench.upstream_at();
    let plain = std::thread::spawn({
        let upstream = bench.upstream.try_clone().unwrap();
        move || {
            upstream.set_nonblocking(false).unwrap();
            for _ in 0..4_000 {
                drop(upstream.accept());
            }
        }
    });
    let none = redirect_free(&bench);
    for (name, mut process) in [
        ("no hooks", Child::start(&none)),
        ("hooks, outside", bench.outsider()),
        ("hooks, redirected", Child::start(&session.cgroup)),
    ] {
        let Said::Took { p50_ns } = process.tell(Act::Time { to, count: 2_000 }) else {
            panic!("expected a time");
        };
        println!("connect, {name}: p50 {p50_ns} ns");
    }
    plain.join().unwrap();
    assert!(proxy.accepted().tag.is_some());
}

/// The cgroup above the capture root, where no program of ours runs.
fn redirect_free(bench: &Bench) -> std::path::PathBuf {
    bench.root.parent().unwrap().to_owned()
}
