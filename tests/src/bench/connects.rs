//! What one `connect()` costs: the system call alone, socket made before and closed after.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketType, connect, socket};
use serde::{Deserialize, Serialize};

use crate::time;

/// Connects that are timed.
#[derive(Clone, Debug, clap::Args)]
pub struct Connects {
    /// Where to.
    #[arg(long)]
    pub to: SocketAddr,
    /// How many.
    #[arg(long)]
    pub count: u32,
}

/// What they took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Took {
    /// Median of `socket()`, in nanoseconds.
    pub socket_p50_ns: u64,
    /// Median of `connect()`, in nanoseconds.
    pub connect_p50_ns: u64,
}

/// Connects again and again and prints the medians.
pub(super) fn run(connects: &Connects) -> Result<()> {
    let (mut sockets, mut times) = (Vec::new(), Vec::new());
    for _ in 0..connects.count {
        let from = time::instant();
        let descriptor = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockets.push(u64::try_from(from.elapsed().as_nanos())?);
        let from = time::instant();
        connect(&descriptor, &connects.to).with_context(|| format!("connect {}", connects.to))?;
        times.push(u64::try_from(from.elapsed().as_nanos())?);
        // A reset in place of a close: no port is left waiting.
        rustix::net::sockopt::set_socket_linger(&descriptor, Some(std::time::Duration::ZERO))?;
    }
    let mut out = std::io::stdout().lock();
    let took = Took {
        socket_p50_ns: median(&mut sockets),
        connect_p50_ns: median(&mut times),
    };
    writeln!(out, "{}", serde_json::to_string(&took)?)?;
    Ok(out.flush()?)
}

fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
