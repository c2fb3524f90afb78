//! The connections to Snowflake: pooled per core, verified, never redirected.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::chunk::{self, Storage};
use super::resolve::Resolver;
use super::{Answered, UpstreamError};
use crate::snowflake::answer::code;
use crate::snowflake::gzip;
use crate::snowflake::secret::Secret;
use crate::web;

/// Longest wait for an answer: Snowflake's own long poll is 45 s (protocol reference 2.2, `healthCheckInterval`).
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Largest answer that is held, in plain bytes; Snowflake puts larger results into chunks.
const ANSWER_MAX_BYTES: u64 = 256 << 20;

/// Headers of the client that go upstream as they came. Source: protocol reference section 8, points 12 and 14.
///
/// `x-snowflake-session` is not among them: the login keeps its own (see `Login`).
const PASSED: [&str; 4] = [
    "client_app_id",
    "client_app_version",
    "x-snowflake-service",
    "traceparent",
];

/// The header by which Snowflake routes requests of one session. Source: protocol reference section 3.
const ROUTE: HeaderName = HeaderName::from_static("x-snowflake-session");

/// What Icecore calls itself where its client says nothing.
const OWN_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("icecore/", env!("CARGO_PKG_VERSION")));

/// What a core's client is made from.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Roots that Snowflake is trusted by.
    pub tls: Arc<rustls::ClientConfig>,
    /// How long one connect may take, TLS included.
    pub connect_timeout: Duration,
    /// Where governed hosts are.
    pub resolver: Arc<Resolver>,
}

/// The headers of a client's request that may go upstream.
#[derive(Clone, Debug)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Picks what may go upstream; credentials, cookies and proofs of possession are not among it.
    #[must_use]
    pub fn pick(client: &HeaderMap) -> Self {
        let mut picked = HeaderMap::new();
        for name in PASSED {
            if let Some(value) = client.get(name)
                && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            {
                picked.insert(name, value.clone());
            }
        }
        // The SQL API takes no request without one.
        let agent = client.get(USER_AGENT).cloned();
        picked.insert(USER_AGENT, agent.unwrap_or(OWN_AGENT));
        let wants_snowflake = client
            .get(ACCEPT)
            .is_some_and(|accept| accept == "application/snowflake");
        let accept = if wants_snowflake {
            "application/snowflake"
        } else {
            "application/json"
        };
        picked.insert(ACCEPT, HeaderValue::from_static(accept));
        picked.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        picked.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self(picked)
    }

    /// Gives the W3C trace context that the client sent.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.0.get("traceparent")?.to_str().ok()
    }

    /// Tells whether the client sent one, well-formed or not.
    #[must_use]
    pub fn has_traceparent(&self) -> bool {
        self.0.contains_key("traceparent")
    }

    /// Adds a W3C trace context; none if it is none that a header can hold.
    #[must_use]
    pub fn with_traceparent(&self, value: &str) -> Option<Self> {
        let mut headers = self.0.clone();
        headers.insert("traceparent", HeaderValue::from_str(value).ok()?);
        Some(Self(headers))
    }

    /// Lists them, for the next proxy; what is not text is left out.
    #[must_use]
    pub fn kept(&self) -> Vec<(String, String)> {
        let texts = self.0.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        texts.collect()
    }

    /// Picks from what an earlier proxy kept.
    #[must_use]
    pub fn of_kept(kept: &[(String, String)]) -> Self {
        let pairs = kept.iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        });
        Self::pick(&pairs.collect())
    }

    /// Adds the header by which Snowflake routes requests of one session.
    #[must_use]
    pub(super) fn routed(&self, route: Option<&HeaderValue>) -> Self {
        let mut headers = self.0.clone();
        if let Some(route) = route {
            headers.insert(ROUTE, route.clone());
        }
        Self(headers)
    }

    /// Gives `application/json` requests' headers, for requests of our own.
    #[must_use]
    pub fn own() -> Self {
        Self::pick(&HeaderMap::new())
    }
}

/// One core's client.
#[derive(Clone)]
pub struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    storage: Storage,
}

impl Upstream {
    /// Makes the client; its connections live on the calling core's runtime.
    #[must_use]
    pub fn new(settings: UpstreamSettings) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(Connector(settings.clone()));
        Self {
            client,
            storage: chunk::storage(settings),
        }
    }

    /// Stands for a client that trusts nobody and finds hosts at these addresses, for tests of who is asked.
    #[cfg(test)]
    pub(crate) fn at(addresses: std::collections::BTreeMap<String, SocketAddr>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Self::new(UpstreamSettings {
            tls: Arc::new(tls),
            connect_timeout: Duration::from_secs(1),
            resolver: Arc::new(Resolver::new(addresses)),
        })
    }

    /// Gives the connections to storage hosts.
    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Sends one request and reads its answer; follows nothing and retries nothing.
    ///
    /// # Errors
    /// See `UpstreamError`.
    pub(super) async fn send<T: Heard>(
        &self,
        host: &str,
        method: Method,
        path_and_query: &str,
        headers: &Headers,
        token: Option<&Secret>,
        body: Vec<u8>,
    ) -> Result<T, UpstreamError> {
        let request = request(host, method, path_and_query, headers, token, body)
            .map_err(|error| UpstreamError::Request(error.to_string()))?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| unreachable(host, &error))?;
            read(host, response).await
        };
        let whole = tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(UpstreamError::Slow {
                    host: host.to_owned(),
                    within: ANSWER_WITHIN,
                })
            })?;
        T::read(host, whole)
    }
}

/// What a request upstream can come to.
pub(super) trait Heard: Sized {
    /// Reads a whole response.
    fn read(host: &str, whole: Whole) -> Result<Self, UpstreamError>;

    /// Tells whether it says that the session token has expired.
    fn has_expired(&self) -> bool;

    /// Tells whether it says that the statement is still running.
    fn in_progress(&self) -> bool;

    /// Gives the `x-snowflake-session` header that came with it.
    fn route(&self) -> Option<&HeaderValue>;
}

/// A response that was read whole.
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) plain: Result<Bytes, gzip::GzipError>,
}

impl Whole {
    /// Gives the `x-snowflake-session` header.
    pub(super) fn route(&self) -> Option<HeaderValue> {
        self.headers.get(ROUTE).cloned()
    }

    /// Gives the time of its `Date` header.
    fn date(&self) -> Option<DateTime<Utc>> {
        let text = self.headers.get(DATE)?.to_str().ok()?;
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        Some(date.with_timezone(&Utc))
    }

    /// Says that the status is no answer.
    pub(super) fn bad_status(&self, host: &str) -> UpstreamError {
        UpstreamError::Status {
            host: host.to_owned(),
            status: self.status.as_u16(),
        }
    }
}

impl Heard for Answered {
    /// An HTTP status other than 200 is an error, unless it is 401 with an answer's envelope.
    fn read(host: &str, whole: Whole) -> Result<Self, UpstreamError> {
        let (bad, with) = (whole.bad_status(host), (whole.route(), whole.date()));
        match (whole.status, whole.plain) {
            (StatusCode::OK, plain) => Ok(Self::read(plain?)?.come_from(host, with)?),
            (StatusCode::UNAUTHORIZED, Ok(plain)) => match Self::read(plain) {
                Ok(answered) => Ok(answered.come_from(host, with)?),
                Err(_) => Err(bad),
            },
            (_, Ok(_) | Err(_)) => Err(bad),
        }
    }

    fn has_expired(&self) -> bool {
        self.answer().code() == Some(code::SESSION_EXPIRED)
    }

    fn in_progress(&self) -> bool {
        self.answer().in_progress()
    }

    fn route(&self) -> Option<&HeaderValue> {
        self.route()
    }
}

fn request(
    host: &str,
    method: Method,
    path_and_query: &str,
    headers: &Headers,
    token: Option<&Secret>,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let uri = Uri::builder()
        .scheme("https")
        .authority(host)
        .path_and_query(path_and_query)
        .build()?;
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::new(Bytes::from(body)))?;
    *request.headers_mut() = headers.0.clone();
    if let Some(token) = token {
        let mut value = HeaderValue::try_from(format!("Snowflake Token=\"{}\"", token.reveal()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

async fn read(host: &str, response: Response<Incoming>) -> Result<Whole, UpstreamError> {
    let (head, body) = response.into_parts();
    let limit = usize::try_from(ANSWER_MAX_BYTES).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit)
        .collect()
        .await
        .map_err(|error| UpstreamError::Unreachable {
            host: host.to_owned(),
            cause: error.to_string(),
        })?
        .to_bytes();
    Ok(Whole {
        status: head.status,
        headers: head.headers,
        plain: gzip::inflate_capped(body, ANSWER_MAX_BYTES),
    })
}

pub(super) fn unreachable(host: &str, error: &hyper_util::client::legacy::Error) -> UpstreamError {
    UpstreamError::Unreachable {
        host: host.to_owned(),
        cause: web::with_sources(error),
    }
}

/// Dials a governed host and verifies its certificate.
#[derive(Clone)]
struct Connector(UpstreamSettings);

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TokioIo<Verified>, UpstreamError> {
        let host = uri.host().unwrap_or_default();
        let addresses = self.0.resolver.resolve(host).await?;
        dial(&self.0, host, &addresses).await
    }
}

/// Connects to the first address that answers and verifies that it is the host.
pub(super) async fn dial(
    settings: &UpstreamSettings,
    host: &str,
    addresses: &[SocketAddr],
) -> Result<TokioIo<Verified>, UpstreamError> {
    let within = settings.connect_timeout;
    match web::tls(&settings.tls, host, addresses, within).await {
        Ok(stream) => Ok(TokioIo::new(Verified(stream))),
        Err(error) => Err(UpstreamError::Unreachable {
            host: host.to_owned(),
            cause: error.to_string(),
        }),
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Verified>;
    type Error = UpstreamError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, UpstreamError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection whose other end has shown a certificate for the host.
pub(super) struct Verified(TlsStream<TcpStream>);

impl Connection for Verified {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl tokio::io::AsyncRead for Verified {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl tokio::io::AsyncWrite for Verified {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
