//! Statements upstream: submitted under an intent, polled to their end, aborted, fetched by id.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use uuid::Uuid;

use super::client::{Headers, Heard, Upstream};
use super::login::{Login, fresh_ids};
use super::{Answered, Earlier, Said, Subject, Unmasked, UpstreamError, v2};
use crate::record::Intent;
use crate::snowflake::answer::result_url;
use crate::snowflake::json::Object;
use crate::snowflake::query::QueryRequest;
use crate::snowflake::route::QueryId;

/// Waits between the tries of one request. Snowflake knows a statement by its `requestId` (protocol reference 4.1),
/// so a try that was lost on the way is not run twice.
pub(super) const RETRY_AFTER: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Sends a statement and waits for its end; `on_running` hears Snowflake's id as soon as there is one.
///
/// The text sent is the permit's (invariant 1): the request is the one that was judged.
pub async fn execute(
    upstream: &Upstream,
    login: &Arc<Login>,
    headers: &Headers,
    intent: Intent,
    request: &QueryRequest,
    request_id: &str,
    on_running: impl Fn(QueryId),
) -> Unmasked {
    let answered = match body(&intent, request) {
        Err(error) => Err(error),
        Ok(body) => {
            let way = Way {
                upstream,
                login,
                headers,
            };
            match request.api() {
                None => submit(way, request, body, request_id, on_running)
                    .await
                    .map(Said::Driver),
                Some(api) => v2::submit(way, api, body, request_id, on_running)
                    .await
                    .map(Said::Api),
            }
        }
    };
    Unmasked {
        subject: Subject::Statement(Box::new(intent)),
        answered,
    }
}

/// By which client, login and headers a request goes upstream.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) login: &'a Arc<Login>,
    pub(super) headers: &'a Headers,
}

/// Writes the body to send: its text is the permit's.
fn body(intent: &Intent, request: &QueryRequest) -> Result<Vec<u8>, UpstreamError> {
    let judged = intent.permit().statement();
    if judged.text() != request.sql_text() {
        return Err(UpstreamError::Request(
            "the text to send is not the text that was judged".to_owned(),
        ));
    }
    request
        .write(judged.count())
        .map_err(|error| UpstreamError::Request(error.to_string()))
}

/// Ends a statement that was cancelled before it was sent.
#[must_use]
pub fn withdraw(intent: Intent) -> Unmasked {
    Unmasked {
        subject: Subject::Statement(Box::new(intent)),
        answered: Err(UpstreamError::Withdrawn),
    }
}

async fn submit(
    way: Way<'_>,
    request: &QueryRequest,
    body: Vec<u8>,
    request_id: &str,
    on_running: impl Fn(QueryId),
) -> Result<Answered, UpstreamError> {
    let path = |attempt: usize| {
        let retry = if attempt == 0 {
            String::new()
        } else {
            format!("&retryCount={attempt}&retryReason=0")
        };
        format!(
            "/queries/v1/query-request?requestId={request_id}&request_guid={}{retry}",
            Uuid::new_v4()
        )
    };
    let answered: Answered = patient(way, Method::POST, path, body).await?;
    if request.is_async() || !answered.answer().in_progress() {
        if let Some(query_id) = answered
            .answer()
            .query_id()
            .filter(|_| answered.answer().in_progress())
        {
            on_running(query_id);
        }
        return Ok(answered);
    }
    let Some(query_id) = answered.answer().query_id() else {
        return Err(UpstreamError::Answer(
            crate::snowflake::answer::AnswerError::ForeignResultUrl,
        ));
    };
    on_running(query_id);
    result(way, query_id).await
}

/// Waits for a statement's end; Snowflake holds each request up to 45 s, so that nothing is gained by pausing.
pub(super) async fn result(way: Way<'_>, query_id: QueryId) -> Result<Answered, UpstreamError> {
    until_ended(Duration::ZERO, || poll(way, query_id)).await
}

/// Asks once for the result of a statement that was sent earlier; Snowflake holds the answer up to 45 s.
pub async fn fetch(
    upstream: &Upstream,
    login: &Arc<Login>,
    headers: &Headers,
    query_id: QueryId,
    earlier: Earlier,
) -> Unmasked {
    let way = Way {
        upstream,
        login,
        headers,
    };
    Unmasked {
        subject: Subject::Later(earlier),
        answered: poll(way, query_id).await.map(Said::Driver),
    }
}

pub(super) async fn poll(way: Way<'_>, query_id: QueryId) -> Result<Answered, UpstreamError> {
    let path = |_: usize| format!("{}?{}", result_url(query_id), fresh_ids());
    patient(way, Method::GET, path, Vec::new()).await
}

/// Asks Snowflake to cancel a statement, by the client's request id or by the query's.
///
/// # Errors
/// No usable answer.
pub async fn abort(
    upstream: &Upstream,
    login: &Arc<Login>,
    headers: &Headers,
    target: Result<QueryId, &str>,
) -> Result<Answered, UpstreamError> {
    let mut body = Object::default();
    let path = match target {
        Ok(query_id) => format!("/queries/{query_id}/abort-request?{}", fresh_ids()),
        Err(request_id) => {
            body.set("requestId", request_id)
                .map_err(|error| UpstreamError::Request(error.to_string()))?;
            format!("/queries/v1/abort-request?{}", fresh_ids())
        }
    };
    let body = body
        .write()
        .map_err(|error| UpstreamError::Request(error.to_string()))?;
    let way = Way {
        upstream,
        login,
        headers,
    };
    patient(way, Method::POST, |_| path.clone(), body).await
}

/// Carries a request that names no statement (heartbeat, monitoring) and needs no body.
///
/// # Errors
/// No usable answer.
pub async fn call(
    upstream: &Upstream,
    login: &Arc<Login>,
    headers: &Headers,
    method: Method,
    path: &str,
) -> Result<Answered, UpstreamError> {
    let path = |_: usize| format!("{path}?{}", fresh_ids());
    let way = Way {
        upstream,
        login,
        headers,
    };
    patient(way, method, path, Vec::new()).await
}

/// Longest pause before a running statement is asked for again.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Asks for a running statement until it has ended, each time after a pause that grows from the first one.
pub(super) async fn until_ended<T, F>(
    first_pause: Duration,
    ask: impl Fn() -> F,
) -> Result<T, UpstreamError>
where
    T: Heard,
    F: Future<Output = Result<T, UpstreamError>>,
{
    let mut pause = first_pause;
    loop {
        tokio::time::sleep(pause).await;
        let answered = ask().await?;
        if !answered.in_progress() {
            return Ok(answered);
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Sends a request again after a lost connection or a passing failure, and after renewing an expired token.
pub(super) async fn patient<T: Heard>(
    way: Way<'_>,
    method: Method,
    path: impl Fn(usize) -> String,
    body: Vec<u8>,
) -> Result<T, UpstreamError> {
    let Way {
        upstream,
        login,
        headers,
    } = way;
    let mut waits = RETRY_AFTER.iter();
    let mut renewals_left = 2;
    let mut attempt = 0;
    loop {
        let token = login.session_token();
        let sent: Result<T, UpstreamError> = upstream
            .send(
                login.host(),
                method.clone(),
                &path(attempt),
                &login.routed(headers),
                Some(&token),
                body.clone(),
            )
            .await;
        attempt += 1;
        if let Ok(answered) = &sent {
            login.keep_route(answered.route());
        }
        match sent {
            Ok(answered) if answered.has_expired() => {
                if renewals_left == 0 {
                    return Err(UpstreamError::Expired);
                }
                renewals_left -= 1;
                login.renew_if_still(upstream, &token).await?;
            }
            Ok(answered) => return Ok(answered),
            Err(error) => match waits.next().filter(|_| passes(&error)) {
                Some(wait) => tokio::time::sleep(*wait).await,
                None => return Err(error),
            },
        }
    }
}

/// Tells whether another try may get an answer.
pub(super) fn passes(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::Unreachable { .. }
        | UpstreamError::Unresolved { .. }
        | UpstreamError::Slow { .. } => true,
        UpstreamError::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
        UpstreamError::Answer(_)
        | UpstreamError::Broke { .. }
        | UpstreamError::Inside { .. }
        | UpstreamError::Body(_)
        | UpstreamError::Expired
        | UpstreamError::Withdrawn
        | UpstreamError::Credential(_)
        | UpstreamError::Request(_) => false,
    }
}
