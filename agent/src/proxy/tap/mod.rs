//! The tap: connections of sessions to model APIs that the config names, carried unchanged and read from a copy.
//!
//! TLS ends here on both sides; what is between is carried verbatim, at once, and never looked at on its way. A copy of it
//! goes into a queue of bounded length, which a thread of its own reads. Whatever becomes of the copy, the call is not
//! touched; a call that cannot be read is told, not stopped.

mod carry;
mod copies;
mod counts;
mod models;
mod pace;
mod reading;
mod sink;
mod standing;
mod taking;
pub(super) mod telemetry;
mod telling;
mod tunnel;
mod unkept;
mod unread;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::sessions::Session;
use crate::clock::Clock;
use crate::config::OnUntrusted;
use crate::connection::ca::{Ca, CaError};
use crate::connection::tls;
use crate::prompt::wire::Memory;
use crate::record::event::code;
use crate::record::{Category, EventRow, Severity};

pub(super) use counts::Counts;
pub(super) use models::{Models, repository};
pub(super) use sink::{behind, in_force, provenance};
pub(super) use standing::Standing;
pub(super) use taking::{At, take};

use copies::{Copies, OfSession, Pieces, Queues};
use counts::Outcome;
use reading::ModelConnection;
use sink::Sink;
use unread::Why;

/// Most bytes that reading all connections of all sessions may hold: bodies, and what decoders use.
const MEMORY_MAX_BYTES: usize = 384 << 20;

/// How often a stop looks whether all was read.
const STOP_POLL: Duration = Duration::from_millis(5);

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TapError {
    #[error("CA for model APIs: {0}")]
    Ca(#[from] CaError),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("no thread that reads: {0}")]
    Thread(std::io::Error),
}

/// What all connections to model APIs share.
pub(super) struct Tap {
    /// Holds the CAs.
    folder: PathBuf,
    host_id: String,
    clock: Clock,
    /// The TLS of each CA, by its id: sessions go on with the one that they were told to trust.
    configs: Mutex<HashMap<String, Arc<ServerConfig>>>,
    queues: Arc<Queues>,
    /// What reading all connections of all sessions may hold.
    memory: Memory,
    counts: Arc<Counts>,
    /// The runtime of the thread that reads copies, once there is one.
    reader: OnceLock<Handle>,
    /// Connections so far; the number of each names it.
    connections: AtomicU64,
    /// Connections whose reading is not over.
    under_way: Arc<AtomicU64>,
    /// Whether the proxy is to stop: what waits is read without a rest, and then no more is.
    stopping: watch::Sender<bool>,
}

/// A connection that is counted as read, until this is dropped.
struct UnderWay(Arc<AtomicU64>);

impl UnderWay {
    fn begin(all: &Arc<AtomicU64>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tap {
    /// Makes one that has opened nothing yet.
    pub(super) fn new(state_dir: &Path, host_id: &str, clock: Clock) -> Self {
        Self {
            folder: state_dir.join("ca"),
            host_id: host_id.to_owned(),
            clock,
            configs: Mutex::default(),
            queues: Arc::default(),
            memory: Memory::new(MEMORY_MAX_BYTES),
            counts: Arc::default(),
            reader: OnceLock::new(),
            connections: AtomicU64::new(0),
            under_way: Arc::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Makes what the config's model APIs need, if it names any: their CA, and the thread that reads.
    ///
    /// A list of other names has another CA; those of earlier lists stay, for the sessions that trust them.
    ///
    /// # Errors
    /// See [`TapError`].
    pub(super) fn prepare(&self, models: &Models) -> Result<(), TapError> {
        if models.is_empty() {
            return Ok(());
        }
        if self.reader.get().is_none() {
            let reader = reading::begin().map_err(TapError::Thread)?;
            // One that came first serves as well.
            let _other = self.reader.set(reader);
        }
        let names = models.names();
        // One for no name would be good for any (RFC 5280 section 4.2.1.10).
        if names.is_empty() {
            models.set_ca(None);
            return Ok(());
        }
        let (id, ca) = Ca::of_models(&self.folder, &self.host_id, &names, self.clock.now())?;
        self.keep(&id, ca)?;
        models.set_ca(Some(id));
        Ok(())
    }

    /// Gives what was counted.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Tells how many bytes wait to be read.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.queues.waiting_bytes()
    }

    /// Has what waits be read and recorded, for as long as may be waited, and reads no more from then on. What is left then is told with
    /// what was counted last of each session.
    pub(super) fn stop_blocking(&self, within: Duration) {
        self.stopping.send_replace(true);
        let until_ns = (self.clock.mono_ns())
            .saturating_add(i64::try_from(within.as_nanos()).unwrap_or(i64::MAX));
        while self.under_way.load(Ordering::Relaxed) > 0 && self.clock.mono_ns() < until_ns {
            thread::sleep(STOP_POLL);
        }
    }

    /// Gives the TLS of a CA.
    fn config(&self, id: &str) -> Result<Arc<ServerConfig>, TapError> {
        let known = self.configs().get(id).cloned();
        match known {
            Some(known) => Ok(known),
            None => self.keep(id, Ca::kept(&self.folder, id)?),
        }
    }

    fn keep(&self, id: &str, ca: Ca) -> Result<Arc<ServerConfig>, TapError> {
        let mut configs = self.configs();
        if let Some(known) = configs.get(id) {
            return Ok(Arc::clone(known));
        }
        let config = tls::models_config(ca, self.clock)?;
        configs.insert(id.to_owned(), Arc::clone(&config));
        Ok(config)
    }

    fn configs(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<ServerConfig>>> {
        self.configs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a connection.
    fn number(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Begins to read a connection; gives what its bytes are copied into, or nothing where it is not read and may not pass so.
    fn read(
        &self,
        connection: ModelConnection,
        sink: Sink,
        of_session: &Arc<OfSession>,
    ) -> Option<Copies> {
        let on_unread = connection.on_unread;
        let (copies, pieces) = copies::queue(of_session, &self.queues, &self.counts, self.clock);
        let is_read = self.begin_reading(connection, pieces, sink);
        (is_read || on_unread == OnUntrusted::Splice).then(|| copies.on_unread(on_unread))
    }

    /// Has a thread of its own read, if there is a place for it; tells whether there is, and records it where not.
    fn begin_reading(&self, connection: ModelConnection, pieces: Pieces, sink: Sink) -> bool {
        // Without a reader there is no session that is read: its CA is made after it.
        let Some(reader) = self.reader.get() else {
            self.counts.add_unreadable();
            return false;
        };
        let (counts, clock) = (Arc::clone(&self.counts), self.clock);
        let _entered = reader.enter();
        let sink = Arc::new(sink);
        if !sink.has_place() {
            counts.add_unreadable();
            counts.add(Outcome::Unread);
            drop(crate::tasks::spawn("tap", async move {
                sink.tell_unread(&connection, (Why::NoPlace, clock)).await;
            }));
            return false;
        }
        let (reads, named) = (Arc::clone(&sink), connection.clone());
        self.watched(named, sink, async move {
            reading::read(connection, pieces, &counts, &reads, clock).await;
        });
        true
    }

    /// Has a connection read in a task of the current runtime, and tells where that ends by a panic.
    fn watched(
        &self,
        connection: ModelConnection,
        sink: Arc<Sink>,
        reading: impl Future<Output = ()> + Send + 'static,
    ) {
        let (counts, clock) = (Arc::clone(&self.counts), self.clock);
        let done = Arc::new(AtomicBool::new(false));
        let (ended, under_way) = (Arc::clone(&done), UnderWay::begin(&self.under_way));
        let reading = crate::tasks::spawn("tap", async move {
            reading.await;
            ended.store(true, Ordering::Relaxed);
        });
        drop(crate::tasks::spawn("tap end", async move {
            // One that panics ends, too.
            let _ended = reading.await;
            if !done.load(Ordering::Relaxed) {
                counts.add_unreadable();
                sink.tell_unread(&connection, (Why::Failed, clock)).await;
            }
            drop(under_way);
        }));
    }
}

/// Gives the event that a session's model calls are read, if they are, or that they are not although the config names some.
pub(super) fn told(session: &Session) -> Option<EventRow> {
    let facts = session.facts();
    let (event_code, severity, detail) = match &facts.models {
        Some(models) => (
            code::MODELS_READ,
            Severity::Informational,
            json!({
                "hosts": models.hosts, "capture": models.capture, "days": models.days, "ca": models.ca,
                "telemetry": models.telemetry, "lineage": !models.lineage_unseen, "prompts_attested": facts.prompts.len(),
            }),
        ),
        None if facts.models_unread.is_empty() => return None,
        None => (
            code::MODELS_UNREAD,
            Severity::Low,
            json!({
                "hosts": facts.models_unread,
                "expected": "the CA for model APIs in each file of roots that its first process's environment names",
                "found": "none, or files without it",
                "then": "carried unread",
            }),
        ),
    };
    Some(EventRow {
        session_id: Some(session.id()),
        event_code,
        severity,
        category: Category::Admin,
        detail: Some(detail),
        ..EventRow::default()
    })
}

#[cfg(test)]
mod tests;
