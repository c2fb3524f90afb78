//! Chunks from storage: asked under their real address with their real headers, handed on piece by piece.
//!
//! Storage is not Snowflake: it gets no token of ours, only what Snowflake's answer says it demands. Snowflake chooses
//! the host; it is verified by the same roots, and an address inside this host or of a cloud's metadata is refused.

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::client::{Upstream, UpstreamSettings, Verified, dial, unreachable};
use super::query::{RETRY_AFTER, passes};
use super::{UpstreamError, resolve};
use crate::connection::metadata::is_metadata;
use crate::snowflake::chunks::Chunk;
use crate::snowflake::gzip::Inflater;

/// Longest wait for storage's first byte, and for each next one.
pub(super) const PIECE_WITHIN: Duration = Duration::from_secs(60);

/// Largest chunk, in plain bytes: drivers hold its size in 32 bits (protocol reference 5.5).
const CHUNK_MAX_BYTES: u64 = 2 << 30;

/// One core's connections to storage hosts.
pub(super) type Storage = Client<StorageConnector, StorageBody>;

/// What is sent to a storage host.
pub(super) type StorageBody = UnsyncBoxBody<Bytes, BodyError>;

/// Makes the client.
pub(super) fn storage(settings: UpstreamSettings) -> Storage {
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(StorageConnector(settings))
}

/// Why a body broke off.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A chunk as storage gives it; nothing of it may be shown, logged or sent on before `mask_chunk`.
pub struct UnmaskedChunk {
    chunk: Chunk,
    body: UnsyncBoxBody<Bytes, BodyError>,
    piece: Bytes,
    inflater: Inflater,
    taken_bytes: u64,
    is_over: bool,
}

/// Asks storage for a chunk, and again after what may pass; follows no redirect.
///
/// # Errors
/// No answer with status 200.
pub async fn open_chunk(upstream: &Upstream, chunk: Chunk) -> Result<UnmaskedChunk, UpstreamError> {
    let mut waits = RETRY_AFTER.iter();
    let body = loop {
        match ask(upstream, &chunk).await {
            Ok(body) => break body,
            Err(error) => match waits.next().filter(|_| passes(&error)) {
                Some(wait) => tokio::time::sleep(*wait).await,
                None => return Err(error),
            },
        }
    };
    let body = body.map_err(BodyError::from).boxed_unsync();
    Ok(UnmaskedChunk::new(chunk, body))
}

async fn ask(upstream: &Upstream, chunk: &Chunk) -> Result<Incoming, UpstreamError> {
    // The words of a failure may quote the address, which is a key.
    let request = request(chunk)
        .map_err(|_| UpstreamError::Request("the chunk's address or a header".to_owned()))?;
    let host = || chunk.host().to_owned();
    let response = tokio::time::timeout(PIECE_WITHIN, upstream.storage().request(request))
        .await
        .map_err(|_| UpstreamError::Slow {
            host: host(),
            within: PIECE_WITHIN,
        })?
        .map_err(|error| unreachable(chunk.host(), &error))?;
    if response.status() != StatusCode::OK {
        return Err(UpstreamError::Status {
            host: host(),
            status: response.status().as_u16(),
        });
    }
    if !is_read(&response) {
        return Err(UpstreamError::Broke {
            host: host(),
            cause: "expected a body that is plain or gzip".to_owned(),
        });
    }
    Ok(response.into_body())
}

fn request(chunk: &Chunk) -> Result<Request<StorageBody>, hyper::http::Error> {
    let mut request = Request::get(Uri::try_from(chunk.url().reveal())?);
    if let Some(headers) = request.headers_mut() {
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        for (name, value) in chunk.headers() {
            let mut value = HeaderValue::try_from(value.reveal())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name.as_str())?, value);
        }
    }
    request.body(nothing())
}

/// Gives the body of a request that has none.
pub(super) fn nothing() -> StorageBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Tells whether a body's encoding is one that is read here; which of both, its first bytes tell.
fn is_read(response: &Response<Incoming>) -> bool {
    let encoding = response.headers().get(CONTENT_ENCODING);
    encoding.is_none_or(|encoding| matches!(encoding.as_bytes(), b"" | b"identity" | b"gzip"))
}

impl UnmaskedChunk {
    fn new(chunk: Chunk, body: UnsyncBoxBody<Bytes, BodyError>) -> Self {
        Self {
            chunk,
            body,
            piece: Bytes::new(),
            inflater: Inflater::new(CHUNK_MAX_BYTES),
            taken_bytes: 0,
            is_over: false,
        }
    }

    /// Stands for a chunk whose body is given, for tests of the next stages.
    #[cfg(test)]
    pub(crate) fn of_body<B>(chunk: Chunk, body: B) -> Self
    where
        B: hyper::body::Body<Data = Bytes, Error = std::io::Error> + Send + 'static,
    {
        Self::new(chunk, body.map_err(BodyError::from).boxed_unsync())
    }

    /// Waits for the next plain bytes; none after the last, and never that for a chunk that broke off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            while !self.piece.is_empty() {
                let plain = self.inflater.feed(&mut self.piece)?;
                if !plain.is_empty() {
                    return Ok(Some(plain));
                }
            }
            if self.is_over {
                return Ok(None);
            }
            match self.take().await? {
                Some(piece) => self.piece = piece,
                None => {
                    self.is_over = true;
                    let last = self.inflater.finish()?;
                    return Ok(Some(last).filter(|last| !last.is_empty()));
                }
            }
        }
    }

    async fn take(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            let frame = tokio::time::timeout(PIECE_WITHIN, self.body.frame()).await;
            let frame = frame.map_err(|_| UpstreamError::Slow {
                host: self.chunk.host().to_owned(),
                within: PIECE_WITHIN,
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| UpstreamError::Broke {
                host: self.chunk.host().to_owned(),
                cause: error.to_string(),
            })?;
            if let Ok(piece) = frame.into_data() {
                self.taken_bytes = self.taken_bytes.saturating_add(piece.len() as u64);
                return Ok(Some(piece));
            }
        }
    }

    /// Gives what the chunk is.
    pub(crate) fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// Tells how it came.
    pub(crate) fn encoding(&self) -> &'static str {
        if self.inflater.is_gzip() {
            "gzip"
        } else {
            "plain"
        }
    }

    /// Tells how many bytes have come.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }
}

/// Dials a storage host and verifies its certificate.
#[derive(Clone)]
pub(super) struct StorageConnector(UpstreamSettings);

impl StorageConnector {
    async fn connect(self, uri: Uri) -> Result<TokioIo<Verified>, UpstreamError> {
        let host = uri.host().unwrap_or_default();
        let addresses = match self.0.resolver.fixed(host) {
            Some(fixed) => vec![fixed],
            None => outside(host, resolve::look_up(host).await?)?,
        };
        dial(&self.0, host, &addresses).await
    }
}

impl tower_service::Service<Uri> for StorageConnector {
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

/// Refuses a name of which any address is not a storage service's; private ones may be (private links).
fn outside(host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, UpstreamError> {
    match addresses.iter().find(|address| is_inside(address.ip())) {
        Some(found) => Err(UpstreamError::Inside {
            host: host.to_owned(),
            address: found.ip(),
        }),
        None => Ok(addresses),
    }
}

/// Tells whether an address is this host's own, its link's, a group's, or a cloud's metadata service.
fn is_inside(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_local = match address {
        IpAddr::V4(v4) => {
            v4.is_link_local() || v4.is_broadcast() || v4.octets().first() == Some(&0)
        }
        IpAddr::V6(v6) => is_link_local(v6),
    };
    is_local
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || is_metadata(address)
}

fn is_link_local(address: Ipv6Addr) -> bool {
    address
        .segments()
        .first()
        .is_some_and(|first| first & 0xffc0 == 0xfe80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_inside_is_refused() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            let good: SocketAddr = "52.218.1.1:443".parse().unwrap();
            let bad = SocketAddr::new(address.parse().unwrap(), 443);
            assert!(
                matches!(
                    outside("b.s3.amazonaws.com", vec![good, bad]),
                    Err(UpstreamError::Inside { .. })
                ),
                "{address}"
            );
        }
        for address in ["52.218.1.1", "10.0.0.5", "2600:1f14::1", "fd12::1"] {
            assert!(!is_inside(address.parse().unwrap()), "{address}");
        }
    }
}
