//! The daemon under test: started, found, stopped and killed by process id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::time;

/// Hides the kernel's tracepoints in a mount namespace, in both places where hosts have them.
pub const HIDES_TRACEPOINTS: &str =
    "for at in tracing debug; do mount -t tmpfs icecore-test /sys/kernel/$at; done";

/// A running `icecore daemon`.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log_file: PathBuf,
}

impl Daemon {
    /// Starts the daemon in a cgroup, with variables of its own, its output from `level` on appended to `log_file`.
    pub fn start(
        program: &Path,
        config: &Path,
        cgroup: &Path,
        log_file: &Path,
        level: &str,
        variables: &[(String, String)],
    ) -> Result<Self> {
        Self::start_by(&[], program, config, cgroup, log_file, level, variables)
    }

    /// Starts one that sees the kernel's tracepoints, as on hosts where they are shown: in a mount namespace of its own, which
    /// sees no later mounts.
    pub fn start_traced(
        program: &Path,
        config: &Path,
        cgroup: &Path,
        log_file: &Path,
        level: &str,
        variables: &[(String, String)],
    ) -> Result<Self> {
        let script = "mount -t tracefs icecore-test /sys/kernel/tracing && exec \"$0\" \"$@\"";
        let before = ["/usr/bin/unshare", "--mount", "/bin/sh", "-euc", script];
        Self::start_by(&before, program, config, cgroup, log_file, level, variables)
    }

    /// Starts one that sees no tracepoints, as on hosts where they are not shown, whatever this one does.
    pub fn start_untraced(
        program: &Path,
        config: &Path,
        cgroup: &Path,
        log_file: &Path,
        level: &str,
        variables: &[(String, String)],
    ) -> Result<Self> {
        let script = format!("{HIDES_TRACEPOINTS} && exec \"$0\" \"$@\"");
        let before = ["/usr/bin/unshare", "--mount", "/bin/sh", "-euc", &script];
        Self::start_by(&before, program, config, cgroup, log_file, level, variables)
    }

    fn start_by(
        before: &[&str],
        program: &Path,
        config: &Path,
        cgroup: &Path,
        log_file: &Path,
        level: &str,
        variables: &[(String, String)],
    ) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log_file)?;
        let child = Command::new("/bin/sh")
            .args(["-euc", "echo $$ > \"$1\"; shift; exec \"$@\"", "start"])
            .arg(cgroup.join("cgroup.procs"))
            .args(before)
            .arg(program)
            .args(["daemon", "--config"])
            .arg(config)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("RUST_BACKTRACE", "1")
            .env("ICECORE_LOG", level)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start the daemon")?;
        Ok(Self {
            child,
            log_file: log_file.to_owned(),
        })
    }

    /// Waits until `ready` says so; fails when the daemon ends before, with its log.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let start = time::instant();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the daemon ended: {status}\n{}", self.log()?);
            }
            if start.elapsed() > Duration::from_secs(30) {
                bail!("the daemon was not ready after 30 s\n{}", self.log()?);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Gives what the daemon printed.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log_file)?)
    }

    /// Tells the supervisor's process id.
    pub fn supervisor(&self) -> Result<Pid> {
        let raw = i32::try_from(self.child.id())?;
        Pid::from_raw(raw).context("no process id")
    }

    /// Tells the proxy's process id: the supervisor's child that was started as `icecore proxy`.
    pub fn proxy(&self) -> Result<Pid> {
        let supervisor = self.child.id();
        // A process is listed under the thread that started it (proc(5), `/proc/pid/task/tid/children`).
        for task in fs::read_dir(format!("/proc/{supervisor}/task"))? {
            let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                let command =
                    fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
                if command.split('\0').any(|argument| argument == "proxy") {
                    return Pid::from_raw(child.parse()?).context("no process id");
                }
            }
        }
        bail!("the supervisor has no proxy")
    }

    /// Sends SIGTERM to the supervisor and waits for its end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        kill_process(self.supervisor()?, Signal::TERM)?;
        self.wait(Duration::from_secs(30))
    }

    /// Sends SIGTERM to the supervisor and does not wait.
    pub fn ask_to_stop(&self) -> Result<()> {
        Ok(kill_process(self.supervisor()?, Signal::TERM)?)
    }

    /// Waits for the supervisor's end.
    pub fn wait(&mut self, at_most: Duration) -> Result<ExitStatus> {
        let start = time::instant();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > at_most {
                bail!("the daemon did not end\n{}", self.log()?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the supervisor with SIGKILL and waits for its end.
    pub fn kill_supervisor(&mut self) -> Result<()> {
        kill_process(self.supervisor()?, Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The cgroup's end kills what is left; SIGTERM first lets the record be sealed.
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.terminate());
        }
    }
}
