//! A session's beginning: its facts, who it acts for, its place, and its record, in this order.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tracing::debug;

use super::kept::KeptLogins;
use super::limits;
use super::peer::Peer;
use super::proxy::Proxy;
use super::rights::Accounts;
use super::roster::{Entry, Held, Live};
use super::session::{PROXY_PATIENCE, Refusal, check_token, system, told};
use super::shared::Shared;
use super::token::{self, Digest};
use crate::config::{Config, Guard, Mode};
use crate::connection::redirect::v2_mount;
use crate::control::request::{Opened, PROMPTS_MAX, check_job, check_labels};
use crate::control::{
    Asker, Enforcement, FACTS_MAX_BYTES, HandedToken, LinkError, ModelsRead, Proof, Scope,
    SessionFacts, Settled,
};
use crate::id::SessionId;
use crate::identity::Ci;

/// Most sessions at a time; the kernel's map has room for 4096.
pub(super) const SESSIONS_MAX: usize = 2048;

/// Longest program name that is recorded (`PATH_MAX`, linux/limits.h).
pub(super) const EXE_MAX_BYTES: usize = 4096;

/// What is asked for when a session is opened.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) exe: String,
    pub(super) argv_sha256: [u8; 32],
    pub(super) require_enforced: bool,
    pub(super) user: Option<String>,
    pub(super) allow_same_uid: bool,
    pub(super) scope: Scope,
    pub(super) claimed_job: Option<Box<Ci>>,
    pub(super) identity_token: Option<HandedToken>,
}

/// Who a session's command runs as.
struct Runner {
    uid: u32,
    user: String,
    gids: Vec<u32>,
    /// Who asked for it, if that is another.
    caller: Option<Asker>,
}

impl Shared {
    /// Opens a session for a peer; nothing runs in it yet.
    pub(super) fn open(
        &self,
        peer: &Peer,
        wish: Wish,
        prompts: Vec<[u8; 32]>,
    ) -> Result<Opened, Refusal> {
        let (mut facts, advisory) = self.facts(peer, wish)?;
        if prompts.len() > PROMPTS_MAX {
            let found = prompts.len();
            let text = format!("expected at most {PROMPTS_MAX} prompts, found {found}");
            return Err(Refusal::Claimed(text));
        }
        facts.prompts = prompts;
        let (Ok(secret), Ok(token)) = (token::token(), token::token()) else {
            return Err(no_randomness());
        };
        let (mut facts, settled) = self.settle(facts, peer.uid)?;
        facts.models = settled.models;
        check_length(&facts)?;
        // An issuer may have taken its time.
        if !peer.is_alive() {
            return Err(Refusal::Gone);
        }
        let (ca, certificate) = self.trusted(&facts).map_err(system)?;
        let notice = facts.models.as_ref().map(ModelsRead::notice);
        let telemetry = facts.models.as_ref().is_some_and(|models| models.telemetry);
        let id = facts.id;
        let (secret_digest, token_digest) = (Digest::of(&secret), Digest::of(&token));
        self.make(facts, secret_digest, Some(token_digest), Held::ByConnection)?;
        debug!(session = %id, advisory, "session opened");
        Ok(Opened {
            session: id,
            secret,
            token,
            ca,
            certificate,
            mode: self.config.daemon.mode.as_str().to_owned(),
            record_mode: self.config.record.mode.as_str().to_owned(),
            store: self.config.record.store.clone(),
            advisory,
            same_uid: settled.same_uid,
            io_uring: self.config.capture.io_uring,
            notice,
            telemetry,
        })
    }

    /// Has the proxy find out whom a session acts for; gives the facts with that, and what else it found.
    pub(super) fn settle(
        &self,
        mut facts: SessionFacts,
        uid: u32,
    ) -> Result<(SessionFacts, Settled), Refusal> {
        // Before `telling` is taken: an issuer may be slow, and who seats a proxy needs that lock too.
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        // A token is used up by being settled: not for a session that cannot be.
        self.look_for_room()?;
        // Who starts a command for another user acts for the job, not for himself.
        if facts.proof == Proof::Absent && facts.caller.is_none() {
            facts.proof = self.proof_of(uid)?;
            facts.by_login = facts.proof != Proof::Absent;
        }
        check_length(&facts)?;
        let mut settled = proxy.link.settle(facts.clone()).map_err(unsettled)?;
        // What is written to disk never holds the token.
        let sealed = settled.sealed.take();
        let has_lineage = self.with_kernel(|kernel| kernel.has_lineage());
        settled.models = settled.models.map(|models| ModelsRead {
            lineage_unseen: !has_lineage,
            ..models
        });
        facts.proof = sealed.map_or(Proof::Absent, Proof::Sealed);
        check_length(&facts)?;
        Ok((facts, settled))
    }

    /// Finds out what a wish comes to; gives also why the session would be advisory, if it would.
    pub(super) fn facts(
        &self,
        peer: &Peer,
        wish: Wish,
    ) -> Result<(SessionFacts, Option<String>), Refusal> {
        check_labels(&wish.labels).map_err(Refusal::Claimed)?;
        let is_recorded = self.identity().claimed_job_facts;
        let claimed_job = wish.claimed_job.filter(|_| is_recorded).map(|job| *job);
        let checked = claimed_job.as_ref().map_or(Ok(()), check_job);
        checked.map_err(Refusal::Claimed)?;
        if wish.exe.len() > EXE_MAX_BYTES {
            return Err(Refusal::Exe(wish.exe.len()));
        }
        let brought = wish.identity_token;
        brought.as_ref().map_or(Ok(()), check_token)?;
        let accounts = Accounts::read();
        let runner = runner(peer, wish.user.as_deref(), &accounts)?;
        if !self.owner.is_root() && runner.uid == self.owner.uid {
            return Err(Refusal::ProxysUser(runner.uid));
        }
        let shares_uid = peer.shares(runner.uid);
        // Not by ptrace(2) alone, which Yama and Landlock may bar: by files that such a process runs next, its terminal, its user's services.
        let taken_over = |whose: &String| {
            format!(
                "{whose} its command's uid too, and can be taken over; start as root with --user NAME"
            )
        };
        let advisory = accounts
            .way_to_root(runner.uid, &runner.gids)
            .or_else(|| shares_uid.as_ref().map(taken_over));
        if wish.require_enforced {
            let reason = advisory.clone().or_else(|| self.gap());
            reason.map_or(Ok(()), |reason| Err(Refusal::Advisory(reason)))?;
        }
        let facts = SessionFacts {
            id: SessionId::new(),
            nonce: token::number().map_err(|_| no_randomness())?,
            // It has none yet.
            cgroup_id: 0,
            by_login: false,
            shares_uid,
            allow_same_uid: wish.allow_same_uid,
            scope: wish.scope,
            uid: runner.uid,
            user: runner.user,
            caller: runner.caller,
            pid: peer.pid,
            start_ns: peer.start_ns,
            exe: wish.exe,
            argv_sha256: wish.argv_sha256,
            labels: wish.labels,
            claimed_job,
            opened_at: self.clock.now(),
            resumed: false,
            enforcement: match advisory {
                Some(_) => Enforcement::Advisory,
                None => Enforcement::Enforced,
            },
            proof: brought.map_or(Proof::Absent, Proof::Token),
            models: None,
            models_unread: Vec::new(),
            prompts: Vec::new(),
        };
        Ok((facts, advisory))
    }

    /// Tells why no session of this host is enforced whole, if the config says so itself.
    pub(super) fn gap(&self) -> Option<String> {
        let Config {
            daemon, capture, ..
        } = &self.config;
        if daemon.mode == Mode::Observe {
            return Some("`daemon.mode` is `observe`: nothing is refused".to_owned());
        }
        (capture.guard == Guard::Sessions).then(|| {
            "`capture.guard` is `sessions`: programs outside of sessions reach Snowflake's addresses".to_owned()
        })
    }

    /// Makes a session that is settled, and has it recorded.
    pub(super) fn make(
        &self,
        mut facts: SessionFacts,
        secret: Digest,
        token: Option<Digest>,
        held: Held,
    ) -> Result<(), Refusal> {
        let id = facts.id;
        if self.is_broken() {
            return Err(Refusal::Broken);
        }
        let (_telling, proxy) = self.telling_a_proxy()?;
        self.look_for_room()?;
        let cgroup = self.cgroups.make(id).map_err(system)?;
        facts.cgroup_id = cgroup.id;
        if let Some(mount) = v2_mount() {
            limits::keep(facts.pid, &mount, cgroup.path());
        }
        let entry = Entry {
            facts: facts.clone(),
            secret,
            by_process: held == Held::ByProcess,
            container: None,
            networks: BTreeMap::new(),
        };
        self.register(Live {
            entry,
            cgroup,
            token,
            held,
            logins: KeptLogins::default(),
        })?;
        let Err(failure) = proxy.link.opened(facts) else {
            return Ok(());
        };
        self.end_unrecorded(id, &failure, proxy.number);
        Err(unrecorded(failure))
    }

    /// Takes the right to tell the proxy of a session, waiting for the next one where one gives way.
    pub(super) fn telling_a_proxy(&self) -> Result<(MutexGuard<'_, ()>, Arc<Proxy>), Refusal> {
        loop {
            let telling = self.telling();
            if self.is_stopping() {
                return Err(Refusal::Stopping);
            }
            if let Some(proxy) = self.proxy(Duration::ZERO) {
                return Ok((telling, proxy));
            }
            // Who seats a proxy needs that lock too.
            drop(telling);
            self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        }
    }

    pub(super) fn look_for_room(&self) -> Result<(), Refusal> {
        if self.roster().live.len() >= SESSIONS_MAX {
            return Err(Refusal::Full);
        }
        Ok(())
    }
}

/// Refuses a session that could not be told to a proxy: no later one could be told of any.
pub(super) fn check_length(facts: &SessionFacts) -> Result<(), Refusal> {
    let found = facts.written_bytes();
    if found > FACTS_MAX_BYTES {
        return Err(Refusal::Long(found));
    }
    Ok(())
}

/// Finds who a session's command runs as: whoever asks, or for root whom it names.
fn runner(peer: &Peer, user: Option<&str>, accounts: &Accounts) -> Result<Runner, Refusal> {
    let Some(name) = user else {
        return Ok(Runner {
            uid: peer.uid,
            user: accounts.user(peer.uid),
            gids: peer.gids.clone(),
            caller: None,
        });
    };
    if peer.uid != 0 {
        return Err(Refusal::NotRoot(peer.uid));
    }
    let found = accounts.find(name);
    let (user, gids) = found.ok_or_else(|| Refusal::NoUser(name.chars().take(64).collect()))?;
    if user.uid == 0 {
        return Err(Refusal::RootsUser);
    }
    Ok(Runner {
        uid: user.uid,
        user: user.name,
        gids,
        caller: Some(Asker {
            uid: peer.uid,
            user: accounts.user(peer.uid),
        }),
    })
}

/// Tells that a session's beginning is not on record.
pub(super) fn unrecorded(failure: LinkError) -> Refusal {
    match failure {
        LinkError::Refused(reason) => Refusal::Proxy(reason),
        LinkError::Gone | LinkError::Late(_) | LinkError::Control(_) => {
            Refusal::Record(told(failure))
        }
    }
}

/// Tells that the proxy did not say whom a session acts for.
pub(super) fn unsettled(failure: LinkError) -> Refusal {
    Refusal::Proxy(told(failure))
}

fn no_randomness() -> Refusal {
    Refusal::System("no randomness".to_owned())
}
