//! The sockets that redirected connections arrive at; they outlive the proxy.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use tracing::{info, warn};

/// Connections that may wait for the proxy; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How long the proxy of a daemon that was killed may hold the port: it seals its record before it ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before a port that is taken is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Binds the port on 127.0.0.1 and, where the host has IPv6, on `::1`; waits while somebody else has it.
///
/// # Errors
/// When the port is taken for longer than `patience`, or not to be had.
pub(super) fn bind_both(port: u16, patience: Duration) -> Result<Vec<TcpListener>, Unbound> {
    let mut waited = Duration::ZERO;
    loop {
        let bound = try_both(port);
        let is_taken = (bound.as_ref())
            .is_err_and(|unbound| unbound.source.kind() == io::ErrorKind::AddrInUse);
        if !is_taken || waited >= patience {
            return bound;
        }
        if waited.is_zero() {
            info!(
                port,
                "port is taken; waiting for the proxy of an earlier daemon to end"
            );
        }
        thread::sleep(RETRY);
        waited += RETRY;
    }
}

fn try_both(port: u16) -> Result<Vec<TcpListener>, Unbound> {
    let v4 = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0));
    let mut listeners = vec![bind_one(v4)?];
    match bind_one(v6) {
        Ok(listener) => listeners.push(listener),
        // Sessions' IPv6 connects are redirected to `::1` all the same and fail there, so nothing bypasses.
        Err(error) if error.has_no_ipv6() => warn!("host has no IPv6 loopback"),
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

fn bind_one(address: SocketAddr) -> Result<TcpListener, Unbound> {
    open(address).map_err(|source| Unbound { address, source })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of an earlier daemon may still be closing.
    set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listener `{address}`")]
pub struct Unbound {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

impl Unbound {
    fn has_no_ipv6(&self) -> bool {
        let absent = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT];
        Errno::from_io_error(&self.source).is_some_and(|error| absent.contains(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_port_is_told_with_its_address() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind_both(address.port(), Duration::ZERO).unwrap_err();
        assert_eq!(error.address, address);
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_port_that_comes_free_is_waited_for() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let holder = thread::spawn(move || {
            thread::sleep(RETRY * 3);
            drop(taken);
        });
        assert!(bind_both(port, PATIENCE).is_ok());
        holder.join().unwrap();
    }
}
