//! Stage 1: a process connects; its socket, session, original destination and server name.
//!
//! What a connection is comes from the kernel (the socket's tag), never from what the client says (invariant 7).

pub mod ca;
pub mod environment;
pub mod hello;
pub mod http;
pub mod metadata;
pub mod name;
pub mod peer;
pub mod redirect;
pub mod splice;
pub mod sys;
pub mod tls;

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::id::SessionId;
use peer::Peer;
use redirect::{Destinations, LookUpError};

/// A redirected connection, its other end and where it wanted to go; made only by `identify`.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    session: SessionId,
    nonce: u64,
    destination: SocketAddr,
    network: u64,
    peer: Peer,
}

impl Connection {
    /// Reads the socket's tag; without one there is no connection, and the socket is reset.
    ///
    /// # Errors
    /// The kernel knows nothing of this socket.
    pub fn identify(destinations: &Destinations, stream: TcpStream) -> Result<Self, LookUpError> {
        match destinations.look_up(stream.as_fd()) {
            Ok(redirected) => Ok(Self {
                session: redirected.session,
                nonce: redirected.nonce,
                destination: redirected.destination,
                network: redirected.network,
                peer: Peer {
                    pid: redirected.pid,
                    uid: redirected.uid,
                    comm: redirected.comm,
                    exec_id: redirected.exec_id,
                    connected_ns: redirected.boot_ns,
                    ..Peer::default()
                },
                stream,
            }),
            Err(error) => {
                reset(stream);
                Err(error)
            }
        }
    }

    /// Names the session, as the kernel tagged the socket when it was made.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Gives the session's nonce, which tells it from an earlier one in the same cgroup.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Gives the address that the process connected to.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// Gives the cookie of the network namespace that the process connected in.
    #[must_use]
    pub fn network(&self) -> u64 {
        self.network
    }

    /// Gives the process at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Takes the stream and the process at its other end.
    #[must_use]
    pub fn into_parts(self) -> (TcpStream, Peer) {
        (self.stream, self.peer)
    }
}

/// Closes a socket so that the other end sees a reset, not an orderly end.
pub fn reset(stream: TcpStream) {
    if let Err(error) = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)) {
        tracing::debug!(%error, "socket is closed in order instead");
    }
    drop(stream);
}
