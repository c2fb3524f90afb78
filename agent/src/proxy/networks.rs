//! Containers' networks: the proxy takes connections there too, and carries on from there what is not Snowflake's.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::accept;
use super::core::{Core, Shared};
use super::sessions::Session;
use crate::connection::splice::Onward;
use crate::tasks;

/// The accept loops of other networks than the host's, on each core.
///
/// They give no heartbeat: the host's loops run on the same cores, and one that hangs ends theirs.
pub(super) struct Networks {
    cores: Vec<(Arc<Core>, Handle)>,
    open: Mutex<BTreeMap<u64, Loops>>,
}

impl Networks {
    pub(super) fn new(cores: Vec<(Arc<Core>, Handle)>) -> Self {
        Self {
            cores,
            open: Mutex::default(),
        }
    }

    /// Takes connections of a network, by its namespace's cookie, in the place of what listened there before.
    pub(super) fn listen(&self, network: u64, listeners: &[TcpListener]) -> io::Result<()> {
        let mut loops = Loops::default();
        for (core, runtime) in &self.cores {
            let entered = runtime.enter();
            for listener in listeners {
                let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
                let accepting = accept::accept(Arc::clone(core), listener, None);
                loops.0.push(tasks::spawn("accept", accepting));
            }
            drop(entered);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(open.insert(network, loops));
        Ok(())
    }

    /// Takes no more connections of a network.
    pub(super) fn unlisten(&self, network: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(open.remove(&network));
    }
}

/// The accept loops of one network; they end with this, those of a network that could not be listened in whole too.
#[derive(Default)]
struct Loops(Vec<JoinHandle<()>>);

impl Drop for Loops {
    fn drop(&mut self) {
        for accepting in &self.0 {
            accepting.abort();
        }
    }
}

/// Finds the way on to a destination from the network that its client is in.
///
/// INVARIANT: never from the host's for a client in another one, which would lend it the host's reach.
pub(super) async fn onward(
    shared: &Shared,
    session: &Session,
    network: u64,
    destination: SocketAddr,
) -> io::Result<Onward> {
    // Where the host's cannot be told, nobody listens in another one: `Handler::listen` refuses.
    if shared.host_network.is_none_or(|host| host == network) {
        return Ok(Onward::of_host(destination));
    }
    let socket = (shared.sockets).of_network(session.arrivals(), network, destination.is_ipv6());
    Ok(Onward::of_network(socket.await?, destination))
}
