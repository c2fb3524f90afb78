//! The one HTTPS client for hosts other than Snowflake: issuers, secret stores, clouds.
//!
//! Such requests are rare, so each has a connection of its own, but for a store's, which `pool` carries. No redirect is
//! followed, an answer has a size and a time limit, and a plain connection is made to this host alone.

mod dial;
mod error;
mod pool;
mod roots;
pub(crate) mod sending;
mod target;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

pub(crate) use dial::{NoConnection, look_up, tls};
pub use error::WebError;
pub use pool::Pool;
pub(crate) use roots::trust_only;
pub use roots::{RootsError, trust};
use target::{Scheme, Target};

/// Longest time that a request may take, from the look-up of its host to the last byte of its answer.
const WITHIN: Duration = Duration::from_secs(5);

/// Largest answer, in bytes: key sets, tokens and secrets are far smaller.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// What Icecore calls itself.
const OWN_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("icecore/", env!("CARGO_PKG_VERSION")));

/// Where AWS answers with the host's own identity. Source: AWS, "Instance metadata service", IPv4 and IPv6 addresses.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// A request; its body may hold a secret and is wiped.
pub struct Request {
    /// Its method.
    pub method: Method,
    /// An `https` address, or an `http` one of this host.
    pub url: String,
    /// Its headers; `Host`, `User-Agent` and the like are set here.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Request {
    /// Asks for what is at an address.
    #[must_use]
    pub fn of_url(url: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Zeroizing::default(),
        }
    }
}

/// An answer of any status but a redirect's; its body may hold a secret and is wiped.
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Zeroizing<Vec<u8>>,
}

/// Sends requests; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Arc<rustls::ClientConfig>,
    plain: Plain,
    within: Duration,
}

/// To whom a plain connection may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    /// To this host.
    Loopback,
    /// To this host, and to the cloud's metadata service.
    Metadata,
}

impl Client {
    /// Makes a client that trusts by the given roots (see `trust`).
    #[must_use]
    pub fn new(tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            tls,
            plain: Plain::Loopback,
            within: WITHIN,
        }
    }

    /// Makes a client that trusts nobody, for where nothing is asked.
    ///
    /// # Errors
    /// The crypto provider lacks TLS 1.2 or 1.3.
    pub fn offline() -> Result<Self, RootsError> {
        roots::trust_nobody().map(Self::new)
    }

    /// Makes a client that may also ask the cloud's metadata service, which has no TLS, for the host's own identity.
    #[must_use]
    pub fn of_host_identity(self) -> Self {
        let plain = Plain::Metadata;
        Self { plain, ..self }
    }

    /// Sends one request and reads its answer; follows nothing and retries nothing.
    ///
    /// # Errors
    /// See `WebError`; a status other than a redirect's is no error here.
    pub async fn send(&self, request: Request) -> Result<Response, WebError> {
        let target = Target::read(&request.url)?;
        let exchange = self.exchange(&target, request);
        match tokio::time::timeout(self.within, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(WebError::Slow {
                place: target.to_string(),
                within: self.within,
            }),
        }
    }

    async fn exchange(&self, target: &Target, request: Request) -> Result<Response, WebError> {
        let unreachable = |cause: NoConnection| WebError::Unreachable {
            place: target.to_string(),
            cause: cause.to_string(),
        };
        let addresses = look_up(target.host(), target.port())
            .await
            .map_err(unreachable)?;
        match target.scheme() {
            Scheme::Https => {
                let stream = tls(&self.tls, target.host(), &addresses, self.within)
                    .await
                    .map_err(unreachable)?;
                converse(stream, target, request).await
            }
            Scheme::Http => {
                self.check_plain(target, &addresses)?;
                let stream = TcpStream::connect(addresses.as_slice())
                    .await
                    .map_err(|error| unreachable(NoConnection::new(error)))?;
                converse(stream, target, request).await
            }
        }
    }

    /// Refuses a plain connection that could be read or answered by others.
    fn check_plain(&self, target: &Target, addresses: &[SocketAddr]) -> Result<(), WebError> {
        let may = |address: IpAddr| {
            let address = address.to_canonical();
            address.is_loopback() || (self.plain == Plain::Metadata && METADATA.contains(&address))
        };
        match addresses.iter().find(|address| !may(address.ip())) {
            Some(found) => Err(WebError::Plain {
                place: target.to_string(),
                address: found.ip(),
            }),
            None => Ok(()),
        }
    }
}

/// Sends a request over a connection of its own and reads the answer.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &Target,
    request: Request,
) -> Result<Response, WebError> {
    let broke = |error: hyper::Error| WebError::Broke {
        place: target.to_string(),
        cause: with_sources(&error),
    };
    let request = write(target, request)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broke)?;
        read(target, response).await
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answered = &mut exchange => answered,
        // What a connection brought before its end is still to be read.
        _ended = connection => exchange.await,
    }
}

fn write(target: &Target, request: Request) -> Result<hyper::Request<Full<Bytes>>, WebError> {
    let Request {
        method,
        url: _,
        headers,
        body,
    } = request;
    let unfit = || WebError::Url {
        found: target.to_string(),
    };
    let mut written = hyper::Request::builder()
        .method(method)
        .uri(target.path_and_query())
        .body(Full::new(Bytes::from_owner(body)))
        .map_err(|_| unfit())?;
    *written.headers_mut() = headers;
    let host = HeaderValue::try_from(target.authority()).map_err(|_| unfit())?;
    written.headers_mut().insert(HOST, host);
    written.headers_mut().insert(USER_AGENT, OWN_AGENT);
    let close = HeaderValue::from_static("close");
    written.headers_mut().insert(CONNECTION, close);
    Ok(written)
}

async fn read(target: &Target, response: hyper::Response<Incoming>) -> Result<Response, WebError> {
    let (head, body) = response.into_parts();
    let place = || target.to_string();
    if head.status.is_redirection() {
        return Err(WebError::Redirect {
            place: place(),
            status: head.status.as_u16(),
        });
    }
    let encoding = head.headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(WebError::Broke {
            place: place(),
            cause: "expected a body without `Content-Encoding`, found one".to_owned(),
        });
    }
    let body = Limited::new(body, ANSWER_MAX_BYTES)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                return WebError::TooLarge {
                    place: place(),
                    limit_bytes: ANSWER_MAX_BYTES,
                };
            }
            WebError::Broke {
                place: place(),
                cause: with_sources(error.as_ref()),
            }
        })?;
    Ok(Response {
        status: head.status,
        headers: head.headers,
        body: Zeroizing::new(body.to_bytes().to_vec()),
    })
}

/// Joins an error and its causes by colons.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        words = format!("{words}: {error}");
        next = error.source();
    }
    words
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
