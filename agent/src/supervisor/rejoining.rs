//! Networks across proxies and supervisors: the next proxy listens where the one before did.
//!
//! After a restart those that are on record, and no others: what else a session's processes made is denied as before. Nobody
//! waits for it: a network whose port somebody has is tried again beside all else, until a deadline of all together; till
//! then, and after that, its sessions' connects are denied.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::{debug, error};

use super::keeper::nanos;
use super::listener;
use super::namespace::{Namespace, inode_of_process};
use super::networks::{Network, SESSION_NETWORKS_MAX, Unserved, causes};
use super::proxy::Proxy;
use super::roster::InNetwork;
use super::shared::Shared;
use crate::control::LinkError;
use crate::id::SessionId;

/// How long to wait before those that are left are tried again.
const RETRY: Duration = Duration::from_millis(100);

/// A network that is on record and that the proxy does not listen in.
#[derive(Debug)]
struct Lost {
    cookie: u64,
    found_by: InNetwork,
    sessions: BTreeSet<SessionId>,
    /// The namespace, once it is found.
    namespace: Option<Namespace>,
    /// Why it is still lost.
    reason: String,
}

impl Lost {
    /// Takes the namespace of a process, if it is this one.
    fn find(&mut self, pid: u32) {
        if inode_of_process(pid) != Some(self.found_by.inode) {
            return;
        }
        let found = Namespace::of_process(pid)
            .and_then(|namespace| Ok((namespace.cookie()? == self.cookie, namespace)));
        match found {
            Ok((true, namespace)) => self.namespace = Some(namespace),
            // Another one has its inode: it is gone.
            Ok((false, _)) => self.found_by.inode = 0,
            Err(failure) => self.reason = failure.to_string(),
        }
    }
}

/// Begins to have the proxy listen again where sessions are that were adopted, unless another program handed that over.
///
/// # Errors
/// The system has no more threads.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let lost = shared.lost_networks();
    if lost.is_empty() {
        return Ok(());
    }
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("networks".to_owned())
        .spawn(move || shared.join_again(lost))
        .map(drop)
}

impl Shared {
    /// Has a new proxy listen in all of them; gives those that it was told of.
    ///
    /// # Errors
    /// The proxy is lost or does not answer.
    pub(super) fn introduce_networks(
        &self,
        proxy: &Arc<Proxy>,
    ) -> Result<BTreeSet<u64>, LinkError> {
        // Copies: who looks at them meanwhile waits for no proxy.
        let all: Vec<(u64, io::Result<Vec<TcpListener>>)> = {
            let known = self.networks.known();
            let copies = |network: &Network| {
                let listeners = network.listeners.iter();
                listeners.map(TcpListener::try_clone).collect()
            };
            known
                .iter()
                .map(|(cookie, one)| (*cookie, copies(one)))
                .collect()
        };
        let mut told = BTreeSet::new();
        for (cookie, listeners) in all {
            let served = match listeners {
                Ok(listeners) => self.serve_network(proxy, cookie, &listeners),
                Err(failure) => Err(LinkError::Refused(failure.to_string()).into()),
            };
            match served {
                Ok(()) => {
                    told.insert(cookie);
                }
                Err(Unserved::Proxy(failure)) if !failure.is_of_one() => return Err(failure),
                Err(failure) => {
                    let failure = causes(failure);
                    error!(
                        network = cookie,
                        failure,
                        "proxy does not listen in a container's network; connects of its sessions are denied"
                    );
                    self.unserve_network(proxy, cookie);
                }
            }
        }
        Ok(told)
    }

    /// Has a proxy that serves by now let go of networks that were left while it was told of them.
    pub(super) fn forget_left(&self, proxy: &Arc<Proxy>, mut told: BTreeSet<u64>) {
        {
            let known = self.networks.known();
            told.retain(|cookie| !known.contains_key(cookie));
        }
        for cookie in told {
            self.unserve_network(proxy, cookie);
        }
    }

    /// Forgets the namespaces of sessions that are not live, and those that only the kernel knows. Of the others it is written
    /// down what they are found again by.
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
        let of = |(cookie, one): (&u64, &Network)| {
            Some((*cookie, one.namespace.inode().ok()?, one.sessions.clone()))
        };
        let held: Vec<(u64, u64, BTreeSet<SessionId>)> = known.iter().filter_map(of).collect();
        drop(known);
        let mut roster = self.roster();
        for (cookie, inode, sessions) in held {
            for id in sessions {
                let Some(live) = roster.live.get_mut(&id) else {
                    continue;
                };
                let pid = live.entry.facts.pid;
                if live.entry.networks.contains_key(&cookie) {
                    continue;
                }
                (live.entry.networks).insert(cookie, InNetwork { inode, pid });
                let entry = live.entry.clone();
                if let Err(failure) = roster.write(&entry) {
                    error!(session = %id, %failure, "session's network is not written down");
                }
            }
        }
    }

    /// Gives what is on record of live sessions and is not known.
    fn lost_networks(&self) -> Vec<Lost> {
        let mut lost: BTreeMap<u64, Lost> = BTreeMap::new();
        {
            let roster = self.roster();
            for (id, live) in &roster.live {
                for (cookie, found_by) in live.entry.networks.iter().take(SESSION_NETWORKS_MAX) {
                    let network = lost.entry(*cookie).or_insert_with(|| Lost {
                        cookie: *cookie,
                        found_by: *found_by,
                        sessions: BTreeSet::new(),
                        namespace: None,
                        reason: "no process of the session was found in there".to_owned(),
                    });
                    network.sessions.insert(*id);
                }
            }
        }
        let known = self.networks.known();
        lost.retain(|cookie, _| !known.contains_key(cookie));
        lost.into_values().collect()
    }

    /// Tries them all, and those that are left again and again until the deadline; then says which are.
    fn join_again(&self, mut lost: Vec<Lost>) {
        let deadline_ns = self.clock.mono_ns() + nanos(listener::PATIENCE);
        for network in &mut lost {
            network.find(network.found_by.pid);
        }
        lost.retain_mut(|network| !self.is_joined_again(network));
        // The process on record may have ended. To list others' takes as long as they have made it.
        self.search(&mut lost);
        loop {
            lost.retain_mut(|network| !self.is_joined_again(network));
            let may_find = lost.iter().any(|network| network.namespace.is_some());
            let is_over = self.clock.mono_ns() >= deadline_ns || self.is_stopping();
            if !may_find || is_over {
                break;
            }
            thread::sleep(RETRY);
        }
        if self.is_stopping() {
            return;
        }
        for Lost {
            cookie,
            sessions,
            reason,
            ..
        } in lost
        {
            for id in sessions {
                error!(
                    session = %id, network = cookie, reason,
                    "session's network has no proxy; its connects are denied until `icecore enter --session` has it tried again"
                );
            }
        }
    }

    /// Looks for networks among all processes of their sessions.
    fn search(&self, lost: &mut [Lost]) {
        let unfound = |network: &&Lost| network.namespace.is_none();
        let sessions = lost.iter().filter(unfound);
        let sessions: BTreeSet<SessionId> = sessions.flat_map(|one| one.sessions.clone()).collect();
        for id in sessions {
            let cgroup = (self.roster().live.get(&id)).map(|live| live.cgroup.clone());
            for pid in cgroup.and_then(|cgroup| cgroup.pids()).unwrap_or_default() {
                let mut unfound = lost
                    .iter_mut()
                    .filter(|network| network.namespace.is_none() && network.sessions.contains(&id))
                    .peekable();
                if unfound.peek().is_none() {
                    break;
                }
                unfound.for_each(|network| network.find(pid));
            }
        }
    }

    /// Tries one that is found, once; tells whether nothing is left to do.
    fn is_joined_again(&self, network: &mut Lost) -> bool {
        let Some(namespace) = &network.namespace else {
            return false;
        };
        if self.is_handing_over() {
            // The next program finds it on record too.
            return false;
        }
        let joined = (self.bind_network(namespace, Duration::ZERO)).and_then(|bound| {
            let Some(bound) = bound else { return Ok(()) };
            let _telling = self.telling();
            let proxy = self.proxy(Duration::ZERO);
            let mut sessions = network.sessions.iter();
            let Some(first) = sessions.next() else {
                return Ok(());
            };
            self.join_network(*first, bound, proxy.as_ref())?;
            if let Some(known) = self.networks.known().get_mut(&network.cookie) {
                known.sessions.extend(sessions);
            }
            Ok(())
        });
        if let Err(refusal) = joined {
            debug!(network = network.cookie, %refusal, "network was not joined again");
            network.reason = refusal.to_string();
            return false;
        }
        // Those that ended meanwhile did not know of it.
        let over: Vec<SessionId> = {
            let roster = self.roster();
            let ended = |id: &&SessionId| !roster.live.contains_key(id);
            network.sessions.iter().filter(ended).copied().collect()
        };
        for id in over {
            self.leave_network(id, network.cookie);
        }
        true
    }
}
