//! Connections that are kept, for a host that is asked often and with much: an object store.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::USER_AGENT;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::dial::{NoConnection, look_up, tls};
use super::target::{Scheme, Target};
use super::{Client, OWN_AGENT, WebError, with_sources};

/// Longest silence of the other end, while it thinks or between two pieces of its answer.
const SILENCE: Duration = Duration::from_secs(30);

/// The slowest line that a request is given time for, in bytes a second.
const SLOWEST_BYTES_A_SECOND: u64 = 256 << 10;

/// Largest answer that is held: the largest object of a store is one of 256 MiB with what a codec may add.
const ANSWER_MAX_BYTES: usize = 512 << 20;

/// How long an unused connection is kept; servers close theirs after 5 s to 60 s.
const IDLE: Duration = Duration::from_secs(20);

/// Sends requests over connections that are kept; cheap to clone. Its connections live on the calling runtime.
#[derive(Clone, Debug)]
pub struct Pool(Pooled<Dialler, Full<Bytes>>);

impl Client {
    /// Makes a pool that trusts, and may ask, whom this client does.
    #[must_use]
    pub fn pool(&self) -> Pool {
        let mut builder = Pooled::builder(TokioExecutor::new());
        builder
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new());
        Pool(builder.build(Dialler(self.clone())))
    }
}

impl Pool {
    /// Sends one request and reads its answer whole; follows nothing and retries nothing.
    ///
    /// # Errors
    /// See `WebError`; no status is an error here, a redirect's neither.
    pub async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, WebError> {
        let target = Target::read(&request.uri().to_string())?;
        request.headers_mut().insert(USER_AGENT, OWN_AGENT);
        let sent_bytes = request.body().size_hint().exact().unwrap_or_default();
        let within = patience(sent_bytes);
        let slow = |within| WebError::Slow {
            place: target.to_string(),
            within,
        };
        let answered = tokio::time::timeout(within, self.0.request(request)).await;
        let answered = answered.map_err(|_| slow(within))?;
        let (head, body) = answered
            .map_err(|error| WebError::Unreachable {
                place: target.to_string(),
                cause: with_sources(&error),
            })?
            .into_parts();
        Ok(Response::from_parts(head, whole(&target, body).await?))
    }
}

/// Tells how long a request of so many bytes may take until its answer begins.
fn patience(sent_bytes: u64) -> Duration {
    SILENCE + Duration::from_secs(sent_bytes / SLOWEST_BYTES_A_SECOND)
}

/// Reads a body to its end.
async fn whole(target: &Target, mut body: Incoming) -> Result<Bytes, WebError> {
    let place = || target.to_string();
    let mut read = BytesMut::new();
    while let Some(frame) = tokio::time::timeout(SILENCE, body.frame())
        .await
        .map_err(|_| WebError::Slow {
            place: place(),
            within: SILENCE,
        })?
    {
        let frame = frame.map_err(|error| WebError::Broke {
            place: place(),
            cause: with_sources(&error),
        })?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if read.len() + piece.len() > ANSWER_MAX_BYTES {
            return Err(WebError::TooLarge {
                place: place(),
                limit_bytes: ANSWER_MAX_BYTES,
            });
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// Dials whom its client may ask.
#[derive(Clone, Debug)]
struct Dialler(Client);

impl Dialler {
    async fn dial(self, uri: Uri) -> Result<TokioIo<Dialled>, WebError> {
        let target = Target::read(&uri.to_string())?;
        let unreachable = |cause: NoConnection| WebError::Unreachable {
            place: target.to_string(),
            cause: cause.to_string(),
        };
        let within = self.0.within;
        let addresses = tokio::time::timeout(within, look_up(target.host(), target.port()))
            .await
            .unwrap_or_else(|_| Err(NoConnection::new("its name was not looked up in time")))
            .map_err(unreachable)?;
        let dialled = match target.scheme() {
            Scheme::Https => tls(&self.0.tls, target.host(), &addresses, within)
                .await
                .map(|stream| Dialled::Tls(Box::new(stream)))
                .map_err(unreachable)?,
            Scheme::Http => {
                self.0.check_plain(&target, &addresses)?;
                let connecting = TcpStream::connect(addresses.as_slice());
                let stream = tokio::time::timeout(within, connecting)
                    .await
                    .map_err(|_| unreachable(NoConnection::new("no connection in time")))?
                    .map_err(|error| unreachable(NoConnection::new(error)))?;
                Dialled::Plain(stream)
            }
        };
        Ok(TokioIo::new(dialled))
    }
}

impl tower_service::Service<Uri> for Dialler {
    type Response = TokioIo<Dialled>;
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, WebError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WebError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A connection to a host that has shown its certificate, or to this host.
enum Dialled {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Dialled {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_write(context, buffer),
            Self::Plain(stream) => Pin::new(stream).poll_write(context, buffer),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_object_has_time_on_a_slow_line() {
        // A compacted file, at 5 MB a second and at 300 kB a second.
        assert!(patience(256 << 20) > Duration::from_secs((256 << 20) / 5_000_000));
        assert!(patience(256 << 20) > Duration::from_secs((256 << 20) / 300_000));
        assert_eq!(patience(0), SILENCE);
    }
}
