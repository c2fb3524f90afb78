//! HTTP/2, for clients that choose it; hyper does it all.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Answers;

/// Serves one connection until its client is done with it.
pub(super) async fn serve(stream: TlsStream<TcpStream>, answers: Arc<Answers>) -> Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let answers = Arc::clone(&answers);
        async move {
            let (head, body) = request.into_parts();
            // A client that broke off takes no answer either.
            let asked = body.collect().await.map(|asked| asked.to_bytes());
            let body: Bytes = answers.of(head.uri.path(), &asked.unwrap_or_default());
            let mut response = Response::new(Full::new(body));
            response.headers_mut().insert(
                hyper::header::CONTENT_TYPE,
                hyper::header::HeaderValue::from_static("application/json"),
            );
            Ok::<_, Infallible>(response)
        }
    });
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(|error| anyhow!(error))
}
