//! A child process that takes orders; it ends when its handle is dropped.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::act::{Accepted, Act, Said};

/// Longest wait for an answer; a hook that makes a connect hang must fail the test, not hang it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Child {
    process: std::process::Child,
    answers: Receiver<Said>,
    accepted: Receiver<Accepted>,
}

impl Child {
    pub(crate) fn start(cgroup: &Path) -> Self {
        Self::start_as(Command::new(std::env::current_exe().unwrap()), cgroup)
    }

    pub(crate) fn start_in_own_netns(cgroup: &Path) -> Self {
        let mut command = Command::new("unshare");
        let script = "ip link set lo up && exec \"$0\" \"$@\"";
        command.args(["--net", "sh", "-c", script]);
        command.arg(std::env::current_exe().unwrap());
        Self::start_as(command, cgroup)
    }

    fn start_as(mut command: Command, cgroup: &Path) -> Self {
        let mut process = command
            .args(["--exact", "child_takes_orders", "--nocapture"])
            .env(crate::CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (answer, answers) = mpsc::channel();
        let (accept, accepted) = mpsc::channel();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Some(json) = line.strip_prefix("> ") else {
                    continue;
                };
                // The other end may be gone at the end of a test.
                let said: Said = serde_json::from_str(json).unwrap();
                if let Said::Accepted(connection) = said {
                    drop(accept.send(connection));
                } else {
                    drop(answer.send(said));
                }
            }
        });
        let mut child = Self {
            process,
            answers,
            accepted,
        };
        assert_eq!(child.tell(Act::Enter(cgroup.to_owned())), Said::Done);
        child
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn order(&mut self, act: Act) {
        let line = serde_json::to_string(&act).unwrap();
        writeln!(self.process.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    #[track_caller]
    pub(crate) fn answer(&self) -> Said {
        self.answers.recv_timeout(PATIENCE).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn tell(&mut self, act: Act) -> Said {
        self.order(act);
        self.answer()
    }

    #[track_caller]
    pub(crate) fn connect(&mut self, to: &str) -> Said {
        let to = to.parse().unwrap();
        self.tell(Act::Connect { to, v6_only: false })
    }

    /// Connects, and gives the peer that the process is told.
    #[track_caller]
    pub(crate) fn peer_of(&mut self, act: Act) -> SocketAddr {
        let said = self.tell(act);
        let Said::Connected { peer, .. } = said else {
            panic!("expected a connection, found {said:?}");
        };
        peer
    }

    /// Has it make a socket and keep it; gives its descriptor there.
    #[track_caller]
    pub(crate) fn keep_socket(&mut self, kind: u32) -> i32 {
        let said = self.tell(Act::Keep { kind });
        let Said::Kept { fd } = said else {
            panic!("expected a socket, found {said:?}");
        };
        fd
    }

    /// Gives the next connection that this child, as the proxy, accepted.
    #[track_caller]
    pub(crate) fn accepted(&self) -> Accepted {
        self.accepted
            .recv_timeout(PATIENCE)
            .expect("an accepted connection")
    }

    pub(crate) fn accepted_no_more(&self) -> bool {
        self.accepted.try_recv().is_err()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It may be gone already; there is nobody to tell.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
