//! HTTP/1.1 and HTTP/2 towards the agent, every size capped.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest head of a request, in bytes.
const HEAD_MAX_BYTES: u32 = 32 << 10;

/// Most requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;

/// What goes to the agent: an answer that is whole, or a result that is streamed.
pub type Told = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Serves one connection until its client is done with it.
///
/// # Errors
/// The connection broke, or what came was not HTTP.
pub async fn serve<S, A, F>(stream: S, is_http2: bool, answer: A) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Told> + Send + 'static,
{
    serve_until(stream, is_http2, std::future::pending(), answer).await
}

/// Serves one connection as [`serve`] does until `leaving` comes true: what is under way then is answered, and the client
/// told that it was the last of this connection (RFC 9112 section 9.6, RFC 9113 section 6.8).
///
/// # Errors
/// As of [`serve`].
pub async fn serve_until<S, A, F>(
    stream: S,
    is_http2: bool,
    leaving: impl Future<Output = ()>,
    answer: A,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Told> + Send + 'static,
{
    let service = service_fn(|request| {
        let told = answer(request);
        async move { Ok::<_, Infallible>(told.await) }
    });
    let stream = TokioIo::new(stream);
    if is_http2 {
        let mut serving = pin!(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(HEAD_MAX_BYTES)
                .serve_connection(stream, service)
        );
        tokio::select! {
            served = serving.as_mut() => return served,
            () = leaving => {}
        }
        serving.as_mut().graceful_shutdown();
        return serving.await;
    }
    let mut serving = pin!(
        http1::Builder::new()
            .max_buf_size(HEAD_MAX_BYTES as usize)
            .serve_connection(stream, service)
    );
    tokio::select! {
        served = serving.as_mut() => return served,
        () = leaving => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

/// Serves one connection by HTTP/1.1, and waits for the head of each request no longer than `head_within`.
///
/// # Errors
/// As of [`serve`], or a head took longer.
pub async fn serve_within<S, A, F>(
    stream: S,
    head_within: Duration,
    answer: A,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Told> + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_within);
    serve_http1(stream, builder, answer).await
}

async fn serve_http1<S, A, F>(
    stream: S,
    mut builder: http1::Builder,
    answer: A,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Told> + Send + 'static,
{
    let service = service_fn(|request| {
        let told = answer(request);
        async move { Ok::<_, Infallible>(told.await) }
    });
    builder
        .max_buf_size(HEAD_MAX_BYTES as usize)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Tells a body that is whole, under a status that the protocol of its endpoint chooses.
#[must_use]
pub fn whole(status: StatusCode, media_type: &'static str, bytes: Bytes) -> Told {
    let body = Full::new(bytes).map_err(|never| match never {});
    let mut told = Response::new(body.boxed_unsync());
    *told.status_mut() = status;
    told.headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    told
}

/// Tells a body that is made while it is sent; an error in it breaks the transfer off and never ends it cleanly.
#[must_use]
pub fn streamed<B>(body: B) -> Told
where
    B: Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    let mut told = Response::new(body.boxed_unsync());
    told.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    told
}
