//! The proxy's process: how it is started, watched and told apart from the one before.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tracing::warn;

use super::replacing::Replacement;
use super::shared::Shared;
use crate::control::{Handover, Heard, ProxyLink};

/// How long a proxy without a supervisor's link may take to end by itself.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);

/// Shortest wait before the next proxy is started.
const BACKOFF_LEAST: Duration = Duration::from_millis(250);

/// Longest wait before the next proxy is started.
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// How long a proxy must have lived for its end to count as the first.
const STEADY: Duration = Duration::from_secs(30);

/// What the supervisor's main thread waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// The supervisor is to stop.
    Stop,
    /// The policies are to be reloaded.
    Reload,
    /// The proxy, or the daemon, is to be replaced.
    Replace(Replacement),
    /// The proxy of this number waits for the record.
    Prepared(u64),
    /// The proxy of this number has let go of the record.
    Closed(u64),
    /// The proxy of this number accepts.
    Ready(u64),
    /// The proxy of this number has ended.
    Ended(u64, Ending),
}

/// How a proxy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// In a way that could not be seen.
    Unknown,
}

impl Ending {
    /// Tells whether the proxy said that its config, or what that names, is wrong: exit code 3 of the command line.
    pub(super) fn is_config(self) -> bool {
        self == Self::Exited(3)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited {code}"),
            Self::Signalled(signal) => write!(f, "signalled {signal}"),
            Self::Unknown => f.write_str("ended"),
        }
    }
}

/// One run of the proxy; the number tells it from the one before.
#[derive(Debug)]
pub(super) struct Proxy {
    /// Counts the proxies of this supervisor.
    pub(super) number: u64,
    /// Its process id.
    pub(super) pid: u32,
    /// Where it is asked.
    pub(super) link: Arc<ProxyLink>,
}

impl Proxy {
    /// Starts a proxy and the thread that watches it; what happens to it comes as events.
    ///
    /// # Errors
    /// When the process or its thread cannot be made, or it ends before it is told anything.
    pub(super) fn start(
        number: u64,
        handover: &Handover,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let (link, theirs) = ProxyLink::pair()?;
        // The command keeps its copy of the socket, which must go for the proxy's end to be seen: it is dropped here.
        let mut child = Command::new("/proc/self/exe")
            .arg0("icecore")
            .arg("proxy")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let pid = child.id();
        let link = Arc::new(link);
        if let Err(failure) = link.hand_over(handover) {
            end(&mut child)?;
            return Err(io::Error::other(failure));
        }
        let watch = Watch {
            number,
            link: Arc::clone(&link),
            shared: Arc::clone(shared),
        };
        thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || watch.run(&mut child))?;
        Ok(Self { number, pid, link })
    }
}

/// The thread that hears a proxy.
struct Watch {
    number: u64,
    link: Arc<ProxyLink>,
    shared: Arc<Shared>,
}

impl Watch {
    fn run(self, child: &mut Child) {
        let heard = self.link.listen(|heard| match heard {
            Heard::Prepared => self.tell(Event::Prepared(self.number)),
            Heard::Ready => self.tell(Event::Ready(self.number)),
            Heard::Closed => self.tell(Event::Closed(self.number)),
            Heard::Keep(login) => self.shared.keep_login(login),
        });
        // First of all: nobody may be sent to a door that nobody keeps.
        self.shared.lose(self.number);
        if let Err(failure) = heard {
            warn!(%failure, "proxy was not understood");
        }
        let how = end(child).map_or(Ending::Unknown, ending);
        self.tell(Event::Ended(self.number, how));
    }

    fn tell(&self, event: Event) {
        // Nobody hears it only once the supervisor has stopped.
        drop(self.shared.events.send(event));
    }
}

/// Waits for a process to end, for a moment, then makes it.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // Not reaped yet, so the number is still this child's.
    if let Some(pidfd) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) {
        let mut wanted = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        let patience = Timespec {
            tv_sec: i64::try_from(EXIT_PATIENCE.as_secs()).unwrap_or_default(),
            tv_nsec: 0,
        };
        if matches!(poll(&mut wanted, Some(&patience)), Ok(1)) {
            return child.wait();
        }
    }
    child.kill()?;
    child.wait()
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Signalled(signal),
        (None, None) => Ending::Unknown,
    }
}

/// How long to wait before the next proxy is started.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    next: Option<Duration>,
}

impl Backoff {
    /// Gives the wait after a proxy that lived so long: doubled each time, from 250 ms to 5 s.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        let wait = match self.next {
            Some(wait) if lived < STEADY => wait,
            Some(_) | None => BACKOFF_LEAST,
        };
        self.next = Some((wait * 2).min(BACKOFF_MOST));
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_five_seconds_and_starts_anew_after_a_steady_proxy() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..7)
            .map(|_| backoff.after(Duration::ZERO).as_millis())
            .collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(backoff.after(STEADY), BACKOFF_LEAST);
    }
}
