//! Connections of an approver's machine: so many at once, each for so long.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::connection::http::{self, Told};
use crate::tasks;

/// Most connections at once.
const OPEN_MAX: usize = 64;

/// Wait after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers what comes; a connection may take so long, from its first byte to its last.
pub(super) async fn accept<A, F>(listener: TcpListener, within: Duration, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Told> + Send + 'static,
{
    let open = Arc::new(Semaphore::new(OPEN_MAX));
    loop {
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                drop(tasks::spawn("inbox", async move {
                    let served = http::serve(stream, false, answer);
                    // A connection that is slow, or breaks, is its client's matter.
                    if let Ok(Err(error)) = tokio::time::timeout(within, served).await {
                        tracing::debug!(%error, "connection broke");
                    }
                    drop(permit);
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
