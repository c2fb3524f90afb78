//! A network of a test's own: a namespace with nothing in it but its loopback, so that two of them share no address.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace. It goes with the last process or socket in it: nothing names it.
#[derive(Debug)]
pub struct Network {
    namespace: File,
}

impl Network {
    /// Makes one whose loopback is up.
    pub fn make() -> Result<Self> {
        let mut child = Command::new("unshare")
            .args(["--net", "/bin/sh", "-ec"])
            .arg("ip link set lo up; echo up; read -r _ || :")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start unshare")?;
        let mut line = String::new();
        let said = child.stdout.take().context("no stdout")?;
        BufReader::new(said).read_line(&mut line)?;
        // `unshare` becomes the shell: its id is the shell's.
        let namespace = File::open(format!("/proc/{}/ns/net", child.id()));
        // The end of its input ends it, also where something failed.
        drop(child.stdin.take());
        child.wait()?;
        ensure!(line == "up\n", "expected a network, found {line:?}");
        let namespace = namespace?;
        Ok(Self { namespace })
    }

    /// Does something in it: what is started, and each socket that is made meanwhile, stays there.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = self.namespace.as_fd();
        let enter_and_work = || {
            move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
            work()
        };
        // A thread of its own enters, so that no other one of the test does.
        let done = thread::scope(|scope| scope.spawn(enter_and_work).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn one_network_does_not_reach_another() {
        let (one, other) = (Network::make().unwrap(), Network::make().unwrap());
        let listen = || Ok(TcpListener::bind("127.0.0.1:0")?);
        let listener = one.inside(listen).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || Ok(TcpStream::connect(address)?);
        assert!(one.inside(connect).is_ok());
        assert!(other.inside(connect).is_err());
        assert!(TcpStream::connect(address).is_err());
    }
}
