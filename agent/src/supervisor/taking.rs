//! Sessions of processes that run already: a CI job's worker, a container's first process. And what is told of live sessions.
//!
//! Nothing restricts such processes but the cgroup: they keep their privileges, their sockets and their environment, and others of
//! their uid may run outside. So the session is recorded as advisory, whoever its user is.

use std::collections::BTreeMap;
use std::io;

use tracing::info;

use super::cgroup::SessionCgroup;
use super::models;
use super::moving::{self, Moved};
use super::opening::Wish;
use super::peer::{self, Child, Peer, Process, TICK_NS};
use super::roster::Held;
use super::session::{Ended, Refusal, system};
use super::shared::Shared;
use super::token::{self, Digest};
use crate::control::live::{LISTED_MAX, LiveReply, LiveSession, Take, Taken};
use crate::control::{Asker, Enforcement};
use crate::id::SessionId;

/// How often a tree of processes is looked at for those that were forked meanwhile.
const LOOKS_MAX: usize = 64;

/// Why such a session is advisory.
const REASON: &str = "its processes began outside of the session and keep what they had there";

impl Shared {
    /// Makes a session of a process and of all that it started.
    pub(super) fn take(&self, asker: &Peer, take: Take) -> Result<Taken, Refusal> {
        let pid = take.pid;
        let gone = |failure: io::Error| Refusal::NoProcess(pid, failure.to_string());
        let target = Peer::of_process(pid).map_err(gone)?;
        check_target(&target, take.uid, take.start_ticks)?;
        self.check_tree(&target)?;
        let wish = Wish {
            labels: take.labels,
            exe: take.exe,
            argv_sha256: take.argv_sha256,
            require_enforced: false,
            user: None,
            allow_same_uid: take.allow_same_uid,
            scope: take.scope,
            claimed_job: take.claimed_job.map(Box::new),
            identity_token: take.identity_token,
        };
        let (mut facts, way) = self.facts(&target, wish)?;
        facts.enforcement = Enforcement::Advisory;
        // The sign-in of the process's user is not the asker's to use.
        facts.caller = Some(Asker {
            uid: asker.uid,
            user: "root".to_owned(),
        });
        let (facts, settled) = self.settle(facts, target.uid)?;
        // An issuer may have taken its time.
        if !target.is_alive() {
            return Err(ended(pid));
        }
        let facts = self.with_models(facts, settled.models, &take.models_trust)?;
        let (ca, certificate) = self.trusted(&facts).map_err(system)?;
        let (id, notice) = (facts.id, models::notice(&facts));
        // Nobody takes it up by a secret, nor enters by a token.
        let secret = token::token().map_err(|_| Refusal::System("no randomness".to_owned()))?;
        self.make(facts, Digest::of(&secret), None, Held::ByProcess)?;
        let cgroup = self.cgroup_of(id).ok_or(Refusal::Unknown)?;
        let processes = match self.move_tree(&target, id) {
            Ok(processes) => processes,
            Err(failure) => {
                // Some may be in it already, and without it they would be cut off: it ends, and they with it. Who is in it
                // was proved to be of the tree.
                self.end(id, "daemon");
                return Err(failure);
            }
        };
        info!(session = %id, pid, processes, "session made of processes that ran");
        Ok(Taken {
            session: id,
            ca,
            certificate,
            cgroup: cgroup.path().to_owned(),
            processes,
            advisory: way.unwrap_or_else(|| REASON.to_owned()),
            notice,
        })
    }

    /// Ends a session at root's word.
    pub(super) fn end_by_word(&self, id: SessionId) -> Result<Ended, Refusal> {
        self.end(id, "closed").ok_or(Refusal::Unknown)
    }

    /// Lists live sessions behind one.
    pub(super) fn list(&self, after: Option<SessionId>) -> LiveReply {
        let roster = self.roster();
        let mut behind = (roster.live.iter())
            .filter(|(id, _)| after.is_none_or(|after| **id > after))
            .map(|(id, live)| {
                let facts = &live.entry.facts;
                LiveSession {
                    session: *id,
                    cgroup: live.cgroup.path().to_owned(),
                    opened_at: facts.opened_at.to_rfc3339(),
                    user: facts.user.clone(),
                    uid: facts.uid,
                    pid: facts.pid,
                    exe: facts.exe.clone(),
                    enforcement: facts.enforcement.as_str().to_owned(),
                    scope: facts.scope.as_str().to_owned(),
                    entered: live.entry.by_process || live.entry.container.is_some(),
                }
            });
        let sessions: Vec<LiveSession> = behind.by_ref().take(LISTED_MAX).collect();
        let more = behind.next().is_some();
        LiveReply::Listed { sessions, more }
    }

    /// Moves a process and all that descends from it, those first seen while others are moved included; tells how many. Each
    /// is known by a pidfd, and was found to be the child of one that was moved before.
    fn move_tree(&self, target: &Peer, id: SessionId) -> Result<u64, Refusal> {
        let root = target.process();
        let (mut moved, mut count) = (BTreeMap::new(), 0);
        self.move_one(root, id)?;
        moved.insert(root.pid(), root.clone());
        for _ in 0..LOOKS_MAX {
            let below = peer::descendants(root.pid()).map_err(system)?;
            if !root.is_alive() {
                return Err(ended(root.pid()));
            }
            moved.retain(|_, process: &mut Process| process.is_alive());
            let mut is_whole = true;
            for (pid, parent) in below {
                if moved.contains_key(&pid) {
                    continue;
                }
                // Its parent was not found to be of the tree, or has ended: the next look tells.
                let Some(parent) = moved.get(&parent) else {
                    is_whole = false;
                    continue;
                };
                match peer::child(pid, parent) {
                    Child::Found(process) => {
                        let what = self.move_one(&process, id)?;
                        // It may have started others before.
                        is_whole &= what != Moved::In;
                        if what != Moved::Gone {
                            count += 1;
                            moved.insert(pid, process);
                        }
                    }
                    Child::Another => is_whole = false,
                    Child::Ended => {}
                }
            }
            if is_whole {
                return Ok(count + 1);
            }
        }
        let faster = "the process starts others faster than they can be moved";
        Err(Refusal::System(faster.to_owned()))
    }

    fn move_one(&self, process: &Process, id: SessionId) -> Result<Moved, Refusal> {
        // Held meanwhile: the session does not end under a process that is to be put back.
        let roster = self.roster();
        let live = roster.live.get(&id).ok_or(Refusal::Unknown)?;
        moving::move_in(process, &live.cgroup, &self.entered).map_err(system)
    }

    /// Gives a live session's cgroup.
    pub(super) fn cgroup_of(&self, id: SessionId) -> Option<SessionCgroup> {
        let roster = self.roster();
        roster.live.get(&id).map(|live| live.cgroup.clone())
    }

    /// Refuses a tree that must not be moved: the system's first process, one of ours, one of a session, one that has the daemon.
    fn check_tree(&self, target: &Peer) -> Result<(), Refusal> {
        if target.pid == 1 {
            return Err(Refusal::NotMoved(1, "it is the system's first process"));
        }
        if self.entered.is_ours(&target.proc_cgroup) {
            let why = "it is in a session already, or the daemon's";
            return Err(Refusal::NotMoved(target.pid, why));
        }
        let tree = peer::tree(target.pid).map_err(system)?;
        if tree.contains(&std::process::id()) {
            return Err(Refusal::NotMoved(target.pid, "it started the daemon"));
        }
        let is_taken =
            |pid: &u32| peer::cgroup_of(*pid).is_ok_and(|cgroup| self.entered.is_ours(&cgroup));
        match tree.iter().find(|pid| is_taken(pid)) {
            Some(_) => {
                let why = "a process that it started is in a session already";
                Err(Refusal::NotMoved(target.pid, why))
            }
            None => Ok(()),
        }
    }
}

/// Refuses a process other than the one that was looked at before: its number may be another's by now.
pub(super) fn check_target(
    target: &Peer,
    uid: Option<u32>,
    start_ticks: Option<u64>,
) -> Result<(), Refusal> {
    let other = |expected: String, found: String| Refusal::OtherProcess {
        pid: target.pid,
        expected,
        found,
    };
    if let Some(uid) = uid.filter(|uid| *uid != target.uid) {
        let found = format!("uid {}", target.uid);
        return Err(other(format!("one of uid {uid}"), found));
    }
    let found = target.start_ns / TICK_NS;
    if let Some(ticks) = start_ticks.filter(|ticks| *ticks != found) {
        let expected = format!("one that started at tick {ticks}");
        return Err(other(expected, format!("one that started at tick {found}")));
    }
    Ok(())
}

fn ended(pid: u32) -> Refusal {
    Refusal::NoProcess(pid, "it has ended".to_owned())
}
