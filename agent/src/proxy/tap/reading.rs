//! Reads the copies of connections to model APIs, on a thread of its own: no call waits for it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;

use chrono::TimeDelta;
use tokio::runtime::{Builder, Handle};
use uuid::Uuid;

use super::copies::{Pieces, Side, What};
use super::counts::Counts;
use super::sink::Sink;
use super::unread::Why;
use crate::clock::Clock;
use crate::config::{ModelApi, OnUntrusted, PromptCapture};
use crate::connection::environment::Environment;
use crate::connection::peer::Peer;
use crate::connection::sys::boot_ns;
use crate::id::SessionId;
use crate::prompt::exchange::{At, Exchanges};
use crate::prompt::{Trace, wire};
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

/// Reads one connection to its end.
pub(super) async fn read(
    connection: ModelConnection,
    mut pieces: Pieces,
    counts: &Counts,
    sink: &Sink,
    clock: Clock,
) {
    let mut progress = Progress::default();
    let mut reading = Some(connection.exchanges(sink.memory()));
    // Where a session may be both ends, the kernel vouches for no model.
    let owner = Some(connection.peer.exec_id).filter(|exec| *exec != 0 && connection.is_verified);
    let boot_before_ns = boot_ns().saturating_sub(u64::try_from(clock.mono_ns()).unwrap_or(0));
    let at = |mono_ns: i64| {
        let ago_ns = clock.mono_ns().saturating_sub(mono_ns);
        At {
            time: clock.now() - TimeDelta::nanoseconds(ago_ns),
            boot_ns: boot_before_ns.saturating_add(u64::try_from(mono_ns).unwrap_or(0)),
        }
    };
    let mut last_ns = clock.mono_ns();
    let mut is_known = false;
    while let Some(piece) = pieces.next().await {
        let began_ns = clock.mono_ns();
        last_ns = piece.mono_ns;
        let is_whole = progress.is_next(piece.side, piece.offset);
        let is_torn = !is_whole && !std::mem::replace(&mut progress.is_torn, true);
        let mut told = Vec::new();
        {
            if let (Some(environment), false) = (connection.environment.get(), is_known) {
                is_known = true;
                let trace = environment.traceparent.as_deref().and_then(Trace::read);
                if let (Some(owner), Some(trace)) = (owner, trace) {
                    sink.started_in(owner, trace);
                }
            }
            let history = &mut *sink.history();
            history.heard_from(owner);
            if is_torn {
                counts.add_unreadable();
                sink.missed(at(last_ns).time);
                if let Some(reading) = reading.take() {
                    reading.finish(Some(LOST), at(last_ns), history, &mut told);
                }
            }
            match (&piece.what, &mut reading) {
                (What::Bytes(bytes), Some(reading)) => {
                    reading.feed(side(piece.side), bytes, at(last_ns), history, &mut told);
                }
                (What::End { .. }, Some(reading)) => {
                    reading.ended(side(piece.side), at(last_ns), history, &mut told);
                }
                (What::Bytes(_) | What::End { .. }, None) => {}
            }
        }
        if let What::Bytes(bytes) = &piece.what {
            progress.take(piece.side, piece.offset, bytes.len());
        }
        let facts = sink.take(told, owner);
        let now_ns = clock.mono_ns();
        sink.record(facts).await;
        if is_torn {
            sink.tell_unread(&connection, (Why::Lost, clock)).await;
        }
        sink.rest(now_ns, now_ns.saturating_sub(began_ns)).await;
    }
    if let Some(reading) = reading {
        let mut told = Vec::new();
        {
            let history = &mut *sink.history();
            history.heard_from(owner);
            reading.finish(None, at(last_ns), history, &mut told);
        }
        sink.record(sink.take(told, owner)).await;
    }
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
