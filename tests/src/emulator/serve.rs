//! The gate's listeners: TLS with HTTP/1.1 and HTTP/2 for drivers, plain for the test's own hooks.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::response::Builder;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::answers::Refusal;
use super::body::GateBody;
use super::faults::Kind;
use super::results;
use super::routes::{self, Asked, Endpoint};
use super::settings::{Ready, Settings};
use super::{Gate, admin, journal, spawn, stages, v2};

/// Longest request body that is read, in bytes.
const BODY_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Longest inflated body that is read, in bytes.
const INFLATED_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What a clock shows that nobody set (RFC 9110 section 5.6.7).
const WRONG_DATE: &str = "Sat, 01 Jan 2000 00:00:00 GMT";

/// Runs the emulator until it is stopped; `ready` is told the addresses once both listeners take connections.
pub async fn run(settings: Settings, ready: impl FnOnce(Ready) -> Result<()>) -> Result<()> {
    let acceptor = acceptor(&settings)?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("bind `{}`", settings.listen))?;
    let admin = TcpListener::bind(settings.admin)
        .await
        .with_context(|| format!("bind `{}`", settings.admin))?;
    let gate = Gate::open(settings).await?;
    ready(Ready {
        listen: listener.local_addr()?,
        admin: admin.local_addr()?,
    })?;
    spawn("admin listener", accept_admin(Arc::clone(&gate), admin));
    loop {
        let (stream, peer) = listener.accept().await?;
        let facts = json!({"peer": peer.to_string()});
        gate.journal.event("accepted", facts);
        let (gate, acceptor) = (Arc::clone(&gate), acceptor.clone());
        spawn("connection", async move {
            if let Err(error) = serve(&gate, acceptor, stream, peer).await {
                let facts = json!({"peer": peer.to_string(), "error": format!("{error:#}")});
                gate.journal.event("connection_error", facts);
            }
        });
    }
}

async fn accept_admin(gate: Arc<Gate>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let gate = Arc::clone(&gate);
        spawn("admin connection", async move {
            let service = service_fn(|request| admin::answer(Arc::clone(&gate), request));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::warn!(%error, "admin connection");
            }
        });
    }
}

fn acceptor(settings: &Settings) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(&settings.certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .context("certificate file")?;
    let key =
        PrivateKeyDer::from_pem_file(&settings.private_key_file).context("private key file")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    gate: &Arc<Gate>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<()> {
    let stream = acceptor.accept(stream).await.context("TLS")?;
    let service = service_fn(|request| answer(Arc::clone(gate), peer, request));
    auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(|error| anyhow::anyhow!(error))
}

async fn answer(
    gate: Arc<Gate>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> io::Result<Response<GateBody>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_MAX_BYTES);
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let host = host_of(&parts);
    if stages::is_storage(&host) {
        let asked = stages::Asked {
            host: &host,
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
        };
        return stages::serve(&gate, asked, &bytes).map_err(io::Error::other);
    }
    let plain = inflated(bytes)?;
    let asked = Asked {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: serde_json::from_slice(&plain).unwrap_or_default(),
    };
    gate.journal.event(
        "request",
        json!({
            "peer": peer.to_string(), "version": format!("{:?}", parts.version), "method": asked.method.as_str(),
            "path": asked.uri.path(), "query": asked.uri.query(), "host": asked.host(),
            "headers": headers(&asked.headers), "body": journal::body_text(&plain),
        }),
    );
    let found = asked.endpoint();
    if found != Some(Endpoint::Chunk) && gate.account(asked.host()).is_none() {
        return page(403, "Forbidden");
    }
    let Some(endpoint) = found else {
        return page(404, "Not Found");
    };
    let fault = gate.faults.take(endpoint);
    if let Some(instead) = fault.as_ref().and_then(Kind::instead) {
        return instead.map_err(io::Error::other);
    }
    match fault {
        Some(Kind::Close) => return Err(io::Error::other("closed on purpose")),
        Some(Kind::DelayMs(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Some(_) | None => {}
    }
    if endpoint == Endpoint::Chunk {
        return results::serve(&gate, &asked, fault.as_ref()).map_err(io::Error::other);
    }
    let mut answered = if endpoint.is_sql_api() {
        v2::answer(&gate, endpoint, &asked).await
    } else {
        let body = routes::answer(&gate, endpoint, &asked).await;
        v2::Answer::of_v1(body.unwrap_or_else(Refusal::body))
    };
    if let Some(fault) = &fault {
        fault.change(&gate.journal, &mut answered.body);
    }
    let bytes = Bytes::from(answered.body.to_string());
    let sticky = routes::sticky(&gate, &asked, &answered.body);
    let head = || {
        let head = Response::builder()
            .status(answered.status)
            .header("content-type", "application/json");
        // Hyper adds one where there is none.
        let head = match gate.tuning().clock_wrong {
            true => head.header("date", WRONG_DATE),
            false => head,
        };
        let named = [("link", &answered.link), ("x-snowflake-session", &sticky)];
        named
            .into_iter()
            .fold(head, |head, (name, value)| match value {
                Some(value) => head.header(name, value),
                None => head,
            })
    };
    if let Some(framed) = fault.as_ref().and_then(|fault| fault.frame(head, &bytes)) {
        return framed.map_err(io::Error::other);
    }
    let gzip = answered.always_gzip || takes_gzip(&asked.headers);
    plain_or_gzip(head(), gzip, bytes)
}

/// Gives the name that is asked for, without the port.
fn host_of(head: &hyper::http::request::Parts) -> String {
    let header = || {
        head.headers
            .get("host")
            .and_then(|value| value.to_str().ok())
    };
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let authority = authority.or_else(header).unwrap_or_default();
    let name = authority
        .split_once(':')
        .map_or(authority, |(name, _)| name);
    name.to_ascii_lowercase()
}

/// Gives a page of HTML, by which Snowflake answers what is no endpoint of an account's.
fn page(status: u16, words: &str) -> io::Result<Response<GateBody>> {
    Response::builder()
        .status(status)
        .header("content-type", "text/html")
        .body(GateBody::full(
            format!("<html><head><title>{words}</title></head><body>{words}</body></html>").into(),
        ))
        .map_err(io::Error::other)
}

/// Tells whether the client takes gzip, by which Snowflake compresses.
fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get("accept-encoding")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"))
}

fn plain_or_gzip(head: Builder, gzip: bool, bytes: Bytes) -> io::Result<Response<GateBody>> {
    if !gzip {
        return head.body(GateBody::full(bytes)).map_err(io::Error::other);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes)?;
    head.header("content-encoding", "gzip")
        .body(GateBody::full(encoder.finish()?.into()))
        .map_err(io::Error::other)
}

/// Inflates a body that starts with gzip's magic, whatever its headers say.
fn inflated(bytes: Bytes) -> io::Result<Bytes> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_ref())
        .take(INFLATED_MAX_BYTES)
        .read_to_end(&mut plain)?;
    Ok(plain.into())
}

fn headers(headers: &HeaderMap) -> Value {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            json!([name.as_str(), value])
        })
        .collect()
}
