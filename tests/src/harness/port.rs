//! A port for a proxy under test, which no other test of this machine takes while its owner lives.

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;

/// Ports that tests take: below 1024, as the proxy's own must be, and seldom used.
const PORTS: std::ops::Range<u16> = 600..1000;

/// A port that nothing listens on. Its daemon may stop and start again: the number stays this value's.
#[derive(Debug)]
pub struct Port {
    number: u16,
    // The lock goes with the file, also if the process is killed.
    _lock: File,
}

impl Port {
    /// Takes a port; each process begins to look at another.
    pub fn take() -> Result<Self> {
        let folder = std::env::temp_dir().join("icecore-test-ports");
        std::fs::create_dir_all(&folder).with_context(|| format!("make `{}`", folder.display()))?;
        let first = std::process::id() as usize * 7 % PORTS.len();
        for number in PORTS.cycle().skip(first).take(PORTS.len()) {
            let lock = File::create(folder.join(number.to_string()))?;
            if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
                && is_free(number)
            {
                return Ok(Self {
                    number,
                    _lock: lock,
                });
            }
        }
        anyhow::bail!("no free port between {} and {}", PORTS.start, PORTS.end - 1)
    }

    /// Gives the port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_nobody_elses_while_its_owner_lives() {
        let one = Port::take().unwrap();
        let other = Port::take().unwrap();
        assert_ne!(one.number(), other.number());
    }
}
