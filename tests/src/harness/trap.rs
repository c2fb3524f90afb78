//! A listener where the account's name leads without redirection: whatever arrives there has bypassed the proxy.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::time;

/// TCP and UDP listeners on one address that count what arrives.
#[derive(Debug)]
pub struct Trap {
    arrivals: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Trap {
    /// Listens on `address`, TCP and UDP.
    pub fn set(address: SocketAddr) -> Result<Self> {
        let tcp = TcpListener::bind(address).with_context(|| format!("bind trap `{address}`"))?;
        let udp = UdpSocket::bind(address)?;
        tcp.set_nonblocking(true)?;
        udp.set_read_timeout(Some(Duration::from_millis(100)))?;
        let arrivals = Arc::new(AtomicUsize::new(0));
        let peers = Arc::<Mutex<Vec<String>>>::default();
        let note = |peers: &Mutex<Vec<String>>, peer: String| {
            let mut peers = peers.lock().unwrap_or_else(PoisonError::into_inner);
            peers.push(peer);
        };
        let stop = Arc::new(AtomicBool::new(false));
        let (count, end) = (Arc::clone(&arrivals), Arc::clone(&stop));
        let came = Arc::clone(&peers);
        let tcp = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match tcp.accept() {
                    Ok((_, peer)) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        note(&came, format!("{peer}, TCP, {:?}", time::since_epoch()));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        let (count, end) = (Arc::clone(&arrivals), Arc::clone(&stop));
        let came = Arc::clone(&peers);
        let udp = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                if let Ok((_, peer)) = udp.recv_from(&mut [0; 2048]) {
                    count.fetch_add(1, Ordering::Relaxed);
                    note(&came, format!("{peer}, UDP, {:?}", time::since_epoch()));
                }
            }
        });
        Ok(Self {
            arrivals,
            peers,
            stop,
            threads: vec![tcp, udp],
        })
    }

    /// Tells how many connections and datagrams arrived.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        self.arrivals.load(Ordering::Relaxed)
    }

    /// Tells where they came from, and when since 1970.
    #[must_use]
    pub fn peers(&self) -> Vec<String> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.clone()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread is printed where it happens.
            drop(thread.join());
        }
    }
}
