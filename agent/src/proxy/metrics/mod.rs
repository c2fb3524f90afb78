//! Metrics and health, told to programs of this host that are in no session.

mod asker;
mod gather;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use self::asker::NotAnswered;
use super::core::Shared;
use super::heartbeat::Pulse;
use crate::connection::http::{self, Told};
use crate::connection::redirect::Stats;
use crate::connection::reset;
use crate::export::Exports;
use crate::metrics::{MEDIA_TYPE, Metrics};
use crate::record::event::code;
use crate::record::{Category, Severity};
use crate::tasks;

/// Most connections at once: Prometheus has one.
const OPEN_MAX: usize = 8;

/// How long a connection may take for the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection may last.
const WITHIN: Duration = Duration::from_secs(60);

/// What is recorded of one who is not answered.
const FROM_SESSION: &str = "metrics were asked for in a session";

/// How soon the address is asked for again, where another proxy still has it.
const BIND_AGAIN: Duration = Duration::from_secs(2);

/// What only those who run Icecore look at.
pub(super) struct Operations {
    pub(super) metrics: Arc<Metrics>,
    pub(super) exports: Arc<Exports>,
    pub(super) started_at: DateTime<Utc>,
    /// How many proxies of this daemon there were before.
    pub(super) restarts: u64,
    /// Requests that were answered, and that were refused since a session may have sent them.
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    /// What the kernel had counted when the supervisor last told it.
    pub(super) kernel: Mutex<Option<Stats>>,
    /// The accept loops' heartbeat, once there are some.
    pub(super) pulse: OnceLock<Arc<Pulse>>,
}

impl Operations {
    /// Learns what the kernel has counted.
    pub(super) fn learn(&self, stats: Stats) {
        *self.kernel.lock().unwrap_or_else(PoisonError::into_inner) = Some(stats);
    }

    /// Learns of the heartbeat, once.
    pub(super) fn watch(&self, pulse: &Arc<Pulse>) {
        // There is one.
        let _again = self.pulse.set(Arc::clone(pulse));
    }

    fn counted(&self) -> Option<Stats> {
        let kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        kernel.clone()
    }
}

/// Counts the proxies of a daemon: another than its first finds how many there were.
pub(super) fn restarts(run_dir: &Path, is_next: bool) -> u64 {
    let file = run_dir.join("proxies");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let before = before.trim().parse::<u64>().unwrap_or(0);
    let restarts = if is_next { before + 1 } else { 0 };
    if let Err(error) = std::fs::write(&file, restarts.to_string()) {
        tracing::warn!(%error, "how many proxies there were could not be written down");
    }
    restarts
}

/// Answers on a thread of its own, if the config names an address.
///
/// # Errors
/// The system gives no runtime or no thread.
pub(super) fn begin(shared: &Arc<Shared>) -> io::Result<()> {
    let Some(address) = shared.current().config.metrics.listen else {
        return Ok(());
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let shared = Arc::clone(shared);
    // It holds nothing that outlives the process.
    drop(
        thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || runtime.block_on(listen(shared, address)))?,
    );
    Ok(())
}

async fn listen(shared: Arc<Shared>, address: SocketAddr) {
    let mut is_told = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%address, %error, "metrics cannot be told yet");
                }
                tokio::time::sleep(BIND_AGAIN).await;
            }
        }
    };
    tracing::info!(%address, "metrics are told");
    let open = Arc::new(Semaphore::new(OPEN_MAX));
    loop {
        let Ok(place) = Arc::clone(&open).acquire_owned().await else {
            return;
        };
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(BIND_AGAIN).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        drop(tasks::spawn("metrics", async move {
            answer_connection(&shared, stream, peer).await;
            drop(place);
        }));
    }
}

async fn answer_connection(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let current = shared.current();
    let root = &current.config.capture.root;
    let checked = match stream.local_addr() {
        Ok(own) => asker::check(peer, own, root),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = checked {
        let before = shared.operations.refused.fetch_add(1, Ordering::Relaxed);
        reset(stream);
        if matches!(error, NotAnswered::InSession) {
            let (severity, category) = (Severity::Medium, Category::Net);
            let detail = json!({ "reason": FROM_SESSION });
            return shared
                .event(None, code::BYPASS_ATTEMPT, severity, category, detail)
                .await;
        }
        // Whoever may be in a session must not fill the log.
        if before == 0 {
            tracing::warn!(%peer, %error, "metrics were refused");
        }
        return tracing::debug!(%peer, %error, "metrics were refused");
    }
    let answering = Arc::clone(shared);
    let served = http::serve_within(stream, HEAD_WITHIN, move |request| {
        let shared = Arc::clone(&answering);
        async move { answer(&shared, &request) }
    });
    match tokio::time::timeout(WITHIN, served).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "connection for metrics broke"),
    }
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Told {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let text = |status, text: &'static str| {
        http::whole(status, PLAIN, Bytes::from_static(text.as_bytes()))
    };
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "expected GET\n");
    }
    match request.uri().path() {
        "/metrics" => {
            shared.operations.answered.fetch_add(1, Ordering::Relaxed);
            let page = gather::page(shared);
            http::whole(StatusCode::OK, MEDIA_TYPE, Bytes::from(page))
        }
        "/healthz" if shared.intake.is_closed() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "the proxy stops\n")
        }
        "/healthz" if shared.stages.recorder.is_degraded() => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the record takes no rows; see the daemon's log\n",
        ),
        "/healthz" if is_stale(shared) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the proxy shows no heartbeat, so that the kernel refuses sessions' connects: one of its cores hangs\n",
        ),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        _ => text(StatusCode::NOT_FOUND, "expected /metrics or /healthz\n"),
    }
}

/// Tells whether the kernel counts the heartbeat as lost.
fn is_stale(shared: &Shared) -> bool {
    let stale = shared.current().config.capture.heartbeat_stale;
    let age = shared.operations.pulse.get().map(|pulse| pulse.age());
    age.is_some_and(|age| age > stale)
}
