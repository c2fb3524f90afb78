//! Sessions of containers: each stays in the cgroup of its runtime, and the proxy listens in its network.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tracing::info;

use super::cgroup::{SessionCgroup, own_path};
use super::contained::Stood;
use super::kept::KeptLogins;
use super::models;
use super::namespace::Namespace;
use super::opening::{Wish, unrecorded};
use super::peer::Peer;
use super::roster::{Entry, Held, Live};
use super::session::{Refusal, system};
use super::shared::Shared;
use super::taking::check_target;
use super::token::{self, Digest};
use crate::connection::redirect::v2_mount;
use crate::control::live::{Contain, Contained};
use crate::control::{Asker, Enforcement, Scope, SessionFacts};
use crate::id::SessionId;

/// How long the proxy's port in a container's network may be somebody's: of a session that has just ended there.
const PORT_PATIENCE: Duration = Duration::from_secs(1);

impl Shared {
    /// Makes a session of a container.
    pub(super) fn contain(&self, asker: &Peer, contain: Contain) -> Result<Contained, Refusal> {
        let Contain {
            take,
            cgroup,
            netns_of,
            require_enforced,
        } = contain;
        let pid = take.pid;
        let gone =
            |pid: u32| move |failure: io::Error| Refusal::NoProcess(pid, failure.to_string());
        let target = Peer::of_process(pid).map_err(gone(pid))?;
        check_target(&target, take.uid, take.start_ticks)?;
        let cgroup = self.container_of(asker, &target, cgroup)?;
        let in_network = netns_of.unwrap_or(pid);
        let namespace = Namespace::of_process(in_network).map_err(gone(in_network))?;
        let wish = Wish {
            labels: take.labels,
            exe: take.exe,
            argv_sha256: take.argv_sha256,
            require_enforced: false,
            user: None,
            allow_same_uid: take.allow_same_uid,
            scope: Scope::Container,
            claimed_job: take.claimed_job.map(Box::new),
            identity_token: take.identity_token,
        };
        let (facts, _) = self.facts(&target, wish)?;
        let (way, is_apart) = {
            let stood = self.stills.hold(cgroup.path());
            let look = self.look(&cgroup, &stood);
            (look.way.or_else(|| went_on(&stood)), look.is_apart)
        };
        if require_enforced {
            let reason = way.clone().or_else(|| self.gap());
            reason.map_or(Ok(()), |reason| Err(Refusal::Advisory(reason)))?;
        }
        let facts = SessionFacts {
            // The uid of a process in other namespaces is nobody's outside of them that it could reach.
            shares_uid: facts.shares_uid.filter(|_| !is_apart),
            enforcement: enforcement(way.as_ref()),
            // The sign-in of the process's user is not the asker's to use.
            caller: Some(Asker {
                uid: asker.uid,
                user: "root".to_owned(),
            }),
            cgroup_id: cgroup.id,
            ..facts
        };
        let (facts, settled) = self.settle(facts, target.uid)?;
        let facts = self.with_models(facts, settled.models, &take.models_trust)?;
        // By its pidfd: what was read of it was this process's.
        if !target.is_alive() {
            return Err(gone(pid)(io::Error::other("it ended")));
        }
        let session = facts.id;
        let made = self.make_container(facts, cgroup, namespace, require_enforced)?;
        info!(%session, pid, advisory = made.advisory, "session made of a container");
        Ok(made)
    }

    /// Has the proxy listen in the network of a session's process, such as a container's that was started below the session.
    pub(super) fn join(&self, id: SessionId, pid: u32) -> Result<Option<u64>, Refusal> {
        let gone = |failure: io::Error| Refusal::NoProcess(pid, failure.to_string());
        let target = Peer::of_process(pid).map_err(gone)?;
        let cgroup = {
            let roster = self.roster();
            let live = roster.live.get(&id).ok_or(Refusal::Unknown)?;
            live.cgroup.clone()
        };
        if !cgroup.holds(&target.proc_cgroup) {
            let why = format!("expected process {pid} in the session or in a cgroup below it");
            return Err(Refusal::Network(why));
        }
        let namespace = Namespace::of_process(pid).map_err(gone)?;
        if !target.is_alive() {
            return Err(gone(io::Error::other("it ended")));
        }
        self.make_room(id, &cgroup);
        let Some(bound) = self.bind_network(&namespace, PORT_PATIENCE)? else {
            return Ok(None);
        };
        let (_telling, proxy) = self.telling_a_proxy()?;
        let (network, found_by) = self.join_network(id, bound, Some(&proxy))?;
        let mut roster = self.roster();
        let written = match roster.live.get_mut(&id) {
            Some(live) => {
                live.entry.networks.insert(network, found_by);
                let entry = live.entry.clone();
                roster.write(&entry).map_err(system)
            }
            // It ended meanwhile, and did not know of this network.
            None => Err(Refusal::Unknown),
        };
        if written.is_err()
            && let Some(live) = roster.live.get_mut(&id)
        {
            live.entry.networks.remove(&network);
        }
        drop(roster);
        if let Err(refusal) = written {
            self.leave_network(id, network);
            return Err(refusal);
        }
        Ok(Some(network))
    }

    /// Finds a container's cgroup, and refuses one that must not be a session.
    fn container_of(
        &self,
        asker: &Peer,
        target: &Peer,
        folder: Option<PathBuf>,
    ) -> Result<SessionCgroup, Refusal> {
        let own = || Some(v2_mount()?.join(own_path(&target.proc_cgroup)?.trim_start_matches('/')));
        let folder = folder.or_else(own);
        let folder = folder.ok_or_else(|| {
            Refusal::Container("expected a process in a cgroup v2, found none".to_owned())
        })?;
        let cgroup = self
            .cgroups
            .container(&folder)
            .map_err(Refusal::Container)?;
        let refused = |why: &str| Err(Refusal::Container(why.to_owned()));
        if !cgroup.holds(&target.proc_cgroup) {
            return refused("expected the process in that cgroup or below, found it elsewhere");
        }
        if target.pid == 1 || cgroup.holds(&asker.proc_cgroup) {
            return refused(
                "expected one that holds neither the system's first process nor whoever asks",
            );
        }
        let known = self.with_kernel(|kernel| kernel.containers());
        for above in cgroup.path().ancestors().skip(1) {
            let above = self.cgroups.container(above).ok();
            let is_one = |id: u64| known.iter().any(|one| one.cgroup_id == id);
            if above.is_some_and(|above| is_one(above.id)) {
                return refused("it is part of a container that is, or was, a session");
            }
        }
        let roster = self.roster();
        let mut others = roster.live.values().map(|live| live.cgroup.path());
        if others.any(|other| other.starts_with(cgroup.path())) {
            return refused("it is a session already, or holds one");
        }
        drop(roster);
        Ok(cgroup)
    }

    /// Makes a session that is settled, and has it recorded. The proxy listens before anything is redirected there.
    fn make_container(
        &self,
        facts: SessionFacts,
        cgroup: SessionCgroup,
        namespace: Namespace,
        require_enforced: bool,
    ) -> Result<Contained, Refusal> {
        if self.is_broken() {
            return Err(Refusal::Broken);
        }
        let (_, certificate) = self.trusted(&facts).map_err(system)?;
        let notice = models::notice(&facts);
        let secret = token::token().map_err(|_| Refusal::System("no randomness".to_owned()))?;
        let id = facts.id;
        let bound = self.bind_network(&namespace, PORT_PATIENCE)?;
        // A proxy is waited for before, since it stands still from here until it is governed and was looked at: what it has by
        // then it had before. The look may take long, and holds up nobody else.
        drop(self.telling_a_proxy()?);
        let stood = self.stills.hold(cgroup.path());
        // Once more: what it came by since the first look is told now.
        let look = self.look(&cgroup, &stood);
        let (_telling, proxy) = self.telling_a_proxy()?;
        self.look_for_room()?;
        let joined = bound.map(|bound| self.join_network(id, bound, Some(&proxy)));
        let network = joined.transpose()?;
        let mut entry = Entry {
            facts,
            // Nobody takes it up by a secret.
            secret: Digest::of(&secret),
            by_process: false,
            container: Some(cgroup.path().to_owned()),
            networks: network.into_iter().collect(),
        };
        let registered = self.register(Live {
            entry: entry.clone(),
            cgroup: cgroup.clone(),
            token: None,
            held: Held::ByContainer,
            logins: KeptLogins::default(),
        });
        if let Err(refusal) = registered {
            self.leave_networks(id);
            return Err(refusal);
        }
        let way = look.way.or_else(|| went_on(&stood));
        drop(stood);
        entry.facts.enforcement = enforcement(way.as_ref());
        let settled = match (&way, require_enforced) {
            (Some(reason), true) => Err(Refusal::Advisory(reason.clone())),
            (_, _) => self.settle_entry(&entry),
        };
        if let Err(refusal) = settled {
            // Nothing of it is on record yet.
            self.roster().live.remove(&id);
            self.clear(id, &cgroup);
            self.leave_networks(id);
            self.roster().forget(id);
            return Err(refusal);
        }
        if let Err(failure) = proxy.link.opened(entry.facts) {
            self.end_unrecorded(id, &failure, proxy.number);
            return Err(unrecorded(failure));
        }
        Ok(Contained {
            session: id,
            certificate,
            cgroup: cgroup.path().to_owned(),
            network: network.map(|(cookie, _)| cookie),
            advisory: way,
            notice,
        })
    }

    fn settle_entry(&self, entry: &Entry) -> Result<(), Refusal> {
        let mut roster = self.roster();
        let live = roster.live.get_mut(&entry.facts.id);
        live.ok_or(Refusal::Unknown)?.entry = entry.clone();
        roster.write(entry).map_err(system)
    }
}

/// Tells that it did not stand still to the end of a look.
fn went_on(stood: &Stood) -> Option<String> {
    // Where it did not stand at all the look says so.
    stood
        .as_ref()
        .ok()?
        .stood()
        .err()
        .map(|failure| failure.to_string())
}

fn enforcement(way: Option<&String>) -> Enforcement {
    match way {
        Some(_) => Enforcement::Advisory,
        None => Enforcement::Enforced,
    }
}
