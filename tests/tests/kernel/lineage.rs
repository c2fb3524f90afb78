//! Which exec a session's process descends from; where the host shows no tracepoints nothing else is lost.

use std::process::Command;
use std::time::Duration;

use icecore::connection::redirect::{Deed, Seen, wait_for_events};
use icecore_tests::time;

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

/// Says to the test below that it runs where the kernel's tracepoints are shown.
const SHOWN: &str = "ICECORE_KERNEL_TEST_TRACEPOINTS";

/// Runs the test below in a mount namespace of its own that has the kernel's tracepoints: not every host shows them.
#[test]
fn lineage_is_observed_where_tracepoints_are_shown() {
    let script = "mount -t tracefs icecore-test /sys/kernel/tracing && exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "lineage::exec_is_told_with_the_one_before"])
        .arg("--nocapture")
        .env(SHOWN, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.contains("lineage was observed"), "{told}");
}

#[test]
fn exec_is_told_with_the_one_before() {
    if std::env::var_os(SHOWN).is_none() {
        return;
    }
    let (mut bench, proxy) = Bench::armed();
    assert!(bench.kernel().has_lineage());
    let mut events = bench.kernel().take_events().unwrap();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    // It was moved in after its exec, so none is known of it.
    process.connect("192.0.2.7:443");
    assert_eq!(proxy.accepted().tag.unwrap().exec_id, 0);

    let to = "192.0.2.7:443".parse().unwrap();
    let said = process.tell(Act::ConnectByBash { to });
    assert_eq!(said, Said::Ended { code: Some(0) });
    let tag = proxy.accepted().tag.unwrap();
    let to = "169.254.169.254:80".parse().unwrap();
    let said = process.tell(Act::ConnectByBash { to });
    assert_eq!(said, Said::Ended { code: Some(1) });

    let signal = events.signal().unwrap();
    let mut all: Vec<Seen> = Vec::new();
    let until = time::instant() + Duration::from_secs(10);
    while all.len() < 3 && time::instant() < until {
        match events.take() {
            Some(seen) => all.push(seen),
            None => wait_for_events(&signal, Duration::from_millis(200)),
        }
    }
    let [first, second, denied] = all.as_slice() else {
        panic!("expected two execs and a denial, found {all:?}");
    };
    for exec in [first, second] {
        assert_eq!((&exec.deed, exec.comm.as_str()), (&Deed::Exec, "bash"));
        assert_eq!(exec.session, Some(session.tag.id));
        assert_eq!((exec.parent_exec_id, exec.parent_pid), (0, process.pid()));
    }
    assert_eq!(tag.exec_id, first.exec_id);
    assert_eq!((tag.pid, tag.tid), (first.pid, first.tid));
    assert!(matches!(denied.deed, Deed::Denied(_)));
    assert_eq!((denied.exec_id, denied.pid), (second.exec_id, second.pid));
    assert!(second.exec_id > first.exec_id);

    // A thread that executes a program takes its leader's number, and keeps what was known of itself.
    let said = process.tell(Act::ExecByThread);
    assert_eq!(said, Said::Ended { code: Some(0) });
    let until = time::instant() + Duration::from_secs(10);
    let mut by_thread: Vec<Seen> = Vec::new();
    while by_thread.len() < 2 && time::instant() < until {
        match events.take() {
            Some(seen) => by_thread.push(seen),
            None => wait_for_events(&signal, Duration::from_millis(200)),
        }
    }
    let [python, bash] = by_thread.as_slice() else {
        panic!("expected two execs, found {by_thread:?}");
    };
    assert_eq!(
        (python.comm.as_str(), bash.comm.as_str()),
        ("python3", "bash")
    );
    assert_eq!(bash.parent_exec_id, python.exec_id);
    assert_eq!((bash.pid, bash.tid), (python.pid, python.tid));

    // Outside every session nothing is observed.
    let mut outside = bench.outsider();
    let to = bench.upstream_at();
    assert_eq!(
        outside.tell(Act::ConnectByBash { to }),
        Said::Ended { code: Some(0) }
    );
    assert_eq!(events.take(), None);
    assert_eq!(bench.kernel().stats().unwrap().execs, 4);
    println!("lineage was observed");
}

#[test]
fn host_without_tracepoints_loses_evidence_alone() {
    let (mut bench, proxy) = Bench::armed();
    if bench.kernel().has_lineage() {
        // This host shows them to everybody; the other test has it covered.
        return;
    }
    let session = bench.session();
    Child::start(&session.cgroup).connect("192.0.2.7:443");
    assert_eq!(proxy.accepted().tag.unwrap().exec_id, 0);
}
