//! The programs' log lines: on by config only, and then in the daemon's log.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::bench::Bench;
use crate::child::Child;

/// Longest wait for a line; the thread that reads them looks at least once a second.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn program_logs_reach_the_daemons_log_only_when_asked() {
    let (lines, seen) = Lines::channel();
    tracing::subscriber::set_global_default(lines).unwrap();
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    process.connect("192.0.2.7:443");
    assert!(seen.recv_timeout(Duration::from_secs(2)).is_err());

    bench.program_logs = true;
    bench.install().unwrap();
    bench.kernel().arm().unwrap();
    process.connect("192.0.2.7:443");
    let expected = format!("redirected pid {} to port {}", process.pid(), bench.port);
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), expected);
    process.connect(&format!("127.0.0.1:{}", bench.port));
    let expected = format!("denied a connect of pid {}", process.pid());
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), expected);
    drop(proxy);
}

/// Takes the messages of the programs' lines.
struct Lines(Sender<String>);

impl Lines {
    fn channel() -> (Self, Receiver<String>) {
        let (sender, receiver) = mpsc::channel();
        (Self(sender), receiver)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "programs"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        // The test may be over.
        drop(self.0.send(message.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
