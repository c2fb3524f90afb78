//! The witness's HTTP: `POST /add-checkpoint` for recorders, `GET /checkpoints` for verifiers.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::places::Places;
use super::state::{Refused, State};
use crate::clock::Clock;
use crate::connection::http::{self, Told};
use crate::tasks;

/// Longest body of a request: 63 hashes and a checkpoint with a few signatures take 8 KiB.
const BODY_MAX_BYTES: usize = 64 << 10;

/// How long a connection may take, from its first byte to its last.
const WITHIN: Duration = Duration::from_secs(30);

/// How long a connection may say nothing, TLS and the head of each request included: a recorder sends all of it at once.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// Most connections at once.
const OPEN_MAX: usize = 256;

/// Wait after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a witness listens.
pub struct Listening {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listening {
    /// Takes an address. Without TLS it must be of this host: what a witness says is signed, but who asks learns which
    /// chains there are.
    ///
    /// # Errors
    /// It is not of this host, or the system does not give it.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        if tls.is_none() && !address.ip().is_loopback() {
            let text = "expected an address of this host alone, such as 127.0.0.1:8447, or --tls-cert and --tls-key";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            tls: tls.map(TlsAcceptor::from),
        })
    }

    /// Gives the address.
    ///
    /// # Errors
    /// The system does not say it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Reads a certificate chain and its key (PEM).
///
/// # Errors
/// A file cannot be read, or they do not belong together.
pub fn tls(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let of =
        |path: &Path, error: &dyn ToString| format!("`{}`: {}", path.display(), error.to_string());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| of(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| of(certificate, &error))?;
    Ok(Arc::new(config))
}

/// Answers until the future is dropped.
pub async fn serve(listening: Listening, state: State, clock: Clock) {
    let Listening { listener, tls } = listening;
    let state = Arc::new(Mutex::new(state));
    let open = Arc::new(Semaphore::new(OPEN_MAX));
    let places = Places::default();
    loop {
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(place) = places.take(address.ip()) else {
                    tracing::debug!(%address, "connection was one too many of its address");
                    continue;
                };
                let (state, tls) = (Arc::clone(&state), tls.clone());
                drop(tasks::spawn("witness", async move {
                    // A connection that is slow, or breaks, is its client's matter.
                    drop(tokio::time::timeout(WITHIN, connection(stream, tls, state, clock)).await);
                    drop((permit, place));
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    state: Arc<Mutex<State>>,
    clock: Clock,
) {
    let answer = |request| answer(Arc::clone(&state), request, clock);
    let served = match tls {
        Some(tls) => match tokio::time::timeout(HEAD_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => http::serve_within(stream, HEAD_WITHIN, answer).await,
            Ok(Err(error)) => return tracing::debug!(%error, "no TLS"),
            Err(_) => return,
        },
        None => http::serve_within(stream, HEAD_WITHIN, answer).await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection broke");
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>, clock: Clock) -> Told {
    let text = |status, text: String| http::whole(status, "text/plain; charset=utf-8", text.into());
    let path = request.uri().path().to_owned();
    match (request.method().clone(), path.as_str()) {
        (Method::POST, "/add-checkpoint") => {
            let body = Limited::new(request.into_body(), BODY_MAX_BYTES).collect();
            let Ok(body) = body.await else {
                let told = format!("expected at most {BODY_MAX_BYTES} bytes");
                return text(StatusCode::PAYLOAD_TOO_LARGE, told);
            };
            let time_s = u64::try_from(clock.now().timestamp()).unwrap_or_default();
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            told(state.add(&body.to_bytes(), time_s))
        }
        (Method::GET, "/checkpoints") => {
            let query = request.uri().query().unwrap_or_default();
            let after = query.strip_prefix("after=").map(percent_decode_str);
            let after = after.map(|after| after.decode_utf8_lossy().into_owned());
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let (notes, next) = state.page(after.as_deref());
            let page = json!({ "checkpoints": notes, "next": next }).to_string();
            http::whole(StatusCode::OK, "application/json", page.into())
        }
        (_, "/add-checkpoint" | "/checkpoints") => text(
            StatusCode::METHOD_NOT_ALLOWED,
            "expected POST /add-checkpoint or GET /checkpoints".to_owned(),
        ),
        _ => text(
            StatusCode::NOT_FOUND,
            "expected /add-checkpoint or /checkpoints".to_owned(),
        ),
    }
}

fn told(added: Result<String, Refused>) -> Told {
    let refused = match added {
        Ok(line) => {
            return http::whole(
                StatusCode::OK,
                "text/plain; charset=utf-8",
                Bytes::from(line),
            );
        }
        Err(refused) => refused,
    };
    let status = match &refused {
        Refused::Form => StatusCode::BAD_REQUEST,
        Refused::Untrusted | Refused::Org => StatusCode::FORBIDDEN,
        Refused::Origin => StatusCode::NOT_FOUND,
        Refused::Size(_) | Refused::Root => StatusCode::CONFLICT,
        Refused::Proof => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Pace => StatusCode::TOO_MANY_REQUESTS,
        Refused::Disk => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let kind = match &refused {
        Refused::Size(_) => "text/x.tlog.size",
        Refused::Form
        | Refused::Untrusted
        | Refused::Org
        | Refused::Origin
        | Refused::Root
        | Refused::Proof
        | Refused::Pace
        | Refused::Disk => "text/plain; charset=utf-8",
    };
    http::whole(status, kind, format!("{refused}\n").into())
}
