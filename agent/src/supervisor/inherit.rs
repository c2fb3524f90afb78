//! A supervisor replaced by another program in the same process: all that must not end is handed over the exec.
//!
//! Descriptors wait in a socket that becomes the program's standard input (SCM_RIGHTS, unix(7)): the sockets that sessions
//! connect to go on listening there, the lock stays held. What is known is beside them in a file of memory alone
//! (memfd_create(2)), for the real tokens in it must not be on disk. The program that was before is among the descriptors
//! too, whatever lies at its path by now: it takes all back if the other one cannot serve.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, WaitOptions, waitpid};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::kept::KeptLogins;
use super::namespace::Namespace;
use super::networks::{Network, Networks};
use super::roster::Unclosed;
use super::shared::{Shared, Taken};
use super::token::Digest;
use crate::control::packet::{self, DESCRIPTORS_MAX};
use crate::control::sign_in::KeptSignIn;
use crate::control::upgrade::HANDOVER_FORMAT;
use crate::id::SessionId;

/// Most bytes of state that are read, so most that are written: a thousand sessions with all the logins that are kept of each.
const STATE_MAX_BYTES: u64 = 1 << 30;

/// What a login may take as it is written beyond its sealed text, which is base64: its name, quotes and commas.
const LOGIN_MARGIN_BYTES: u64 = 64;

/// What is handed over of what a supervisor knows, but for what is on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// The live sessions.
    pub(super) sessions: BTreeMap<SessionId, KeptSession>,
    /// Ends that no proxy has recorded yet.
    pub(super) unclosed: Vec<Unclosed>,
    /// Who is signed in.
    pub(super) sign_ins: Vec<(u32, KeptSignIn)>,
    /// The sessions of each network namespace whose descriptors come beside.
    pub(super) networks: BTreeMap<u64, BTreeSet<SessionId>>,
}

/// What is not on disk of a live session.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptSession {
    /// Lets one process enter, if none has.
    pub(super) token: Option<Digest>,
    /// Its logins, sealed.
    pub(super) logins: KeptLogins,
}

/// What stands beside the descriptors: listeners, control socket, lock, program, state, then a link for each proxy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    format: u32,
    listeners: usize,
    /// Proxies that carry connections to their end.
    proxies: Vec<u32>,
    /// Packets that follow, with descriptors of containers' networks.
    networks: usize,
    upgrades: u64,
    /// Why the program that was tried cannot serve: this one takes all back.
    failure: Option<String>,
}

/// Containers' networks, in packets of their own: for each the cookie and how many listeners follow its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NetworksMessage(Vec<(u64, usize)>);

/// Most networks in a packet: three descriptors each.
const NETWORKS_PER_PACKET: usize = DESCRIPTORS_MAX / 3;

/// The descriptors of one network.
type Held = (u64, OwnedFd, Vec<TcpListener>);

/// All that a supervisor takes over from the program that its process ran before.
#[derive(Debug)]
pub struct Inherited {
    message: Message,
    listeners: Vec<TcpListener>,
    control: UnixListener,
    lock: File,
    /// The program that was before.
    before: File,
    state: File,
    links: Vec<OwnedFd>,
    networks: Vec<Held>,
}

/// Hands everything to a program, and becomes it. Returns only if that cannot be.
pub(super) fn hand_over(
    shared: &Shared,
    program: &Path,
    (listeners, control, lock): (&[TcpListener], &UnixListener, &File),
    proxies: &[(u32, OwnedFd)],
) -> io::Error {
    let handed = || -> io::Result<io::Error> {
        let state = state_of(shared)?;
        let before = File::open("/proc/self/exe")?;
        let upgrades = shared.taken().upgrades + 1;
        // More than fit are let go of: the connections that they carry end.
        let room = DESCRIPTORS_MAX.saturating_sub(listeners.len() + 4);
        let proxies: Vec<_> = proxies.iter().take(room).collect();
        let message = Message {
            format: HANDOVER_FORMAT,
            listeners: listeners.len(),
            proxies: proxies.iter().map(|(pid, _)| *pid).collect(),
            networks: 0,
            upgrades,
            failure: None,
        };
        let mut descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
        descriptors.extend([control.as_fd(), lock.as_fd(), before.as_fd(), state.as_fd()]);
        descriptors.extend(proxies.iter().map(|(_, link)| link.as_fd()));
        let networks = held(&shared.networks)?;
        let socket = queued(message, &descriptors, &networks)?;
        Ok(become_(program, &shared.config.source, socket))
    };
    handed().unwrap_or_else(|error| error)
}

impl Inherited {
    /// Takes what waits on standard input.
    ///
    /// # Errors
    /// It is not what a supervisor hands over, or not in a form that this version knows.
    pub fn receive() -> io::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        Self::receive_on(&stdin)
    }

    fn receive_on(socket: &OwnedFd) -> io::Result<Self> {
        let (message, descriptors) =
            packet::receive::<Message>(socket).map_err(io::Error::other)?;
        let mut networks = Vec::new();
        for _ in 0..message.networks {
            let (NetworksMessage(named), descriptors) =
                packet::receive(socket).map_err(io::Error::other)?;
            let mut descriptors = descriptors.into_iter();
            for (cookie, listeners) in named {
                let namespace = descriptors.next();
                let short = || io::Error::other("expected more descriptors of a network");
                let of_it = descriptors.by_ref().take(listeners);
                let found: Vec<TcpListener> = of_it.map(TcpListener::from).collect();
                if found.len() != listeners {
                    return Err(short());
                }
                networks.push((cookie, namespace.ok_or_else(short)?, found));
            }
        }
        Self::of(message, descriptors, networks)
    }

    fn of(message: Message, descriptors: Vec<OwnedFd>, networks: Vec<Held>) -> io::Result<Self> {
        if message.format != HANDOVER_FORMAT {
            let found = message.format;
            let text = format!("expected a hand-over of form {HANDOVER_FORMAT}, found {found}");
            return Err(io::Error::other(text));
        }
        let found = descriptors.len();
        let mut descriptors = descriptors.into_iter();
        let by_ref = descriptors.by_ref().take(message.listeners);
        let listeners = by_ref.map(TcpListener::from).collect();
        let (Some(control), Some(lock), Some(before), Some(state)) = (
            descriptors.next(),
            descriptors.next(),
            descriptors.next(),
            descriptors.next(),
        ) else {
            let text = format!("expected more descriptors with the hand-over, found {found}");
            return Err(io::Error::other(text));
        };
        Ok(Self {
            listeners,
            control: UnixListener::from(control),
            lock: File::from(lock),
            before: File::from(before),
            state: File::from(state),
            links: descriptors.collect(),
            networks,
            message,
        })
    }

    /// Gives the sockets that sessions connect to.
    pub(super) fn listeners(&self) -> io::Result<Vec<TcpListener>> {
        self.listeners.iter().map(TcpListener::try_clone).collect()
    }

    /// Gives the networks that the proxy listens in beside the host's, with their sessions.
    pub(super) fn networks(&self) -> io::Result<BTreeMap<u64, Network>> {
        let mut sessions = self.state()?.networks;
        let mut networks = BTreeMap::new();
        for (cookie, namespace, listeners) in &self.networks {
            let listeners: io::Result<_> = listeners.iter().map(TcpListener::try_clone).collect();
            let network = Network {
                namespace: Namespace::from_fd(namespace.try_clone()?),
                listeners: listeners?,
                sessions: sessions.remove(cookie).unwrap_or_default(),
            };
            networks.insert(*cookie, network);
        }
        Ok(networks)
    }

    /// Gives the control socket.
    pub(super) fn control(&self) -> io::Result<UnixListener> {
        self.control.try_clone()
    }

    /// Gives the file that holds the lock.
    pub(super) fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Tells how often a program took over, and whether the last one failed.
    pub(super) fn taken(&self) -> Taken {
        Taken {
            upgrades: self.message.upgrades,
            failure: self.message.failure.clone(),
        }
    }

    /// Reads what was known.
    pub(super) fn state(&self) -> io::Result<State> {
        let mut file = self.state.try_clone()?;
        file.rewind()?;
        let mut text = Zeroizing::new(Vec::new());
        file.take(STATE_MAX_BYTES).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Gives the file of it, to be emptied once nobody has to be given it back.
    pub(super) fn state_file(&self) -> io::Result<File> {
        self.state.try_clone()
    }

    /// Keeps the proxies alive that carry connections to their end, and sees to their ends.
    pub(super) fn keep_links(&self) -> io::Result<()> {
        for (pid, link) in self.message.proxies.iter().zip(&self.links) {
            let (pid, link) = (*pid, link.try_clone()?);
            thread::Builder::new()
                .name("carries".to_owned())
                .spawn(move || wait_for_end(pid, &link))?;
        }
        Ok(())
    }

    /// Tells whether the program that was before can take all back.
    #[must_use]
    pub fn can_give_back(&self) -> bool {
        self.message.failure.is_none()
    }

    /// Gives everything back to the program that was before, and becomes it. Returns only if that cannot be.
    #[must_use]
    pub fn give_back(&self, config: &Path, why: String) -> io::Error {
        let given = || -> io::Result<io::Error> {
            let message = Message {
                failure: Some(why),
                ..self.message.clone()
            };
            let mut descriptors: Vec<BorrowedFd<'_>> =
                self.listeners.iter().map(AsFd::as_fd).collect();
            let (control, lock) = (self.control.as_fd(), self.lock.as_fd());
            descriptors.extend([control, lock, self.before.as_fd(), self.state.as_fd()]);
            descriptors.extend(self.links.iter().map(AsFd::as_fd));
            let socket = queued(message, &descriptors, &self.networks)?;
            let before = format!("/proc/self/fd/{}", self.before.as_raw_fd());
            Ok(become_(Path::new(&before), config, socket))
        };
        given().unwrap_or_else(|error| error)
    }
}

/// Writes what is known into a file that is in memory alone. What is more than the next program reads is not written.
fn state_of(shared: &Shared) -> io::Result<File> {
    let roster = shared.roster();
    let sessions = roster.live.iter().map(|(id, live)| {
        let kept = KeptSession {
            token: live.token,
            logins: live.logins.clone(),
        };
        (*id, kept)
    });
    let mut state = State {
        sessions: sessions.collect(),
        unclosed: roster.unclosed.clone(),
        sign_ins: shared.sign_ins.kept(),
        networks: BTreeMap::new(),
    };
    drop(roster);
    let known = shared.networks.known();
    let networks = known
        .iter()
        .map(|(cookie, network)| (*cookie, network.sessions.clone()));
    state.networks = networks.collect();
    drop(known);
    let text = written(&mut state, STATE_MAX_BYTES)?;
    let mut file = File::from(memfd_create("icecore-state", MemfdFlags::CLOEXEC)?);
    file.write_all(&text)?;
    Ok(file)
}

/// Writes a state in so many bytes. Where it is more, sessions lose their logins, those with the most first: they log in anew,
/// and no session is lost.
///
/// # Errors
/// The rest alone is more than that.
fn written(state: &mut State, max_bytes: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let of = |kept: &KeptSession| kept.logins.written_bytes(LOGIN_MARGIN_BYTES);
    let mut sizes: Vec<(u64, SessionId)> = (state.sessions.iter())
        .map(|(id, kept)| (of(kept), *id))
        .collect();
    sizes.sort_unstable();
    // Measured before it is written: twice the limit in memory would be what this is to prevent.
    let logins: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
    let half = max_bytes / 2;
    let mut over = logins.saturating_sub(half);
    let mut left_out = 0_usize;
    while over > 0
        && let Some((bytes, id)) = sizes.pop()
    {
        if let Some(kept) = state.sessions.get_mut(&id) {
            kept.logins = KeptLogins::default();
        }
        over = over.saturating_sub(bytes);
        left_out += 1;
    }
    if left_out > 0 {
        warn!(
            sessions = left_out,
            "there is too much to hand over; these sessions log in anew"
        );
    }
    let text = Zeroizing::new(serde_json::to_vec(state)?);
    if u64::try_from(text.len()).is_ok_and(|length| length <= max_bytes) {
        return Ok(text);
    }
    let found = text.len();
    Err(io::Error::other(format!(
        "expected at most {max_bytes} bytes to hand over beside logins, found {found}; sessions that end make room"
    )))
}

/// Puts a message and copies of descriptors into a socket, which keeps them whoever else lets go of them.
fn queued(
    message: Message,
    descriptors: &[BorrowedFd<'_>],
    networks: &[Held],
) -> io::Result<OwnedFd> {
    let (ours, theirs) = packet::pair()?;
    let packets: Vec<&[Held]> = networks.chunks(NETWORKS_PER_PACKET).collect();
    let message = Message {
        networks: packets.len(),
        ..message
    };
    packet::send(&ours, &message, descriptors).map_err(io::Error::other)?;
    for packet in packets {
        let named = (packet.iter()).map(|(cookie, _, listeners)| (*cookie, listeners.len()));
        let mut descriptors: Vec<BorrowedFd<'_>> = Vec::new();
        for (_, namespace, listeners) in packet {
            descriptors.push(namespace.as_fd());
            descriptors.extend(listeners.iter().map(AsFd::as_fd));
        }
        let message = NetworksMessage(named.collect());
        packet::send(&ours, &message, &descriptors).map_err(io::Error::other)?;
    }
    Ok(theirs)
}

/// Gives copies of the descriptors of containers' networks.
fn held(networks: &Networks) -> io::Result<Vec<Held>> {
    let known = networks.known();
    let copies = known.iter().map(|(cookie, network)| {
        let listeners: io::Result<_> = (network.listeners.iter())
            .map(TcpListener::try_clone)
            .collect();
        Ok((*cookie, network.namespace.to_fd()?, listeners?))
    });
    copies.collect()
}

/// Replaces this process's program. The other threads end with the call (execve(2)).
fn become_(program: &Path, config: &Path, socket: OwnedFd) -> io::Error {
    Command::new(program)
        .arg0("icecore")
        .args(["daemon", "--take-over", "--config"])
        .arg(config)
        .stdin(Stdio::from(socket))
        .exec()
}

/// Waits until a proxy has hung up, then for its process, which is a child of this one whichever program it runs.
fn wait_for_end(pid: u32, link: &OwnedFd) {
    let mut wanted = [PollFd::new(link, PollFlags::empty())];
    // It may say some words before: its end alone is waited for.
    while matches!(poll(&mut wanted, None), Err(rustix::io::Errno::INTR)) {}
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let ended = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    debug!(?pid, ?ended, "proxy of the program before ended");
}

impl Shared {
    /// Tells what became of programs that were to take over.
    pub(super) fn taken(&self) -> Taken {
        let taken = self.taken.lock();
        taken
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

/// Gives a copy of what each proxy that carries connections lives by.
pub(super) fn lifelines(proxies: &[Arc<super::proxy::Proxy>]) -> Vec<(u32, OwnedFd)> {
    let lifeline =
        |proxy: &Arc<super::proxy::Proxy>| Some((proxy.pid, proxy.link.lifeline().ok()?));
    proxies.iter().filter_map(lifeline).collect()
}

#[cfg(test)]
#[path = "inherit_tests.rs"]
mod tests;
