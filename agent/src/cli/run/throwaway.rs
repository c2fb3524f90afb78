//! A session that a command of an operator's opens to find something out: as another user, with none of the caller's variables,
//! for a limited time. What runs in it is held as any command of `icecore run --user` is.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::child::Entry;
use super::enter::TOKEN_VARIABLE;
use super::identity::TokenSource;
use super::trust::Trust;
use super::{PATIENCE, digest_of_arguments};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::socket::{ask, connect, misunderstood};
use crate::clock::Clock;
use crate::control::request::{Opened, Reply, Request};
use crate::control::{Scope, SessionSummary};
use crate::id::SessionId;

/// Where programs are looked for. Source: `DEFAULT_PATH` of Debian's login.defs, for root and others together.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Most bytes of each of a command's outputs that are kept; the rest is read and dropped.
const OUTPUT_MAX_BYTES: usize = 1 << 20;

/// How often is looked whether the command has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Makes what a command reads on its standard input, once its session is open.
pub(in crate::cli) type Input<'t> = dyn Fn(&Opened) -> Vec<u8> + 't;

/// What is to run, and as whom.
pub(in crate::cli) struct Throwaway<'t> {
    /// The daemon's control socket.
    pub(in crate::cli) socket: &'t Path,
    /// The user that it runs as.
    pub(in crate::cli) user: &'t str,
    /// Where the session's token is, if it needs one.
    pub(in crate::cli) identity: &'t TokenSource,
    /// What is said about the session in its record.
    pub(in crate::cli) labels: BTreeMap<String, String>,
    /// The program and its arguments.
    pub(in crate::cli) command: &'t [OsString],
    /// What it reads on its standard input, made once the session is open; nothing if it is not told anything.
    pub(in crate::cli) input: Option<&'t Input<'t>>,
    /// How long it may run.
    pub(in crate::cli) within: Duration,
}

/// What came of a command.
#[derive(Debug)]
pub(in crate::cli) struct Captured {
    /// Its exit code; none if a signal ended it or its time ran out.
    pub(in crate::cli) code: Option<i32>,
    /// Whether its time ran out.
    pub(in crate::cli) is_late: bool,
    /// What it printed.
    pub(in crate::cli) stdout: String,
    /// What it said beside.
    pub(in crate::cli) stderr: String,
}

/// What came of a session.
#[derive(Debug)]
pub(in crate::cli) struct Ended {
    /// Names it.
    pub(in crate::cli) session: SessionId,
    /// What came of its command.
    pub(in crate::cli) captured: Captured,
    /// What it did, if the proxy could tell.
    pub(in crate::cli) summary: Option<SessionSummary>,
    /// Why it was advisory, if it was.
    pub(in crate::cli) advisory: Option<String>,
}

impl Throwaway<'_> {
    /// Opens the session, runs the command to its end, and closes it; looks at it once before the command starts, and again
    /// and again while it runs.
    ///
    /// # Errors
    /// The daemon refuses the session or is gone, or the command cannot be started.
    pub(in crate::cli) fn run(
        &self,
        clock: Clock,
        mut look: impl FnMut(&Opened),
    ) -> Result<Ended, Failure> {
        let Some(exe) = self.command.first() else {
            return Err(Failure::text(Exit::Usage, "expected a command"));
        };
        let mut lines = connect(self.socket)?;
        let Reply::Identity(wanted) = ask(&mut lines, &Request::Identity {}, PATIENCE)? else {
            return Err(misunderstood());
        };
        let found = self.identity.find(&wanted, Some(self.user))?;
        let request = Request::Open {
            labels: self.labels.clone(),
            exe: exe.to_string_lossy().into_owned(),
            argv_sha256: digest_of_arguments(self.command),
            require_enforced: false,
            user: Some(self.user.to_owned()),
            allow_same_uid: false,
            scope: Scope::Command,
            claimed_job: None,
            identity_token: found.token,
            prompts: Vec::new(),
        };
        let Reply::Opened(opened) = ask(&mut lines, &request, PATIENCE)? else {
            return Err(misunderstood());
        };
        // From here on an early return ends the session: the control connection goes.
        let not_started = |error: io::Error| {
            let error = anyhow::Error::from(error).context("the command cannot be started");
            Failure::new(Exit::Unreachable, error)
        };
        let trust = Trust::write(&opened.certificate, opened.session, |_| None, clock.now())
            .and_then(|trust| trust.open_to_others().map(|()| trust))
            .map_err(not_started)?;
        look(&opened);
        let entry = Entry {
            opened: &opened,
            socket: self.socket,
            user: Some(self.user),
            command: self.command,
            trust: &trust,
            telemetry: &[],
            scope: Scope::Command,
            removed: &[],
        };
        let mut command = entry.again();
        let is_set = |name: &OsString| {
            name == TOKEN_VARIABLE || trust.variables.iter().any(|(set, _)| name == *set)
        };
        for (name, _) in env::vars_os().filter(|(name, _)| !is_set(name)) {
            command.env_remove(name);
        }
        command.env("PATH", PATH).current_dir("/");
        let input = match self.input {
            Some(input) => readable(&input(&opened)).map_err(not_started)?,
            None => Stdio::null(),
        };
        let running = Running::start(&mut command, input).map_err(not_started)?;
        let ended = running.wait(self.within, clock, || look(&opened));
        let (code, is_late, outputs) = ended.map_err(not_started)?;
        let reason = match code {
            Some(code) => format!("exited {code}"),
            None => "signalled 9".to_owned(),
        };
        let closed = ask(&mut lines, &Request::Close { reason }, PATIENCE)?;
        let Reply::Closed { summary, .. } = closed else {
            return Err(misunderstood());
        };
        Ok(Ended {
            session: opened.session,
            // Whatever held the other ends open is killed by now.
            captured: outputs.captured(code, is_late),
            summary,
            advisory: opened.advisory.clone(),
        })
    }
}

/// Runs a command with none of the caller's variables to its end, for so long at most; it reads this on its standard input.
///
/// # Errors
/// When it cannot be started or waited for.
pub(in crate::cli) fn bounded(
    command: &mut Command,
    input: &[u8],
    within: Duration,
    clock: Clock,
) -> io::Result<Captured> {
    command.env_clear().env("PATH", PATH).current_dir("/");
    let running = Running::start(command, readable(input)?)?;
    let (code, is_late, outputs) = running.wait(within, clock, || {})?;
    Ok(outputs.captured(code, is_late))
}

/// Makes a text a standard input: in memory, sealed, under no name. A command line is everybody's to read
/// (proc_pid_cmdline(5)); this is for the process alone that has the descriptor (memfd_create(2)).
fn readable(text: &[u8]) -> io::Result<Stdio> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut memory = File::from(memfd_create("input", flags)?);
    memory.write_all(text)?;
    memory.rewind()?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&memory, seals)?;
    Ok(memory.into())
}

/// A command that runs, and what it prints.
struct Running {
    child: Child,
    outputs: Outputs,
}

struct Outputs {
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

impl Running {
    fn start(command: &mut Command, input: Stdio) -> io::Result<Self> {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let outputs = Outputs {
            stdout: thread::spawn(move || read(stdout)),
            stderr: thread::spawn(move || read(stderr)),
        };
        Ok(Self { child, outputs })
    }

    /// Waits for its end, or kills it; tells its exit code and whether it was late.
    fn wait(
        mut self,
        within: Duration,
        clock: Clock,
        mut look: impl FnMut(),
    ) -> io::Result<(Option<i32>, bool, Outputs)> {
        let started_ns = clock.mono_ns();
        let within_ns = i64::try_from(within.as_nanos()).unwrap_or(i64::MAX);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status.code(), false, self.outputs));
            }
            if clock.mono_ns() - started_ns > within_ns {
                self.child.kill()?;
                self.child.wait()?;
                return Ok((None, true, self.outputs));
            }
            look();
            thread::sleep(LOOK_INTERVAL);
        }
    }
}

impl Outputs {
    fn captured(self, code: Option<i32>, is_late: bool) -> Captured {
        let text = |thread: JoinHandle<Vec<u8>>| {
            let bytes = thread.join().unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Captured {
            code,
            is_late,
            stdout: text(self.stdout),
            stderr: text(self.stderr),
        }
    }
}

/// Reads to the end and keeps the beginning: a command whose output nobody took would wait for ever.
fn read(from: Option<impl Read>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else {
        return kept;
    };
    let mut piece = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        let room = OUTPUT_MAX_BYTES.saturating_sub(kept.len());
        kept.extend(piece.iter().take(length.min(room)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn run(script: &str, within: Duration) -> Captured {
        let mut command = Command::new("/bin/sh");
        let command = command.args(["-c", script]);
        bounded(command, b"told\n", within, Clock::system()).unwrap()
    }

    #[test]
    fn a_command_is_heard_to_its_end_and_has_no_variables_of_its_callers() {
        let ended = run(
            "echo \"${CARGO_MANIFEST_DIR-none}\"; echo aside >&2; exit 3",
            Duration::from_secs(20),
        );
        assert_eq!((ended.code, ended.is_late), (Some(3), false));
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            ("none\n", "aside\n")
        );
    }

    #[test]
    fn what_a_command_is_told_it_reads_and_cannot_change() {
        let script = "cat; echo more 2>&1 >>/proc/self/fd/0 || true; readlink /proc/self/fd/0";
        let ended = run(script, Duration::from_secs(20));
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines.first(), Some(&"told"), "{ended:?}");
        assert_eq!(lines.last(), Some(&"/memfd:input (deleted)"), "{ended:?}");
        let again = "echo more 1<>/proc/self/fd/0; cat /proc/self/fd/0";
        assert_eq!(run(again, Duration::from_secs(20)).stdout, "told\n");
    }

    #[test]
    fn a_command_that_goes_on_is_killed() {
        let ended = run("exec sleep 600", Duration::from_millis(100));
        assert_eq!((ended.code, ended.is_late), (None, true));
    }

    #[test]
    fn of_much_output_the_beginning_is_kept() {
        let ended = run("head -c 3000000 /dev/zero", Duration::from_secs(20));
        assert_eq!(ended.stdout.len(), OUTPUT_MAX_BYTES);
    }
}
