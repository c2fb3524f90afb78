//! A statement's result and state, asked for by its query id.

use std::sync::Arc;

use hyper::Method;
use serde_json::json;

use super::door::{Door, Received};
use super::login::{failed, written};
use super::logins::OpenLogin;
use super::query::told;
use super::sessions::DELIVERIES_MAX;
use crate::execution::{
    Answer, Fetched, Meter, Patience, QueryRef, Recipient, Sent, Standing, State, Way,
};
use crate::mask::quiet_state;
use crate::policy::Plan;
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::route::QueryId;
use crate::upstream;

impl Door {
    /// Finds a statement of this session, account and party that came through the door this request came through.
    pub(super) async fn sent(
        &self,
        login: &OpenLogin,
        received: &Received,
        query_id: QueryId,
    ) -> Result<Sent, Body> {
        let registry = &self.core.shared.stages.registry;
        let query = QueryRef {
            session: self.session.id(),
            realm: &login.realm,
            query_id,
        };
        let sent = registry
            .find(query)
            .filter(|sent| sent.form.is_like(received.form));
        match sent {
            Some(sent) => Ok(sent),
            None => Err(self.unknown(received.form, query_id).await),
        }
    }

    async fn unknown(&self, form: Form, query_id: QueryId) -> Body {
        let detail = json!({ "query_id": query_id.to_string() });
        let text = if self.session.is_resumed() {
            "this session has sent no statement with that query id to this account since Icecore's proxy was restarted; \
             run it again"
        } else {
            "this session has sent no statement with that query id to this account"
        };
        self.refuse(form, text, detail).await
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
        let sent = match self.sent(login, received, query_id).await {
            Ok(sent) => sent,
            Err(refusal) => return refusal,
        };
        if let Some(execution) = sent.held {
            let answer = self.awaited(&execution, Patience::Whole).await;
            let is_there = match &answer {
                Answer::Running(_) | Answer::Later(_) => true,
                Answer::Settled(reply) => !reply.is_passing() && partition.is_none(),
            };
            if is_there || execution.given_query_id().is_none() {
                return told(answer, execution.form());
            }
        }
        self.fetch(login, received, sent.form, query_id, partition)
            .await
    }

    /// Fetches what Snowflake holds of a statement whose reply was delivered.
    pub(super) async fn fetch(
        &self,
        login: &OpenLogin,
        received: &Received,
        form: Form,
        query_id: QueryId,
        partition: Option<u32>,
    ) -> Body {
        if !self.session.has_deliveries_left() {
            let detail = json!({ "query_id": query_id.to_string() });
            let text = format!(
                "a session may fetch {DELIVERIES_MAX} results by id or partition; go on in another `icecore run`"
            );
            return self.refuse(form, &text, detail).await;
        }
        let headers = received.headers();
        let way = Way {
            upstream: &self.core.upstream,
            login: &login.login,
            headers: &headers,
        };
        let meter = self.meter(login);
        let to = self.recipient(login, form, query_id, &meter);
        let fetches = self.session.fetches();
        let stages = &self.core.shared.stages;
        match stages.fetch(way, &to, partition, fetches).await {
            Ok(Fetched::Reply(reply)) => {
                if !reply.is_passing() {
                    self.session.count_delivery();
                }
                reply.body().clone()
            }
            Ok(Fetched::Running) => form.in_progress(query_id),
            Ok(Fetched::Withheld) => {
                let detail = json!({ "query_id": query_id.to_string() });
                let text = "the answer to that query was withheld, and so are its other parts";
                self.refuse(form, text, detail).await
            }
            Ok(Fetched::Unknown) => self.unknown(form, query_id).await,
            Err(error) => {
                let text =
                    format!("Icecore withheld the result, since it could not be recorded: {error}");
                form.error(code::REFUSED, "42501", query_id, &text)
            }
        }
    }

    /// Says to whom answers about a query of a login go.
    pub(super) fn recipient<'a>(
        &'a self,
        login: &'a OpenLogin,
        form: Form,
        query_id: QueryId,
        meter: &'a Meter,
    ) -> Recipient<'a> {
        Recipient {
            session: self.session.id(),
            login: login.id,
            realm: &login.realm,
            host: &self.name,
            query_id,
            form,
            meter,
        }
    }

    /// Gives what counts the use of whom a login acts for.
    pub(super) fn meter(&self, login: &OpenLogin) -> Meter {
        let usages = &self.core.shared.stages.usages;
        usages.meter(self.session.id(), &login.principal(&self.session))
    }

    /// Tells how a statement of this session stands.
    pub(super) async fn monitor(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        query_id: QueryId,
    ) -> Body {
        let sent = match self.sent(login, received, query_id).await {
            Ok(sent) => sent,
            Err(refusal) => return refusal,
        };
        let plan = match &sent.standing {
            Standing::Uncompared(known) | Standing::Compared(known) => Some(&known.earlier.plan),
            Standing::Unnamed | Standing::Withheld => None,
        };
        match (sent.named(), &sent.held) {
            (Some(named), _) => self.watch(login, received, named, plan).await,
            (None, Some(execution)) => monitored(query_id, status(&execution.state())),
            (None, None) => self.watch(login, received, query_id, plan).await,
        }
    }

    async fn watch(
        &self,
        login: &OpenLogin,
        received: &Received,
        named: QueryId,
        plan: Option<&Plan>,
    ) -> Body {
        let path = format!("/monitoring/queries/{named}");
        let headers = received.headers();
        let upstream = &self.core.upstream;
        match upstream::call(upstream, &login.login, &headers, Method::GET, &path).await {
            Ok(answered) if answered.answer().tells_of_others(named) => Form::V1.plain_error(
                code::FAILED,
                "Icecore withheld the state: Snowflake told of other statements too",
            ),
            Ok(answered) => {
                let (mut answer, _) = answered.into_parts();
                quiet_state(&mut answer, plan);
                written(answer, code::FAILED)
            }
            Err(error) => failed(&error),
        }
    }
}

/// Names the state of a statement that Snowflake does not know, by a name that drivers know (protocol reference 4.2).
fn status(state: &State) -> &'static str {
    match state {
        State::Held => "QUEUED",
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
