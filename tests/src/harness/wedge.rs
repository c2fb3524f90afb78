//! One core of a proxy stopped while the others run, as a core that is blocked.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Pid;

/// Stops one thread of a process for as long as its standard input is open: a tracer's stop is of that thread alone (ptrace(2)).
const STOP_THREAD: &str = "
import ctypes, os, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
SEIZE, INTERRUPT = 0x4206, 0x4207
thread = int(sys.argv[1])
for request in (SEIZE, INTERRUPT):
    if ptrace(request, thread, None, None) == -1:
        sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(thread, 0x40000000)
print('stopped', flush=True)
sys.stdin.read()
";

/// A core that stands still until this value's end.
#[derive(Debug)]
pub struct Wedge(Child);

impl Wedge {
    /// Stops the proxy's last core; `None` if it has no more than one.
    pub fn drive_in(proxy: Pid) -> Result<Option<Self>> {
        let tasks = format!("/proc/{}/task", proxy.as_raw_nonzero());
        let mut cores = Vec::new();
        for task in std::fs::read_dir(tasks)? {
            let task = task?;
            // A thread of the blocking pool may end between the two looks; a core does not.
            let Ok(name) = std::fs::read_to_string(task.path().join("comm")) else {
                continue;
            };
            if name.starts_with("core-") && name.trim_end() != "core-0" {
                cores.push(task.file_name());
            }
        }
        let Some(core) = cores.pop() else {
            return Ok(None);
        };
        let child = Command::new("python3")
            .args(["-c", STOP_THREAD])
            .arg(core)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut wedge = Self(child);
        let mut line = String::new();
        let said = wedge.0.stdout.take().context("no stdout")?;
        BufReader::new(said).read_line(&mut line)?;
        ensure!(line == "stopped\n", "the core was not stopped: {line:?}");
        Ok(Some(wedge))
    }
}

impl Drop for Wedge {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            eprintln!("what stopped a core was not waited for: {error}");
        }
    }
}
