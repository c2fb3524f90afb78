//! What is sent to places of others: whether it was taken, and whether it may be taken later.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use zeroize::Zeroizing;

use super::{Client, Request, Response, WebError};

/// How long is waited before each further try: two minutes together, so that a place's restart is outlived.
pub(crate) const WAITS: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
    Duration::from_secs(60),
];

/// Longest wait that a place may ask for by `Retry-After` (RFC 9110 section 10.2.3).
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Why something was not taken.
#[derive(Debug)]
pub(crate) struct Untaken {
    /// In words, without an address: of some places that is a secret.
    pub(crate) cause: String,
    /// Whether it may be taken later, and how long the place wants to be left alone.
    pub(crate) later: Option<Duration>,
}

/// Says that it may be taken later.
pub(crate) fn later(cause: impl Into<String>, after: Duration) -> Untaken {
    Untaken {
        cause: cause.into(),
        later: Some(after),
    }
}

/// Says that it will never be taken.
pub(crate) fn never(cause: impl Into<String>) -> Untaken {
    Untaken {
        cause: cause.into(),
        later: None,
    }
}

/// Makes a header of a text that may hold a secret.
pub(crate) fn header(value: &str) -> Result<HeaderValue, Untaken> {
    HeaderValue::try_from(value)
        .map_err(|_| never("expected a secret of visible characters, found others"))
}

/// Makes the headers of a body that was signed as Standard Webhooks say.
pub(crate) fn signed(id: &str, seconds: i64, signature: &str) -> Result<HeaderMap, Untaken> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", id),
        ("webhook-timestamp", &seconds.to_string()),
        ("webhook-signature", signature),
    ] {
        headers.insert(HeaderName::from_static(name), header(value)?);
    }
    Ok(headers)
}

impl Client {
    /// Posts a text of JSON.
    pub(crate) async fn post_json(
        &self,
        url: &str,
        mut headers: HeaderMap,
        media_type: &'static str,
        body: String,
    ) -> Result<Response, Untaken> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        let request = Request {
            method: Method::POST,
            url: url.to_owned(),
            headers,
            body: Zeroizing::new(body.into_bytes()),
        };
        self.send(request).await.map_err(unreached)
    }
}

/// Tells whether an answer's status says that it was taken, or may be later.
pub(crate) fn taken(answer: &Response) -> Result<(), Untaken> {
    let status = answer.status;
    let may_help = status.is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    taken_or(answer, may_help)
}

/// Tells whether an answer's status says that it was taken, where the caller knows whether it may be later.
pub(crate) fn taken_or(answer: &Response, may_help: bool) -> Result<(), Untaken> {
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let cause = format!("it answered with HTTP status {}", status.as_u16());
    match may_help {
        true => Err(later(cause, asked_for(&answer.headers))),
        false => Err(never(cause)),
    }
}

/// Reads how long a place wants to be left alone, in seconds; a date is not read, and the own wait holds.
fn asked_for(headers: &HeaderMap) -> Duration {
    let text = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let seconds = text.and_then(|text| text.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(RETRY_AFTER_MAX)
}

/// Says why a request got no answer, without its address: of a workflow that is a secret.
fn unreached(error: WebError) -> Untaken {
    let soon = |cause| later(cause, Duration::ZERO);
    match error {
        WebError::Unreachable { cause, .. } => soon(format!("it cannot be reached: {cause}")),
        WebError::Slow { within, .. } => soon(format!(
            "it gave no whole answer within {} s",
            within.as_secs()
        )),
        WebError::Broke { cause, .. } => soon(format!("it gave no whole answer: {cause}")),
        WebError::Url { .. } => never("its address is none such as `https://host/path`"),
        WebError::Plain { .. } => never(
            "expected `https`, or a plain address of this host, found one that leads elsewhere",
        ),
        WebError::Redirect { status, .. } => never(format!(
            "it answered with HTTP status {status}, a redirect, which is not followed"
        )),
        WebError::TooLarge { .. } => never("its answer is larger than any that is expected"),
    }
}
