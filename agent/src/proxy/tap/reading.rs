//! Reads the copies of connections to model APIs, on a thread of its own: no call waits for it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;

use chrono::TimeDelta;
use tokio::runtime::{Builder, Handle};
use uuid::Uuid;

use super::copies::{Piece, Pieces, Side, What};
use super::counts::Counts;
use super::sink::Sink;
use super::unread::Why;
use crate::clock::Clock;
use crate::config::{ModelApi, OnUntrusted, PromptCapture};
use crate::connection::environment::Environment;
use crate::connection::peer::Peer;
use crate::connection::sys::boot_ns;
use crate::id::SessionId;
use crate::prompt::exchange::{At, Exchanges, Told};
use crate::prompt::{History, Trace, wire};
use crate::statement::STACK_BYTES;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Protocol {
    /// HTTP/1.1, also where nothing was agreed on.
    Http1,
    /// HTTP/2.
    Http2,
}

/// One connection of a session to a model API.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct ModelConnection {
    /// Its number since the proxy began.
    pub(in crate::proxy) number: u64,
    pub(in crate::proxy) session: SessionId,
    /// The process that connected, as the kernel and /proc tell of it.
    pub(in crate::proxy) peer: Peer,
    /// What that process's environment says, once it was read.
    pub(in crate::proxy) environment: Arc<OnceLock<Environment>>,
    pub(in crate::proxy) host: String,
    pub(in crate::proxy) destination: SocketAddr,
    pub(in crate::proxy) api: ModelApi,
    pub(in crate::proxy) protocol: Protocol,
    /// Whether the host has shown by its certificate that it is that host; over plain HTTP a session may be both ends.
    pub(in crate::proxy) is_verified: bool,
    /// What may be kept of it.
    pub(in crate::proxy) capture: PromptCapture,
    /// What becomes of it where it is not read.
    pub(in crate::proxy) on_unread: OnUntrusted,
}

/// Starts the thread.
///
/// # Errors
/// The system gives no runtime or no thread.
pub(super) fn begin() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    // It holds nothing that outlives the process.
    drop(
        thread::Builder::new()
            .name("tap".to_owned())
            // Texts of tools are parsed.
            .stack_size(STACK_BYTES)
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?,
    );
    Ok(handle)
}

/// Why nothing more is read of a connection whose copies were dropped.
const LOST: &str = "lost: copies were dropped";

/// Reads one connection to its end, or as far as it came when the proxy stops.
pub(super) async fn read(
    connection: ModelConnection,
    mut pieces: Pieces,
    counts: &Counts,
    sink: &Sink,
    clock: Clock,
) {
    let mut reading = Reading::new(&connection, counts, sink, clock);
    loop {
        let next = tokio::select! {
            biased;
            piece = pieces.next() => piece,
            () = sink.stops() => None,
        };
        let Some(piece) = next else { break };
        reading.take(&piece).await;
        // Where nothing may pass unread, there is nobody now who takes copies of what follows.
        if reading.is_given_up && connection.on_unread == OnUntrusted::Fail {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(pieces);
    reading.end(None).await;
    sink.end().await;
    let progress = reading.progress;
    tracing::debug!(
        session = %connection.session,
        connection = connection.number,
        host = connection.host,
        destination = %connection.destination,
        pid = connection.peer.pid,
        api = connection.api.as_str(),
        protocol = ?connection.protocol,
        is_verified = connection.is_verified,
        capture = connection.capture.as_str(),
        up_bytes = progress.up_bytes,
        down_bytes = progress.down_bytes,
        is_torn = progress.is_torn,
        "model connection ended"
    );
}

/// A connection under way.
struct Reading<'a> {
    connection: &'a ModelConnection,
    counts: &'a Counts,
    sink: &'a Sink,
    clock: Clock,
    /// None once nothing more of it can be understood.
    exchanges: Option<Exchanges>,
    /// The exec of its process; where a session may be both ends, the kernel vouches for no model.
    owner: Option<u64>,
    /// What the host had run for when the monotonic clock began.
    boot_before_ns: u64,
    /// When the last piece was carried.
    last_ns: i64,
    /// Whether the process's environment was looked at.
    is_known: bool,
    /// Whether calls may go by unread on it.
    is_given_up: bool,
    progress: Progress,
}

impl<'a> Reading<'a> {
    fn new(
        connection: &'a ModelConnection,
        counts: &'a Counts,
        sink: &'a Sink,
        clock: Clock,
    ) -> Self {
        let mono_ns = clock.mono_ns();
        let owner = Some(connection.peer.exec_id);
        Self {
            connection,
            counts,
            sink,
            clock,
            exchanges: Some(connection.exchanges(sink.memory())),
            owner: owner.filter(|exec| *exec != 0 && connection.is_verified),
            boot_before_ns: boot_ns().saturating_sub(u64::try_from(mono_ns).unwrap_or(0)),
            last_ns: mono_ns,
            is_known: false,
            is_given_up: false,
            progress: Progress::default(),
        }
    }

    /// Reads a piece: message by message, between which others may be read.
    async fn take(&mut self, piece: &Piece) {
        self.last_ns = piece.mono_ns;
        self.learn();
        let is_whole = self.progress.is_next(piece.side, piece.offset);
        if !is_whole && !std::mem::replace(&mut self.progress.is_torn, true) {
            self.counts.add_unreadable();
            self.is_given_up = true;
            self.end(Some(LOST)).await;
            let why = (Why::Lost, self.clock);
            self.sink.tell_unread(self.connection, why).await;
        }
        if self.is_given_up {
            // What goes by now may ask for more.
            self.sink.missed(self.at().time);
        }
        let side = side(piece.side);
        match &piece.what {
            What::Bytes(bytes) => {
                let mut rest = bytes.as_ref();
                while !rest.is_empty() || self.is_behind(side) {
                    let step = self.read(|exchanges, at, history, told| {
                        exchanges.step(side, rest, at, history, told)
                    });
                    let Some(taken) = step.await else { break };
                    rest = rest.get(taken..).unwrap_or_default();
                }
                (self.progress).take(piece.side, piece.offset, bytes.len());
            }
            What::End { .. } => {
                let ended = self.read(|exchanges, at, history, told| {
                    exchanges.ended(side, at, history, told);
                });
                let _none_if_torn = ended.await;
            }
        }
    }

    fn is_behind(&self, side: wire::Side) -> bool {
        (self.exchanges.as_ref()).is_some_and(|exchanges| exchanges.is_behind(side))
    }

    /// Tells what is still open, as far as it came.
    async fn end(&mut self, why: Option<&str>) {
        let Some(exchanges) = self.exchanges.take() else {
            return;
        };
        self.sink.rest().await;
        let told = self.sink.spend(|| {
            let mut told = Vec::new();
            let history = &mut *self.sink.history();
            history.heard_from(self.owner);
            exchanges.finish(why, self.at(), history, &mut told);
            told
        });
        self.tell(told).await;
    }

    /// Notes what its process's environment says, once it was read.
    fn learn(&mut self) {
        let (Some(environment), false) = (self.connection.environment.get(), self.is_known) else {
            return;
        };
        self.is_known = true;
        let trace = environment.traceparent.as_deref().and_then(Trace::read);
        if let (Some(owner), Some(trace)) = (self.owner, trace) {
            self.sink.started_in(owner, trace);
        }
    }

    /// Reads something once it is the session's turn, and takes what it tells; nothing is read any more where none is given.
    async fn read<T: Send>(
        &mut self,
        step: impl FnOnce(&mut Exchanges, At, &mut History, &mut Vec<Told>) -> T + Send,
    ) -> Option<T> {
        self.sink.rest().await;
        let (at, owner, sink) = (self.at(), self.owner, self.sink);
        let exchanges = self.exchanges.as_mut()?;
        let (done, told) = sink.spend(|| {
            let mut told = Vec::new();
            let history = &mut *sink.history();
            history.heard_from(owner);
            (step(exchanges, at, history, &mut told), told)
        });
        self.tell(told).await;
        Some(done)
    }

    /// Takes and records what was told, one thing at a time: each may take long.
    async fn tell(&mut self, told: Vec<Told>) {
        let (mut facts, mut given_up) = (Vec::new(), None);
        for one in told {
            if let Told::Lost(lost) = &one {
                given_up = Some(lost.why.clone());
            }
            if self.sink.is_to_rest().is_some() {
                self.sink.record(std::mem::take(&mut facts)).await;
                self.sink.rest().await;
            }
            facts.extend(self.sink.spend(|| self.sink.take(vec![one], self.owner)));
        }
        self.sink.record(facts).await;
        if let Some(why) = given_up {
            self.is_given_up = true;
            self.counts.add_unreadable();
            let why = (Why::GivenUp(why), self.clock);
            self.sink.tell_unread(self.connection, why).await;
        }
    }

    /// Tells when the last piece was carried.
    fn at(&self) -> At {
        let ago_ns = self.clock.mono_ns().saturating_sub(self.last_ns);
        At {
            time: self.clock.now() - TimeDelta::nanoseconds(ago_ns),
            boot_ns: (self.boot_before_ns).saturating_add(u64::try_from(self.last_ns).unwrap_or(0)),
        }
    }
}

impl ModelConnection {
    /// Begins to read its exchanges, under a name that no other connection has, within its session's memory.
    fn exchanges(&self, memory: &wire::Memory) -> Exchanges {
        let protocol = match self.protocol {
            Protocol::Http1 => wire::Protocol::Http1,
            Protocol::Http2 => wire::Protocol::Http2,
        };
        let name = Uuid::now_v7().to_string();
        Exchanges::within(memory, name, self.host.clone(), protocol, None)
            .of_process(self.peer.pid, self.peer.start_ns)
    }
}

fn side(side: Side) -> wire::Side {
    match side {
        Side::Client => wire::Side::Client,
        Side::Server => wire::Side::Server,
    }
}

/// How far both sides were read.
#[derive(Debug, Default)]
struct Progress {
    up_bytes: u64,
    down_bytes: u64,
    /// Whether copies of it were dropped.
    is_torn: bool,
}

impl Progress {
    /// Tells whether what is at this offset follows on what was read.
    fn is_next(&self, side: Side, offset: u64) -> bool {
        offset
            == match side {
                Side::Client => self.up_bytes,
                Side::Server => self.down_bytes,
            }
    }

    fn take(&mut self, side: Side, offset: u64, bytes: usize) {
        let end = offset + bytes as u64;
        match side {
            Side::Client => self.up_bytes = end,
            Side::Server => self.down_bytes = end,
        }
    }
}
