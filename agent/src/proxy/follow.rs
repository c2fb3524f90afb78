//! A statement's result and state, asked for by its query id.

use std::sync::Arc;

use hyper::Method;
use serde_json::json;

use super::door::{Door, Received};
use super::login::{failed, relay};
use super::logins::OpenLogin;
use super::query::told;
use crate::execution::{ANSWER_WITHIN, Answer, Known, Sent, State};
use crate::mask::mask;
use crate::record::deliver;
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::route::QueryId;
use crate::upstream;

impl Door {
    /// Finds a statement of this session that came through the door this request came through.
    pub(super) async fn sent(&self, received: &Received, query_id: QueryId) -> Result<Sent, Body> {
        let registry = &self.core.shared.stages.registry;
        let sent = registry
            .find_query(self.session.id(), query_id)
            .filter(|sent| sent.form().is_like(received.form));
        match sent {
            Some(sent) => Ok(sent),
            None => {
                let detail = json!({ "query_id": query_id.to_string() });
                let text = "this session has sent no statement with that query id";
                Err(self.refuse(received.form, text, detail).await)
            }
        }
    }

    /// Waits for a statement of this session, or fetches the result of one that has had its reply.
    pub(super) async fn result(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: &Received,
        query_id: QueryId,
        partition: Option<u32>,
    ) -> Body {
        // The first partition comes with the reply.
        let partition = partition.filter(|number| *number > 0);
        let known = match self.sent(received, query_id).await {
            Ok(Sent::Known(known)) => known,
            Ok(Sent::Held(execution)) => {
                let answer = execution.wait(ANSWER_WITHIN).await;
                let registry = &self.core.shared.stages.registry;
                let known = registry.find_known(self.session.id(), query_id);
                match (answer, known) {
                    (Answer::Settled(reply), Some(known))
                        if reply.is_in_progress() || partition.is_some() =>
                    {
                        known
                    }
                    (answer @ (Answer::Settled(_) | Answer::Running(_)), _) => {
                        return told(answer, execution.form());
                    }
                }
            }
            Err(refusal) => return refusal,
        };
        self.fetch(login, received, known, partition).await
    }

    /// Fetches what Snowflake holds of a statement whose reply was delivered, as a delivery of its own.
    pub(super) async fn fetch(
        &self,
        login: &OpenLogin,
        received: &Received,
        known: Known,
        partition: Option<u32>,
    ) -> Body {
        let stages = &self.core.shared.stages;
        let (registry, session) = (&stages.registry, self.session.id());
        if registry.is_withheld(session, known.query_id) {
            let detail = json!({ "query_id": known.query_id.to_string() });
            let text = "the answer to that query was withheld, and so are its other parts";
            return self.refuse(known.form, text, detail).await;
        }
        let Some(_turn) = self.session.take_fetch(ANSWER_WITHIN).await else {
            return known.form.in_progress(known.query_id);
        };
        let headers = received.headers();
        let (upstream, login_at) = (&self.core.upstream, &login.login);
        let (query_id, earlier) = (known.query_id, known.earlier);
        let unmasked = match known.form {
            Form::V1 => upstream::fetch(upstream, login_at, &headers, query_id, earlier).await,
            Form::V2 { .. } => {
                let wanted = upstream::Wanted {
                    query_id,
                    partition,
                    is_compared: registry.is_compared(session, query_id),
                };
                upstream::fetch_partition(upstream, login_at, &headers, wanted, earlier).await
            }
        };
        let mut masked = mask(unmasked, known.query_id, known.form, &self.name);
        let (statement, chunks) = (masked.statement(), masked.take_chunks());
        registry.note_compared(session, query_id, masked.outcome());
        let children = &masked.outcome().children;
        registry.name_parts(session, login.id, known.form, children);
        let delivered = deliver(&stages.recorder, session, masked, stages.clock.now());
        match delivered.await {
            Ok(reply) => {
                let account = &login.account.name;
                stages.chunks.keep(session, statement, account, chunks);
                reply.body().clone()
            }
            Err(error) => {
                let text =
                    format!("Icecore withheld the result, since it could not be recorded: {error}");
                known
                    .form
                    .error(code::REFUSED, "42501", known.query_id, &text)
            }
        }
    }

    /// Tells how a statement of this session stands.
    pub(super) async fn monitor(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        query_id: QueryId,
    ) -> Body {
        let sent = match self.sent(received, query_id).await {
            Ok(sent) => sent,
            Err(refusal) => return refusal,
        };
        match sent {
            Sent::Known(known) => self.watch(login, received, known.query_id).await,
            Sent::Held(execution) => match execution.given_query_id() {
                Some(named) => self.watch(login, received, named).await,
                None => monitored(query_id, status(&execution.state())),
            },
        }
    }

    async fn watch(&self, login: &OpenLogin, received: &Received, named: QueryId) -> Body {
        let path = format!("/monitoring/queries/{named}");
        let headers = received.headers();
        let upstream = &self.core.upstream;
        match upstream::call(upstream, &login.login, &headers, Method::GET, &path).await {
            Ok(answered) if answered.answer().tells_of_others(named) => Form::V1.plain_error(
                code::FAILED,
                "Icecore withheld the state: Snowflake told of other statements too",
            ),
            Ok(answered) => relay(answered, code::FAILED),
            Err(error) => failed(&error),
        }
    }
}

/// Names the state of a statement that Snowflake does not know, by a name that drivers know (protocol reference 4.2).
fn status(state: &State) -> &'static str {
    match state {
        State::Judged | State::Submitted | State::Running(_) => "RUNNING",
        State::Ready(_) | State::Refused(_) => "FAILED_WITH_ERROR",
        State::Withdrawn(_) => "ABORTED",
    }
}

/// Tells how a statement stands that Snowflake has not named.
fn monitored(query_id: QueryId, status: &str) -> Body {
    let body = json!({
        "data": { "queries": [{ "id": query_id.to_string(), "status": status, "state": status }] },
        "code": null,
        "message": null,
        "success": true,
    });
    Body::ok(body.to_string().into())
}
