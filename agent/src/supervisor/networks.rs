//! Network namespaces of containers: the proxy's listener in each, and sockets that are made in there.
//!
//! Loopback is another one in each namespace, so a redirected connect arrives only where somebody listens in there. What is
//! made while a thread is in a namespace stays there for good, whoever holds it; the thread ends, so that none stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tracing::{debug, error, info};

use super::listener;
use super::proxy::Proxy;
use super::session::{Refusal, told};
use super::shared::Shared;
use crate::config::Untrusted;
use crate::connection::redirect::netns_cookie;
use crate::control::LinkError;
use crate::id::SessionId;

/// Most network namespaces at a time; the kernel's map has room for 1024.
const NETWORKS_MAX: usize = 512;

/// What is made for the next program of the daemon, and for the proxy, of one namespace.
#[derive(Debug)]
pub(super) struct Network {
    /// The namespace.
    pub(super) namespace: File,
    /// The proxy's sockets in there, on 127.0.0.1 and, where it has IPv6, on `::1`.
    pub(super) listeners: Vec<TcpListener>,
    /// The sessions that have processes in there: containers of a pod share it.
    pub(super) sessions: BTreeSet<SessionId>,
}

/// The network namespaces that the proxy listens in beside the host's, by their cookies.
#[derive(Debug, Default)]
pub(super) struct Networks {
    known: Mutex<BTreeMap<u64, Network>>,
}

impl Networks {
    /// Begins with what another program of this process had.
    pub(super) fn of(known: BTreeMap<u64, Network>) -> Self {
        Self {
            known: Mutex::new(known),
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
        let family = match v6 {
            true => AddressFamily::INET6,
            false => AddressFamily::INET,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        inside(&namespace, || {
            Ok(socket_with(family, SocketType::STREAM, flags, None)?)
        })
        .map_err(|error| failed(error.to_string()))
    }

    /// Looks at them all.
    pub(super) fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Network>> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the network namespace that a process is in.
pub(super) fn of_process(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/ns/net"))
}

/// Does something in a network namespace, on a thread of its own.
pub(super) fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let enter_and_work = || {
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), kind).map_err(|error| {
            let text = format!(
                "a container's network could not be entered (it takes CAP_SYS_ADMIN, which the packaged unit leaves out: \
                 docs/install.md, \"Containers\"): {error}"
            );
            io::Error::new(io::Error::from(error).kind(), text)
        })?;
        work()
    };
    thread::scope(|scope| {
        let working = thread::Builder::new()
            .name("network".to_owned())
            .spawn_scoped(scope, enter_and_work)?;
        let done = working.join();
        done.map_err(|_| io::Error::other("the daemon failed; this is a bug"))?
    })
}

/// Tells a namespace's cookie.
fn cookie_of(namespace: &File) -> io::Result<u64> {
    inside(namespace, || {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        netns_cookie(socket.as_fd())
    })
}

impl Shared {
    /// Has a session's connects of a network namespace arrive at the proxy; gives the cookie, or none where it is the daemon's
    /// own. Whoever calls it holds `telling`; the proxy is none where the next one is told of all.
    pub(super) fn join_network(
        &self,
        id: SessionId,
        namespace: File,
        proxy: Option<&Arc<Proxy>>,
        patience: Duration,
    ) -> Result<Option<u64>, Refusal> {
        let failed = |error: io::Error| Refusal::Network(error.to_string());
        let own = File::open("/proc/self/ns/net").map_err(failed)?;
        let is_own = same(&own, &namespace).map_err(failed)?;
        if is_own {
            return Ok(None);
        }
        let cookie = cookie_of(&namespace).map_err(failed)?;
        let mut known = self.networks.known();
        if let Some(network) = known.get_mut(&cookie) {
            network.sessions.insert(id);
            return Ok(Some(cookie));
        }
        if known.len() >= NETWORKS_MAX {
            return Err(Refusal::Network(format!(
                "expected at most {NETWORKS_MAX} networks at a time"
            )));
        }
        let port = self.config.capture.port;
        let listeners = inside(&namespace, || {
            listener::bind_both(port, patience).map_err(|error| {
                io::Error::new(
                    error.source.kind(),
                    format!(
                        "{error}: {} (is its loopback up, and the port free?)",
                        error.source
                    ),
                )
            })
        })
        .map_err(failed)?;
        for listener in &listeners {
            self.with_kernel(|kernel| kernel.require_tag(listener.as_fd()))
                .map_err(|error| Refusal::Network(format!("{:#}", anyhow::Error::from(error))))?;
        }
        if let Some(proxy) = proxy {
            let listens = proxy.link.listen_in(cookie, &listeners);
            listens.map_err(|failure| Refusal::Network(told(failure)))?;
        }
        self.with_kernel(|kernel| kernel.add_netns(cookie, port))
            .map_err(|error| Refusal::Network(format!("{:#}", anyhow::Error::from(error))))?;
        info!(session = %id, network = cookie, "listens in a container's network");
        known.insert(
            cookie,
            Network {
                namespace,
                listeners,
                sessions: [id].into(),
            },
        );
        Ok(Some(cookie))
    }

    /// Lets go of the namespaces that only this session used.
    pub(super) fn leave_networks(&self, id: SessionId) {
        let left: Vec<u64> = {
            let mut known = self.networks.known();
            let mut left = Vec::new();
            known.retain(|cookie, network| {
                let is_last = network.sessions.remove(&id) && network.sessions.is_empty();
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
            return;
        };
        for cookie in left {
            match proxy.link.unlisten(cookie) {
                Ok(()) => debug!(network = cookie, "listens no more"),
                Err(failure) => debug!(network = cookie, %failure, "proxy listens on"),
            }
        }
    }

    /// Has a new proxy listen in all of them.
    ///
    /// # Errors
    /// The proxy is lost or does not answer.
    pub(super) fn introduce_networks(&self, proxy: &Arc<Proxy>) -> Result<(), LinkError> {
        let known = self.networks.known();
        for (cookie, network) in known.iter() {
            match proxy.link.listen_in(*cookie, &network.listeners) {
                Ok(()) => {}
                // Its sessions' connects wait for nobody, and end by their own patience.
                Err(failure) if failure.is_of_one() => {
                    error!(network = cookie, %failure, "proxy does not listen in a container's network");
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Listens anew in the namespaces of a session that an earlier supervisor left, by its processes.
    pub(super) fn join_networks_again(&self, id: SessionId, pids: impl Iterator<Item = u32>) {
        for pid in pids {
            let Ok(namespace) = of_process(pid) else {
                continue;
            };
            if let Err(failure) = self.join_network(id, namespace, None, listener::PATIENCE) {
                error!(session = %id, pid, %failure, "session's network has no proxy; its connects are denied");
            }
        }
    }

    /// Forgets the namespaces of sessions that are not live, and those that only the kernel knows.
    pub(super) fn forget_networks(&self) {
        let live: BTreeSet<SessionId> = self.roster().live.keys().copied().collect();
        let mut known = self.networks.known();
        known.retain(|_, network| {
            network.sessions.retain(|id| live.contains(id));
            !network.sessions.is_empty()
        });
        let kept: Vec<u64> = known.keys().copied().collect();
        if let Err(failure) = self.with_kernel(|kernel| kernel.keep_netns(&kept)) {
            error!(%failure, "networks of sessions that are over are not forgotten");
        }
    }
}

/// Tells whether two files are of the same namespace (namespaces(7): by device and inode).
fn same(one: &File, other: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}
