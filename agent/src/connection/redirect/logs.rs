//! Passes the programs' log lines on to the daemon's log.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use aya::Ebpf;
use aya_log::{EbpfLogger, Level};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::error::{KernelError, load, system};

/// How long the thread may go on after the last handle is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells the level that the programs are loaded with; at 0 the verifier removes every log line.
pub(super) fn level(program_logs: bool) -> u8 {
    if program_logs { Level::Debug as u8 } else { 0 }
}

/// Keeps the thread that reads the lines going.
#[derive(Debug)]
pub(super) struct Logs {
    _alive: Arc<()>,
}

impl Logs {
    /// Starts the thread.
    pub(super) fn start(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        let lines = EbpfLogger::init_with_logger(ebpf, ToTracing).map_err(load("logs"))?;
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        thread::Builder::new()
            .name("program-logs".to_owned())
            .spawn(move || pass_on(lines, &watched))
            .map_err(|e| system("start the thread", "program-logs".as_ref(), e))?;
        Ok(Self { _alive: alive })
    }
}

fn pass_on(mut lines: EbpfLogger<ToTracing>, alive: &Weak<()>) {
    let patience = Timespec::try_from(PATIENCE).ok();
    while alive.strong_count() > 0 {
        let mut waiting = [PollFd::new(&lines, PollFlags::IN)];
        // A wait that was interrupted is begun anew: either way the ring is looked at.
        let waited = poll(&mut waiting, patience.as_ref());
        lines.flush();
        if waited.is_err_and(|error| error != rustix::io::Errno::INTR) {
            return;
        }
    }
}

/// Takes lines in the form in which aya-log writes them, and gives them to tracing.
struct ToTracing;

impl log::Log for ToTracing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (file, line) = (record.file(), record.line());
        let text = record.args();
        match record.level() {
            log::Level::Error => tracing::error!(target: "programs", file, line, "{text}"),
            log::Level::Warn => tracing::warn!(target: "programs", file, line, "{text}"),
            log::Level::Info => tracing::info!(target: "programs", file, line, "{text}"),
            log::Level::Debug => tracing::debug!(target: "programs", file, line, "{text}"),
            log::Level::Trace => tracing::trace!(target: "programs", file, line, "{text}"),
        }
    }

    fn flush(&self) {}
}
