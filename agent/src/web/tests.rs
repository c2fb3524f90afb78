//! Requests against a server of the test's own on this host.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server that answers one request with the given bytes and gives what it was asked.
struct Server {
    port: u16,
    ca_file: PathBuf,
    _folder: tempfile::TempDir,
    asked: oneshot::Receiver<String>,
}

/// How the server speaks.
enum Speaks {
    Plain,
    Tls,
}

impl Server {
    async fn start(speaks: Speaks, answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tls, ca) = certificates();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        fs_write(&ca_file, &ca);
        let answer = answer.into();
        let (told, asked) = oneshot::channel();
        let serving = crate::tasks::spawn("server of a test", async move {
            let (stream, _) = listener.accept().await.unwrap();
            let heard = match speaks {
                Speaks::Plain => serve(stream, &answer).await,
                Speaks::Tls => match TlsAcceptor::from(tls).accept(stream).await {
                    Ok(stream) => serve(stream, &answer).await,
                    Err(_) => String::new(),
                },
            };
            // A test that looks only at the answer has let go of the other end.
            drop(told.send(heard));
        });
        drop(serving);
        Self {
            port,
            ca_file,
            _folder: folder,
            asked,
        }
    }

    fn client(&self) -> Client {
        Client::new(trust(Some(&self.ca_file)).unwrap())
    }
}

fn fs_write(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Makes a CA and a server's certificate for `localhost`.
fn certificates() -> (Arc<rustls::ServerConfig>, String) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let root = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (Arc::new(config), root.pem())
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let mut asked = Vec::new();
    let mut piece = [0; 4096];
    while !asked.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(read) => asked.extend_from_slice(&piece[..read]),
        }
    }
    // The client may hang up on an answer that it does not like.
    drop(stream.write_all(answer).await);
    drop(stream.shutdown().await);
    String::from_utf8(asked).unwrap()
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn error_of(speaks: Speaks, answer: impl Into<Vec<u8>>) -> WebError {
    let server = Server::start(speaks, answer).await;
    let url = format!("https://localhost:{}/k?secret=1", server.port);
    match server.client().send(Request::of_url(url)).await {
        Ok(response) => panic!("answered {}", response.status),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_request_is_answered_by_a_server_whose_root_is_trusted() {
    let server = Server::start(Speaks::Tls, ok("{\"keys\":[]}")).await;
    let mut request = Request::of_url(format!("https://localhost:{}/keys?x=1", server.port));
    request
        .headers
        .insert("x-vault-token", HeaderValue::from_static("t"));
    let response = server.client().send(request).await.unwrap();
    assert_eq!(
        (response.status, response.body.as_slice()),
        (StatusCode::OK, b"{\"keys\":[]}".as_slice())
    );
    let asked = server.asked.await.unwrap();
    assert!(asked.starts_with("GET /keys?x=1 HTTP/1.1\r\n"), "{asked}");
    let host = format!("host: localhost:{}\r\n", server.port);
    assert!(
        asked.contains(&host) && asked.contains("x-vault-token: t\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn another_status_is_an_answer() {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let server = Server::start(Speaks::Tls, answer).await;
    let url = format!("https://localhost:{}/", server.port);
    let response = server.client().send(Request::of_url(url)).await.unwrap();
    assert_eq!(
        (response.status.as_u16(), response.body.as_slice()),
        (403, b"no".as_slice())
    );
}

#[tokio::test]
async fn a_server_whose_root_is_not_trusted_is_not_asked() {
    let server = Server::start(Speaks::Tls, ok("x")).await;
    let url = format!("https://localhost:{}/", server.port);
    let stranger = Client::new(trust(None).unwrap());
    let error = stranger.send(Request::of_url(url)).await.err().unwrap();
    assert!(
        matches!(&error, WebError::Unreachable { cause, .. } if cause.contains("certificate")),
        "{error}"
    );
    assert_eq!(server.asked.await.unwrap(), "");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let server = Server::start(Speaks::Tls, ok("x")).await;
    let url = format!("https://127.0.0.1:{}/", server.port);
    let error = server
        .client()
        .send(Request::of_url(url))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, WebError::Unreachable { .. }), "{error}");
    assert_eq!(server.asked.await.unwrap(), "");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer =
        "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n";
    let error = error_of(Speaks::Tls, answer).await;
    assert!(
        matches!(error, WebError::Redirect { status: 302, .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused() {
    let body = "x".repeat(ANSWER_MAX_BYTES + 1);
    let error = error_of(Speaks::Tls, ok(&body)).await;
    assert!(matches!(error, WebError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_encoded_is_refused() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        "SSH-2.0-x\r\n",
        "",
    ] {
        let error = error_of(Speaks::Tls, answer).await;
        assert!(matches!(error, WebError::Broke { .. }), "{answer}: {error}");
    }
}

#[tokio::test]
async fn a_plain_server_is_asked_on_this_host_alone() {
    let server = Server::start(Speaks::Plain, ok("x")).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let response = server.client().send(Request::of_url(url)).await.unwrap();
    assert_eq!(response.body.as_slice(), b"x");
    for (host, address) in [
        ("192.0.2.1", "192.0.2.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("[2001:db8::1]", "2001:db8::1"),
    ] {
        let url = format!("http://{host}/latest");
        let error = server
            .client()
            .send(Request::of_url(url))
            .await
            .err()
            .unwrap();
        let expected = WebError::Plain {
            place: format!("http://{host}/latest"),
            address: address.parse().unwrap(),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn the_metadata_service_is_asked_only_for_the_hosts_own_identity() {
    let client = Client::new(trust(None).unwrap());
    let target = Target::read("http://169.254.169.254/latest").unwrap();
    let at = |address: &str| [SocketAddr::new(address.parse().unwrap(), 80)];
    assert!(client.check_plain(&target, &at("169.254.169.254")).is_err());
    let own = client.of_host_identity();
    assert!(own.check_plain(&target, &at("169.254.169.254")).is_ok());
    assert!(own.check_plain(&target, &at("fd00:ec2::254")).is_ok());
    assert!(own.check_plain(&target, &at("169.254.170.2")).is_err());
    assert!(own.check_plain(&target, &at("10.0.0.1")).is_err());
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let within = Duration::from_millis(50);
    let client = Client {
        within,
        ..Client::new(trust(None).unwrap())
    };
    let error = client.send(Request::of_url(&url)).await.err().unwrap();
    assert_eq!(error, WebError::Slow { place: url, within });
}
