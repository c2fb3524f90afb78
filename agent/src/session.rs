//! The way of one execution, on one screen.
//!
//! Each stage hands on a value that only it can make: `Statement`, `Permit`, `Intent`, `Unmasked`, `Masked`, `Reply`.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Mode;
use crate::execution::{Chunks, Execution, Known, Registry, State};
use crate::identity::Principal;
use crate::mask::{Ended, mask};
use crate::policy::{Bundle, Decision, decide};
use crate::record::{self, Draft, RecordError, Recorder, Reply};
use crate::snowflake::query::QueryRequest;
use crate::statement::{Scope, Statement};
use crate::upstream::{self, Account, Earlier, Headers, Login, Upstream};

/// What every execution of the process shares.
pub struct Stages {
    /// Whether refusals are carried out.
    pub mode: Mode,
    /// The policies.
    pub bundle: Bundle,
    /// The record.
    pub recorder: Recorder,
    /// Finds executions again.
    pub registry: Registry,
    /// Finds the chunks of results.
    pub chunks: Chunks,
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
    /// The request as read.
    pub request: QueryRequest,
    /// What of its headers goes upstream.
    pub headers: Headers,
    /// What is known of it before it is judged.
    pub draft: Draft,
}

impl Stages {
    /// Takes a statement from its first byte to its record, and settles its execution whatever happens.
    pub async fn run(
        &self,
        upstream: &Upstream,
        execution: &Arc<Execution>,
        asked: Asked,
    ) -> Ended {
        let _settled_even_by_a_panic = Settle(execution);
        match self.answer(upstream, execution, asked).await {
            Ok((state, ended)) => {
                execution.advance(state);
                ended
            }
            Err(error) => {
                tracing::error!(statement = %execution.id(), %error, "statement could not be recorded");
                let sent = !matches!(execution.state(), State::Judged);
                let tell = if sent { Reply::withheld } else { Reply::unsent };
                let reply = tell(execution.form(), execution.own_query_id(), &error);
                execution.advance(State::Refused(reply));
                Ended::Refused
            }
        }
    }

    /// Calls every stage once, in this order.
    async fn answer(
        &self,
        upstream: &Upstream,
        execution: &Arc<Execution>,
        asked: Asked,
    ) -> Result<(State, Ended), RecordError> {
        let Asked {
            principal,
            account,
            host,
            login,
            request,
            headers,
            mut draft,
        } = asked;
        let own_id = execution.own_query_id();
        let bundle = self.bundle.sha256();
        let from = self.clock.mono_ns();

        let session = execution.session();
        let knows = |id| {
            let registry = &self.registry;
            registry.find_query(session, id).is_some() && !registry.is_withheld(session, id)
        };
        let statement =
            Statement::read_all(request.sql_text(), request.count(), &Scope::new(&knows));
        let kind = statement.kind();
        let decision = decide(
            &self.bundle,
            self.mode,
            &principal,
            &account.name,
            statement,
        );
        draft.row.decision_us = (self.clock.mono_ns() - from) / 1_000;
        let decided_at = self.clock.now();

        let permit = match decision {
            Decision::Allow(permit) => permit,
            Decision::Forbid(refusal) => {
                let reply = record::deliver_refusal(
                    &self.recorder,
                    &refusal,
                    draft,
                    bundle,
                    own_id,
                    execution.form(),
                    decided_at,
                )
                .await?;
                return Ok((State::Refused(reply), Ended::Refused));
            }
        };
        let intent = record::intend(
            &self.recorder,
            permit,
            draft,
            bundle,
            decided_at,
            &self.clock,
        )
        .await?;

        let known = Known {
            login: execution.login(),
            earlier: Earlier {
                statement: execution.id(),
                kind,
                parts: intent.parts(),
            },
            query_id: own_id,
            form: execution.form(),
        };
        let on_running = |query_id| {
            let known = Known {
                query_id,
                ..known.clone()
            };
            self.registry.name(execution, query_id, known);
            execution.advance(State::Running(query_id));
        };
        let unmasked = if execution.submit() {
            let request_id = execution.request_id();
            upstream::execute(
                upstream, &login, &headers, intent, &request, request_id, on_running,
            )
            .await
        } else {
            upstream::withdraw(intent)
        };
        let mut masked = mask(unmasked, own_id, execution.form(), &host);
        self.registry
            .note_compared(session, own_id, masked.outcome());
        if let Some(query_id) = masked.outcome().query_id {
            on_running(query_id);
        }
        let children = &masked.outcome().children;
        self.registry
            .name_parts(session, execution.login(), execution.form(), children);
        let (withdrawn, ended) = (masked.outcome().withdrawn, masked.outcome().ended());
        let chunks = masked.take_chunks();
        let reply = record::deliver(
            &self.recorder,
            execution.session(),
            masked,
            self.clock.now(),
        )
        .await?;
        self.chunks
            .keep(session, Some(execution.id()), &account.name, chunks);
        Ok((
            if withdrawn {
                State::Withdrawn(reply)
            } else {
                State::Ready(reply)
            },
            ended,
        ))
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
