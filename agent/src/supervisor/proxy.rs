//! The proxy's process: how it is started, watched and told apart from the one before.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, capabilities, capability_is_in_bounding_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};
use tracing::warn;

use super::lender::Lender;
use super::replacing::Replacement;
use super::shared::Shared;
use crate::config::Owner;
use crate::connection::redirect::lookups_need_a_capability;
use crate::control::{Handover, Heard, ProxyLink};

/// Names a file of AWS keys, and where root's is.
/// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
const AWS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
const AWS_DEFAULT: &str = "/root/.aws/credentials";

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
        lender: &Arc<Lender>,
    ) -> io::Result<Self> {
        let (link, theirs) = ProxyLink::pair()?;
        let link = Arc::new(link);
        let watch = Watch {
            number,
            link: Arc::clone(&link),
            shared: Arc::clone(shared),
            lender: Arc::clone(lender),
        };
        let (told, started) = mpsc::sync_channel(1);
        let owner = shared.owner;
        // The thread starts the process and lives as long: a process hears of the end of the thread that made it, and
        // what it inherits of rights is that thread's.
        thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || match spawn(theirs, owner) {
                Ok(mut child) => {
                    // Whoever starts it waits for this.
                    drop(told.send(Ok(child.id())));
                    watch.run(&mut child);
                }
                Err(failure) => drop(told.send(Err(failure))),
            })?;
        let pid = started.recv().map_err(io::Error::other)??;
        // A proxy that is gone already is told of by its thread.
        link.hand_over(handover).map_err(io::Error::other)?;
        Ok(Self { number, pid, link })
    }
}

/// Starts the process under its own user, without a way to any right.
fn spawn(link: OwnedFd, owner: Owner) -> io::Result<Child> {
    let kept = if lookups_need_a_capability() {
        CapabilitySet::BPF
    } else {
        CapabilitySet::empty()
    };
    give_up_rights(kept)?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("icecore")
        .arg("proxy")
        .stdin(Stdio::from(link))
        .stdout(Stdio::null());
    // The service manager hears the supervisor alone.
    for told in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        command.env_remove(told);
    }
    if !owner.is_root() {
        // With a uid std drops all other groups too (`CommandExt::uid`).
        command.uid(owner.uid).gid(owner.gid);
    }
    if let Some(file) = own_aws_file() {
        command.env(AWS_FILE, file);
    }
    // The command keeps its copy of the socket, which must go for the proxy's end to be seen: it is dropped here.
    command.spawn()
}

/// Takes from this thread what the proxy must not inherit; its own capabilities stay, to start and to end it by.
///
/// What is `kept` comes through exec as an ambient capability: old kernels ask for it where the map is looked up.
fn give_up_rights(kept: CapabilitySet) -> io::Result<()> {
    let failed = |error: Errno| {
        io::Error::other(format!(
            "expected to be able to take capabilities from the proxy (CAP_SETPCAP, CAP_SETUID, CAP_SETGID, CAP_KILL; the \
             packaged unit leaves them), found: {error}"
        ))
    };
    let mut fixed = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    for capability in kept.iter() {
        let mut own = capabilities(None).map_err(failed)?;
        own.inheritable |= capability;
        set_capabilities(None, own).map_err(failed)?;
        configure_capability_in_ambient_set(capability, true).map_err(failed)?;
        // Else the change of user would take it; exec takes all others, which are not ambient.
        fixed |= CapabilitiesSecureBits::NO_SETUID_FIXUP;
    }
    set_capabilities_secure_bits(fixed).map_err(failed)?;
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) => remove_capability_from_bounding_set(capability).map_err(failed)?,
            Ok(false) => {}
            // The kernel has no capability of this number or above (capabilities(7)).
            Err(_) => break,
        }
    }
    set_no_new_privs(true)?;
    Ok(())
}

/// Names root's own file of AWS keys, which the proxy's user has no home for.
fn own_aws_file() -> Option<&'static str> {
    let is_named = std::env::var_os(AWS_FILE).is_some_and(|file| !file.is_empty());
    (!is_named && Path::new(AWS_DEFAULT).exists()).then_some(AWS_DEFAULT)
}

/// The thread that starts and hears a proxy.
struct Watch {
    number: u64,
    link: Arc<ProxyLink>,
    shared: Arc<Shared>,
    lender: Arc<Lender>,
}

impl Watch {
    fn run(self, child: &mut Child) {
        let pid = child.id();
        let heard = self.link.listen(|heard| match heard {
            Heard::Prepared => self.tell(Event::Prepared(self.number)),
            Heard::Ready => self.tell(Event::Ready(self.number)),
            Heard::Closed => self.tell(Event::Closed(self.number)),
            Heard::Keep(login) => self.shared.keep_login(login),
            Heard::Lend(request) => self.lender.lend(request, pid),
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

    /// Gives the lines of a started program's status that say its rights.
    fn rights(kept: CapabilitySet) -> Vec<String> {
        let started = thread::spawn(move || {
            give_up_rights(kept).unwrap();
            let mut command = Command::new("cat");
            command.arg("/proc/self/status").uid(61_111).gid(61_112);
            command.output().unwrap()
        });
        let status = String::from_utf8(started.join().unwrap().stdout).unwrap();
        let lines = status.lines().map(|line| line.replace('\t', " "));
        let told = ["Uid", "Groups", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs"];
        lines
            .filter(|line| told.iter().any(|name| line.starts_with(name)))
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    #[test]
    fn a_program_is_started_with_the_one_capability_that_is_kept_or_none() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not shown: it needs root");
            return;
        }
        let with = |capabilities: &str| {
            [
                "Uid: 61111 61111 61111 61111".to_owned(),
                "Groups:".to_owned(),
                format!("CapPrm: {capabilities}"),
                format!("CapEff: {capabilities}"),
                "CapBnd: 0000000000000000".to_owned(),
                "NoNewPrivs: 1".to_owned(),
            ]
        };
        assert_eq!(rights(CapabilitySet::empty()), with("0000000000000000"));
        // Source: `CAP_BPF` is 39 in linux/include/uapi/linux/capability.h.
        assert_eq!(rights(CapabilitySet::BPF), with("0000008000000000"));
    }

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
