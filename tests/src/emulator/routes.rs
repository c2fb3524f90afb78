//! Snowflake's endpoints as the gate serves them, matched byte for byte.

use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, Method, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answers::{self, Refusal};
use super::sessions::{MASTER_VALIDITY, Opening, Session, Tokens};
use super::settings::SecondaryRoles;
use super::statements::Statement;
use super::{Gate, credential, execution, results};

/// The endpoints, by the names that fault hooks use.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `POST /session/v1/login-request`
    Login,
    /// `POST /session/token-request`
    Renew,
    /// `POST /session/heartbeat`
    Heartbeat,
    /// `POST /session?delete=true`
    Close,
    /// `POST /queries/v1/query-request`
    Query,
    /// `GET /queries/<id>/result`
    Result,
    /// `GET /monitoring/queries/<id>`
    Monitoring,
    /// `POST /queries/v1/abort-request`
    Abort,
    /// `POST /queries/<id>/abort-request`
    AbortById,
    /// `POST /telemetry/send`
    Telemetry,
    /// A chunk of a result, under the bucket's name
    Chunk,
    /// `POST /api/v2/statements`
    V2Submit,
    /// `GET /api/v2/statements/<handle>`
    V2Status,
    /// `POST /api/v2/statements/<handle>/cancel`
    V2Cancel,
}

impl Endpoint {
    /// Tells whether the endpoint is the SQL API's.
    #[must_use]
    pub(super) fn is_sql_api(self) -> bool {
        matches!(self, Self::V2Submit | Self::V2Status | Self::V2Cancel)
    }
}

/// The header that keeps a session's requests on one of Snowflake's machines.
const STICKY: &str = "x-snowflake-session";

/// Where the statements of the SQL API are.
const STATEMENTS: &str = "/api/v2/statements/";

/// One request, read whole.
#[derive(Debug)]
pub(super) struct Asked {
    /// HTTP method.
    pub(super) method: Method,
    /// Path and query as received.
    pub(super) uri: Uri,
    /// Headers as received.
    pub(super) headers: HeaderMap,
    /// JSON body, null if there is none or it is no JSON.
    pub(super) body: Value,
}

impl Asked {
    /// Gives the name that is asked for, without the port.
    #[must_use]
    pub(super) fn host(&self) -> Option<&str> {
        let header = || self.headers.get("host").and_then(|v| v.to_str().ok());
        let authority = self.uri.authority().map(|a| a.as_str()).or_else(header)?;
        Some(
            authority
                .split_once(':')
                .map_or(authority, |(name, _)| name),
        )
    }

    /// Tells which endpoint is asked; `None` for everything that Snowflake's drivers never ask.
    #[must_use]
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        let path = self.uri.path();
        if self.host() == Some(results::CHUNK_HOST) {
            return Some(Endpoint::Chunk);
        }
        let by_id = |prefix: &str, suffix: &str| self.id(prefix, suffix).is_some();
        match self.method {
            Method::POST => match path {
                "/session/v1/login-request" => Some(Endpoint::Login),
                "/session/token-request" => Some(Endpoint::Renew),
                "/session/heartbeat" => Some(Endpoint::Heartbeat),
                "/session" => Some(Endpoint::Close),
                "/queries/v1/query-request" => Some(Endpoint::Query),
                "/queries/v1/abort-request" => Some(Endpoint::Abort),
                "/telemetry/send" => Some(Endpoint::Telemetry),
                "/api/v2/statements" => Some(Endpoint::V2Submit),
                _ if by_id(STATEMENTS, "/cancel") => Some(Endpoint::V2Cancel),
                _ => by_id("/queries/", "/abort-request").then_some(Endpoint::AbortById),
            },
            Method::GET if by_id("/queries/", "/result") => Some(Endpoint::Result),
            Method::GET if by_id(STATEMENTS, "") => Some(Endpoint::V2Status),
            Method::GET if by_id("/monitoring/queries/", "") => Some(Endpoint::Monitoring),
            _ => None,
        }
    }

    /// Gives the handle in a path of the SQL API.
    #[must_use]
    pub(super) fn handle(&self) -> Option<&str> {
        self.id(STATEMENTS, "/cancel").or(self.id(STATEMENTS, ""))
    }

    fn id(&self, prefix: &str, suffix: &str) -> Option<&str> {
        let rest = self.uri.path().strip_prefix(prefix)?;
        // Connector 5.2 asks for `/monitoring/queries//<id>`.
        let id = rest
            .strip_prefix('/')
            .unwrap_or(rest)
            .strip_suffix(suffix)?;
        uuid::Uuid::try_parse(id).is_ok().then_some(id)
    }

    /// Gives a parameter of the URL, percent-decoded.
    #[must_use]
    pub(super) fn query(&self, key: &str) -> Option<String> {
        self.uri.query()?.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == key).then(|| percent_decoded(value))
        })
    }

    /// Gives the token of `Authorization: Snowflake Token="..."`.
    pub(super) fn token(&self) -> Result<&str, Refusal> {
        self.headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Snowflake Token=\"")?.strip_suffix('"'))
            .ok_or(answers::TOKEN_MISSING)
    }
}

/// Answers one request; every error has a body of its own.
pub(super) async fn answer(
    gate: &Arc<Gate>,
    endpoint: Endpoint,
    asked: &Asked,
) -> Result<Value, Refusal> {
    match endpoint {
        Endpoint::Login => login(gate, asked).await,
        Endpoint::Renew => renew(gate, asked),
        Endpoint::Heartbeat => {
            session(gate, asked)?;
            Ok(answers::success(Value::Null))
        }
        Endpoint::Close => close(gate, asked).await,
        Endpoint::Query => query(gate, asked).await,
        Endpoint::Result => result(gate, asked).await,
        Endpoint::Monitoring => monitoring(gate, asked),
        Endpoint::Abort => abort(gate, asked),
        Endpoint::AbortById => abort_by_id(gate, asked),
        Endpoint::Telemetry => Ok(answers::success(json!("Log Received"))),
        Endpoint::Chunk | Endpoint::V2Submit | Endpoint::V2Status | Endpoint::V2Cancel => {
            Err(answers::MALFORMED)
        }
    }
}

/// Gives the session of a request: its token's, if it is one of the account that the host name leads to.
fn session(gate: &Gate, asked: &Asked) -> Result<Arc<Session>, Refusal> {
    let session = gate.sessions.session(asked.token()?)?;
    let account = gate.account(asked.host());
    if account.is_none_or(|account| account.name != session.account.name) {
        return Err(answers::TOKEN_UNKNOWN);
    }
    let shown = asked.headers.get(STICKY).and_then(|v| v.to_str().ok());
    if shown.is_some_and(|shown| shown != session.sticky) {
        gate.journal
            .event("sticky_wrong", json!({"session": session.id}));
        return Err(answers::TOKEN_UNKNOWN);
    }
    if gate.tuning().sticky_needed && shown.is_none() {
        gate.journal
            .event("sticky_missing", json!({"session": session.id}));
        return Err(answers::TOKEN_UNKNOWN);
    }
    Ok(session)
}

/// Gives the value of `x-snowflake-session` for an answer: that of the session asked for, or just opened.
pub(super) fn sticky(gate: &Gate, asked: &Asked, body: &Value) -> Option<String> {
    let opened = body.pointer("/data/token").and_then(Value::as_str);
    gate.sessions.sticky(opened.or(asked.token().ok())?)
}

async fn login(gate: &Arc<Gate>, asked: &Asked) -> Result<Value, Refusal> {
    let user = asked.body.pointer("/data/LOGIN_NAME");
    let user = user.and_then(Value::as_str).unwrap_or_default();
    let role = asked.query("roleName").unwrap_or_default();
    let account = gate.account_of(asked.host(), user, &role);
    let account = account.ok_or(answers::MALFORMED)?;
    for (name, at) in [
        ("login_token", "/data/TOKEN"),
        ("login_password", "/data/PASSWORD"),
    ] {
        if let Some(secret) = asked.body.pointer(at).and_then(Value::as_str) {
            gate.journal.canary(name, secret);
        }
    }
    if let Err(denied) = credential::check(&account, &asked.body, |key| asked.query(key)) {
        gate.journal
            .event("login_refused", json!({"why": denied.why}));
        return Err(denied.refusal);
    }
    let database = asked.query("databaseName").filter(|name| !name.is_empty());
    let schema = asked.query("schemaName").filter(|name| !name.is_empty());
    let database = database.as_deref().unwrap_or("ACME_DB");
    let schema = schema.as_deref().unwrap_or("PUBLIC");
    let backend = gate.fakesnow.login(database, schema).await;
    let backend = backend.map_err(|_| answers::MALFORMED)?;
    let validity = gate.tuning().session_validity_seconds;
    let data = asked.body.get("data");
    let application = data.and_then(|data| data.get("CLIENT_APP_ID"));
    let opening = Opening {
        backend_token: backend,
        account: account.clone(),
        application: application
            .and_then(Value::as_str)
            .unwrap_or_default()
            .into(),
        database: database.into(),
        schema: schema.into(),
    };
    let (session, tokens) = gate.sessions.open(opening, Duration::from_secs(validity));
    let asked_off = data.and_then(|data| data.get("SECONDARY_ROLES")) == Some(&json!("NONE"));
    if asked_off && gate.tuning().secondary_roles == SecondaryRoles::ByLogin {
        session.set_secondary_roles(false);
    }
    let parameters = data.and_then(|data| data.get("SESSION_PARAMETERS"));
    for (name, value) in parameters.and_then(Value::as_object).into_iter().flatten() {
        session.set_parameter(name, value.clone());
    }
    note(gate, "login", &session, &tokens);
    Ok(answers::success(json!({
        "token": tokens.session, "masterToken": tokens.master,
        "validityInSeconds": validity, "masterValidityInSeconds": MASTER_VALIDITY.as_secs(),
        "displayUserName": account.user, "serverVersion": "9.36.1", "firstLogin": false,
        "remMeToken": null, "remMeValidityInSeconds": 0, "healthCheckInterval": 45,
        "newClientForUpgrade": null, "sessionId": session.id,
        "parameters": [
            {"name": "AUTOCOMMIT", "value": true},
            {"name": "TIMEZONE", "value": "Etc/UTC"},
            {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
            {"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": gate.tuning().stage_binds_from},
        ],
        "sessionInfo": {
            "databaseName": database, "schemaName": schema,
            "warehouseName": account.warehouse, "roleName": account.role,
        },
        "idToken": null, "idTokenValidityInSeconds": 0, "mfaToken": null, "mfaTokenValidityInSeconds": 0,
        "responseData": null,
    })))
}

fn renew(gate: &Gate, asked: &Asked) -> Result<Value, Refusal> {
    let old = asked.body.get("oldSessionToken").and_then(Value::as_str);
    let validity = gate.tuning().session_validity_seconds;
    let (session, tokens) = gate.sessions.renew(
        asked.token()?,
        old.ok_or(answers::MALFORMED)?,
        Duration::from_secs(validity),
    )?;
    note(gate, "renewed", &session, &tokens);
    Ok(answers::success(json!({
        "sessionToken": tokens.session, "validityInSecondsST": validity,
        "masterToken": tokens.master, "validityInSecondsMT": MASTER_VALIDITY.as_secs(),
        "sessionId": session.id,
    })))
}

fn note(gate: &Gate, event: &str, session: &Session, tokens: &Tokens) {
    gate.journal.canary("session_token", &tokens.session);
    gate.journal.canary("master_token", &tokens.master);
    gate.journal.event(event, json!({"session": session.id}));
}

async fn close(gate: &Gate, asked: &Asked) -> Result<Value, Refusal> {
    let session = session(gate, asked)?;
    if asked.query("delete").as_deref() == Some("true") {
        gate.sessions.close(&session);
        gate.journal.event("closed", json!({"session": session.id}));
        let _turn = session.queue.lock().await;
        // fakesnow forgets its sessions when it ends; a failure here loses nothing.
        drop(gate.fakesnow.close(&session.backend_token).await);
    }
    Ok(answers::success(Value::Null))
}

async fn query(gate: &Arc<Gate>, asked: &Asked) -> Result<Value, Refusal> {
    let session = session(gate, asked)?;
    if asked.body.get("sqlText").and_then(Value::as_str).is_none() {
        return Err(answers::MALFORMED);
    }
    let request_id = asked.query("requestId").unwrap_or_default();
    let own = asked.body.get("parameters");
    let format = results::preferred(&session.application, &asked.headers, |name| {
        let own = own.and_then(|own| own.get(name)).cloned();
        own.or_else(|| session.parameter(name))
    });
    let (statement, is_first) = gate.statement(&session, &request_id, &asked.body, format);
    if Some(statement.sql.as_str()) != asked.body.get("sqlText").and_then(Value::as_str) {
        return Err(answers::REQUEST_ID_REUSED);
    }
    if is_first {
        let run = execution::run(Arc::clone(gate), Arc::clone(&statement));
        super::spawn("statement", run);
    }
    let hold = if statement.is_async {
        0
    } else {
        gate.tuning().poll_after_ms
    };
    Ok(answer_or_poll(gate, &statement, hold).await)
}

async fn answer_or_poll(gate: &Gate, statement: &Statement, hold_ms: u64) -> Value {
    match statement.wait(Duration::from_millis(hold_ms)).await {
        Some(ended) => statement.answer(gate, &ended),
        None => answers::in_progress(&statement.id, statement.is_async),
    }
}

async fn result(gate: &Gate, asked: &Asked) -> Result<Value, Refusal> {
    let session = session(gate, asked)?;
    let statement = by_id(gate, &session, asked.id("/queries/", "/result"))?;
    Ok(answer_or_poll(gate, &statement, gate.tuning().poll_hold_ms).await)
}

fn monitoring(gate: &Gate, asked: &Asked) -> Result<Value, Refusal> {
    let session = session(gate, asked)?;
    let s = by_id(gate, &session, asked.id("/monitoring/queries/", ""))?;
    Ok(answers::monitoring(&s))
}

fn abort(gate: &Gate, asked: &Asked) -> Result<Value, Refusal> {
    let session = session(gate, asked)?;
    let request_id = asked.body.get("requestId").and_then(Value::as_str);
    let statement = gate
        .by_request(&session, request_id.unwrap_or_default())
        .ok_or(answers::NOT_RUNNING)?;
    cancelled(&statement)
}

fn abort_by_id(gate: &Gate, asked: &Asked) -> Result<Value, Refusal> {
    let session = session(gate, asked)?;
    let statement = by_id(gate, &session, asked.id("/queries/", "/abort-request"))?;
    cancelled(&statement)
}

fn cancelled(statement: &Statement) -> Result<Value, Refusal> {
    if statement.cancel() {
        Ok(answers::success(Value::Null))
    } else {
        Err(answers::NOT_RUNNING)
    }
}

/// Finds a statement of the session's account: another session of it may ask, another account may not.
fn by_id(gate: &Gate, session: &Session, id: Option<&str>) -> Result<Arc<Statement>, Refusal> {
    id.and_then(|id| gate.by_id(id))
        .filter(|statement| statement.session.account.name == session.account.name)
        .ok_or(answers::RESULT_UNKNOWN)
}

pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or("00");
                u8::from_str_radix(digits, 16).unwrap_or(b'?')
            }
            b'+' => b' ',
            other => other,
        };
        bytes.push(decoded);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
