//! A listener where the account's name leads without redirection: whatever arrives there has bypassed the proxy.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

/// TCP and UDP listeners on one address that count what arrives.
#[derive(Debug)]
pub struct Trap {
    arrivals: Arc<AtomicUsize>,
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
        let stop = Arc::new(AtomicBool::new(false));
        let (count, end) = (Arc::clone(&arrivals), Arc::clone(&stop));
        let tcp = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match tcp.accept() {
                    Ok(_) => drop(count.fetch_add(1, Ordering::Relaxed)),
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        let (count, end) = (Arc::clone(&arrivals), Arc::clone(&stop));
        let udp = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                if udp.recv(&mut [0; 2048]).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(Self {
            arrivals,
            stop,
            threads: vec![tcp, udp],
        })
    }

    /// Tells how many connections and datagrams arrived.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        self.arrivals.load(Ordering::Relaxed)
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
