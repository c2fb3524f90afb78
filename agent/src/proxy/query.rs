//! Statements are started or joined here, whichever door they came through.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::body::Plain;
use super::door::{Door, Received};
use super::logins::{Logins, OpenLogin};
use super::sessions::Session;
use super::tap;
use crate::execution::{
    ANSWER_WITHIN, Answer, Context, Execution, Joined, Origin, Patience, QueryRef, Registry,
};
use crate::prompt::Trace;
use crate::record::{Draft, StatementRow, hex};
use crate::session::Asked;
use crate::snowflake::answer::{Body, Form};
use crate::snowflake::current::Current;
use crate::snowflake::query::{Api, QueryError, QueryRequest};
use crate::snowflake::route::{QueryId, plain_member};
use crate::tasks;
use crate::upstream::Headers;

/// Longest request id that is taken; it is a UUID in every driver.
const REQUEST_ID_MAX_BYTES: usize = 64;

impl Door {
    /// Takes a driver's statement.
    pub(super) async fn query(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: &Received,
        plain: Plain,
    ) -> Body {
        let limit = self.core.shared.current().config.limits.statement_max_bytes;
        let read = QueryRequest::read(&plain, limit);
        drop(plain);
        match read {
            Ok(request) => self.submit(login, request, received).await,
            Err(error) => self.refuse_unread(received, &error).await,
        }
    }

    /// Starts a statement, or joins it if the request is a replay, and waits for its reply.
    pub(super) async fn submit(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        request: QueryRequest,
        received: &Received,
    ) -> Body {
        let request_id = match request_id(received.query.as_deref()) {
            Ok(request_id) => request_id,
            Err(text) => return self.refuse_query(received, text).await,
        };
        let patience = if request.is_async() {
            Patience::UntilHeld
        } else {
            Patience::Whole
        };
        match self.begin(login, request, received, request_id).await {
            Ok(execution) => {
                let answer = self.awaited(&execution, patience).await;
                told(answer, execution.form())
            }
            Err(answered) => answered,
        }
    }

    /// Starts a statement under a request id, or joins it if the request is a replay.
    pub(super) async fn begin(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        request: QueryRequest,
        received: &Received,
        request_id: String,
    ) -> Result<Arc<Execution>, Body> {
        let Some(slot) = self.session.take_statement() else {
            let text = "more statements than a session may have under way; wait for some of them";
            return Err(self.refuse_query(received, text).await);
        };
        let digest = digest(&request, received);
        let Ok(request) = request.renamed(|id| self.named(login, id)) else {
            let text = "a statement that has no form of JSON";
            return Err(self.refuse_query(received, text).await);
        };
        let execution = Execution::new(
            self.session.id(),
            login.id,
            login.realm.clone(),
            request_id,
            digest,
            received.form,
        );
        let shared = &self.core.shared;
        let whose = (&*self.session, &shared.logins);
        let text = match join(&shared.stages.registry, whose, execution) {
            Joined::New(execution) => {
                self.start(&execution, login, request, received, slot);
                return Ok(execution);
            }
            Joined::Replay(execution) => return Ok(execution),
            Joined::Spent(Some(query_id)) => {
                return Err(self
                    .fetch(login, received, received.form, query_id, None)
                    .await);
            }
            Joined::Spent(None) => {
                "this requestId was answered before and its answer is no longer held; send the statement under another"
            }
            Joined::Differs => "another statement was sent under the same requestId",
            Joined::Full => {
                "this session has sent as many statements as Icecore remembers of one; go on in another `icecore run`"
            }
        };
        Err(self.refuse_query(received, text).await)
    }

    /// Waits for what a request is told. Where the proxy lets nothing more in, a statement that waits for people keeps no
    /// request: its client asks for it again, and the next proxy knows it.
    pub(super) async fn awaited(&self, execution: &Execution, patience: Patience) -> Answer {
        let leaving = async {
            self.core.shared.intake.paused().await;
            execution.held().await;
        };
        tokio::select! {
            answer = execution.answer(ANSWER_WITHIN, patience) => answer,
            () = leaving => execution.answer(Duration::ZERO, patience).await,
        }
    }

    /// Refuses a request about a statement that could not be read.
    pub(super) async fn refuse_query(&self, received: &Received, text: &str) -> Body {
        self.refuse(received.form, text, json!({ "path": received.path }))
            .await
    }

    /// Refuses what is no request, or one with a text that is too long: the record has the length of that and a digest.
    pub(super) async fn refuse_unread(&self, received: &Received, error: &QueryError) -> Body {
        let mut detail = json!({ "path": received.path });
        if let QueryError::TooLong {
            found_bytes,
            sha256,
            ..
        } = error
        {
            // As all digests of content: nobody without the chain's key can try texts.
            let mac = self.core.shared.stages.recorder.mac(sha256);
            detail = json!({
                "path": received.path,
                "sql_len": found_bytes,
                "sql_sha256_mac": hex(&mac),
            });
        }
        self.refuse(received.form, &error.to_string(), detail).await
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
        let draft = self.draft(execution, login, &request);
        let asked = self.asked(login, request, received.headers(), draft);
        self.carry(execution, login, asked, slot);
    }

    /// Gives Snowflake's name of a query that this session knows by one of ours.
    fn named(&self, login: &OpenLogin, query_id: QueryId) -> Option<QueryId> {
        let query = QueryRef {
            session: self.session.id(),
            realm: &login.realm,
            query_id,
        };
        let sent = self.core.shared.stages.registry.find(query)?;
        sent.named().filter(|named| *named != query_id)
    }

    /// Gives all that an execution is about.
    pub(super) fn asked(
        &self,
        login: &Arc<OpenLogin>,
        request: QueryRequest,
        headers: Headers,
        draft: Draft,
    ) -> Asked {
        Asked {
            principal: login.principal(&self.session),
            account: Arc::clone(&login.account),
            host: self.name.clone(),
            login: Arc::clone(&login.login),
            context: context(login, &request),
            fetches: Arc::clone(self.session.fetches()),
            meter: self.meter(login),
            labels: self.session.labels().clone(),
            before: None,
            origin: self.origin(headers.traceparent()),
            stamp: self.core.shared.current().config.stamp,
            headers,
            draft,
            request,
        }
    }

    /// Gives what a statement's origin is judged by, where the session's calls of models are read.
    fn origin(&self, traceparent: Option<&str>) -> Option<Origin> {
        let provenance = tap::provenance(&self.core.shared, &self.session)?;
        Some(Origin {
            provenance: Arc::clone(provenance),
            behind: tap::behind(&self.session),
            session: self.session.id(),
            in_force: tap::in_force(&self.core.shared, &self.session),
            execs: self.peer.execs.clone(),
            trace_id: traceparent
                .and_then(Trace::read)
                .map(|trace| trace.trace_id),
            environment: Arc::clone(&self.environment),
        })
    }

    /// Carries a statement to its end, in a task of its own.
    pub(super) fn carry(
        self: &Arc<Self>,
        execution: &Arc<Execution>,
        login: &Arc<OpenLogin>,
        asked: Asked,
        slot: OwnedSemaphorePermit,
    ) {
        let (door, login) = (Arc::clone(self), Arc::clone(login));
        let execution = Arc::clone(execution);
        drop(tasks::spawn("statement", async move {
            let stages = &door.core.shared.stages;
            let ran = stages.run(&door.core.upstream, &execution, asked).await;
            door.session.count(ran.ended);
            let (form, named) = (execution.form(), execution.given_query_id());
            stages.registry.keep(execution, stages.clock.mono_ns());
            if let (Some(detached), Some(query_id)) = (ran.detached, named) {
                door.watch_detached(&login, form, query_id, &detached).await;
            }
            // Nobody may be waiting for its answer.
            door.end_if_distrusted(&login).await;
            drop(slot);
        }));
    }

    /// Writes down what is known of a statement before it is judged.
    pub(super) fn draft(
        &self,
        execution: &Execution,
        login: &OpenLogin,
        request: &QueryRequest,
    ) -> Draft {
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
            beside: Vec::new(),
        }
    }
}

/// Starts or joins an execution; one whose session or login is over is not sent.
pub(super) fn join(
    registry: &Registry,
    (session, logins): (&Session, &Logins),
    execution: Execution,
) -> Joined {
    let login = execution.login();
    let joined = registry.start_or_join(execution);
    if let Joined::New(execution) = &joined
        && (session.is_over() || !logins.holds(login))
    {
        // Their end may not have seen this statement.
        execution.withdraw();
    }
    joined
}

/// Gives what a request's names rest on: each request of the SQL API is a session of its own at Snowflake, of which
/// nothing is known.
fn context(login: &OpenLogin, request: &QueryRequest) -> Arc<Context> {
    match request.api() {
        None => Arc::clone(&login.context),
        Some(_) => {
            let default = login.context.tags().of_user();
            Arc::new(Context::opened(Current::default()).tagged(None, default))
        }
    }
}

/// Tells what became of a statement, in the form of its door.
pub(super) fn told(answer: Answer, form: Form) -> Body {
    match answer {
        Answer::Settled(reply) => reply.body().clone(),
        Answer::Running(query_id) => form.in_progress(query_id),
        Answer::Later(query_id) => form.detached(query_id),
    }
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

/// Tells a request from another: its endpoint and all that gives it its meaning.
fn digest(request: &QueryRequest, received: &Received) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut take = |part: &str| {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    };
    take(received.path.trim_end_matches('/'));
    take(&request.api().map(Api::members).unwrap_or_default());
    for (name, value) in request.meaning() {
        take(name);
        take(value);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::super::logins::tests::{open_login, place};
    use super::super::sessions::tests::session;
    use super::*;

    #[test]
    fn what_comes_after_the_end_of_its_session_or_login_is_not_sent() {
        let registry = Registry::default();
        let is_sent = |session: &Session, logins: &Logins, login: &OpenLogin| {
            let (realm, id) = (login.realm.clone(), Uuid::new_v4().to_string());
            let execution = Execution::new(session.id(), login.id, realm, id, [0; 32], Form::V1);
            let Joined::New(execution) = join(&registry, (session, logins), execution) else {
                panic!("it was there already");
            };
            execution.submit()
        };
        let (session, logins) = (session(), Logins::default());
        let login = open_login(session.id());
        assert!(!is_sent(&session, &logins, &login));
        logins.keep(&login, place());
        assert!(is_sent(&session, &logins, &login));
        session.end();
        assert!(!is_sent(&session, &logins, &login));
    }

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

    #[test]
    fn counters_and_times_do_not_make_another_request() {
        fn read(body: &str) -> [u8; 32] {
            let request = QueryRequest::read(body.as_bytes(), 1000).unwrap();
            digest(&request, &Received::of_path("/queries/v1/query-request"))
        }
        let first = read(
            r#"{"sqlText":"select ?","sequenceId":1,"querySubmissionTime":1,"bindings":{"1":{"type":"FIXED","value":"5"}}}"#,
        );
        let again = read(
            r#"{"sqlText":"select ?","sequenceId":2,"querySubmissionTime":9,"bindings":{"1":{"type":"FIXED","value":"5"}},"queryContextDTO":{}}"#,
        );
        assert_eq!(first, again);
        for other in [
            r#"{"sqlText":"select 1","bindings":{"1":{"type":"FIXED","value":"5"}}}"#,
            r#"{"sqlText":"select ?","bindings":{"1":{"type":"FIXED","value":"6"}}}"#,
            r#"{"sqlText":"select ?","describeOnly":true,"bindings":{"1":{"type":"FIXED","value":"5"}}}"#,
            r#"{"sqlText":"select ?","asyncExec":true,"bindings":{"1":{"type":"FIXED","value":"5"}}}"#,
            r#"{"sqlText":"select ?","parameters":{"TIMEZONE":"UTC"},"bindings":{"1":{"type":"FIXED","value":"5"}}}"#,
        ] {
            assert_ne!(first, read(other), "{other}");
        }
    }
}
