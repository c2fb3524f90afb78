//! What a connection says first, so that its name is known before anything is answered.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::name::{canonical, host_of};

/// Longest opening that is read. Source: redirect reference 2, "peek <= 16 KiB"; post-quantum key shares need several
/// segments.
const OPENING_MAX_BYTES: usize = 16 << 10;

/// How long a client may say nothing before the server is taken to speak first (SSH, SMTP, MySQL).
///
/// A client that is only slow loses nothing: a silent connection is carried once its server has spoken, and is judged
/// if its client speaks first. Source of the figure: attack list, row 32.
const SILENCE: Duration = Duration::from_millis(300);

/// How long an opening may take once it has begun.
const OPENING_WITHIN: Duration = Duration::from_secs(10);

/// First byte of a TLS handshake record. Source: RFC 8446 section 5.1.
const TLS_HANDSHAKE: u8 = 22;

/// What a connection says first.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// TLS, for this name if the client gave one.
    Tls {
        /// The server name, canonical.
        name: Option<String>,
    },
    /// Plain HTTP for this host.
    Http {
        /// The host asked for, canonical: of the target where it names one (CONNECT, a proxy's form), else of `Host`.
        host: Option<String>,
    },
    /// Other bytes.
    Other,
    /// Nothing.
    Silent,
}

impl Opening {
    /// Gives the recorded word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Tls { .. } => "tls",
            Self::Http { .. } => "http",
            Self::Other => "other",
            Self::Silent => "silent",
        }
    }

    /// Gives the name that it asks for.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Tls { name } | Self::Http { host: name } => name.as_deref(),
            Self::Other | Self::Silent => None,
        }
    }
}

/// Reads a connection's opening; the stream given back starts with it again.
///
/// # Errors
/// The connection broke, or the opening was begun and not ended in time.
pub async fn read(mut stream: TcpStream) -> io::Result<(Opening, Rewound)> {
    let mut head = BytesMut::with_capacity(2048);
    let first = tokio::time::timeout(SILENCE, stream.read_buf(&mut head)).await;
    let opening = match first {
        Err(_) => Opening::Silent,
        Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(_)) => tokio::time::timeout(OPENING_WITHIN, complete(&mut stream, &mut head))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
    };
    Ok((
        opening,
        Rewound {
            head: head.freeze(),
            stream,
        },
    ))
}

async fn complete(stream: &mut TcpStream, head: &mut BytesMut) -> io::Result<Opening> {
    loop {
        if let Some(opening) = parse(head) {
            return Ok(opening);
        }
        if head.len() >= OPENING_MAX_BYTES || stream.read_buf(head).await? == 0 {
            return Ok(Opening::Other);
        }
    }
}

/// Tells what bytes open; `None` if more are needed.
#[must_use]
pub fn parse(head: &[u8]) -> Option<Opening> {
    match head.first()? {
        &TLS_HANDSHAKE => parse_tls(head),
        first if first.is_ascii_uppercase() => parse_http(head),
        _ => Some(Opening::Other),
    }
}

fn parse_tls(mut head: &[u8]) -> Option<Opening> {
    let mut acceptor = rustls::server::Acceptor::default();
    while !head.is_empty() {
        if acceptor.read_tls(&mut head).is_err() {
            return Some(Opening::Other);
        }
    }
    match acceptor.accept() {
        Ok(Some(accepted)) => Some(Opening::Tls {
            name: accepted.client_hello().server_name().map(canonical),
        }),
        Ok(None) => None,
        Err(_) => Some(Opening::Other),
    }
}

fn parse_http(head: &[u8]) -> Option<Opening> {
    let mut headers = room_for(head);
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return None,
        Err(_) => return Some(Opening::Other),
    }
    let target = request.path.unwrap_or_default();
    let of_target = match request.method {
        Some("CONNECT") => Some(target),
        _ => target
            .split_once("://")
            .map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default()),
    };
    let of_header = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("host"))
        .and_then(|header| std::str::from_utf8(header.value).ok());
    Some(Opening::Http {
        host: of_target.or(of_header).map(host_of),
    })
}

/// A tunnel that a client asks an HTTP proxy for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelAsked {
    /// Where to: the host, canonical.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The client's own words.
    pub words: Bytes,
    /// Whether they are the request alone, with nothing behind it.
    pub is_alone: bool,
}

/// Makes room for as many fields as a head has lines: what is read of an opening bounds them.
fn room_for(head: &[u8]) -> Vec<httparse::Header<'_>> {
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    vec![httparse::EMPTY_HEADER; lines]
}

/// Reads a request for a tunnel, which has no content (RFC 9110 section 9.3.6).
fn tunnel(head: &Bytes) -> Option<TunnelAsked> {
    let mut headers = room_for(head);
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = request.parse(head) else {
        return None;
    };
    let has_content = (request.headers.iter()).any(|header| {
        ["content-length", "transfer-encoding"]
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name))
    });
    if request.method != Some("CONNECT") {
        return None;
    }
    let (host, port) = request.path?.rsplit_once(':')?;
    Some(TunnelAsked {
        host: canonical(host),
        port: port.parse().ok()?,
        words: head.clone(),
        is_alone: length == head.len() && !has_content,
    })
}

/// A stream whose first bytes were read and are read once more.
#[derive(Debug)]
pub struct Rewound {
    head: Bytes,
    stream: TcpStream,
}

impl Rewound {
    /// Gives the stream itself, past the bytes that are read once more.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Gives the tunnel that its client asks for, if it does.
    #[must_use]
    pub fn tunnel_asked(&self) -> Option<TunnelAsked> {
        tunnel(&self.head)
    }

    /// Lists the protocols that a TLS client offers, in its order; none where it offers none (RFC 7301).
    #[must_use]
    pub fn protocols_offered(&self) -> Vec<Vec<u8>> {
        let mut acceptor = rustls::server::Acceptor::default();
        let mut head = self.head.as_ref();
        while !head.is_empty() {
            if acceptor.read_tls(&mut head).is_err() {
                return Vec::new();
            }
        }
        let Ok(Some(accepted)) = acceptor.accept() else {
            return Vec::new();
        };
        let offered = accepted.client_hello().alpn();
        let offered = offered.into_iter().flatten();
        offered.map(<[u8]>::to_vec).collect()
    }

    /// Waits for bytes past those that are read once more, and leaves them there; gives 0 at the end of the stream.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(bytes).await
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let part = self.head.len().min(buffer.remaining());
        buffer.put_slice(&self.head.split_to(part));
        debug_assert!(part > 0 || !self.head.has_remaining() || buffer.remaining() == 0);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    pub(in crate::connection) fn client_hello(name: &str) -> Vec<u8> {
        hello_offering(name, &[])
    }

    fn hello_offering(name: &str, protocols: &[&str]) -> Vec<u8> {
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let protocols = protocols.iter().map(|one| one.as_bytes().to_vec());
        config.alpn_protocols = protocols.collect();
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_hello_gives_its_name_once_it_is_whole() {
        let hello = client_hello("ACME.snowflakecomputing.com");
        for end in 1..hello.len() {
            assert_eq!(parse(&hello[..end]), None, "{end} bytes");
        }
        let name = Some("acme.snowflakecomputing.com".to_owned());
        assert_eq!(parse(&hello), Some(Opening::Tls { name }));
    }

    #[tokio::test]
    async fn the_protocols_that_a_client_offers_are_told_and_read_again() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        for offered in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
            let hello = hello_offering("api.anthropic.com", offered);
            let mut client = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut client, &hello)
                .await
                .unwrap();
            let (_, mut rewound) = read(listener.accept().await.unwrap().0).await.unwrap();
            let found = rewound.protocols_offered();
            let found: Vec<&str> = found
                .iter()
                .map(|one| std::str::from_utf8(one).unwrap())
                .collect();
            assert_eq!(found, offered);
            let mut again = vec![0; hello.len()];
            rewound.read_exact(&mut again).await.unwrap();
            assert_eq!(again, hello);
        }
    }

    #[test]
    fn a_tunnel_is_asked_for_by_a_whole_request_and_what_is_behind_it_is_told() {
        let asked = |text: &'static str| tunnel(&Bytes::from_static(text.as_bytes()));
        let found = asked("CONNECT API.anthropic.com:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(
            (found.host.as_str(), found.port),
            ("api.anthropic.com", 443)
        );
        assert!(found.is_alone);
        for more in [
            "CONNECT a.example:443 HTTP/1.1\r\n\r\nmore",
            "CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 4\r\n\r\n",
        ] {
            let found = asked(more).unwrap();
            assert_eq!((found.host.as_str(), found.is_alone), ("a.example", false));
        }
        let fields = "X: y\r\n".repeat(100);
        let many = format!("CONNECT a.example:443 HTTP/1.1\r\n{fields}\r\n");
        assert!(tunnel(&Bytes::from(many)).is_some_and(|found| found.is_alone));
        for none in [
            "CONNECT a.example:443 HTTP/1.1\r\n",
            "CONNECT a.example HTTP/1.1\r\n\r\n",
            "CONNECT a.example:65536 HTTP/1.1\r\n\r\n",
            "GET http://a.example:443 HTTP/1.1\r\n\r\n",
            "",
        ] {
            assert_eq!(asked(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_hello_to_an_address_has_no_name() {
        assert_eq!(
            parse(&client_hello("127.0.0.1")),
            Some(Opening::Tls { name: None })
        );
    }

    #[test]
    fn http_names_the_host_it_goes_to() {
        let host = |text: &str| parse(text.as_bytes());
        let acme = || {
            Some(Opening::Http {
                host: Some("acme.snowflakecomputing.com".to_owned()),
            })
        };
        assert_eq!(
            host("GET / HTTP/1.1\r\nHost: ACME.snowflakecomputing.com\r\n\r\n"),
            acme()
        );
        assert_eq!(
            host("CONNECT acme.snowflakecomputing.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
            acme()
        );
        assert_eq!(
            host("GET http://acme.snowflakecomputing.com/x HTTP/1.1\r\nHost: x\r\n\r\n"),
            acme()
        );
        assert_eq!(host("GET / HTTP/1.1\r\nHost: acme.snow"), None);
        assert_eq!(host("SSH-2.0-x\r\n"), Some(Opening::Other));
    }

    proptest! {
        #[test]
        fn any_bytes_are_told_or_wait_for_more(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(parse(&bytes));
            let tls = [&[22, 3, 1], bytes.as_slice()].concat();
            drop(parse(&tls));
        }
    }
}
