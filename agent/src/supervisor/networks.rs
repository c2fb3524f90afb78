//! Networks of containers: the proxy's listener in each, and sockets that are made in there.
//!
//! Loopback is another one in each network namespace, so a redirected connect arrives only where somebody listens in there.
//! A port is waited for before any lock but the network's own claim is taken: what is slow in one holds up no other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tracing::{debug, error, info};

use super::cgroup::SessionCgroup;
use super::namespace::{Namespace, inodes_of_process};
use super::proxy::Proxy;
use super::roster::InNetwork;
use super::session::Refusal;
use super::shared::Shared;
use crate::config::Untrusted;
use crate::connection::redirect::KernelError;
use crate::control::LinkError;
use crate::id::SessionId;

/// Most network namespaces at a time; the kernel's map has room for 1024.
const NETWORKS_MAX: usize = 512;

/// Most of one session: a job with its services has a few at a time, and those that nobody is in any more make room.
pub(super) const SESSION_NETWORKS_MAX: usize = 32;

/// How long to wait before a port that is taken is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Longest wait for another caller who is about to listen in the same namespace, and waits for the proxy perhaps.
const CLAIM_PATIENCE: Duration = Duration::from_secs(15);

/// What is made for the next program of the daemon, and for the proxy, of one namespace.
#[derive(Debug)]
pub(super) struct Network {
    /// The namespace.
    pub(super) namespace: Namespace,
    /// The proxy's sockets in there, on 127.0.0.1 and, where it has IPv6, on `::1`.
    pub(super) listeners: Vec<TcpListener>,
    /// The sessions that have processes in there: containers of a pod share it.
    pub(super) sessions: BTreeSet<SessionId>,
}

/// The network namespaces that the proxy listens in beside the host's, by their cookies.
#[derive(Debug, Default)]
pub(super) struct Networks {
    known: Mutex<BTreeMap<u64, Network>>,
    /// Those that somebody is about to listen in.
    claimed: Mutex<BTreeSet<u64>>,
}

/// A network that is to be joined: nobody else is about to, and the port is ours in there. Nobody is told yet.
#[derive(Debug)]
pub(super) struct Bound {
    networks: Arc<Networks>,
    cookie: u64,
    namespace: Namespace,
    /// None where the network is known already.
    listeners: Vec<TcpListener>,
}

/// Why the proxy does not take a network's connections.
#[derive(Debug, Error)]
pub(super) enum Unserved {
    #[error(transparent)]
    Proxy(#[from] LinkError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl Networks {
    /// Begins with what another program of this process had.
    pub(super) fn of(known: BTreeMap<u64, Network>) -> Self {
        Self {
            known: Mutex::new(known),
            claimed: Mutex::default(),
        }
    }

    /// Makes a TCP socket in a namespace that is known, for the proxy to go on by.
    pub(super) fn socket(&self, network: u64, v6: bool) -> Result<OwnedFd, Untrusted> {
        let failed = |found: String| Untrusted {
            expected: "a socket of a session's network".to_owned(),
            found,
        };
        let namespace = {
            let known = self.known();
            let network = known.get(&network);
            let network = network.ok_or_else(|| failed("a network of no session".to_owned()))?;
            let copy = network.namespace.try_clone();
            copy.map_err(|error| failed(error.to_string()))?
        };
        let socket = namespace.socket(v6);
        socket.map_err(|error| failed(error.to_string()))
    }

    /// Looks at them all.
    pub(super) fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Network>> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else is about to listen in a namespace; it is the caller's until what this gives is dropped.
    fn claim(self: &Arc<Self>, cookie: u64, namespace: &Namespace) -> io::Result<Bound> {
        let namespace = namespace.try_clone()?;
        let mut waited = Duration::ZERO;
        while !self.claimed().insert(cookie) {
            if waited >= CLAIM_PATIENCE {
                let text = "somebody else is about to listen there, for long; ask again";
                return Err(io::Error::other(text));
            }
            thread::sleep(RETRY);
            waited += RETRY;
        }
        Ok(Bound {
            networks: Arc::clone(self),
            cookie,
            namespace,
            listeners: Vec::new(),
        })
    }

    /// Tells whether there is room for a network of a session; the lock is the caller's.
    fn look_for_room(known: &BTreeMap<u64, Network>, id: SessionId) -> Result<(), Refusal> {
        let of_session = known.values().filter(|one| one.sessions.contains(&id));
        if of_session.count() >= SESSION_NETWORKS_MAX {
            return Err(Refusal::Network(format!(
                "expected at most {SESSION_NETWORKS_MAX} networks of a session that its processes are in"
            )));
        }
        if known.len() >= NETWORKS_MAX {
            return Err(Refusal::Network(format!(
                "expected at most {NETWORKS_MAX} networks at a time"
            )));
        }
        Ok(())
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.networks.claimed().remove(&self.cookie);
    }
}

impl Shared {
    /// Takes the proxy's port in a network namespace, or finds that it is; gives none where the namespace is the daemon's own.
    ///
    /// INVARIANT: whoever calls it holds no lock, since it waits while somebody else has the port.
    pub(super) fn bind_network(
        &self,
        namespace: &Namespace,
        patience: Duration,
    ) -> Result<Option<Bound>, Refusal> {
        let failed = |error: io::Error| Refusal::Network(error.to_string());
        if namespace.is_own().map_err(failed)? {
            return Ok(None);
        }
        let cookie = namespace.cookie().map_err(failed)?;
        let mut bound = self.networks.claim(cookie, namespace).map_err(failed)?;
        let mut waited = Duration::ZERO;
        while !self.networks.known().contains_key(&cookie) {
            match namespace.listen(self.config.capture.port) {
                Ok(listeners) => {
                    for listener in &listeners {
                        self.with_kernel(|kernel| kernel.require_tag(listener.as_fd()))
                            .map_err(|error| Refusal::Network(causes(error)))?;
                    }
                    bound.listeners = listeners;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && waited < patience => {
                    thread::sleep(RETRY);
                    waited += RETRY;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Some(bound))
    }

    /// Has a session's connects of a network namespace arrive at the proxy; gives its cookie, and what it is found again by.
    /// Whoever calls it holds `telling`; the proxy is none where the next one is told of all. Whatever fails is taken back.
    pub(super) fn join_network(
        &self,
        id: SessionId,
        mut bound: Bound,
        proxy: Option<&Arc<Proxy>>,
    ) -> Result<(u64, InNetwork), Refusal> {
        let failed = |error: io::Error| Refusal::Network(error.to_string());
        let cookie = bound.cookie;
        let found_by = InNetwork {
            inode: bound.namespace.inode().map_err(failed)?,
            pid: bound.namespace.pid,
        };
        {
            let mut known = self.networks.known();
            let has_it = |one: &Network| one.sessions.contains(&id);
            if known.get(&cookie).is_some_and(has_it) {
                return Ok((cookie, found_by));
            }
            Networks::look_for_room(&known, id)?;
            if let Some(network) = known.get_mut(&cookie) {
                network.sessions.insert(id);
                return Ok((cookie, found_by));
            }
        }
        if bound.listeners.is_empty() {
            let text = "its last session has just ended; ask again";
            return Err(Refusal::Network(text.to_owned()));
        }
        let namespace = bound.namespace.try_clone().map_err(failed)?;
        if let Some(proxy) = proxy
            && let Err(unserved) = self.serve_network(proxy, cookie, &bound.listeners)
        {
            self.unserve_network(proxy, cookie);
            return Err(Refusal::Network(causes(unserved)));
        }
        let network = Network {
            namespace,
            listeners: std::mem::take(&mut bound.listeners),
            sessions: [id].into(),
        };
        self.networks.known().insert(cookie, network);
        info!(session = %id, network = cookie, "listens in a container's network");
        Ok((cookie, found_by))
    }

    /// Lets go of the namespaces that only this session used.
    pub(super) fn leave_networks(&self, id: SessionId) {
        self.leave(id, |_| true);
    }

    /// Lets go of one namespace, if only this session used it.
    pub(super) fn leave_network(&self, id: SessionId, cookie: u64) {
        self.leave(id, |other| other == cookie);
    }

    fn leave(&self, id: SessionId, is_left: impl Fn(u64) -> bool) {
        let left: Vec<u64> = {
            let mut known = self.networks.known();
            let mut left = Vec::new();
            known.retain(|cookie, network| {
                let is_last =
                    is_left(*cookie) && network.sessions.remove(&id) && network.sessions.is_empty();
                if is_last {
                    left.push(*cookie);
                }
                !is_last
            });
            for cookie in &left {
                if let Err(failure) = self.with_kernel(|kernel| kernel.remove_netns(*cookie)) {
                    error!(network = cookie, %failure, "network is not forgotten");
                }
            }
            left
        };
        let Some(proxy) = self.proxy(Duration::ZERO).filter(|_| !left.is_empty()) else {
            // One that is about to serve is told by `forget_left`.
            return;
        };
        for cookie in left {
            // Joined anew meanwhile, it is another listener's.
            if !self.networks.known().contains_key(&cookie) {
                unlisten(&proxy, cookie);
            }
        }
    }

    /// Makes room for one more network of a session that has its share, by those that none of its processes is in.
    pub(super) fn make_room(&self, id: SessionId, cgroup: &SessionCgroup) {
        let of_session: Vec<(u64, Option<u64>)> = {
            let known = self.networks.known();
            let its = known.iter().filter(|(_, one)| one.sessions.contains(&id));
            its.map(|(cookie, one)| (*cookie, one.namespace.inode().ok()))
                .collect()
        };
        if of_session.len() < SESSION_NETWORKS_MAX {
            return;
        }
        let Some(pids) = cgroup.pids() else { return };
        let mut used = BTreeSet::new();
        for pid in pids {
            match inodes_of_process(pid) {
                Ok(inodes) => used.extend(inodes),
                // Which networks it is in is not known: all may be.
                Err(failure) => return debug!(pid, %failure, "no network was let go of"),
            }
        }
        for (cookie, inode) in of_session {
            if inode.is_none_or(|inode| used.contains(&inode)) {
                continue;
            }
            debug!(session = %id, network = cookie, "nobody of the session is in this network any more");
            self.leave_network(id, cookie);
            if let Some(live) = self.roster().live.get_mut(&id) {
                live.entry.networks.remove(&cookie);
            }
        }
    }

    /// Has the proxy take a network's connections, then the kernel redirect them.
    pub(super) fn serve_network(
        &self,
        proxy: &Arc<Proxy>,
        cookie: u64,
        listeners: &[TcpListener],
    ) -> Result<(), Unserved> {
        proxy.link.listen_in(cookie, listeners)?;
        let port = self.config.capture.port;
        self.with_kernel(|kernel| kernel.add_netns(cookie, port))?;
        Ok(())
    }

    /// Has the kernel deny a network's connections, and the proxy let go of its listeners.
    pub(super) fn unserve_network(&self, proxy: &Arc<Proxy>, cookie: u64) {
        if let Err(failure) = self.with_kernel(|kernel| kernel.remove_netns(cookie)) {
            error!(network = cookie, %failure, "network is not forgotten");
        }
        unlisten(proxy, cookie);
    }
}

fn unlisten(proxy: &Arc<Proxy>, cookie: u64) {
    match proxy.link.unlisten(cookie) {
        Ok(()) => debug!(network = cookie, "listens no more"),
        Err(failure) => debug!(network = cookie, %failure, "proxy listens on"),
    }
}

/// Tells a failure with its causes.
pub(super) fn causes(failure: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::from(failure))
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
