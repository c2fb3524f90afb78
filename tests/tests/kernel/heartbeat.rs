//! A proxy that shows no heartbeat counts as none: what hangs is refused as what is gone.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::act::Said;
use crate::bench::Bench;
use crate::child::Child;

const REFUSED: Said = Said::Failed { errno: 111 };

/// Age at which the heartbeat counts as lost here, and a wait that is longer.
const STALE: Duration = Duration::from_secs(2);
const LONGER: Duration = Duration::from_secs(4);

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.pid().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Tries until a connect goes as expected, for a while: the machine may be busy.
#[track_caller]
fn until(process: &mut Child, to: &str, expected: impl Fn(&Said) -> bool) {
    let mut said = Said::Done;
    for _ in 0..100 {
        said = process.connect(to);
        if expected(&said) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{said:?}");
}

#[test]
fn stopped_proxy_is_refused_until_it_goes_on() {
    let mut bench = Bench::new();
    bench.heartbeat_stale = STALE;
    bench.install().unwrap();
    let proxy = bench.proxy();
    bench.kernel().arm().unwrap();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    let upstream = bench.upstream_at().to_string();
    let is_connected = |said: &Said| matches!(said, Said::Connected { .. });
    until(&mut process, &upstream, is_connected);

    signal(&proxy, Signal::STOP);
    std::thread::sleep(LONGER);
    assert_eq!(process.connect(&upstream), REFUSED);
    assert_eq!(process.connect("[2001:db8::7]:443"), REFUSED);
    assert!(bench.kernel().heartbeat_age().unwrap() > STALE);
    assert!(bench.kernel().stats().unwrap().proxy_down >= 2);
    assert_eq!(bench.reached_upstream(), 0);

    // A replacement that is planned: the supervisor stands in, and connects wait in the listener's queue.
    bench.kernel().beat().unwrap();
    assert!(is_connected(&process.connect(&upstream)));

    signal(&proxy, Signal::CONT);
    until(&mut process, &upstream, is_connected);
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn armed_without_any_beat_lasts_only_as_long_as_a_beat() {
    let mut bench = Bench::new();
    bench.heartbeat_stale = STALE;
    bench.install().unwrap();
    bench.kernel().arm().unwrap();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    std::thread::sleep(LONGER);
    let before = bench.kernel().stats().unwrap().proxy_down;
    assert_eq!(process.connect("192.0.2.7:443"), REFUSED);
    assert_eq!(bench.kernel().stats().unwrap().proxy_down, before + 1);
}
