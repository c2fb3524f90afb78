//! Processes of the benchmark: started in a cgroup and on a core, ended by their id.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::process;
use crate::time;

/// How long a server may take until it takes connections.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a process may take to end before it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Runs something with the calling thread on one core, which its child processes keep.
pub(super) fn on_core<T>(core: usize, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = rustix::thread::sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only)?;
    let done = run();
    sched_setaffinity(None, &before)?;
    done
}

/// A process that ends when this value is dropped.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
}

impl Served {
    /// Starts a program in a cgroup, with nothing in its environment but a path, its errors in a file.
    pub(super) fn start(
        cgroup: &Path,
        program: &OsStr,
        arguments: &[OsString],
        log: &Path,
    ) -> Result<Self> {
        let log = File::create(log)?;
        let child = in_cgroup(cgroup, program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {program:?}"))?;
        Ok(Self { child })
    }

    /// Takes the process's standard output.
    pub(super) fn stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().context("stdout is taken")
    }

    /// Waits until an address takes connections.
    pub(super) fn wait_for(&mut self, address: SocketAddr) -> Result<()> {
        let start = time::instant();
        while std::net::TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("a server ended: {status}");
            }
            ensure!(start.elapsed() < READY_WITHIN, "{address} is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Gives the ids of the process and of those that it started.
    pub(super) fn pids(&self) -> Result<Vec<u32>> {
        let own = self.child.id();
        let mut pids = process::children(own)?;
        pids.push(own);
        Ok(pids)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let (Some(pid), Ok(None)) = (pid, self.child.try_wait()) else {
            return;
        };
        if kill_process(pid, Signal::TERM).is_ok() {
            let start = time::instant();
            while start.elapsed() < END_WITHIN {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Gives a command that joins a cgroup before it starts, with nothing in its environment but a path.
pub(super) fn in_cgroup(cgroup: &Path, program: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-euc", "echo $$ > \"$1\"; shift; exec \"$@\"", "start"])
        .arg(cgroup.join("cgroup.procs"))
        .arg(program)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}
