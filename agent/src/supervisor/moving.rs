//! One process moved into a session, and no other that gets its number.
//!
//! `cgroup.procs` takes numbers (cgroup-v2.rst, "Processes"), and a number is somebody else's once its process has ended and
//! was waited for. A pidfd tells whether that came between: alive before and after, the process itself was moved. If it ended
//! between the two, within microseconds, whoever was moved in its place had only just been forked, and goes back to where
//! its parent is.

use std::io;

use tracing::{error, warn};

use super::cgroup::{Entered, SessionCgroup, move_to};
use super::peer::{self, Process};

/// What became of a process that was to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// It was moved into the session.
    In,
    /// It was in the session already: what it started is too.
    Already,
    /// It has ended; nobody was moved in its place.
    Gone,
}

/// Moves a process, with all its threads, into a session.
///
/// Whoever calls this holds the roster: the session cannot end while somebody else is in it for a moment.
///
/// # Errors
/// When it is in another session, or the kernel refuses.
pub(super) fn move_in(
    process: &Process,
    session: &SessionCgroup,
    entered: &Entered,
) -> io::Result<Moved> {
    let pid = process.pid();
    let before = peer::cgroup_of(pid);
    if !process.is_alive() {
        return Ok(Moved::Gone);
    }
    // Alive after the reading: so it is its own.
    let before = before?;
    if entered.is_of(session, &before) {
        return Ok(Moved::Already);
    }
    if entered.is_in_session(&before) {
        let text = format!("process {pid} is in another session");
        return Err(io::Error::other(text));
    }
    let moved = session.move_in(pid);
    if process.is_alive() {
        return moved.map(|()| Moved::In);
    }
    put_back(pid, session, entered);
    Ok(Moved::Gone)
}

/// Takes whoever has a number that was moved by mistake out of the session.
///
/// The number is not given out again within this function: numbers go round (`idr_alloc_cyclic`, kernel/pid.c).
fn put_back(pid: u32, session: &SessionCgroup, entered: &Entered) {
    let Ok(other) = Process::open(pid) else {
        return;
    };
    let (cgroup, status) = (peer::cgroup_of(pid), peer::status_of(pid));
    if !other.is_alive() {
        return;
    }
    let is_in = cgroup.map_or(true, |cgroup| entered.is_of(session, &cgroup));
    if !is_in {
        return;
    }
    let put = match status.ok().and_then(|status| origin(&status, entered)) {
        Some(folder) => move_to(&folder, pid),
        None => Err(io::Error::other("where it was is not known")),
    };
    match put {
        Ok(()) => warn!(
            pid,
            "process got the number of one that ended while it was moved; it was put back"
        ),
        Err(_) if !other.is_alive() => {}
        Err(failure) => error!(
            pid,
            %failure,
            "process got the number of one that ended while it was moved; it stays in the session"
        ),
    }
}

/// Finds the cgroup where a process began that was only just forked: its parent's.
fn origin(status: &str, entered: &Entered) -> Option<std::path::PathBuf> {
    let parent = Process::open(peer::parent(status)?).ok()?;
    let of_parent = peer::status_of(parent.pid()).ok()?;
    let cgroup = peer::cgroup_of(parent.pid()).ok()?;
    // INVARIANT: nothing leaves a session. What `icecore run` starts has no_new_privs, which children inherit and nobody
    // takes off (prctl(2), PR_SET_NO_NEW_PRIVS): who has it where the parent lacks it was started by another, and handed on.
    let is_handed_on = has_no_new_privs(status) && !has_no_new_privs(&of_parent);
    if is_handed_on || !parent.is_alive() {
        return None;
    }
    entered.folder_of(&cgroup)
}

/// Reads whether a process can gain no privileges; a doubt says so.
fn has_no_new_privs(status: &str) -> bool {
    !status
        .lines()
        .any(|line| line.split_ascii_whitespace().eq(["NoNewPrivs:", "0"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder in place of a cgroup file system, in which this process's place is shown as it is.
    fn folders() -> (tempfile::TempDir, std::path::PathBuf, Entered) {
        let mount = tempfile::tempdir().unwrap();
        let entered = Entered::known("/none/icecore/", Some(mount.path().to_owned()));
        let own = peer::cgroup_of(std::process::id()).unwrap();
        let own = entered.folder_of(&own).unwrap();
        std::fs::create_dir_all(&own).unwrap();
        (mount, own.join("cgroup.procs"), entered)
    }

    fn sleeper() -> std::process::Child {
        let mut command = std::process::Command::new("sleep");
        command.arg("30").spawn().unwrap()
    }

    #[test]
    fn who_was_moved_by_its_number_goes_to_where_its_parent_is() {
        let (mount, own, entered) = folders();
        let mut stranger = sleeper();
        // A session that is nowhere has nobody in it, whom nobody moves.
        let elsewhere = SessionCgroup::known(mount.path().join("elsewhere"));
        put_back(stranger.id(), &elsewhere, &entered);
        assert!(!own.exists());
        let session = SessionCgroup::known(mount.path().to_owned());
        put_back(stranger.id(), &session, &entered);
        let put = std::fs::read_to_string(&own).unwrap();
        assert_eq!(put, stranger.id().to_string());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn one_that_has_ended_is_not_moved() {
        let (mount, _, entered) = folders();
        let folder = mount.path().join("elsewhere");
        std::fs::create_dir(&folder).unwrap();
        let session = SessionCgroup::known(folder.clone());
        let mut child = sleeper();
        let process = Process::open(child.id()).unwrap();
        let moved = move_in(&process, &session, &entered).unwrap();
        assert_eq!(moved, Moved::In);
        let procs = folder.join("cgroup.procs");
        assert_eq!(
            std::fs::read_to_string(&procs).unwrap(),
            child.id().to_string()
        );
        std::fs::remove_file(&procs).unwrap();
        child.kill().unwrap();
        // Waited for or not: its number may be another's.
        while process.is_alive() {
            std::thread::yield_now();
        }
        let moved = move_in(&process, &session, &entered).unwrap();
        assert_eq!((moved, procs.exists()), (Moved::Gone, false));
        child.wait().unwrap();
    }

    #[test]
    fn who_was_handed_on_does_not_go_to_its_parent() {
        let entered = Entered::known("/none/icecore/", Some("/sys/fs/cgroup".into()));
        let own = peer::status_of(std::process::id()).unwrap();
        let of_child = |no_new_privs: &str| {
            let parent = std::process::id();
            format!("PPid:\t{parent}\nNoNewPrivs:\t{no_new_privs}\n")
        };
        assert!(origin(&of_child("0"), &entered).is_some());
        assert_eq!(
            origin(&of_child("1"), &entered).is_some(),
            has_no_new_privs(&own)
        );
        assert!(has_no_new_privs("Name:\tx\n"));
        assert_eq!(origin("PPid:\t0\n", &entered), None);
    }
}
