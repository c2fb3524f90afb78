//! The command as its caller sees it: started, signalled, waited for.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use super::enter::TOKEN_VARIABLE;
use super::trust::Trust;
use crate::control::Scope;
use crate::control::request::Opened;

/// Signals that are handed on to the command.
const HANDED_ON: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// What the command's process is started with.
pub(super) struct Entry<'e> {
    pub(super) opened: &'e Opened,
    pub(super) socket: &'e Path,
    /// Whom it becomes, if that is another than the caller.
    pub(super) user: Option<&'e str>,
    pub(super) command: &'e [OsString],
    pub(super) trust: &'e Trust,
    /// Variables that send its telemetry to the proxy.
    pub(super) telemetry: &'e [(&'static str, &'static str)],
    /// How much of a CI job the session holds.
    pub(super) scope: Scope,
    /// The caller's variables that it does not get.
    pub(super) removed: &'e [String],
}

impl Entry<'_> {
    /// Gives this program once more, to become the command.
    pub(super) fn again(&self) -> Command {
        let Self {
            opened,
            socket,
            user,
            command,
            trust,
            telemetry,
            scope,
            removed,
        } = *self;
        let mut again = Command::new("/proc/self/exe");
        again
            .arg0("icecore")
            .args(["run", "--enter", &opened.session.to_string(), "--control"])
            .arg(socket)
            .args(user.into_iter().flat_map(|name| ["--user", name]))
            .args(["--scope", scope.as_str()])
            .args(opened.io_uring.then_some("--io-uring"))
            .arg("--")
            .args(command)
            .env(TOKEN_VARIABLE, &opened.token)
            .envs(trust.variables.iter().map(|(name, value)| (name, value)))
            .envs(telemetry.iter().copied());
        for name in removed {
            again.env_remove(name);
        }
        again
    }
}

/// The running command.
pub(super) struct Child {
    process: process::Child,
    signals: SignalsInfo<WithOrigin>,
}

impl Child {
    /// Starts this program again, to become the command.
    pub(super) fn start(entry: &Entry<'_>) -> io::Result<Self> {
        // Before the command: none of its signals, nor its end, is missed.
        let signals = SignalsInfo::new(not_ignored()?)?;
        let process = entry.again().spawn()?;
        Ok(Self { process, signals })
    }

    /// Waits until the command has ended, handing signals on meanwhile.
    pub(super) fn wait(&mut self) -> io::Result<Ending> {
        for origin in self.signals.forever() {
            if origin.signal == SIGCHLD {
                if let Some(status) = self.process.try_wait()? {
                    return Ok(Ending(status));
                }
                continue;
            }
            // What the terminal sends, it sends to the command too (SI_KERNEL; isig, drivers/tty/n_tty.c).
            if origin.cause == Cause::Kernel {
                continue;
            }
            hand_on(self.process.id(), origin.signal);
        }
        self.process.wait().map(Ending)
    }
}

/// How the command ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending(ExitStatus);

impl Ending {
    /// Gives the exit code that a shell would.
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// Says it for the record.
    pub(super) fn reason(self) -> String {
        match self.0.signal() {
            Some(signal) => format!("signalled {signal}"),
            None => format!("exited {}", self.code()),
        }
    }

    fn code(self) -> u8 {
        let code = match self.0.signal() {
            Some(signal) => signal.saturating_add(128),
            None => self.0.code().unwrap_or_default(),
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

fn hand_on(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) else {
        return;
    };
    // Not waited for yet, so the number is still the command's; it may have ended all the same.
    if let Err(error) = kill_process(pid, signal) {
        tracing::debug!(%error, "signal was not handed on");
    }
}

/// Leaves out the signals that the caller ignores: a handler of ours would end `nohup` for the command.
fn not_ignored() -> io::Result<Vec<i32>> {
    let ignored = ignored(&fs::read_to_string("/proc/self/status")?);
    let mut signals: Vec<i32> = HANDED_ON
        .into_iter()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0)
        .collect();
    signals.push(SIGCHLD);
    Ok(signals)
}

/// Reads the set of ignored signals out of a `/proc/self/status` (proc(5), `SigIgn`).
fn ignored(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: i32, code: u8, reason: &str) {
        let ending = Ending(ExitStatus::from_raw(status));
        assert_eq!((ending.code(), ending.reason()), (code, reason.to_owned()));
    }

    #[test]
    fn endings_are_told_as_a_shell_does() {
        check(0, 0, "exited 0");
        check(7 << 8, 7, "exited 7");
        check(255 << 8, 255, "exited 255");
        check(15, 143, "signalled 15");
        // With the bit that says a core was dumped.
        check(11 | 0x80, 139, "signalled 11");
    }

    #[test]
    fn ignored_signals_are_read() {
        let hup = ignored("SigBlk:\t0\nSigIgn:\t0000000000000001\n");
        assert_eq!(hup, 1 << (SIGHUP - 1));
        assert_eq!(ignored(""), 0);
    }
}
