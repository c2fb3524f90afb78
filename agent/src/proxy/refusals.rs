//! Ways around that a session was refused: the first of a kind is recorded at once, its like are counted and told later.
//!
//! Snowflake's drivers look for the cloud they run in at each login, at several addresses. One line each would hide what
//! else happened, and no line would hide them.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use crate::connection::peer::Peer;
use crate::connection::redirect::DenyReason;
use crate::record::Severity;
use crate::record::event::code;

/// How long repeats are counted before they are told.
pub(super) const TOLD_AFTER: Duration = Duration::from_secs(60);

/// Most kinds of refusals that are counted in a session; each of any more is recorded by itself.
const KINDS_MAX: usize = 256;

/// Most processes that are remembered: of each kind of refusal, and of those that logged in.
const PROCESSES_MAX: usize = 1024;

/// Why an address may not be reached unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum WayAround {
    /// It is a governed account's, under another name.
    GovernedAddress,
    /// Clouds answer with credentials there.
    Metadata,
    /// The session has as many connections open as it may.
    TooMany,
    /// The session makes more connections a second than it may.
    TooFast,
    /// The kernel denied it for another reason.
    Denied(DenyReason),
}

impl WayAround {
    /// Gives the code of its event.
    fn code(self) -> &'static str {
        match self {
            Self::GovernedAddress | Self::Metadata | Self::TooMany | Self::TooFast => {
                code::BYPASS_ATTEMPT
            }
            Self::Denied(DenyReason::SocketKind) => code::SOCKET_REFUSED,
            Self::Denied(DenyReason::Netns) => code::UNKNOWN_NETNS,
            Self::Denied(_) => code::CONNECT_DENIED,
        }
    }

    /// Says it in words.
    fn reason(self) -> &'static str {
        match self {
            Self::GovernedAddress => "a governed account's address under another name",
            Self::Metadata => "a cloud's metadata address",
            Self::TooMany => "more connections than a session may have open",
            Self::TooFast => "more connections a second than a session may make",
            Self::Denied(reason) => denied(reason).0,
        }
    }
}

/// Says in words why the kernel denied something, and how much that matters.
pub(super) fn denied(reason: DenyReason) -> (&'static str, Severity) {
    match reason {
        DenyReason::Guarded => ("a governed account's address", Severity::High),
        DenyReason::Metadata => ("a cloud's metadata address", Severity::Low),
        DenyReason::OwnPort => ("a port of the daemon's own", Severity::Medium),
        DenyReason::ProxyPort => ("the proxy's port, not by redirection", Severity::Medium),
        DenyReason::Quic => ("HTTP/3, which cannot be redirected", Severity::Low),
        DenyReason::Netns => (
            "a network namespace in which the proxy does not listen",
            Severity::Medium,
        ),
        DenyReason::ForeignSocket => ("a socket that the session did not make", Severity::High),
        DenyReason::SessionOver => ("the session is over", Severity::Low),
        DenyReason::SocketKind => ("a socket of a kind that cannot be governed", Severity::Low),
        DenyReason::Bind => ("a port of the daemon's, to be taken", Severity::Medium),
        DenyReason::NoMemory => ("the kernel had no memory to write it down", Severity::High),
    }
}

/// One kind of refusal: what was asked for, by which program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Refusal {
    pub(super) way: WayAround,
    pub(super) destination: SocketAddr,
    pub(super) opening: &'static str,
    pub(super) name: Option<String>,
    pub(super) exe: Option<String>,
}

impl Refusal {
    /// Says of a connection that it was not let in, whatever it was for.
    pub(super) fn at_the_door(way: WayAround) -> Self {
        Self {
            way,
            destination: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            opening: "unread",
            name: None,
            exe: None,
        }
    }
}

/// An event to record.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) detail: Value,
    /// How many refusals it tells.
    pub(super) refusals: u64,
}

/// Names a process for as long as the host is up.
type Process = (u32, Option<i64>);

/// What one session was refused, and who of it logged in.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    kinds: HashMap<Refusal, Counted>,
    drivers: BTreeSet<Process>,
    is_over: bool,
}

/// What was not told yet of one kind.
#[derive(Debug)]
struct Counted {
    repeats: u64,
    since_ns: i64,
    askers: BTreeSet<Process>,
    /// Whether each asker is among the above.
    knows_askers: bool,
}

impl Refusals {
    /// Remembers that a process logged in to Snowflake.
    pub(super) fn learn_driver(&mut self, peer: &Peer) {
        if self.drivers.len() < PROCESSES_MAX {
            self.drivers.insert((peer.pid, peer.start_ns));
        }
    }

    /// Takes a refusal; gives the event of the first of its kind, and of any once the session is over.
    pub(super) fn take(&mut self, refusal: Refusal, peer: &Peer, now_ns: i64) -> Option<Told> {
        let process = (peer.pid, peer.start_ns);
        if let Some(counted) = self.kinds.get_mut(&refusal).filter(|_| !self.is_over) {
            counted.repeats += 1;
            counted.ask(process);
            return None;
        }
        let told = first(&refusal, peer);
        if self.kinds.len() < KINDS_MAX {
            let mut counted = Counted::from(now_ns);
            counted.ask(process);
            self.kinds.insert(refusal, counted);
        }
        Some(told)
    }

    /// Gives what is to be told of refusals that have been counted for long enough.
    pub(super) fn due(&mut self, now_ns: i64) -> Vec<Told> {
        let wait_ns = i64::try_from(TOLD_AFTER.as_nanos()).unwrap_or(i64::MAX);
        self.tell(now_ns, |counted| now_ns - counted.since_ns >= wait_ns)
    }

    /// Gives all that is left to be told; what comes after is told one by one.
    pub(super) fn finish(&mut self, now_ns: i64) -> Vec<Told> {
        self.is_over = true;
        self.tell(now_ns, |_| true)
    }

    fn tell(&mut self, now_ns: i64, is_due: impl Fn(&Counted) -> bool) -> Vec<Told> {
        let drivers = &self.drivers;
        let due = self.kinds.iter_mut().filter(|(_, counted)| is_due(counted));
        due.filter_map(|(refusal, counted)| {
            let counted = std::mem::replace(counted, Counted::from(now_ns));
            again(refusal, &counted, drivers)
        })
        .collect()
    }
}

impl Counted {
    fn from(now_ns: i64) -> Self {
        Self {
            repeats: 0,
            since_ns: now_ns,
            askers: BTreeSet::new(),
            knows_askers: true,
        }
    }

    fn ask(&mut self, process: Process) {
        if self.askers.len() < PROCESSES_MAX {
            self.askers.insert(process);
        } else if !self.askers.contains(&process) {
            self.knows_askers = false;
        }
    }
}

/// Tells the first refusal of a kind. Whether its process is a driver is seen only later: drivers look before they log in.
fn first(refusal: &Refusal, peer: &Peer) -> Told {
    let mut detail = facts(refusal);
    add(&mut detail, "pid", peer.pid.into());
    let severity = match refusal.way {
        WayAround::GovernedAddress => Severity::High,
        WayAround::Metadata => {
            add(&mut detail, "likely", LIKELY.into());
            Severity::Low
        }
        WayAround::TooMany => Severity::Low,
        WayAround::TooFast => Severity::Medium,
        WayAround::Denied(reason) => denied(reason).1,
    };
    Told {
        code: refusal.way.code(),
        severity,
        detail,
        refusals: 1,
    }
}

/// What a look at a metadata address most often is.
const LIKELY: &str = "the driver's own look for cloud credentials";

/// Tells what was counted since, if there is anything to tell.
fn again(refusal: &Refusal, counted: &Counted, drivers: &BTreeSet<Process>) -> Option<Told> {
    let are_drivers = counted.knows_askers && counted.askers.is_subset(drivers);
    let mut detail = facts(refusal);
    add(&mut detail, "repeats", counted.repeats.into());
    let severity = match refusal.way {
        WayAround::GovernedAddress if counted.repeats == 0 => return None,
        WayAround::GovernedAddress => Severity::High,
        WayAround::Metadata if are_drivers && counted.repeats == 0 => return None,
        WayAround::Metadata if are_drivers => {
            add(&mut detail, "likely", LIKELY.into());
            Severity::Low
        }
        WayAround::Metadata => {
            let askers = "a process that has not spoken to Snowflake";
            add(&mut detail, "asked_by", askers.into());
            Severity::Medium
        }
        WayAround::TooMany | WayAround::TooFast | WayAround::Denied(_) if counted.repeats == 0 => {
            return None;
        }
        WayAround::TooMany => Severity::Low,
        WayAround::TooFast => Severity::Medium,
        WayAround::Denied(reason) => denied(reason).1,
    };
    Some(Told {
        code: refusal.way.code(),
        severity,
        detail,
        refusals: counted.repeats,
    })
}

fn facts(refusal: &Refusal) -> Value {
    json!({
        "reason": refusal.way.reason(),
        "destination": shown(refusal.destination),
        "opening": refusal.opening,
        "name": refusal.name,
        "exe": refusal.exe,
    })
}

/// Shows where something was to go; a socket that was not made was to go nowhere yet.
pub(super) fn shown(destination: SocketAddr) -> Option<String> {
    let is_nowhere = destination.ip().is_unspecified() && destination.port() == 0;
    (!is_nowhere).then(|| destination.to_string())
}

fn add(detail: &mut Value, key: &str, value: Value) {
    if let Value::Object(members) = detail {
        members.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
