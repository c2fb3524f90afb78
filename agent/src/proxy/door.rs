//! The door of a governed connection: each request goes to its endpoint or is refused.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, LINK, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::json;

use tokio::sync::oneshot;

use super::body::{self, BODY_WITHIN, BodyError, Plain, Size};
use super::chunk;
use super::core::Core;
use super::logins::OpenLogin;
use super::sessions::Session;
use crate::connection::environment::Environment;
use crate::connection::http::{self, Told};
use crate::connection::name::host_of;
use crate::connection::peer::Peer;
use crate::record::{Category, Severity};
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::route::{self, Endpoint, QueryId};
use crate::tasks;
use crate::upstream::{Account, Headers};

/// Codes of events that a door records.
pub(super) mod event {
    /// A request that is no endpoint of Icecore's, or not what its endpoint takes.
    pub(super) const REQUEST_REFUSED: &str = "RQ001";
    /// The tools of a managed MCP server were told to a client.
    pub(in crate::proxy) const MCP_TOOLS_TOLD: &str = "RQ003";
    /// A name of Snowflake's that the config does not govern.
    pub(super) const UNGOVERNED_NAME: &str = "NT002";
}

/// Told to whoever asks when the session acts for nobody any more.
const IDENTITY_OVER: &str = "Icecore: the identity that this session began with is over (`identity.max_session_age`, the \
    end that its SAML provider set, or a restart lost it); start another `icecore run` with a fresh token";

/// Told of a request that nobody carried out to its end.
const FAILED: &str = "Icecore failed on this request, a bug of its own";

/// One governed connection's requests.
pub(super) struct Door {
    pub(super) core: Arc<Core>,
    pub(super) session: Arc<Session>,
    pub(super) peer: Peer,
    pub(super) name: String,
    /// What the process's environment says, where anybody wants to know and once it was read.
    pub(super) environment: Arc<OnceLock<Environment>>,
}

/// A request that was read whole, but for its body.
pub(super) struct Received {
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    pub(super) form: Form,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

impl Received {
    /// Stands for a request that names a path, for tests.
    #[cfg(test)]
    pub(super) fn of_path(path: &str) -> Self {
        Self {
            endpoint: Endpoint::Query,
            path: path.to_owned(),
            form: Form::V1,
            query: None,
            headers: HeaderMap::new(),
        }
    }

    /// Gives the name that the client's program gives itself.
    pub(super) fn user_agent(&self) -> Option<&str> {
        self.headers.get(USER_AGENT)?.to_str().ok()
    }

    /// Gives what of the client's headers may go upstream.
    pub(super) fn headers(&self) -> Headers {
        Headers::pick(&self.headers)
    }
}

impl Door {
    pub(super) fn new(core: Arc<Core>, session: Arc<Session>, peer: Peer, name: String) -> Self {
        Self {
            core,
            session,
            peer,
            name,
            environment: Arc::default(),
        }
    }

    /// Has it that the process's environment is being read.
    pub(super) fn told(self, environment: Arc<OnceLock<Environment>>) -> Self {
        Self {
            environment,
            ..self
        }
    }

    /// Answers one request; whatever is wrong with it is told in a body that every driver shows.
    ///
    /// Once it is read, a request is carried out to its end even if its client hangs up: a login that Snowflake has
    /// granted must be recorded and closed, a renewed token kept. Until that end it has its place among the requests of
    /// its session, which an HTTP/2 client could otherwise have without number by resetting its streams.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Told {
        self.session.seen().request();
        let Some(place) = self.session.take_request() else {
            return self.refuse_one_more(request).await;
        };
        let (method, uri) = (request.method().as_str(), request.uri());
        if let Some(Endpoint::File(name)) = Endpoint::find(method, uri.path(), uri.query()) {
            let (done, answered) = oneshot::channel();
            drop(tasks::spawn("file", async move {
                drop(done.send(self.file(request, name, place).await));
            }));
            return answered
                .await
                .unwrap_or_else(|_| tell(Form::V1.plain_error(code::FAILED, FAILED)));
        }
        let (account, received, plain) = match self.receive(request).await {
            Ok(received) => received,
            Err(refusal) => return tell(refusal),
        };
        let form = received.form;
        let (done, answered) = oneshot::channel();
        drop(tasks::spawn("request", async move {
            // A client that has gone takes no answer.
            drop(done.send(self.dispatch(&account, received, plain).await));
            drop(place);
        }));
        answered
            .await
            .unwrap_or_else(|_| tell(form.plain_error(code::FAILED, FAILED)))
    }

    /// Refuses a request of a session that has as many in the works as it may, under a status that no driver repeats.
    async fn refuse_one_more(&self, request: Request<Incoming>) -> Told {
        let (head, incoming) = request.into_parts();
        body::discard(incoming).await;
        let path = head.uri.path();
        let text = "more requests than a session may have in the works; wait for some of them";
        let form = route::form(path, self.core.shared.stages.clock.now());
        let told = self.refuse(form, text, json!({ "path": path })).await;
        match Endpoint::find(head.method.as_str(), path, head.uri.query()) {
            // What has status 200 would be read as rows.
            Some(Endpoint::Chunk(_) | Endpoint::File(_)) => chunk::later(text),
            Some(_) | None => tell(told),
        }
    }

    /// Reads a request whole and settles which account and endpoint it is for.
    async fn receive(
        &self,
        request: Request<Incoming>,
    ) -> Result<(Arc<Account>, Received, Plain), Body> {
        let (head, incoming) = request.into_parts();
        let (method, path) = (head.method.as_str(), head.uri.path());
        let form = route::form(path, self.core.shared.stages.clock.now());
        let endpoint = Endpoint::find(method, path, head.uri.query());
        let read = self.read(incoming, Size::of(endpoint.as_ref())).await;
        let account = self.admit(&head, form).await?;
        let Some(endpoint) = endpoint else {
            let detail = json!({ "method": method, "path": path });
            let text = format!(
                "`{method} {path}` is not an endpoint that Icecore carries: {}",
                route::carried(form)
            );
            return Err(self.refuse(form, &text, detail).await);
        };
        let plain = match read {
            Ok(plain) => plain,
            Err(BodyError::TooLarge {
                found_bytes,
                limit_bytes,
            }) => {
                let detail =
                    json!({ "path": path, "bytes": found_bytes, "limit_bytes": limit_bytes });
                let of = match Size::of(Some(&endpoint)) {
                    Size::Large => " (`limits.request_body_max`)",
                    Size::Small(_) | Size::Dropped => " of its endpoint",
                };
                let text = format!(
                    "a request of {found_bytes} bytes is larger than the limit of {limit_bytes} bytes{of}"
                );
                return Err(self.refuse(form, &text, detail).await);
            }
            Err(error) => {
                let detail = json!({ "path": path });
                return Err(self.refuse(form, &error.to_string(), detail).await);
            }
        };
        let query = head.uri.query().map(str::to_owned);
        Ok((
            account,
            Received {
                endpoint,
                path: path.to_owned(),
                form,
                query,
                headers: head.headers,
            },
            plain,
        ))
    }

    /// Settles which account a request is for, by its head alone.
    pub(super) async fn admit(&self, head: &Parts, form: Form) -> Result<Arc<Account>, Body> {
        let (method, path) = (head.method.as_str(), head.uri.path());
        if self.session.is_over() {
            return Err(form.plain_error(code::LOGIN_REFUSED, "Icecore: this session is over"));
        }
        let now = self.core.shared.stages.clock.now();
        if self.session.is_identity_over(now) {
            return Err(form.plain_error(code::LOGIN_REFUSED, IDENTITY_OVER));
        }
        let host = head.uri.authority().map(|authority| authority.as_str());
        let host = host.or_else(|| head.headers.get(HOST).and_then(|value| value.to_str().ok()));
        if host.map(host_of).as_deref() != Some(self.name.as_str())
            || head.headers.get_all(HOST).iter().count() > 1
        {
            let detail = json!({ "server_name": self.name, "host": host });
            return Err(self
                .refuse(
                    form,
                    "`Host` is not the server name of the TLS handshake",
                    detail,
                )
                .await);
        }
        let Some(account) = self.core.shared.account(&self.name) else {
            let detail = json!({ "name": self.name, "pid": self.peer.pid, "exe": self.peer.exe });
            let shared = &self.core.shared;
            shared
                .event(
                    Some(&self.session),
                    event::UNGOVERNED_NAME,
                    Severity::Medium,
                    Category::Net,
                    detail,
                )
                .await;
            let text = format!(
                "Icecore refused this: `{}` is not an account of this host's config; ask for an `[[account]]` with it",
                self.name
            );
            return Err(form.plain_error(code::LOGIN_REFUSED, &text));
        };
        if head.headers.contains_key(CONTENT_LENGTH) && head.headers.contains_key(TRANSFER_ENCODING)
        {
            let detail = json!({ "method": method, "path": path });
            return Err(self
                .refuse(
                    form,
                    "both `Content-Length` and `Transfer-Encoding`",
                    detail,
                )
                .await);
        }
        Ok(account)
    }

    /// Reads a body; a large one waits for its turn.
    async fn read(&self, incoming: Incoming, size: Size) -> Result<Plain, BodyError> {
        let limit = self
            .core
            .shared
            .current()
            .config
            .limits
            .request_body_max_bytes;
        let (limit, place) = match size {
            Size::Large => {
                let place = self.session.take_large_body(BODY_WITHIN).await;
                (limit, Some(place.ok_or(BodyError::Crowded)?))
            }
            Size::Small(small) => (limit.min(small), None),
            Size::Dropped => {
                body::discard(incoming).await;
                return Ok(Plain::new(Bytes::new(), None));
            }
        };
        let bytes = body::read(incoming, limit).await?;
        Ok(Plain::new(bytes, place))
    }

    async fn dispatch(
        self: &Arc<Self>,
        account: &Arc<Account>,
        received: Received,
        plain: Plain,
    ) -> Told {
        tracing::trace!(session = %self.session.id(), endpoint = ?received.endpoint, "request taken");
        tell(match received.endpoint {
            Endpoint::Chunk(id) => return self.chunk(account, &id).await,
            Endpoint::Login => self.log_in(account, &received, plain).await,
            Endpoint::Authenticator | Endpoint::LoginPage | Endpoint::OauthToken => {
                self.own_login(&received).await
            }
            Endpoint::Telemetry | Endpoint::File(_) => telemetry(),
            Endpoint::Mcp => self.mcp(account, &received, plain).await,
            Endpoint::McpOther => self.refuse_mcp_method(&received).await,
            Endpoint::Renew => match self.master(account, &received).await {
                Ok(login) => self.renew(&login, plain).await,
                Err(refusal) => refusal,
            },
            Endpoint::Heartbeat
            | Endpoint::Close
            | Endpoint::Query
            | Endpoint::Result(_)
            | Endpoint::Monitoring(_)
            | Endpoint::AbortRequest
            | Endpoint::AbortQuery(_)
            | Endpoint::Submit
            | Endpoint::Status(_)
            | Endpoint::Cancel(_) => match self.authorized(account, &received).await {
                Ok(login) => self.with_login(&login, received, plain).await,
                Err(refusal) => refusal,
            },
        })
    }

    /// Carries out what acts for a login; whoever reads the body drops it before anything is waited for.
    async fn with_login(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: Received,
        plain: Plain,
    ) -> Body {
        let body = self.carry_out(login, received, plain).await;
        self.end_if_distrusted(login).await;
        body
    }

    async fn carry_out(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: Received,
        plain: Plain,
    ) -> Body {
        match received.endpoint {
            Endpoint::Query => self.query(login, &received, plain).await,
            Endpoint::Result(query_id) => self.result(login, &received, query_id, None).await,
            Endpoint::Monitoring(query_id) => self.monitor(login, &received, query_id).await,
            Endpoint::AbortRequest => self.abort_request(login, &received, plain).await,
            Endpoint::AbortQuery(query_id) => self.abort_query(login, &received, query_id).await,
            Endpoint::Submit => self.submit_v2(login, &received, plain).await,
            Endpoint::Status(handle) => self.status_v2(login, &received, handle).await,
            Endpoint::Cancel(handle) => self.cancel_v2(login, &received, handle).await,
            Endpoint::Heartbeat => self.heartbeat(login, &received).await,
            Endpoint::Close => self.close(login).await,
            Endpoint::Login
            | Endpoint::Renew
            | Endpoint::Authenticator
            | Endpoint::LoginPage
            | Endpoint::OauthToken
            | Endpoint::Telemetry
            | Endpoint::Mcp
            | Endpoint::McpOther
            | Endpoint::Chunk(_)
            | Endpoint::File(_) => telemetry(),
        }
    }

    /// Records an event of this session.
    pub(super) async fn note(
        &self,
        event_code: &'static str,
        severity: Severity,
        category: Category,
        detail: serde_json::Value,
    ) {
        let shared = &self.core.shared;
        shared
            .event(Some(&self.session), event_code, severity, category, detail)
            .await;
    }

    /// Records that a request was refused, and tells it.
    pub(super) async fn refuse(&self, form: Form, text: &str, detail: serde_json::Value) -> Body {
        self.note_refusal(text, detail).await;
        form.error(
            code::REFUSED,
            "42501",
            QueryId::mint(),
            &format!("Icecore refused this request: {text}"),
        )
    }

    /// Records that a request was refused.
    pub(super) async fn note_refusal(&self, text: &str, mut detail: serde_json::Value) {
        if let Some(members) = detail.as_object_mut() {
            members.insert("reason".to_owned(), text.into());
            members.insert("pid".to_owned(), self.peer.pid.into());
        }
        self.note(
            event::REQUEST_REFUSED,
            Severity::Low,
            Category::Policy,
            detail,
        )
        .await;
    }
}

/// Puts a body into an HTTP response.
fn tell(body: Body) -> Told {
    let status = StatusCode::from_u16(body.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    tell_under(status, &body)
}

/// Puts a body into an HTTP response under another status than its own.
pub(super) fn tell_under(status: StatusCode, body: &Body) -> Told {
    let mut told = http::whole(status, body.media_type(), body.text().clone());
    if let Some(link) = body
        .link()
        .and_then(|link| HeaderValue::from_str(link).ok())
    {
        told.headers_mut().insert(LINK, link);
    }
    told
}

/// Telemetry may hold SQL and stack traces: it is taken and goes nowhere.
fn telemetry() -> Body {
    Body::ok(Bytes::from_static(
        br#"{"data":"Log Received","code":null,"message":null,"success":true}"#,
    ))
}
