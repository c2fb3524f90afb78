//! A command that prints a secret: no shell, an empty environment, a limit of time and of output.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use zeroize::Zeroizing;

use super::CommandSource;
use super::trust::{Untrusted, check_program, lent_output};
use crate::clock::Clock;

/// Most that a command may print; the longest secret is a private key.
const OUTPUT_MAX_BYTES: usize = 64 << 10;

/// Why there is no output.
enum Failed {
    /// It took too long.
    Late,
    /// In these words.
    As(String),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::As(format!("cannot be heard: {error}"))
    }
}

impl From<rustix::io::Errno> for Failed {
    fn from(error: rustix::io::Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

impl CommandSource {
    /// Gives what it prints: in the proxy by its supervisor, which runs it, elsewhere by running it.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        lent_output(self, OUTPUT_MAX_BYTES as u64).unwrap_or_else(|| self.run())
    }

    /// Runs it and gives what it printed.
    ///
    /// Its errors are not shown: what a program says when it fails may quote what it was to print.
    pub(crate) fn run(&self) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        let (program, arguments) = self.argv.split_first().ok_or_else(|| Untrusted {
            expected: "a command".to_owned(),
            found: "none".to_owned(),
        })?;
        check_program(Path::new(program))?;
        self.printed(program, arguments).map_err(|failed| {
            let why = match failed {
                Failed::Late => format!("took longer than {:?}", self.within),
                Failed::As(why) => why,
            };
            Untrusted {
                expected: "a command that prints a secret and ends with 0".to_owned(),
                found: format!("`{program}`, which {why}"),
            }
        })
    }

    fn printed(&self, program: &str, arguments: &[String]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let deadline = Deadline::after(self.within);
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| Failed::As(format!("cannot be started: {error}")))?;
        let heard = hear(&mut child, deadline);
        if heard.is_err() {
            end(&mut child);
        }
        match heard? {
            (printed, status) if status.success() => Ok(printed),
            (_, status) => Err(Failed::As(format!("ended with {status}"))),
        }
    }
}

/// Until when something may take.
#[derive(Clone, Copy)]
struct Deadline {
    clock: Clock,
    at_ns: i64,
}

impl Deadline {
    fn after(wait: Duration) -> Self {
        let clock = Clock::system();
        let wait_ns = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX / 2);
        let at_ns = clock.mono_ns().saturating_add(wait_ns);
        Self { clock, at_ns }
    }

    fn left(self) -> Duration {
        let left_ns = self.at_ns.saturating_sub(self.clock.mono_ns());
        Duration::from_nanos(u64::try_from(left_ns).unwrap_or(0))
    }
}

fn hear(child: &mut Child, deadline: Deadline) -> Result<(Zeroizing<Vec<u8>>, ExitStatus), Failed> {
    let output = child.stdout.take();
    let printed = output.map_or(Ok(Zeroizing::default()), |output| all(output, deadline))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failed::As("has no process id".to_owned()))?;
    // Not waited for yet, so the number is still this child's.
    wait_for(pidfd_open(pid, PidfdFlags::empty())?, deadline)?;
    Ok((printed, child.wait()?))
}

fn all(mut output: ChildStdout, deadline: Deadline) -> Result<Zeroizing<Vec<u8>>, Failed> {
    // Room for all at once: a vector that grows would leave copies of a secret behind.
    let mut printed = Zeroizing::new(vec![0; OUTPUT_MAX_BYTES + 1]);
    let mut length = 0;
    loop {
        wait_for(&output, deadline)?;
        let room = printed.get_mut(length..).unwrap_or_default();
        if room.is_empty() {
            let found = format!("printed more than {OUTPUT_MAX_BYTES} bytes");
            return Err(Failed::As(found));
        }
        match output.read(room)? {
            0 => break,
            read => length += read,
        }
    }
    printed.truncate(length);
    Ok(printed)
}

/// Waits until there is something to read, or an end.
fn wait_for(of: impl AsFd, deadline: Deadline) -> Result<(), Failed> {
    let left = Timespec::try_from(deadline.left()).unwrap_or_default();
    let mut wanted = [PollFd::new(&of, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut wanted, Some(&left)))?;
    if ready == 0 {
        return Err(Failed::Late);
    }
    Ok(())
}

/// Ends it and what it started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // It may have ended by itself, all of it.
        let _gone = kill_process_group(group, Signal::KILL);
    }
    let _reaped = child.wait();
}

#[cfg(test)]
mod tests {
    use super::super::Freshness;
    use super::*;

    fn command(script: &str, within_ms: u64) -> CommandSource {
        CommandSource {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            within: Duration::from_millis(within_ms),
            freshness: Freshness {
                refresh: Duration::from_secs(1),
                keep: Duration::from_secs(1),
            },
        }
    }

    #[track_caller]
    fn check(script: &str, within_ms: u64, expected: Result<&str, &str>) {
        // On hosts where `/bin` is a link, the shell is another file.
        let mut command = command(script, within_ms);
        let shell = std::fs::canonicalize("/bin/sh").unwrap();
        command.argv[0] = shell.display().to_string();
        let found = command.run().map_err(|no| no.found);
        let found = found.map(|printed| String::from_utf8(printed.to_vec()).unwrap());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.ends_with(expected), "{found}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn what_a_command_prints_is_given_and_nothing_of_one_that_fails() {
        check("printf secret", 5000, Ok("secret"));
        check(
            "printf secret; exit 3",
            5000,
            Err("ended with exit status: 3"),
        );
        check(
            "printf secret; sleep 60",
            200,
            Err("took longer than 200ms"),
        );
        check("exec >&-; sleep 60", 200, Err("took longer than 200ms"));
        check(
            "head -c 70000 /dev/zero",
            5000,
            Err("printed more than 65536 bytes"),
        );
        check("printf \"$HOME$USER\"", 5000, Ok(""));
    }
}
