//! The way of one execution, on one screen.
//!
//! Each stage hands on a value that only it can make: `Statement`, `Permit`, `Intent`, `Unmasked`, `Masked`, `Reply`.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::Mode;
use crate::execution::{
    Asking, Catalogues, Chunks, Context, Delivered, Detached, Execution, Meter, OpenStages,
    Reading, Recipient, Registry, State, Usages, Way,
};
use crate::identity::Principal;
use crate::mask::{self, Ended, HashKeys};
use crate::policy::{Decision, InForce, Usage, decide};
use crate::record::{self, Draft, RecordError, Recorder, Reply};
use crate::snowflake::query::QueryRequest;
use crate::upstream::{self, Account, Earlier, Headers, Login, Upstream};

/// What every execution of the process shares.
pub struct Stages {
    /// Whether refusals are carried out.
    pub mode: Mode,
    /// Whom to ask for what is refused.
    pub ask: String,
    /// The policies in force.
    pub policies: InForce,
    /// The record.
    pub recorder: Recorder,
    /// Finds executions again.
    pub registry: Registry,
    /// Finds the chunks of results.
    pub chunks: Chunks,
    /// Finds the stages that are open.
    pub files: OpenStages,
    /// What is known of accounts' tables and views.
    pub catalogues: Arc<Catalogues>,
    /// What sessions and principals have used.
    pub usages: Arc<Usages>,
    /// The keys under which masked values are hashed.
    pub hash_keys: HashKeys,
    /// The time.
    pub clock: Clock,
}

/// What one execution is about.
pub struct Asked {
    /// Who asks.
    pub principal: Principal,
    /// At which account.
    pub account: Arc<Account>,
    /// Under which name of it.
    pub host: String,
    /// Through which login.
    pub login: Arc<Login>,
    /// What the login's statements have made of its names.
    pub context: Arc<Context>,
    /// The request as read.
    pub request: QueryRequest,
    /// What of its headers goes upstream.
    pub headers: Headers,
    /// The results that its session may fetch at once.
    pub fetches: Arc<Semaphore>,
    /// What counts its use.
    pub meter: Meter,
    /// What is known of it before it is judged.
    pub draft: Draft,
}

/// What became of an execution.
pub struct Ran {
    /// How it ended, for the session's counters.
    pub ended: Ended,
    /// What waits for its end, if Snowflake goes on with it.
    pub detached: Option<Arc<Detached>>,
}

impl Ran {
    fn refused() -> Self {
        Self {
            ended: Ended::Refused,
            detached: None,
        }
    }
}

impl Stages {
    /// Takes a statement from its first byte to its record, and settles its execution whatever happens.
    pub async fn run(&self, upstream: &Upstream, execution: &Arc<Execution>, asked: Asked) -> Ran {
        let _settled_even_by_a_panic = Settle(execution);
        match self.answer(upstream, execution, asked).await {
            Ok((state, ran)) => {
                execution.advance(state);
                ran
            }
            Err(error) => {
                tracing::error!(statement = %execution.id(), %error, "statement could not be recorded");
                let sent = !matches!(execution.state(), State::Judged);
                let tell = if sent { Reply::withheld } else { Reply::unsent };
                let reply = tell(execution.form(), execution.own_query_id(), &error);
                execution.advance(State::Refused(reply));
                Ran::refused()
            }
        }
    }

    /// Calls every stage once, in this order.
    async fn answer(
        &self,
        upstream: &Upstream,
        execution: &Arc<Execution>,
        asked: Asked,
    ) -> Result<(State, Ran), RecordError> {
        let Asked {
            principal,
            account,
            host,
            login,
            context,
            request,
            headers,
            fetches,
            meter,
            mut draft,
        } = asked;
        let own_id = execution.own_query_id();
        let way = Way {
            upstream,
            login: &login,
            headers: &headers,
        };
        let to = Recipient {
            session: execution.session(),
            login: execution.login(),
            realm: execution.realm(),
            host: &host,
            query_id: own_id,
            form: execution.form(),
            meter: &meter,
        };

        let from = self.clock.mono_ns();
        let Reading {
            bundle,
            statement,
            current,
            catalogue,
            gap,
            effect,
            turn,
        } = self
            .understand(Asking {
                way,
                to: &to,
                account: &account,
                context: &context,
                request: &request,
                fetches: &fetches,
            })
            .await?;
        let kind = statement.kind();
        let now = self.clock.now();
        let bound = request.bindings().map(RawValue::get);
        let looks = bundle.reads_found();
        let found = looks.then(|| mask::found(&statement, bound));
        let decide = |usage: &Usage<'_>| {
            let account = &account.name;
            let usage = usage.holding(found.as_ref());
            decide(
                &bundle, self.mode, &principal, account, &catalogue, &usage, statement,
            )
        };
        let decision = if bundle.reads_use() {
            meter.judge(now, decide).await
        } else {
            let decision = decide(&Usage::unread(now));
            meter.count(now, &decision);
            decision
        };
        draft.row.decision_us = (self.clock.mono_ns() - from) / 1_000;
        draft.is_at(current);
        let decided_at = self.clock.now();

        let permit = match decision {
            Decision::Allow(permit) => Ok(permit),
            Decision::Forbid(refusal) => Err(refusal),
            Decision::Hold(held) => {
                Err(held.refused("people must say yes to it, and nobody can be asked".to_owned()))
            }
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(refusal) => {
                let refusal = match gap {
                    Some(gap) => refusal.noting(&gap),
                    None => refusal,
                };
                let reply = record::deliver_refusal(
                    &self.recorder,
                    (&refusal, &self.ask),
                    draft,
                    bundle.sha256(),
                    own_id,
                    execution.form(),
                    decided_at,
                )
                .await?;
                return Ok((State::Refused(reply), Ran::refused()));
            }
        };
        let intent = record::intend(
            &self.recorder,
            permit,
            draft,
            bundle.sha256(),
            decided_at,
            &self.clock,
        )
        .await?;

        let parts = intent.parts();
        let sent = parts
            .iter()
            .map(|part| part.statement)
            .zip(intent.permit().statement().parts());
        let single = (execution.id(), intent.permit().statement());
        self.registry
            .learn(execution.session(), sent.chain([single]));
        let earlier = Earlier {
            statement: execution.id(),
            kind,
            plan: intent.plan(),
            types: None,
            parts: Arc::clone(&parts),
        };
        let on_running = |query_id| {
            self.registry.name(execution, query_id, earlier.clone());
            execution.advance(State::Running(query_id));
        };
        let begun = context.begin(&effect);
        self.catalogues.forget(&account.name, &effect);
        self.registry.define(&account.name, &effect);
        let unmasked = if execution.submit() {
            let name = execution.upstream_id().to_string();
            upstream::execute(
                upstream, &login, &headers, intent, &request, &name, on_running,
            )
            .await
        } else {
            upstream::withdraw(intent)
        };
        let Delivered {
            reply,
            withdrawn,
            ended,
            aftermath,
            detached,
        } = self.deliver(unmasked, &login, &to).await?;
        context.end(&begun, aftermath);
        self.catalogues.forget(&account.name, &effect);
        self.registry.define(&account.name, &effect);
        drop(turn);
        let state = if withdrawn {
            State::Withdrawn(reply)
        } else {
            State::Ready(reply)
        };
        Ok((state, Ran { ended, detached }))
    }
}

/// Settles an execution that was left without a reply, so that no client waits for one for ever.
struct Settle<'a>(&'a Execution);

impl Drop for Settle<'_> {
    fn drop(&mut self) {
        if self.0.state().reply().is_none() {
            let reply = Reply::broken(self.0.form(), self.0.own_query_id());
            self.0.advance(State::Refused(reply));
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
