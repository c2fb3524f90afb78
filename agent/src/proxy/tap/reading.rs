//! Reads the copies of connections to model APIs, on a thread of its own: no call waits for it.

use std::io;
use std::net::SocketAddr;
use std::thread;

use tokio::runtime::{Builder, Handle};

use super::copies::{Pieces, Side, What};
use super::counts::Counts;
use crate::config::{ModelApi, PromptCapture};
use crate::connection::peer::Peer;
use crate::id::SessionId;

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
    pub(in crate::proxy) host: String,
    pub(in crate::proxy) destination: SocketAddr,
    pub(in crate::proxy) api: ModelApi,
    pub(in crate::proxy) protocol: Protocol,
    /// Whether the host has shown by its certificate that it is that host; over plain HTTP a session may be both ends.
    pub(in crate::proxy) is_verified: bool,
    /// What may be kept of it.
    pub(in crate::proxy) capture: PromptCapture,
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
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?,
    );
    Ok(handle)
}

/// Reads one connection to its end.
pub(super) async fn read(connection: ModelConnection, mut pieces: Pieces, counts: &Counts) {
    let mut progress = Progress::default();
    while let Some(piece) = pieces.next().await {
        let is_whole = progress.is_next(piece.side, piece.offset);
        if !is_whole && !std::mem::replace(&mut progress.is_torn, true) {
            counts.add_unreadable();
        }
        match piece.what {
            What::Bytes(bytes) => progress.take(piece.side, piece.offset, bytes.len()),
            What::End { in_order } => tracing::trace!(
                connection = connection.number,
                side = ?piece.side,
                in_order,
                at_ns = piece.mono_ns,
                "side ended"
            ),
        }
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
