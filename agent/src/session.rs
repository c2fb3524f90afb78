//! The way of one execution, on one screen.
//!
//! Each stage hands on a value that only it can make: `Statement`, `Permit`, `Intent`, `Unmasked`, `Masked`, `Reply`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::approval::Request;
use crate::clock::Clock;
use crate::config::{Mode, Stamp};
use crate::execution::{
    Asker, Asking, Basis, Catalogues, Chunks, Context, Delivered, Detached, Execution, Holds,
    Linked, Meter, OpenStages, Origin, Recipient, Registry, Settled, State, Usages, Way, note,
    stamp,
};
use crate::identity::Principal;
use crate::mailbox::Mailbox;
use crate::mask::{Aftermath, Ended, HashKeys};
use crate::policy::{InForce, LinkGrade};
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
    /// Where people are asked for what policies hold; none where the config has no approvals.
    pub mailbox: Option<Mailbox>,
    /// Statements that wait for people, for the next proxy.
    pub holds: Arc<Holds>,
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
    /// The labels of its session.
    pub labels: BTreeMap<String, String>,
    /// What people were asked for it by an earlier proxy.
    pub before: Option<Request>,
    /// What its origin is judged by, where its session's calls of models are read.
    pub origin: Option<Origin>,
    /// What its request carries that its client did not say.
    pub stamp: Stamp,
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
        let answered = self.answer(upstream, execution, asked).await;
        self.holds.forget(execution.id());
        match answered {
            Ok((state, ran)) => {
                execution.advance(state);
                ran
            }
            Err(error) => {
                tracing::error!(statement = %execution.id(), %error, "statement could not be recorded");
                let sent = !matches!(execution.state(), State::Judged | State::Held);
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
            labels,
            before,
            origin,
            stamp: stamps,
            mut draft,
        } = asked;
        note(&mut draft.row, (&request, &headers), context.tags());
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

        let asking = Asking {
            way,
            to: &to,
            account: &account,
            context: &context,
            request: &request,
            fetches: &fetches,
            labels: &labels,
            before: before.as_ref(),
            link: LinkGrade::UNKNOWN,
            prompt: None,
        };
        let asker = Asker {
            principal: &principal,
            meter: &meter,
        };
        let from = self.clock.mono_ns();
        let reading = match asking.before {
            Some(_) => Box::pin(self.understand_again(asking)).await?,
            None => self.understand(asking).await?,
        };
        let mut linked = Linked::default();
        if let Some(origin) = &origin {
            let started_at = draft.row.started_at.unwrap_or_else(|| self.clock.now());
            let link = origin.link(
                &self.recorder,
                execution.id(),
                started_at,
                &reading.statement,
            );
            linked = link.await;
        }
        draft.beside = std::mem::take(&mut linked.rows);
        let lent = linked.lent.take();
        let asking = Asking {
            link: linked.link,
            prompt: linked.prompt.as_deref(),
            ..asking
        };
        let judged = self.judge(asker, asking, reading, None).await;
        draft.row.decision_us = (self.clock.mono_ns() - from) / 1_000;
        draft.is_at(judged.basis.current.clone());

        let settled = self.settle(execution, asker, asking, judged, &mut draft);
        let settled = settled.await?;
        let decided_at = self.clock.now();
        let (permit, basis) = match settled {
            Settled::Run(runs) => *runs,
            Settled::Unsent(unsent) => {
                let reply = record::deliver_unsent(
                    &self.recorder,
                    (&unsent, &self.ask),
                    draft,
                    own_id,
                    execution.form(),
                    decided_at,
                )
                .await?;
                if let Some(lent) = lent {
                    lent.recorded();
                }
                if let Some(origin) = &origin {
                    origin.delivered(&self.recorder, execution.id(), Some(own_id), &reply);
                }
                let state = if unsent.is_withdrawn() {
                    State::Withdrawn(reply)
                } else {
                    State::Refused(reply)
                };
                return Ok((state, Ran::refused()));
            }
        };
        let Basis {
            bundle,
            effect,
            turn,
            ..
        } = basis;
        let kind = permit.statement().kind();
        let tagging = effect.tagging(request.is_describe());
        let tags = (context.tags(), &tagging);
        let stamped = stamp(stamps, &mut draft.row, (&request, &headers), tags);
        let intent = record::intend(
            &self.recorder,
            permit,
            draft,
            bundle.sha256(),
            decided_at,
            &self.clock,
        )
        .await?;
        if let Some(lent) = lent {
            lent.recorded();
        }

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
        let begun = context.begin(&effect, kind);
        let tagged = context.tags().begin(tagging);
        let sender = (execution.login(), execution.id());
        self.holds.begin(sender, &effect, kind);
        self.catalogues.forget(&account.name, &effect);
        self.registry.define(&account.name, &effect);
        let unmasked = if execution.submit() {
            let name = execution.upstream_id().to_string();
            let (request, headers) = (&stamped.request, &stamped.headers);
            upstream::execute(
                upstream, &login, headers, intent, request, &name, on_running,
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
        if let Some(origin) = &origin {
            origin.delivered(
                &self.recorder,
                execution.id(),
                execution.given_query_id(),
                &reply,
            );
        }
        if aftermath != Aftermath::Open {
            self.holds.end(sender);
        }
        context.tags().end(tagged, &aftermath, &ended);
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
