//! A canned Snowflake: every answer comes from memory, so that what is measured before it is not this upstream.
//!
//! It speaks TLS with HTTP/1.1 and HTTP/2 by ALPN, lets anyone log in, and runs no statement. Answers are distinct where
//! a client or a proxy tells them apart: each login and each query has an id of its own. Load tests and the benchmark
//! use it; tests of behaviour use the emulator, which executes.

mod answers;
mod http1;
mod http2;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub use answers::Answers;

/// What one canned upstream is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 asks for a free one.
    pub listen: SocketAddr,
    /// Its certificate chain, PEM.
    pub certificate_file: PathBuf,
    /// Its private key, PEM.
    pub private_key_file: PathBuf,
    /// How long the body of a statement's answer is, in bytes.
    pub answer_bytes: usize,
}

/// Serves until it is stopped; `ready` is told the address once connections are taken.
pub async fn run(settings: Settings, ready: impl FnOnce(SocketAddr) -> Result<()>) -> Result<()> {
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&settings)?));
    let answers = Arc::new(Answers::new(settings.answer_bytes));
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("bind `{}`", settings.listen))?;
    ready(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
        drop(tokio::runtime::Handle::current().spawn(async move {
            if let Err(error) = serve(&acceptor, stream, answers).await {
                tracing::debug!(%error, "connection ended");
            }
        }));
    }
}

async fn serve(acceptor: &TlsAcceptor, stream: TcpStream, answers: Arc<Answers>) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return http2::serve(stream, answers).await;
    }
    http1::serve(stream, &answers).await
}

/// TLS 1.3 with AES-128-GCM alone, so that every hop of a comparison encrypts the same way.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    Arc::new(provider)
}

fn server_config(settings: &Settings) -> Result<ServerConfig> {
    let file = &settings.certificate_file;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)
        .with_context(|| format!("read `{}`", file.display()))?
        .collect();
    let key = PrivateKeyDer::from_pem_file(&settings.private_key_file)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
