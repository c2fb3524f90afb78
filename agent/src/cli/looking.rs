//! What is read of a process that is to be a session's: no more than so much, and by a time.
//!
//! Who runs in a container chooses what its memory is backed by: a file system of its own may answer a read of `/proc` late, or
//! never (fuse; proc(5), `/proc/pid/environ`, is read from the process's memory). So such a read has a thread to itself, which
//! is given up when its time is over.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::Exit;
use super::failure::Failure;
use super::run::{digest_of_arguments, token};
use super::trusting::own_cas;
use crate::control::{HandedToken, TOKEN_TEXT_MAX_BYTES};

/// Most bytes that are read of a process's arguments, and of its environment: what both may have together, where the stack's
/// limit is the usual 8 MiB (execve(2), "Limits on size of arguments and environment").
const PROC_MAX_BYTES: u64 = 2 << 20;

/// Stack of a thread that reads or asks: whoever gives one up keeps it, as far as it was written to.
const STACK_BYTES: usize = 1 << 20;

/// A process as it was found.
#[derive(Debug)]
pub(super) struct Looked {
    /// Its number.
    pub(super) pid: u32,
    /// When it started, in clock ticks since boot: by this it is told from a later one of its number.
    pub(super) start_ticks: u64,
    /// Its program.
    pub(super) exe: String,
    /// SHA-256 of its arguments.
    pub(super) argv_sha256: [u8; 32],
    /// The token of a file that it sees.
    pub(super) token: Option<HandedToken>,
    /// The CAs of hosts' own that it trusts.
    pub(super) cas: BTreeSet<String>,
}

impl Looked {
    /// Looks at a process, and reads the token in a file that is named as the process sees it.
    pub(super) fn at(pid: u32, token_file: Option<&Path>) -> Result<Self, Failure> {
        let gone = |error: io::Error| {
            let text = format!("process {pid} cannot be looked at");
            Failure::new(Exit::Refused, anyhow::Error::from(error).context(text))
        };
        let start_ticks = start_ticks(pid).map_err(gone)?;
        let exe = fs::read_link(format!("/proc/{pid}/exe")).map_err(gone)?;
        let cmdline = read(&format!("/proc/{pid}/cmdline")).map_err(gone)?;
        // Each argument ends with a NUL (proc(5), `/proc/pid/cmdline`).
        let arguments: Vec<_> = cmdline
            .strip_suffix(&[0])
            .unwrap_or(&cmdline)
            .split(|byte| *byte == 0)
            .map(|argument| OsStr::from_bytes(argument).to_owned())
            .collect();
        let token = token_file.map(|file| token_inside(pid, file)).transpose()?;
        let cas = own_cas(pid);
        // The same process after the reading: so all that was read is its own.
        if self::start_ticks(pid).map_err(gone)? != start_ticks {
            return Err(gone(io::Error::other("it ended meanwhile")));
        }
        Ok(Self {
            pid,
            start_ticks,
            exe: exe.to_string_lossy().into_owned(),
            argv_sha256: digest_of_arguments(&arguments),
            token,
            cas,
        })
    }
}

/// Tells when a process started: field 22 of its `/proc/<pid>/stat`, behind a name that may hold anything (proc(5)).
fn start_ticks(pid: u32) -> io::Result<u64> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let stat = String::from_utf8_lossy(&stat);
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    fields
        // The first of these is field 3.
        .and_then(|fields| fields.split(' ').nth(19)?.parse().ok())
        .ok_or_else(|| io::Error::other("expected a time of its start, found none"))
}

/// Tells whether a process began with a variable, such as `ICECORE_SESSION=1`. One that comes after the first 2 MiB is none.
pub(super) fn has(pid: u32, variable: &str) -> bool {
    let Ok(environment) = environment(pid) else {
        return false;
    };
    let mut all = environment.split(|byte| *byte == 0);
    all.any(|one| one == variable.as_bytes())
}

/// Reads what a process's environment began with, of which a variable ends with a NUL; the first 2 MiB.
pub(super) fn environment(pid: u32) -> io::Result<Vec<u8>> {
    let file = File::open(format!("/proc/{pid}/environ"))?;
    let mut environment = Vec::new();
    file.take(PROC_MAX_BYTES).read_to_end(&mut environment)?;
    Ok(environment)
}

/// Reads a file of `/proc` that is not too long.
fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut taken = File::open(path)?.take(PROC_MAX_BYTES + 1);
    let length = taken.read_to_end(&mut bytes)?;
    if u64::try_from(length).is_ok_and(|length| length <= PROC_MAX_BYTES) {
        return Ok(bytes);
    }
    let text = format!("`{path}`: expected at most {PROC_MAX_BYTES} bytes, found more");
    Err(io::Error::other(text))
}

/// Opens a file as a process sees it; no link in its root leads out of that.
///
/// # Errors
/// It cannot be opened, or is something else than a file.
pub(super) fn open_inside(pid: u32, path: &Path) -> io::Result<File> {
    let root = File::open(format!("/proc/{pid}/root"))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(&root, path, flags, Mode::empty(), resolve)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("expected a file, found something else"));
    }
    Ok(file)
}

/// Reads a token from a file that is in a container.
fn token_inside(pid: u32, path: &Path) -> Result<HandedToken, Failure> {
    let place = format!("`{}` of process {pid}", path.display());
    let read = || -> io::Result<Vec<u8>> {
        let file = open_inside(pid, path)?;
        let most = u64::try_from(TOKEN_TEXT_MAX_BYTES).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        let text = format!("identity token {place} cannot be read");
        Failure::new(Exit::Refused, anyhow::Error::from(error).context(text))
    })?;
    token(&place, bytes)
}

/// What came of something that had a time.
#[derive(Debug)]
pub(super) enum Timed<T> {
    /// It was done.
    Done(T),
    /// It was not, and may go on.
    Late(Late<T>),
}

/// A thread that was given up.
#[derive(Debug)]
pub(super) struct Late<T>(Receiver<T>);

impl<T> Late<T> {
    /// Tells whether it has ended all the same.
    pub(super) fn is_over(&self) -> bool {
        match self.0.try_recv() {
            Ok(_) | Err(TryRecvError::Disconnected) => true,
            Err(TryRecvError::Empty) => false,
        }
    }

    /// Takes what came of it, once it has ended; an error where it failed by a bug.
    pub(super) fn outcome(&self) -> Option<io::Result<T>> {
        match self.0.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(failed())),
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("the look at a process failed; this is a bug")
}

/// Does something on a thread of its own, and waits for it no longer than this.
///
/// # Errors
/// When there is no thread to be had, or the work failed by a bug.
pub(super) fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Timed<T>> {
    let (done, told) = mpsc::channel();
    let working = move || {
        // Whoever waited may have gone on.
        drop(done.send(work()));
    };
    thread::Builder::new()
        .name("look".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(working)?;
    match told.recv_timeout(patience) {
        Ok(value) => Ok(Timed::Done(value)),
        Err(RecvTimeoutError::Timeout) => Ok(Timed::Late(Late(told))),
        Err(RecvTimeoutError::Disconnected) => Err(failed()),
    }
}

/// What is to be looked at of a container's first process.
#[derive(Clone, Debug)]
pub(super) struct Sought {
    /// What it must have begun with.
    pub(super) variable: String,
    /// The file with its token, as it sees it.
    pub(super) token_file: Option<PathBuf>,
}

impl Sought {
    /// Looks at a process; none if it did not begin with the variable.
    pub(super) fn look(&self, pid: u32) -> Result<Option<Looked>, Failure> {
        if !has(pid, &self.variable) {
            return Ok(None);
        }
        Looked::at(pid, self.token_file.as_deref()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{Child, Command};

    use super::*;

    fn sleeping(variable: &str, value: &str) -> Child {
        let mut sleep = Command::new("sleep");
        sleep.arg("30").env(variable, value).spawn().unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_is_known_by_its_whole_variable() {
        let child = sleeping("ICECORE_SESSION", "12");
        // Until it has executed, it still has this process's.
        while !has(child.id(), "ICECORE_SESSION=12") {
            thread::yield_now();
        }
        assert!(!has(child.id(), "ICECORE_SESSION=1") && !has(u32::MAX, "ICECORE_SESSION=12"));
        end(child);
    }

    #[test]
    fn what_is_looked_at_is_told_from_a_later_process() {
        let child = sleeping("ICECORE_SESSION", "7");
        while !has(child.id(), "ICECORE_SESSION=7") {
            thread::yield_now();
        }
        let sought = |value: &str| Sought {
            variable: format!("ICECORE_SESSION={value}"),
            token_file: None,
        };
        let looked = sought("7").look(child.id()).unwrap().unwrap();
        assert_eq!(looked.start_ticks, start_ticks(child.id()).unwrap());
        assert!(looked.exe.contains('/'), "{}", looked.exe);
        assert!(looked.start_ticks > start_ticks(1).unwrap_or_default());
        assert!(sought("8").look(child.id()).unwrap().is_none());
        end(child);
        assert!(Looked::at(u32::MAX, None).is_err());
    }

    #[test]
    fn what_is_longer_than_may_be_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        file.as_file().set_len(PROC_MAX_BYTES).unwrap();
        assert_eq!(read(path).unwrap().len() as u64, PROC_MAX_BYTES);
        file.as_file().set_len(PROC_MAX_BYTES + 1).unwrap();
        assert!(read(path).unwrap_err().to_string().contains("found more"));
    }

    #[test]
    fn a_look_that_hangs_is_given_up_and_seen_to_end() {
        let Timed::Done(7) = within(Duration::from_secs(30), || 7).unwrap() else {
            panic!("not done");
        };
        let (go_on, told) = mpsc::channel::<()>();
        let Timed::Late(late) = within(Duration::from_millis(20), move || told.recv()).unwrap()
        else {
            panic!("not late");
        };
        assert!(!late.is_over());
        go_on.send(()).unwrap();
        while !late.is_over() {
            thread::yield_now();
        }
        // Of one that goes on, what comes of it is taken once.
        let (go_on, told) = mpsc::channel::<u8>();
        let Timed::Late(late) = within(Duration::ZERO, move || told.recv()).unwrap() else {
            panic!("not late");
        };
        assert!(late.outcome().is_none());
        go_on.send(7).unwrap();
        let outcome = loop {
            match late.outcome() {
                Some(outcome) => break outcome,
                None => thread::yield_now(),
            }
        };
        assert_eq!(outcome.unwrap(), Ok(7));
        let after = loop {
            match late.outcome() {
                Some(after) => break after,
                None => thread::yield_now(),
            }
        };
        assert!(after.is_err());
    }

    #[test]
    fn a_token_is_read_and_what_is_none_is_not() {
        let folder = tempfile::TempDir::new().unwrap();
        let own = std::process::id();
        let (file, link) = (folder.path().join("token"), folder.path().join("link"));
        fs::write(&file, "a.b.c\n").unwrap();
        symlink("token", &link).unwrap();
        assert_eq!(token_inside(own, &link).unwrap().reveal(), "a.b.c");
        assert!(token_inside(own, folder.path()).is_err());
        let magic = folder.path().join("magic");
        symlink("/proc/self/root/etc/passwd", &magic).unwrap();
        assert!(token_inside(own, &magic).is_err());
    }
}
