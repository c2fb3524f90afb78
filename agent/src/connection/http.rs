//! HTTP/1.1 and HTTP/2 towards the agent, every size capped.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest head of a request, in bytes.
const HEAD_MAX_BYTES: u32 = 32 << 10;

/// Most requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;

/// Serves one connection until its client is done with it.
///
/// # Errors
/// The connection broke, or what came was not HTTP.
pub async fn serve<S, A, F>(stream: S, is_http2: bool, answer: A) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Bytes> + Send + 'static,
{
    let service = service_fn(|request| {
        let body = answer(request);
        async move { Ok::<_, Infallible>(json(body.await)) }
    });
    let io = TokioIo::new(stream);
    if is_http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_MAX_BYTES)
            .serve_connection(io, service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .max_buf_size(HEAD_MAX_BYTES as usize)
            .serve_connection(io, service)
            .await
    }
}

/// Every answer is HTTP 200 and JSON: another status makes some driver retry without end (protocol reference 4.4).
fn json(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
