//! Sessions across supervisors and proxies: what an earlier one left is taken over, or ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::inherit::{KeptSession, State};
use super::kept::KeptLogins;
use super::peer;
use super::proxy::Proxy;
use super::roster::{Entry, Held, Live, Unclosed};
use super::session::told;
use super::shared::Shared;
use crate::connection::redirect::{Container, Kernel};
use crate::control::{LinkError, SessionEnd, SessionFacts};
use crate::id::SessionId;

/// How often the supervisor looks for what is due.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How often flows whose other end never came are forgotten.
const FLOWS_INTERVAL: Duration = Duration::from_secs(30);

/// How long a session waits for its `icecore run` to come back.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(30);

impl Shared {
    /// Takes over the sessions that run on, and ends those that do not. What another program of this process handed over is
    /// known of them beside.
    pub(super) fn adopt(&self, handed_over: State) {
        let State {
            mut sessions,
            unclosed,
            sign_ins,
            networks: _,
        } = handed_over;
        for (uid, sign_in) in sign_ins {
            self.sign_ins.user(uid).replace(Some(sign_in));
        }
        let mut written = self.roster().written();
        let known = self.with_kernel(|kernel| kernel.sessions());
        let patience_ns = i64::try_from(ORPHAN_PATIENCE.as_nanos()).unwrap_or(i64::MAX);
        let until_ns = self.clock.mono_ns().saturating_add(patience_ns);
        for (id, cgroup) in self.cgroups.sessions() {
            let governed = known
                .iter()
                .any(|(cgroup_id, tag)| *cgroup_id == cgroup.id && tag.id == id);
            match written.remove(&id) {
                // One that was just opened has nobody in it yet.
                Some(entry)
                    if governed && (cgroup.is_populated() || sessions.contains_key(&id)) =>
                {
                    info!(session = %id, "session adopted");
                    let kept = sessions.remove(&id).unwrap_or_default();
                    let held = match entry.by_process {
                        true => Held::ByProcess,
                        false => Held::UntilNs(until_ns),
                    };
                    let live = Live {
                        entry,
                        cgroup,
                        token: kept.token,
                        held,
                        logins: kept.logins,
                    };
                    self.roster().live.insert(id, live);
                }
                // A session that the kernel forgot would run on unseen; one without a file has nobody who can take it up.
                lost => {
                    warn!(session = %id, governed, "session could not be adopted");
                    self.clear(id, &cgroup);
                    self.end_of(lost);
                }
            }
        }
        self.adopt_containers(&mut written, &mut sessions);
        self.forget_networks();
        // Those without a cgroup ended while nobody watched, but for those whose end is known.
        for ended in unclosed {
            written.remove(&ended.end.id);
            self.roster().unclosed.push(ended);
        }
        for (_, entry) in written {
            self.end_of(Some(entry));
        }
        self.forget_strangers();
    }

    /// Tells a new proxy of all live sessions and their logins, has it take connections, and arms for it.
    ///
    /// # Errors
    /// When the proxy is lost or does not answer.
    pub(super) fn introduce(&self, proxy: &Arc<Proxy>) -> Result<(), LinkError> {
        let _telling = self.telling();
        let networks = self.introduce_networks(proxy)?;
        let all: Vec<(SessionFacts, KeptLogins)> = {
            let roster = self.roster();
            let resumed = |live: &Live| (resumed(&live.entry.facts), live.logins.clone());
            roster.live.values().map(resumed).collect()
        };
        for (facts, logins) in all {
            let id = facts.id;
            match proxy.link.opened(facts) {
                Ok(_) => self.hand_logins(proxy, id, logins)?,
                // A session that the proxy does not know gets nothing through it.
                Err(failure) if failure.is_of_one() => {
                    error!(session = %id, %failure, "session was not resumed");
                }
                Err(failure) => return Err(failure),
            }
        }
        proxy.link.all_told()?;
        self.seat(proxy);
        self.forget_left(proxy, networks);
        Ok(())
    }

    /// Does what is due from time to time, until the supervisor stops; needs a thread, since a proxy may be slow.
    pub(super) fn keep_swept(&self) {
        let mut flows_swept_ns = self.clock.mono_ns();
        let interval_ns = i64::try_from(FLOWS_INTERVAL.as_nanos()).unwrap_or(i64::MAX);
        while !self.is_stopping() {
            if self.is_handing_over() {
                thread::sleep(SWEEP_INTERVAL);
                continue;
            }
            self.end_orphans();
            self.close_unclosed();
            self.remove_empty();
            let now_ns = self.clock.mono_ns();
            if now_ns - flows_swept_ns >= interval_ns {
                flows_swept_ns = now_ns;
                self.sweep_flows();
                self.forget_containers();
            }
            thread::sleep(SWEEP_INTERVAL);
        }
    }

    fn sweep_flows(&self) {
        match self.with_kernel(Kernel::sweep) {
            Ok(0) => {}
            Ok(flows) => debug!(flows, "stale flows were forgotten"),
            Err(failure) => error!(%failure, "stale flows were not forgotten"),
        }
    }

    /// Ends the adopted sessions that nobody took up in time, and those whose first process ended.
    fn end_orphans(&self) {
        let now_ns = self.clock.mono_ns();
        let due: Vec<(SessionId, &str)> = self
            .roster()
            .live
            .iter()
            .filter_map(|(id, live)| {
                let facts = &live.entry.facts;
                let (is_due, reason) = match live.held {
                    Held::ByConnection => (false, ""),
                    Held::ByProcess => {
                        let is_same = peer::started_ns(facts.pid) == Some(facts.start_ns);
                        (!is_same, "process ended")
                    }
                    Held::ByContainer => (!live.cgroup.is_populated(), "container ended"),
                    Held::UntilNs(until_ns) => {
                        // Whoever is to enter it may still.
                        let is_empty = !live.cgroup.is_populated() && live.token.is_none();
                        let is_due = until_ns <= now_ns || is_empty;
                        (is_due, "control lost")
                    }
                };
                is_due.then_some((*id, reason))
            })
            .collect();
        for (id, reason) in due {
            self.end(id, reason);
        }
    }

    /// Has the ends recorded that no proxy was there for; each proxy is asked once.
    fn close_unclosed(&self) {
        let Some(proxy) = self.proxy(Duration::ZERO) else {
            return;
        };
        let due: Vec<Unclosed> = {
            let mut roster = self.roster();
            let all = std::mem::take(&mut roster.unclosed);
            let (due, tried) = all
                .into_iter()
                .partition(|unclosed| unclosed.tried != Some(proxy.number));
            roster.unclosed = tried;
            due
        };
        for mut unclosed in due {
            let id = unclosed.end.id;
            let closed = proxy
                .link
                .opened(resumed(&unclosed.facts))
                .and_then(|_| self.hand_logins(&proxy, id, unclosed.logins.clone()))
                .and_then(|()| proxy.link.closed(unclosed.end.clone()));
            match closed {
                Ok(_) => self.roster().forget(id),
                Err(failure) => {
                    error!(session = %id, failure = told(failure), "session's end was not recorded");
                    unclosed.tried = Some(proxy.number);
                    self.roster().unclosed.push(unclosed);
                }
            }
        }
    }

    /// Removes the cgroups of ended sessions whose last process took its time.
    fn remove_empty(&self) {
        // A session that is being opened has a cgroup before it is live.
        let _telling = self.telling();
        for (id, cgroup) in self.cgroups.sessions() {
            let live = self.roster().live.contains_key(&id);
            if !live && !cgroup.is_populated() {
                self.forget_cgroup(id, &cgroup);
            }
        }
    }

    /// Takes sessions out of the kernel's map that nobody else knows of.
    fn forget_strangers(&self) {
        for (cgroup_id, tag) in self.with_kernel(|kernel| kernel.sessions()) {
            let known = self
                .cgroups
                .sessions()
                .iter()
                .any(|(_, cgroup)| cgroup.id == cgroup_id);
            if known {
                continue;
            }
            warn!(session = %tag.id, "session without a cgroup was forgotten");
            if let Err(failure) = self.with_kernel(|kernel| kernel.remove_session(cgroup_id)) {
                error!(session = %tag.id, %failure, "session was not taken out of the kernel's map");
            }
        }
    }

    /// Takes over the containers that run on, and cuts off those that nobody knows any more.
    fn adopt_containers(
        &self,
        written: &mut BTreeMap<SessionId, Entry>,
        handed_over: &mut BTreeMap<SessionId, KeptSession>,
    ) {
        let known = self.with_kernel(|kernel| kernel.containers());
        for container in known {
            let Container {
                cgroup_id,
                tag,
                is_ended,
            } = container;
            let folder = written
                .get(&tag.id)
                .and_then(|entry| entry.container.clone());
            let cgroup = folder.and_then(|folder| self.cgroups.container(&folder).ok());
            let cgroup = cgroup.filter(|cgroup| cgroup.id == cgroup_id && cgroup.is_populated());
            match (cgroup, is_ended) {
                (Some(cgroup), false) => {
                    let Some(entry) = written.remove(&tag.id) else {
                        continue;
                    };
                    info!(session = %tag.id, "container's session adopted");
                    let kept = handed_over.remove(&tag.id).unwrap_or_default();
                    let live = Live {
                        entry,
                        cgroup,
                        token: None,
                        held: Held::ByContainer,
                        logins: kept.logins,
                    };
                    self.roster().live.insert(tag.id, live);
                }
                (_, true) => {}
                (None, false) => {
                    warn!(session = %tag.id, "container's session could not be adopted; it is cut off");
                    let ended = self.with_kernel(|kernel| kernel.end_container(cgroup_id));
                    if let Err(failure) = ended {
                        error!(session = %tag.id, %failure, "container was not cut off");
                    }
                }
            }
        }
    }

    /// Forgets the containers whose sessions are over and whose cgroups are gone.
    fn forget_containers(&self) {
        let mut ended = self.with_kernel(|kernel| kernel.containers());
        ended.retain(|container| container.is_ended);
        if ended.is_empty() {
            return;
        }
        // What cannot be listed may be there: it stays cut off.
        let Some(there) = self.cgroups.ids_below_root() else {
            return;
        };
        for container in ended {
            if there.contains(&container.cgroup_id) {
                continue;
            }
            debug!(session = %container.tag.id, "container is gone");
            let forgotten = self.with_kernel(|kernel| kernel.forget_container(container.cgroup_id));
            if let Err(failure) = forgotten {
                error!(session = %container.tag.id, %failure, "container was not forgotten");
            }
        }
    }

    /// Notes an end that a proxy has yet to record.
    fn end_of(&self, entry: Option<Entry>) {
        let Some(Entry { facts, .. }) = entry else {
            return;
        };
        let end = SessionEnd {
            id: facts.id,
            reason: "daemon".to_owned(),
            leftovers: Vec::new(),
            cpu_us: None,
        };
        self.roster().unclosed.push(Unclosed {
            facts,
            end,
            logins: KeptLogins::default(),
            tried: None,
        });
    }
}

fn resumed(facts: &SessionFacts) -> SessionFacts {
    SessionFacts {
        resumed: true,
        ..facts.clone()
    }
}
