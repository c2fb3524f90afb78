//! One connection of the load: blocking sockets, rustls, HTTP/1.1 with bodies of known length.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::requests::HOST;
use crate::canned;

/// How long one answer may take before the load gives up.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Most header lines of an answer.
const HEADERS_MAX: usize = 64;

/// Trusts the certificates of a file; TLS 1.3 with AES-128-GCM, HTTP/1.1.
pub(super) fn trust(roots_file: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(roots_file)
        .with_context(|| format!("read `{}`", roots_file.display()))?;
    for root in found {
        // A root that is not one of ours to trust may be of a kind that is not read here.
        drop(roots.add(root?));
    }
    let mut config = ClientConfig::builder_with_provider(canned::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    tls: ClientConnection,
    inbox: Vec<u8>,
}

impl Line {
    /// Connects and ends the handshake.
    pub(super) fn open(to: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        Self::open_as(to, HOST, config)
    }

    /// Connects under a name and ends the handshake.
    pub(super) fn open_as(
        to: SocketAddr,
        name: &'static str,
        config: &Arc<ClientConfig>,
    ) -> Result<Self> {
        let mut stream = TcpStream::connect(to).with_context(|| format!("connect to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let name = ServerName::try_from(name)?;
        let mut tls = ClientConnection::new(Arc::clone(config), name)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).context("TLS handshake")?;
        }
        Ok(Self {
            stream,
            tls,
            inbox: Vec::with_capacity(16 << 10),
        })
    }

    /// Gives the socket, to wait for it.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends a request.
    pub(super) fn send(&mut self, request: &[u8]) -> Result<()> {
        let mut left = request;
        while !left.is_empty() {
            // rustls takes 64 KiB at a time.
            let taken = self.tls.writer().write(left)?;
            left = left.get(taken..).unwrap_or_default();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut self.stream)?;
            }
        }
        Ok(())
    }

    /// Reads what is there, once, and tells whether an answer is whole; waits if nothing is.
    pub(super) fn receive(&mut self) -> Result<Option<Answer<'_>>> {
        let read_bytes = self.tls.read_tls(&mut self.stream).context("read")?;
        ensure!(read_bytes > 0, "the connection was closed");
        self.tls.process_new_packets()?;
        let mut plain = [0; 16 << 10];
        loop {
            match self.tls.reader().read(&mut plain) {
                Ok(0) => bail!("the connection was closed"),
                Ok(count) => self
                    .inbox
                    .extend_from_slice(plain.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Answer::read(&self.inbox)
    }

    /// Takes an answer off, so that the next request may be sent.
    pub(super) fn clear(&mut self) {
        self.inbox.clear();
    }

    /// Sends a request and waits for its answer's body.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.send(request)?;
        loop {
            if let Some(answer) = self.receive()? {
                let body = answer.body.to_vec();
                self.clear();
                return Ok(body);
            }
        }
    }
}

/// A whole answer.
pub(super) struct Answer<'a> {
    pub(super) body: &'a [u8],
}

impl<'a> Answer<'a> {
    fn read(inbox: &'a [u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_bytes) = response.parse(inbox)? else {
            return Ok(None);
        };
        ensure!(
            response.code == Some(200),
            "expected HTTP 200, found {:?}",
            response.code
        );
        let length = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))
            .context("expected an answer of known length")?;
        let body_bytes: usize = std::str::from_utf8(length.value)?.trim().parse()?;
        let Some(body) = inbox.get(head_bytes..head_bytes + body_bytes) else {
            return Ok(None);
        };
        Ok(Some(Self { body }))
    }

    /// Tells whether the answer says that the request succeeded; a refusal is no result of a comparison.
    pub(super) fn succeeded(&self) -> bool {
        let needle = br#""success":true"#;
        // It stands at the end in the upstream's answers, and at the end in Icecore's.
        let tail = self.body.len().saturating_sub(64);
        self.body
            .get(tail..)
            .is_some_and(|tail| tail.windows(needle.len()).any(|window| window == needle))
    }
}
