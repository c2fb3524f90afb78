//! Reads what the environment of a session's process says of an agent. Nothing else of it leaves this file.
//!
//! What is read is a process's own to change, and so is how long that takes: the kernel waits for the lock of its memory
//! (`environ_read`, linux/fs/proc/base.c), which whoever stops in a page fault may hold. A thread reads it, and is given up on:
//! whoever asked waits no longer than it likes, and a session has so many such threads and no more. That wait ends with a
//! signal (`mmap_read_lock_killable`, linux/mm/memory.c), so a daemon that ends, or becomes another program, waits for none.
//! Memory behind a file, which a FUSE server could hold back for ever, is not looked at by the kernel (`FOLL_ANON`).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::fs::{Mode, OFlags, open, openat};
use tracing::debug;
use zeroize::Zeroizing;

use super::loans::{Loans, Opened};
use super::peer::{Process, TICK_NS, start_ns};
use super::shared::Shared;
use crate::connection::environment::Environment;
use crate::control::{Connected, Request};

/// Most bytes that are read: what is named beyond is not found. A shell of CI has 2 to 20 KiB.
const READ_MAX_BYTES: usize = 128 << 10;

/// Most bytes of what tells who a process is: a cgroup's path has 4 KiB at most (`PATH_MAX`), and one line of each hierarchy.
const TEXT_MAX_BYTES: u64 = 64 << 10;

/// Has a session's process looked at on a thread of its own, if its session has a place for one more; dropping the request says
/// to whoever waits that nobody will.
pub(super) fn tell(request: Request, of: Connected, shared: &Arc<Shared>, loans: &Arc<Loans>) {
    // By the kernel's number of an exec, not by the word of whoever asks.
    let Some(session) = shared.observations.session_of(of.exec_id) else {
        return debug!(pid = of.pid, "process is of no session that is known");
    };
    let Some(loan) = loans.take(Opened::Environment(session)) else {
        return debug!(%session, pid = of.pid, "more environments wait than are read");
    };
    let Some(cgroup) = shared.cgroup_of(session) else {
        return debug!(%session, pid = of.pid, "session has ended");
    };
    let observations = Arc::clone(&shared.observations);
    let started = thread::Builder::new()
        .name("environ".to_owned())
        .spawn(move || {
            let _loan = loan;
            let has_changed = || observations.has_executed_since(of.pid, of.exec_id);
            let told = match read(
                Path::new("/proc"),
                of,
                |proc_cgroup| cgroup.holds(proc_cgroup),
                has_changed,
            ) {
                Ok(environment) => request.tell_environment(environment),
                Err(failure) => {
                    return debug!(%session, pid = of.pid, %failure, "environment was not read");
                }
            };
            if let Err(failure) = told {
                debug!(%session, pid = of.pid, %failure, "proxy did not wait for an environment");
            }
        });
    if let Err(failure) = started {
        debug!(%failure, "no thread to read an environment");
    }
}

/// Reads the environment of the very process that connected, in the program in which it did; `proc` is where `/proc` is.
///
/// Its number and the exec's come from a proxy: whoever is in another cgroup than that exec's session is not looked at for it.
///
/// # Errors
/// It has ended, its number is another's, it is of another session, or it has executed another program since.
fn read(
    proc: &Path,
    of: Connected,
    is_of_session: impl Fn(&str) -> bool,
    has_changed: impl Fn() -> bool,
) -> io::Result<Environment> {
    let process = Process::open(of.pid)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // It is of one process for good, whoever gets its number later.
    let folder = open(proc.join(of.pid.to_string()), flags, Mode::empty())?;
    let text = |name: &str| -> io::Result<String> {
        let mut bytes = Vec::new();
        let file = file(folder.as_fd(), name)?;
        file.take(TEXT_MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let started = || -> io::Result<u64> {
        start_ns(&text("stat")?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    };
    let started_ns = started()?;
    // It had this number when that one connected; a start is told in whole ticks.
    if started_ns.saturating_add(TICK_NS) > of.at_ns {
        return Err(other(
            "started before it connected",
            "one that started later",
        ));
    }
    if !is_of_session(&text("cgroup")?) {
        return Err(other("in its session's cgroup", "one of another cgroup"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(READ_MAX_BYTES));
    // The memory is the program's that runs as this is opened (`proc_mem_open`, linux/fs/proc/base.c).
    let environ = file(folder.as_fd(), "environ")?;
    environ
        .take(READ_MAX_BYTES as u64)
        .read_to_end(&mut bytes)?;
    if has_changed() {
        return Err(other("in the program that connected", "another program"));
    }
    if started()? != started_ns || !process.is_alive() {
        return Err(other("alive", "one that has ended"));
    }
    Ok(Environment::of(&bytes))
}

fn file(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(File::from(openat(folder, name, flags, Mode::empty())?))
}

fn other(expected: &str, found: &str) -> io::Error {
    io::Error::other(format!("expected the process {expected}, found {found}"))
}

#[cfg(test)]
#[path = "environ_tests.rs"]
mod tests;
