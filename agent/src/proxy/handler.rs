//! What the proxy does when the supervisor opens and closes sessions, asks for a flush, or stops it.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;

use super::closing;
use super::core::{Core, Shared};
use super::held;
use super::kept;
use super::login::closed;
use super::networks::Networks;
use super::opening::{self, ShownBy};
use super::sessions::Session;
use super::tap;
use crate::connection::redirect::Stats;
use crate::control::observed::Observed;
use crate::control::reload::{ConfigReload, Reload};
use crate::control::sign_in::{SignInCall, SignInOutcome};
use crate::control::{
    FreshToken, KeptLogin, SessionEnd, SessionFacts, SessionHandler, SessionSummary, Settled,
};
use crate::execution::KeptBy;
use crate::record::{Phase, Row, SessionRow};
use crate::statement::STACK_BYTES;

/// How often a drain looks whether the last statement has its reply.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// How soon a client asks that has just shaken hands; after that it counts as one that may as well connect again.
const ASKS_WITHIN: Duration = Duration::from_millis(50);

/// How often a pause looks whether nothing is under way.
const PAUSE_POLL: Duration = Duration::from_millis(5);

/// How long the last replies of a drained proxy may take to reach their clients.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// Serves the supervisor on the threads of its link; work on sockets is done by a core.
pub(super) struct Handler {
    core: Arc<Core>,
    runtime: Handle,
    networks: Networks,
}

impl Handler {
    pub(super) fn new(core: Arc<Core>, runtime: Handle, networks: Networks) -> Self {
        Self {
            core,
            runtime,
            networks,
        }
    }

    /// Does work on a core and waits for it.
    fn on_core<T, F>(&self, work: F) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (done, result) = mpsc::channel();
        self.runtime.spawn(async move {
            // Whoever waited may have given up; the work is done all the same.
            drop(done.send(work.await));
        });
        result
            .recv()
            .map_err(|_| "the proxy's core has stopped".to_owned())
    }

    /// Does work with policies on the stack on which `icecore policy check` reads them, so that both find the same.
    fn on_large_stack<T: Send>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, String> + Send,
    ) -> Result<T, String> {
        thread::scope(|scope| {
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            let working = thread.spawn_scoped(scope, || work(&self.core.shared));
            let working = working.map_err(|error| format!("no thread: {error}"))?;
            let ended = working.join();
            ended.map_err(|_| "the proxy failed; this is a bug".to_owned())?
        })
    }

    fn rows_of(&self, session: &Session, phase: Phase) -> SessionRow {
        let shared = &self.core.shared;
        SessionRow {
            policy_bundle_sha256: Some(shared.stages.policies.bundle().sha256()),
            recording_mode: Some(shared.current().config.record.mode.as_str().to_owned()),
            mode: Some(shared.stages.mode),
            ..session.row(phase)
        }
    }
}

impl SessionHandler for Handler {
    fn settle(&self, facts: SessionFacts) -> Result<Settled, String> {
        let core = Arc::clone(&self.core);
        self.on_core(async move { core.settle(&facts).await })?
    }

    fn opened(&self, facts: SessionFacts) -> Result<(), String> {
        let shared = &self.core.shared;
        let max_age = shared.current().config.identity.max_session_age;
        let is_resumed = facts.resumed;
        let known = self.core.recall(&facts);
        if known.is_lost && !is_resumed {
            return Err(
                "the session's identity was lost while it was opened; try again".to_owned(),
            );
        }
        let session = Arc::new(Session::new(facts, known.principal, max_age));
        if known.is_lost {
            session.end_identity();
        }
        let shown_by = if session.by_login() {
            ShownBy::Login
        } else {
            ShownBy::Token
        };
        let event = (!is_resumed).then(|| opening::event(&session, &session.principal(), shown_by));
        let mut rows = vec![Row::from(self.rows_of(&session, Phase::Open))];
        rows.extend(event.flatten().map(Row::from));
        rows.extend(tap::told(&session).filter(|_| !is_resumed).map(Row::from));
        let _receipt = shared
            .stages
            .recorder
            .commit_blocking(rows)
            .map_err(|error| format!("the session cannot be recorded: {error}"))?;
        let usages = &shared.stages.usages;
        if is_resumed {
            usages.resume(session.id());
        } else {
            usages.begin(session.id());
        }
        tracing::info!(session = %session.id(), "session opened");
        let results = shared.current().config.daemon.proxy_dir().join("results");
        shared.stages.registry.keep_results(&results, session.id());
        let chunks = KeptBy {
            folder: &shared.current().config.daemon.proxy_dir().join("chunks"),
            host: &shared.seal_key,
            hash_keys: &shared.stages.hash_keys,
            usages,
        };
        shared.stages.chunks.keep_for_next(chunks, session.id());
        shared.sessions.insert(session);
        Ok(())
    }

    fn listen(&self, network: u64, listeners: Vec<TcpListener>) -> Result<(), String> {
        if self.core.shared.host_network.is_none() {
            let text = "expected to tell the host's network from others, found none: the kernel does not say (Linux 5.14)";
            return Err(text.to_owned());
        }
        let begun = self.networks.listen(network, &listeners);
        begun.map_err(|error| format!("the proxy cannot listen in that network: {error}"))
    }

    fn unlisten(&self, network: u64) {
        self.networks.unlisten(network);
    }

    fn identified(&self, fresh: FreshToken) -> Result<Settled, String> {
        let shared = &self.core.shared;
        let session = shared
            .sessions
            .get(fresh.id)
            .ok_or_else(|| format!("session {} is not open here", fresh.id))?;
        let (core, asked) = (Arc::clone(&self.core), Arc::clone(&session));
        let shown =
            self.on_core(async move { core.settle_fresh(&asked, &fresh.token).await })??;
        let event = opening::event(&session, &shown.principal, ShownBy::Token);
        let rows = event.map(Row::from).into_iter().collect();
        let _receipt = shared
            .stages
            .recorder
            .commit_blocking(rows)
            .map_err(|error| format!("the fresh token cannot be recorded: {error}"))?;
        let max_age = shared.current().config.identity.max_session_age;
        session.identify(shown.principal, shared.stages.clock.now(), max_age);
        Ok(Settled {
            sealed: Some(shown.sealed),
            same_uid: session.same_uid() == Some(true),
            models: None,
        })
    }

    fn restored(&self, login: KeptLogin) -> Result<(), String> {
        let shared = &self.core.shared;
        let session = shared
            .sessions
            .get(login.session)
            .ok_or_else(|| format!("session {} is not open here", login.session))?;
        let open = kept::restore(shared, &session, &login).map_err(|error| error.to_string())?;
        let core = Arc::clone(&self.core);
        self.on_core(async move { held::take_up(&core, &session, &open) })
    }

    fn all_told(&self) -> Result<(), String> {
        self.core.shared.intake.open();
        Ok(())
    }

    fn closed(&self, end: SessionEnd) -> Result<SessionSummary, String> {
        let shared = &self.core.shared;
        let session = shared
            .sessions
            .get(end.id)
            .ok_or_else(|| format!("session {} is not open here", end.id))?;
        session.end();
        let core = Arc::clone(&self.core);
        let logins = self.on_core(async move { closing::close_all(&core, end.id).await })?;
        shared.stages.registry.forget_session(end.id);
        shared.stages.chunks.forget_session(end.id);
        shared.stages.holds.forget_session(end.id);
        shared.stages.files.forget_session(end.id);
        shared.stages.usages.forget(end.id);
        shared.sessions.remove(end.id);

        let now = shared.stages.clock.now();
        let mut rows: Vec<Row> = logins
            .iter()
            .map(|login| Row::from(closed(login, now, "session ended")))
            .collect();
        let counts = session.last_counts(shared.stages.clock.mono_ns());
        rows.extend(counts.into_iter().map(Row::from));
        let reason = end.reason.clone();
        rows.push(Row::from(SessionRow {
            closed_at: Some(now),
            close_reason: Some(end.reason),
            connections: i64::try_from(session.arrivals().taken()).ok(),
            cpu_us: end.cpu_us.and_then(|us| i64::try_from(us).ok()),
            ..self.rows_of(&session, Phase::Close)
        }));
        let recorded = match shared.stages.recorder.commit_blocking(rows) {
            Ok(_receipt) => true,
            Err(error) => {
                tracing::error!(session = %end.id, %error, "session's end could not be recorded");
                false
            }
        };
        tracing::info!(session = %end.id, reason, leftovers = end.leftovers.len(), "session closed");
        Ok(session.summary(shared.stages.mode.as_str(), recorded))
    }

    fn sign_in(&self, call: SignInCall) -> Result<SignInOutcome, String> {
        let core = Arc::clone(&self.core);
        self.on_core(async move { core.sign_in(call).await })?
    }

    fn observed(&self, all: Vec<Observed>) -> Result<(), String> {
        let shared = &self.core.shared;
        let rows: Vec<Row> = all
            .into_iter()
            .flat_map(|observed| shared.rows_of(observed))
            .map(Row::from)
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let recorded = shared.stages.recorder.commit_blocking(rows);
        recorded
            .map(|_receipt| ())
            .map_err(|error| error.to_string())
    }

    fn counted(&self, stats: Stats) {
        self.core.shared.operations.learn(stats);
    }

    fn flush(&self) -> Result<(), String> {
        self.core
            .shared
            .stages
            .recorder
            .flush_blocking()
            .map_err(|error| error.to_string())
    }

    fn reload(&self) -> Result<Reload, String> {
        self.on_large_stack(|shared| shared.reload_policies())
    }

    fn reload_config(&self) -> Result<ConfigReload, String> {
        let issuers = Arc::clone(&self.core.shared.current().issuers);
        let reload = self.on_large_stack(|shared| shared.reload_config())?;
        if let ConfigReload::Taken { .. } = reload {
            let core = Arc::clone(&self.core);
            // What the config does not give is refused from here on; what is open of it is ended on its own time.
            self.runtime.spawn(async move {
                let current = core.shared.current();
                if !Arc::ptr_eq(&current.issuers, &issuers) {
                    current.issuers.keep_fresh();
                }
                drop((current, issuers));
                core.end_not_given().await;
            });
        }
        Ok(reload)
    }

    fn set_log(&self, level: &str) -> bool {
        crate::log::set_level(level)
    }

    fn let_finish(&self, within: Duration) -> usize {
        let core = Arc::clone(&self.core);
        let left = self.on_core(async move {
            let registry = &core.shared.stages.registry;
            let begun_before = registry.under_way();
            let left = || registry.under_way().intersection(&begun_before).count();
            let finished = tokio::time::timeout(within, async {
                while left() > 0 {
                    tokio::time::sleep(DRAIN_POLL).await;
                }
            });
            drop(finished.await);
            left()
        });
        left.unwrap_or(usize::MAX)
    }

    fn pause(&self, within: Duration) -> Result<(), String> {
        let core = Arc::clone(&self.core);
        self.on_core(async move {
            let shared = &core.shared;
            let is_idle = || {
                let registry = &shared.stages.registry;
                if !registry.under_way().is_empty() || !shared.intake.seal() {
                    return false;
                }
                shared.stages.holds.leave();
                // What began, or went on, before both were closed.
                let is_idle = registry.under_way().is_empty();
                if !is_idle {
                    shared.stages.holds.stay();
                    shared.intake.unseal();
                }
                is_idle
            };
            shared.intake.pause();
            tokio::time::sleep(ASKS_WITHIN.min(within)).await;
            let idle = tokio::time::timeout(within, async {
                while !is_idle() {
                    tokio::time::sleep(PAUSE_POLL).await;
                }
            });
            if idle.await.is_ok() {
                shared.intake.give_way();
                let logins = shared.logins.all();
                join_all(logins.iter().map(|login| shared.keeping.update(login))).await;
                return Ok(());
            }
            let (statements, requests) =
                (shared.stages.registry.under_way().len(), shared.intake.requests());
            shared.intake.resume();
            Err(format!(
                "{statements} statements and {requests} requests were under way and did not end within {within:?}"
            ))
        })?
    }

    fn drain(&self, grace: Duration) {
        let shared = &self.core.shared;
        if shared.intake.is_closed() {
            return;
        }
        shared.intake.pause();
        let core = Arc::clone(&self.core);
        let drained = self.on_core(async move {
            let shared = &core.shared;
            let drained = tokio::time::timeout(grace, async {
                while shared.stages.registry.open_count() > 0 {
                    tokio::time::sleep(DRAIN_POLL).await;
                }
            });
            let is_drained = drained.await.is_ok();
            // What has its reply is told it, before the connections go.
            let told = tokio::time::timeout(TOLD_WITHIN, async {
                while !shared.intake.seal() {
                    tokio::time::sleep(PAUSE_POLL).await;
                }
            });
            drop(told.await);
            shared.intake.close();
            is_drained
        });
        if drained != Ok(true) {
            tracing::warn!(
                open = shared.stages.registry.open_count(),
                "statements were still open at the end of the grace"
            );
        }
    }
}
