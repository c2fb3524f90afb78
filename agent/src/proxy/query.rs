//! Endpoints of statements: started or joined, polled, watched, aborted.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::door::{Door, Received};
use super::login::{done, failed, relay};
use super::logins::OpenLogin;
use crate::execution::{ANSWER_WITHIN, Answer, Execution, Joined, Sent};
use crate::mask::mask;
use crate::record::{Draft, StatementRow, deliver};
use crate::session::Asked;
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::json::Object;
use crate::snowflake::query::QueryRequest;
use crate::snowflake::route::{QueryId, plain_member};
use crate::{tasks, upstream};

/// How long a reply is kept for replays and polls after it is ready. Drivers send a request again after 60 s of
/// silence (protocol reference 4.1).
const REPLY_KEPT: Duration = Duration::from_secs(120);

/// Longest request id that is taken; it is a UUID in every driver.
const REQUEST_ID_MAX_BYTES: usize = 64;

impl Door {
    /// Starts a statement, or joins it if the request is a replay, and waits for its reply.
    pub(super) async fn query(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: &Received,
    ) -> Body {
        let limit = self.core.shared.config.limits.statement_max_bytes;
        let request = match QueryRequest::read(&received.plain, limit) {
            Ok(request) => request,
            Err(error) => {
                return self
                    .refuse(&error.to_string(), json!({ "path": "query-request" }))
                    .await;
            }
        };
        let request_id = match request_id(received.query.as_deref()) {
            Ok(request_id) => request_id,
            Err(text) => return self.refuse(text, json!({ "path": "query-request" })).await,
        };
        let Some(slot) = self.session.take_statement() else {
            let text = "more statements than a session may have under way; wait for some of them";
            return self.refuse(text, json!({ "path": "query-request" })).await;
        };
        let execution = Execution::new(
            self.session.id(),
            login.id,
            request_id,
            digest(&request),
            Form::V1,
        );
        let answer = match self.core.shared.stages.registry.start_or_join(execution) {
            Joined::New(execution) => {
                if self.session.is_over() {
                    execution.withdraw();
                }
                self.start(&execution, login, request, received, slot);
                execution.wait(ANSWER_WITHIN).await
            }
            Joined::Replay(execution) => execution.wait(ANSWER_WITHIN).await,
            Joined::Differs => {
                let text = "another statement was sent under the same requestId";
                return self.refuse(text, json!({ "path": "query-request" })).await;
            }
        };
        told(answer, Form::V1)
    }

    /// Runs a statement as a task of its own, which outlives this request.
    fn start(
        self: &Arc<Self>,
        execution: &Arc<Execution>,
        login: &Arc<OpenLogin>,
        request: QueryRequest,
        received: &Received,
        slot: OwnedSemaphorePermit,
    ) {
        self.session.count_statement();
        let asked = Asked {
            principal: self.session.principal().clone(),
            account: Arc::clone(&login.account),
            host: self.name.clone(),
            login: Arc::clone(&login.login),
            headers: received.headers(),
            draft: self.draft(execution, login, &request),
            request,
        };
        let (door, execution) = (Arc::clone(self), Arc::clone(execution));
        drop(tasks::spawn("statement", async move {
            let stages = &door.core.shared.stages;
            let ended = stages.run(&door.core.upstream, &execution, asked).await;
            door.session.count(ended);
            drop(slot);
            tokio::time::sleep(REPLY_KEPT).await;
            stages.registry.forget(&execution);
        }));
    }

    /// Writes down what is known of a statement before it is judged.
    fn draft(&self, execution: &Execution, login: &OpenLogin, request: &QueryRequest) -> Draft {
        let peer = &self.peer;
        let row = StatementRow {
            session_id: Some(self.session.id()),
            statement_id: Some(execution.id()),
            login_id: Some(login.id),
            request_id: Some(execution.request_id().to_owned()),
            sequence_id: request.sequence_id().and_then(|id| i32::try_from(id).ok()),
            is_internal: Some(request.is_internal()),
            is_describe: Some(request.is_describe()),
            is_async: Some(request.is_async()),
            started_at: Some(self.core.shared.stages.clock.now()),
            pid: i32::try_from(peer.pid).ok(),
            uid: Some(i64::from(peer.uid)),
            start_ns: peer.start_ns,
            exe: peer.exe.clone(),
            ancestor_path: peer.ancestors.clone(),
            bind_count: i32::try_from(request.bind_count()).ok(),
            role_ctx: Some(login.account.role.clone()),
            warehouse: login.account.warehouse.clone(),
            policy_mode: Some(self.core.shared.stages.mode),
            ..StatementRow::default()
        };
        Draft {
            row,
            binds: request
                .bindings()
                .and_then(|raw| serde_json::from_str(raw.get()).ok()),
        }
    }

    /// Waits for a statement of this session, or fetches the result of one that has had its reply.
    pub(super) async fn result(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: &Received,
        query_id: QueryId,
    ) -> Body {
        let stages = &self.core.shared.stages;
        let known = match stages.registry.find_query(self.session.id(), query_id) {
            Some(Sent::Held(execution)) => match execution.wait(ANSWER_WITHIN).await {
                Answer::Settled(reply) if reply.is_in_progress() => {
                    stages.registry.find_known(self.session.id(), query_id)
                }
                answer @ (Answer::Settled(_) | Answer::Running(_)) => {
                    return told(answer, Form::V1);
                }
            },
            Some(Sent::Known(known)) => Some(known),
            None => None,
        };
        let Some(known) = known else {
            return self
                .refuse(
                    "this session has sent no statement with that query id",
                    named(query_id),
                )
                .await;
        };
        let headers = received.headers();
        let core = &self.core;
        let unmasked = upstream::fetch(
            &core.upstream,
            &login.login,
            &headers,
            query_id,
            known.earlier,
        )
        .await;
        let mut masked = mask(unmasked, query_id, Form::V1, &self.name);
        let children = &masked.outcome().children;
        stages
            .registry
            .name_parts(self.session.id(), login.id, children);
        let (statement, chunks) = (masked.statement(), masked.take_chunks());
        match deliver(
            &stages.recorder,
            self.session.id(),
            masked,
            stages.clock.now(),
        )
        .await
        {
            Ok(reply) => {
                let account = &login.account.name;
                stages
                    .chunks
                    .keep(self.session.id(), statement, account, chunks);
                reply.body().clone()
            }
            Err(error) => {
                let text =
                    format!("Icecore withheld the result, since it could not be recorded: {error}");
                Form::V1.error(code::REFUSED, "42501", query_id, &text)
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
        match self
            .core
            .shared
            .stages
            .registry
            .find_query(self.session.id(), query_id)
        {
            Some(Sent::Held(execution)) if execution.own_query_id() == query_id => {
                monitored(query_id)
            }
            Some(Sent::Held(_) | Sent::Known(_)) => {
                let path = format!("/monitoring/queries/{query_id}");
                let headers = received.headers();
                match upstream::call(
                    &self.core.upstream,
                    &login.login,
                    &headers,
                    Method::GET,
                    &path,
                )
                .await
                {
                    Ok(answered) => relay(answered, code::FAILED),
                    Err(error) => failed(&error),
                }
            }
            None => {
                self.refuse(
                    "this session has sent no statement with that query id",
                    named(query_id),
                )
                .await
            }
        }
    }

    /// Cancels a statement by its request id, wherever it stands.
    pub(super) async fn abort_request(&self, login: &Arc<OpenLogin>, received: &Received) -> Body {
        let request_id: Option<String> = Object::read(&received.plain)
            .ok()
            .and_then(|body| body.read_as("requestId"));
        let Some(request_id) = request_id else {
            return self
                .refuse(
                    "an abort without `requestId`",
                    json!({ "path": "abort-request" }),
                )
                .await;
        };
        let registry = &self.core.shared.stages.registry;
        match registry.find_request(self.session.id(), login.id, &request_id) {
            Some(execution) => self.abort(login, received, &execution).await,
            None => not_executing(),
        }
    }

    /// Cancels a statement by its query id.
    pub(super) async fn abort_query(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        query_id: QueryId,
    ) -> Body {
        match self
            .core
            .shared
            .stages
            .registry
            .find_query(self.session.id(), query_id)
        {
            Some(Sent::Held(execution)) => self.abort(login, received, &execution).await,
            Some(Sent::Known(_)) => {
                let headers = received.headers();
                match upstream::abort(&self.core.upstream, &login.login, &headers, Ok(query_id))
                    .await
                {
                    Ok(answered) => relay(answered, code::FAILED),
                    Err(error) => failed(&error),
                }
            }
            None => {
                self.refuse(
                    "this session has sent no statement with that query id",
                    named(query_id),
                )
                .await
            }
        }
    }

    async fn abort(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        execution: &Arc<Execution>,
    ) -> Body {
        if execution.withdraw() {
            return done();
        }
        let headers = received.headers();
        let target = Err(execution.request_id());
        match upstream::abort(&self.core.upstream, &login.login, &headers, target).await {
            Ok(answered) => relay(answered, code::FAILED),
            Err(error) => failed(&error),
        }
    }
}

fn told(answer: Answer, form: Form) -> Body {
    match answer {
        Answer::Settled(reply) => reply.body().clone(),
        Answer::Running(query_id) => form.in_progress(query_id),
    }
}

/// Says that there is nothing to cancel, in the words that drivers take as done (protocol reference section 3).
fn not_executing() -> Body {
    Form::V1.error(
        "000605",
        "02000",
        QueryId::mint(),
        "Identified SQL statement is not currently executing.",
    )
}

fn named(query_id: QueryId) -> serde_json::Value {
    json!({ "query_id": query_id.to_string() })
}

/// Tells that a statement which Snowflake has not named yet is under way.
fn monitored(query_id: QueryId) -> Body {
    let body = json!({
        "data": { "queries": [{ "id": query_id.to_string(), "status": "RUNNING", "state": "RUNNING" }] },
        "code": null,
        "message": null,
        "success": true,
    });
    Body::ok(body.to_string().into())
}

/// Takes the client's request id, or makes one; the Python connector's login alone spells it `request_id`.
fn request_id(query: Option<&str>) -> Result<String, &'static str> {
    let names_one =
        query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("requestId=")));
    if !names_one {
        return Ok(Uuid::new_v4().to_string());
    }
    plain_member(query, "requestId")
        .filter(|id| id.len() <= REQUEST_ID_MAX_BYTES)
        .filter(|id| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .map(str::to_owned)
        .ok_or("a `requestId` that is not one UUID")
}

/// Tells a statement from another: its text and its bound values.
fn digest(request: &QueryRequest) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let text = request.sql_text();
    context.update(&(text.len() as u64).to_be_bytes());
    context.update(text.as_bytes());
    context.update(request.bindings().map_or("", |raw| raw.get()).as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_one_uuid_or_ours() {
        assert_eq!(
            request_id(Some("requestId=a-1&request_guid=x")),
            Ok("a-1".to_owned())
        );
        assert_ne!(request_id(None), request_id(None));
        for query in [
            "requestId=",
            "requestId=a&requestId=b",
            "requestId=a%26b",
            "requestId=a/b",
        ] {
            assert!(request_id(Some(query)).is_err(), "{query}");
        }
    }
}
