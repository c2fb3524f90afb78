//! What hyper's client and server said to each other, read from a copy: keep-alive, streams, chunks, lengths, codings,
//! trailers, requests at the same time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{HeaderMap, Method};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// A client's end of a connection, and what passed it.
struct Tapped<T> {
    inner: T,
    tape: Arc<Mutex<Script>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Tapped<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let read = buffer.filled()[before..].to_vec();
        self.tape.lock().unwrap().push(server(read));
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tapped<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.tape.lock().unwrap().push(client(&bytes[..written]));
        }
        polled
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// A body in pieces, with trailers, its length known or not.
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    trailers: Option<HeaderMap>,
    length: Option<u64>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
        }
        Poll::Ready(
            self.trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        )
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn coded(coding: &str, plain: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::bulk::compress(plain, 1).unwrap(),
        _ => plain.to_vec(),
    }
}

fn pieces(coding: &str, plain: &[u8], known: bool) -> Pieces {
    let whole = coded(coding, plain);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checked", "yes".parse().unwrap());
    Pieces {
        length: known.then_some(whole.len() as u64),
        pieces: whole.chunks(5000).map(<[u8]>::to_vec).collect(),
        trailers: (!known).then_some(trailers),
    }
}

/// The body of request or answer `n`: some are empty, some larger than a window of HTTP/2.
fn plain(n: usize, whose: &str) -> Vec<u8> {
    let line = |at: usize| {
        format!(
            "data: {{\"{whose}\": {n}, \"at\": {at}, \"noise\": {}}}\n\n",
            at.wrapping_mul(2654435761) % 1000003
        )
    };
    (0..(n * n * 37) % 4001)
        .map(line)
        .collect::<String>()
        .into_bytes()
}

const CODINGS: [&str; 4] = ["identity", "gzip", "zstd", "deflate"];

async fn answer(request: hyper::Request<Incoming>) -> Result<hyper::Response<Pieces>, Infallible> {
    let n: usize = request
        .uri()
        .path()
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let head = request.method() == Method::HEAD;
    request.into_body().collect().await.unwrap();
    let coding = CODINGS[n / 2 % 4];
    let mut body = pieces(coding, &plain(n, "answer"), n.is_multiple_of(3));
    if head {
        body = pieces("identity", b"", true);
    }
    let response = hyper::Response::builder()
        .header("content-encoding", coding)
        .header("request-id", format!("req-{n}"))
        .body(body);
    Ok(response.unwrap())
}

fn request(n: usize) -> hyper::Request<Pieces> {
    let coding = CODINGS[n % 4];
    let method = if n == 7 { Method::HEAD } else { Method::POST };
    let body = pieces(coding, &plain(n, "request"), n.is_multiple_of(2) || n == 7);
    hyper::Request::builder()
        .method(method)
        .uri(format!("https://api.example.com/v1/{n}?key=hidden"))
        .header("host", "api.example.com")
        .header("content-encoding", coding)
        .header("authorization", "Bearer canary-5e0c")
        .header("x-claude-code-session-id", format!("session-{}", n % 2))
        .body(body)
        .unwrap()
}

const REQUESTS: usize = 16;

async fn talk(protocol: Protocol) -> Script {
    let (near, far) = tokio::io::duplex(9000);
    let tape = Arc::new(Mutex::new(Script::new()));
    let io = TokioIo::new(Tapped {
        inner: near,
        tape: tape.clone(),
    });
    let service = hyper::service::service_fn(answer);
    let far = TokioIo::new(far);
    match protocol {
        Protocol::Http1 => {
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(far, service);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let asking = async {
                for n in 0..REQUESTS {
                    sender.ready().await.unwrap();
                    let answer = sender.send_request(request(n)).await.unwrap();
                    answer.into_body().collect().await.unwrap();
                }
                drop(sender);
            };
            let (served, connected, ()) = tokio::join!(serving, connection, asking);
            served.unwrap();
            connected.unwrap();
        }
        Protocol::Http2 => {
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(far, service);
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                    .await
                    .unwrap();
            let asking = async move {
                let asked = (0..REQUESTS).map(|n| {
                    let mut sender = sender.clone();
                    async move {
                        let answer = sender.send_request(request(n)).await.unwrap();
                        answer.into_body().collect().await.unwrap();
                    }
                });
                futures_util::future::join_all(asked).await;
                drop(sender);
            };
            let (served, connected, ()) = tokio::join!(serving, connection, asking);
            served.unwrap();
            connected.unwrap();
        }
    }
    tape.lock().unwrap().clone()
}

fn answer_of(seen: &Seen) -> Option<&Answer> {
    if let Seen::Answer(answer) = seen {
        return Some(answer);
    }
    None
}

fn read_by(protocol: Protocol) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let script = runtime.block_on(talk(protocol));
    let seen = read(protocol, &script);
    assert_eq!(reasons(&seen), []);
    assert!(!format!("{seen:?}").contains("canary"));
    let mut found = Vec::new();
    for next in &seen {
        let Seen::Request(request) = next else {
            continue;
        };
        let n: usize = request.path.rsplit('/').next().unwrap().parse().unwrap();
        found.push(n);
        let session = format!("session-{}", n % 2);
        assert_eq!(request.authority, "api.example.com");
        assert_eq!(request.credentials[0], mark(b"canary-5e0c"));
        assert_eq!(
            request.headers.first("x-claude-code-session-id"),
            Some(session.as_str())
        );
        let stream = request.stream;
        assert_eq!(
            body(&seen, stream, Side::Client),
            plain(n, "request"),
            "request {n}"
        );
        let expected = if n == 7 {
            Vec::new()
        } else {
            plain(n, "answer")
        };
        assert_eq!(body(&seen, stream, Side::Server), expected, "answer {n}");
        let answered = seen.iter().find_map(|next| {
            let answer = answer_of(next).filter(|answer| answer.stream == stream)?;
            answer.headers.first("request-id")
        });
        assert_eq!(answered, Some(format!("req-{n}").as_str()));
        for end in [Seen::RequestEnd { stream }, Seen::AnswerEnd { stream }] {
            assert_eq!(
                seen.iter().filter(|next| **next == end).count(),
                1,
                "{end:?}"
            );
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..REQUESTS).collect::<Vec<_>>());
    for most in [1, 1009] {
        assert_eq!(read_cut(protocol, Limits::default(), &script, most), seen);
    }
}

#[test]
fn http1_of_real_peers_is_read() {
    read_by(Protocol::Http1);
}

#[test]
fn http2_of_real_peers_is_read() {
    read_by(Protocol::Http2);
}

/// Node 20.20.2's client and server, which are nghttp2's, with padding, trailers and flushed brotli; three requests at once.
#[test]
fn http2_of_nghttp2_is_read() {
    let script = recorded(include_str!("nghttp2.txt"));
    let seen = read(Protocol::Http2, &script);
    assert_eq!(reasons(&seen), []);
    for next in &seen {
        if let Seen::Request(request) = next {
            assert!(!format!("{request:?}").contains("canary"));
            assert_eq!(request.credentials, [mark(b"canary-5e0c")]);
        }
    }
    for n in 1..=3_usize {
        let stream = n as u64 * 2 - 1;
        let head = format!("{stream} POST 127.0.0.1:");
        let path = format!(" /v1/messages/{n}");
        let heads = lines(&seen);
        assert!(
            heads
                .iter()
                .any(|line| line.starts_with(&head) && line.ends_with(&path)),
            "{heads:?}"
        );
        assert_eq!(body(&seen, stream, Side::Client), b"x".repeat(n * 300));
        let event = |at| {
            let of = format!("/v1/messages/{n}?beta=true&key=canary-5e0c");
            format!(
                "data: {{\"of\":\"{of}\",\"bytes\":{},\"at\":{at}}}\n\n",
                n * 300
            )
        };
        let expected: String = (0..8).map(event).collect();
        assert_eq!(
            String::from_utf8_lossy(&body(&seen, stream, Side::Server)),
            expected
        );
        for end in [Seen::RequestEnd { stream }, Seen::AnswerEnd { stream }] {
            assert!(seen.contains(&end));
        }
    }
    assert_eq!(
        read_cut(Protocol::Http2, Limits::default(), &script, 1),
        seen
    );
}
