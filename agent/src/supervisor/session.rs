//! A session's life: opened, entered, taken up again, ended.

use std::time::Duration;

use thiserror::Error;
use tracing::{debug, error, info, warn};

use super::cgroup::SessionCgroup;
use super::kept::KeptLogins;
use super::moving::{self, Moved};
use super::opening::{EXE_MAX_BYTES, SESSIONS_MAX, check_length, unsettled};
use super::peer::Peer;
use super::roster::{Entry, Held, Live, Unclosed};
use super::shared::Shared;
use super::token::Digest;
use crate::connection::redirect::SessionTag;
use crate::control::request::Wanted;
use crate::control::{
    FACTS_MAX_BYTES, FreshToken, HandedToken, Leftover, LinkError, Proof, SessionEnd, SessionFacts,
    SessionSummary, TOKEN_TEXT_MAX_BYTES,
};
use crate::id::SessionId;
use crate::identity::{CiSystem, Issuer};

/// How long a caller waits for a proxy that is being started.
pub(super) const PROXY_PATIENCE: Duration = Duration::from_secs(10);

/// How long processes that are about to end by themselves may take, before they count as left over.
const LEAVE_PATIENCE: Duration = Duration::from_millis(200);

/// How long killed processes may take to go.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// A session that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) summary: Option<SessionSummary>,
    pub(super) leftovers: Vec<Leftover>,
    pub(super) problem: Option<String>,
}

/// Why a caller is refused; each text is for its user.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Claimed(String),
    #[error("program name: expected at most {EXE_MAX_BYTES} bytes, found {0}")]
    Exe(usize),
    #[error("expected a session that is enforced (--require enforced): {0}")]
    Advisory(String),
    #[error("--user: expected to be asked by root, found uid {0}")]
    NotRoot(u32),
    #[error(
        "--user: expected a user other than root, as whom nothing is held; a rule of sudo that lets others start this must name the user"
    )]
    RootsUser,
    #[error("--user: expected a user of this host's /etc/passwd, found {0:?}")]
    NoUser(String),
    #[error(
        "expected a session of another user than the daemon's own proxy, found uid {0}: its command could end the proxy"
    )]
    ProxysUser(u32),
    #[error("the daemon is stopping")]
    Stopping,
    #[error("the daemon's proxy is not running; the daemon's log says why")]
    NoProxy,
    #[error(
        "the kernel programs were taken away and are not back; the daemon's log says what was found"
    )]
    Broken,
    #[error("there are {SESSIONS_MAX} sessions already")]
    Full,
    #[error("the session cannot be made: {0}")]
    System(String),
    #[error("identity token: expected at most {TOKEN_TEXT_MAX_BYTES} bytes, found {0}")]
    Token(usize),
    #[error(
        "what the session is known by: expected at most {FACTS_MAX_BYTES} bytes as they are written, found {0}; use fewer labels, \
         or a token with fewer claims"
    )]
    Long(usize),
    #[error("the session cannot be recorded: {0}")]
    Record(String),
    #[error(
        "the config has no issuer to log in at; the host's administrator can give one a `login`"
    )]
    NoIssuer,
    #[error("expected one of the issuers {0} with --issuer, found none")]
    SeveralIssuers(String),
    #[error("--issuer: expected the name or URL of one of the issuers {0}, found another")]
    OtherIssuer(String),
    #[error("no login is under way on this connection")]
    NoSignIn,
    #[error(
        "the login of {who} ended at {expired} and was not refreshed: {reason}; log in again: icecore login"
    )]
    SignInOver {
        who: String,
        expired: String,
        reason: String,
    },
    #[error("expected to be asked by the process that connected, found that it has ended")]
    Gone,
    #[error("process {pid}: expected {expected}, found {found}")]
    OtherProcess {
        pid: u32,
        expected: String,
        found: String,
    },
    #[error("process {0}: expected one that runs: {1}")]
    NoProcess(u32, String),
    #[error("container: {0}")]
    Container(String),
    #[error("network: {0}")]
    Network(String),
    #[error("process {0} cannot be moved into a session: {1}")]
    NotMoved(u32, &'static str),
    /// What the proxy says, in its own words.
    #[error("{0}")]
    Proxy(String),
    #[error("there is no such session, or it is another user's, or its secret is another")]
    Unknown,
    #[error("the session is held by another connection")]
    Held,
    /// Why nothing was replaced.
    #[error("{0}")]
    Upgrade(String),
}

impl Shared {
    /// Says how a token for a session is to be had.
    pub(super) fn wanted(&self) -> Wanted {
        let identity = self.identity();
        let github = |issuer: &&Issuer| issuer.ci == Some(CiSystem::GitHub);
        let github = identity.issuers.iter().find(github);
        Wanted {
            variable: identity
                .takes_tokens()
                .then(|| identity.token_variable.clone()),
            github_audience: github.and_then(|issuer| issuer.audiences.first().cloned()),
        }
    }

    /// Has a fresh token show whom a session acts for.
    pub(super) fn identify(&self, id: SessionId, token: HandedToken) -> Result<(), Refusal> {
        check_token(&token)?;
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        let fresh = FreshToken { id, token };
        let settled = proxy.link.identified(fresh).map_err(unsettled)?;
        let Some(sealed) = settled.sealed else {
            return Ok(());
        };
        self.keep_seal(id, sealed).map_err(Refusal::System)
    }

    /// Keeps, in memory and on disk, what the next proxy knows a session's principal by.
    fn keep_seal(&self, id: SessionId, sealed: String) -> Result<(), String> {
        let mut roster = self.roster();
        let Some(live) = roster.live.get_mut(&id) else {
            return Err("the session ended meanwhile".to_owned());
        };
        let facts = SessionFacts {
            proof: Proof::Sealed(sealed),
            ..live.entry.facts.clone()
        };
        check_length(&facts).map_err(|refusal| refusal.to_string())?;
        live.entry.facts = facts;
        let entry = live.entry.clone();
        roster.write(&entry).map_err(|error| error.to_string())
    }

    /// Moves the peer into a session that its user opened; what it becomes in there is its own affair.
    pub(super) fn enter(&self, peer: &Peer, id: SessionId, token: &str) -> Result<(), Refusal> {
        let mut roster = self.roster();
        let live = roster.live.get_mut(&id).ok_or(Refusal::Unknown)?;
        let known =
            live.entry.facts.caller_uid() == peer.uid && live.token == Some(Digest::of(token));
        if !known {
            return Err(Refusal::Unknown);
        }
        live.token = None;
        match moving::move_in(peer.process(), &live.cgroup, &self.entered).map_err(system)? {
            Moved::In | Moved::Already => Ok(()),
            Moved::Gone => Err(Refusal::Gone),
        }
    }

    /// Takes up a session that an earlier supervisor opened.
    pub(super) fn attach(&self, peer: &Peer, id: SessionId, secret: &str) -> Result<(), Refusal> {
        let mut roster = self.roster();
        let live = roster.live.get_mut(&id).ok_or(Refusal::Unknown)?;
        let entry = &live.entry;
        if entry.facts.caller_uid() != peer.uid || entry.secret != Digest::of(secret) {
            return Err(Refusal::Unknown);
        }
        match live.held {
            Held::UntilNs(_) => {}
            Held::ByConnection | Held::ByProcess | Held::ByContainer => return Err(Refusal::Held),
        }
        live.held = Held::ByConnection;
        info!(session = %id, "session taken up again");
        Ok(())
    }

    /// Ends a session: kills what is left, then forgets it; gives none if it has ended already.
    pub(super) fn end(&self, id: SessionId, reason: &str) -> Option<Ended> {
        // It would be in neither's hands. Its launcher says it again to the program that takes over.
        self.wait_for_hand_over();
        let live = self.roster().live.remove(&id)?;
        // A container is its runtime's to end; what runs in it gets no network from here on.
        let leftovers = if live.cgroup.is_containers() {
            Vec::new()
        } else {
            let _left_by_itself = live.cgroup.wait_until_empty(LEAVE_PATIENCE, self.clock);
            live.cgroup.processes()
        };
        let cpu_us = live.cgroup.cpu_us();
        self.clear(id, &live.cgroup);
        self.leave_networks(id);
        let end = SessionEnd {
            id,
            reason: reason.to_owned(),
            leftovers: leftovers.clone(),
            cpu_us,
        };
        // What the kernel saw of it goes into the record before its end does.
        self.hand_on_observed();
        debug!(session = %id, reason, leftovers = leftovers.len(), "session ended");
        let outcome = self.record_end(&live.entry.facts, end, live.logins);
        let (summary, problem) = match outcome {
            Ok(summary) => (Some(summary), None),
            Err(failure) => (None, Some(told(failure))),
        };
        Some(Ended {
            summary,
            leftovers,
            problem,
        })
    }

    /// Makes a session known to the kernel, to the next supervisor and to this one.
    pub(super) fn register(&self, live: Live) -> Result<(), Refusal> {
        let Entry { facts, .. } = &live.entry;
        let (id, cgroup) = (facts.id, live.cgroup.clone());
        let tag = SessionTag {
            id,
            nonce: facts.nonce,
            uid: facts.uid,
        };
        let known = self
            .with_kernel(|kernel| match cgroup.container_level {
                None => kernel.add_session(cgroup.id, tag),
                Some(level) => kernel.add_container(cgroup.id, level, tag),
            })
            .map_err(|failure| failure.to_string())
            .and_then(|()| {
                let roster = self.roster();
                roster.write(&live.entry).map_err(|error| error.to_string())
            });
        if let Err(failure) = known {
            self.clear(id, &cgroup);
            self.roster().forget(id);
            return Err(Refusal::System(failure));
        }
        self.roster().live.insert(id, live);
        Ok(())
    }

    /// Takes back a session that the proxy did not record.
    pub(super) fn end_unrecorded(&self, id: SessionId, failure: &LinkError, proxy: u64) {
        let Some(live) = self.roster().live.remove(&id) else {
            return;
        };
        self.clear(id, &live.cgroup);
        self.leave_networks(id);
        let mut roster = self.roster();
        if failure.is_of_one() {
            roster.forget(id);
            return;
        }
        // The proxy may have recorded the opening before it was lost; then the record needs an end too.
        roster.unclosed.push(Unclosed {
            facts: live.entry.facts,
            end: SessionEnd {
                id,
                reason: "daemon".to_owned(),
                leftovers: Vec::new(),
                cpu_us: None,
            },
            logins: live.logins,
            tried: Some(proxy),
        });
    }

    /// Kills what runs in a cgroup, then takes it out of the kernel's map, then removes it; never in another order. What runs
    /// in a container is cut off instead, for as long as its cgroup is there.
    pub(super) fn clear(&self, id: SessionId, cgroup: &SessionCgroup) {
        if cgroup.is_containers() {
            if let Err(failure) = self.with_kernel(|kernel| kernel.end_container(cgroup.id)) {
                error!(session = %id, %failure, "container was not cut off");
            }
            return;
        }
        if let Err(failure) = cgroup.kill() {
            error!(session = %id, %failure, "session was not killed");
        }
        if !cgroup.wait_until_empty(KILL_PATIENCE, self.clock) {
            // It stays governed; the next sweep looks again.
            warn!(session = %id, "session has processes that cannot be killed");
            return;
        }
        self.forget_cgroup(id, cgroup);
    }

    /// Takes an empty cgroup out of the kernel's map and removes it.
    pub(super) fn forget_cgroup(&self, id: SessionId, cgroup: &SessionCgroup) {
        if let Err(failure) = self.with_kernel(|kernel| kernel.remove_session(cgroup.id)) {
            error!(session = %id, %failure, "session was not taken out of the kernel's map");
        }
        if let Err(failure) = cgroup.remove() {
            error!(session = %id, %failure, "session's cgroup was not removed");
        }
    }

    /// Has the end recorded by this proxy or, if that fails, by the next one.
    fn record_end(
        &self,
        facts: &SessionFacts,
        end: SessionEnd,
        logins: KeptLogins,
    ) -> Result<SessionSummary, LinkError> {
        let proxy = self.proxy_soon();
        let outcome = match &proxy {
            Some(proxy) => proxy.link.closed(end.clone()),
            None => Err(LinkError::Gone),
        };
        let mut roster = self.roster();
        match &outcome {
            Ok(_) => roster.forget(end.id),
            Err(failure) => {
                error!(session = %end.id, %failure, "session's end was not recorded");
                roster.unclosed.push(Unclosed {
                    facts: facts.clone(),
                    end,
                    logins,
                    tried: proxy.map(|proxy| proxy.number),
                });
            }
        }
        outcome
    }
}

pub(super) fn check_token(token: &HandedToken) -> Result<(), Refusal> {
    let bytes = token.reveal().len();
    if bytes > TOKEN_TEXT_MAX_BYTES {
        return Err(Refusal::Token(bytes));
    }
    Ok(())
}

/// Tells a failure to its user with its causes.
pub(super) fn told(failure: LinkError) -> String {
    format!("{:#}", anyhow::Error::from(failure))
}

pub(super) fn system(failure: std::io::Error) -> Refusal {
    Refusal::System(failure.to_string())
}
