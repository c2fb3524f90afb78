//! What a session's process has and must not have: descriptors, rings, a way into other cgroups, files of the daemon's. Its
//! privileges are read by doctor itself, from the kernel.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{Attempt, Plan};
use crate::connection::redirect::v2_mount;
use crate::connection::sys::try_ring;

/// Most cgroups that are tried.
const CGROUPS_MAX: usize = 20_000;

const MOVE: &str = "move into any cgroup";

/// Tries all of it; first, while the process has nothing of its own open.
pub(super) fn of(plan: &Plan) -> Vec<Attempt> {
    let mut attempts = vec![descriptors(), ring(plan)];
    attempts.extend(plan.secrets.iter().map(|path| secret(path)));
    // The last: one that succeeds takes the process out of its session.
    attempts.push(match v2_mount() {
        Some(mount) => cgroups(mount, CGROUPS_MAX),
        None => Attempt::of("cgroups", MOVE, Ok("none is to be seen".to_owned())),
    });
    attempts
}

/// Looks for descriptors beside standard input, output and error.
fn descriptors() -> Attempt {
    let listed: io::Result<Vec<String>> = fs::read_dir("/proc/self/fd").and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    });
    let found = listed.map_err(|error| error.to_string()).and_then(|names| {
        let others: Vec<String> = names
            .into_iter()
            .filter(|name| !["0", "1", "2"].contains(&name.as_str()))
            // The one that listed them is closed by now.
            .filter_map(|name| fs::read_link(format!("/proc/self/fd/{name}")).ok())
            .map(|path| path.display().to_string())
            .collect();
        match others.is_empty() {
            true => Ok("none".to_owned()),
            false => Err(others.join(", ")),
        }
    });
    Attempt::of("descriptors", "descriptors that were inherited", found)
}

fn ring(plan: &Plan) -> Attempt {
    let ended = match (try_ring(), plan.io_uring) {
        (Ok(()), true) => Ok("made, as capture.io_uring allows".to_owned()),
        (Ok(()), false) => Err("made, by which sockets of any kind are made unseen".to_owned()),
        (Err(error), _) => Ok(error.to_string()),
    };
    Attempt::of("io_uring", "a ring", ended)
}

/// Tries to open what only the daemon may.
fn secret(path: &Path) -> Attempt {
    // A pipe without a writer would be waited for (fifo(7)); some of these folders are the proxy's user's.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let ended = match opened {
        Ok(_) => Err("opened".to_owned()),
        Err(error)
            if [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound]
                .contains(&error.kind()) =>
        {
            Ok(error.to_string())
        }
        Err(error) => Err(format!("not refused: {error}")),
    };
    Attempt::of("secret files", path.display().to_string(), ended)
}

/// Writes its own number into every `cgroup.procs` below a folder.
fn cgroups(mount: PathBuf, tried_max: usize) -> Attempt {
    let (mut tried, mut moved): (usize, Vec<PathBuf>) = (0, Vec::new());
    let (mut open, mut is_cut) = (vec![mount], false);
    while let Some(folder) = open.pop() {
        if tried >= tried_max {
            is_cut = true;
            break;
        }
        tried += 1;
        // `0` stands for the writing process (cgroup-v2.rst, "cgroup.procs").
        let procs = File::options()
            .write(true)
            .open(folder.join("cgroup.procs"));
        if procs.and_then(|mut procs| procs.write_all(b"0")).is_ok() {
            moved.push(folder.clone());
        }
        let below = fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        open.extend(below.filter(is_folder).map(|entry| entry.path()));
    }
    let ended = match moved.first() {
        None => Ok(format!("none of {tried} takes it")),
        Some(first) => Err(format!(
            "{} of {tried} took it, `{}` first",
            moved.len(),
            first.display()
        )),
    };
    Attempt {
        is_cut,
        ..Attempt::of("cgroups", MOVE, ended)
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("a.key");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(!secret(&pipe).is_good);
    }

    #[test]
    fn a_file_that_opens_is_bad_and_one_that_is_not_there_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!secret(file.path()).is_good);
        assert!(secret(Path::new("/nowhere/key")).is_good);
    }

    #[test]
    fn a_look_that_is_given_up_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let whole = cgroups(folder.path().to_owned(), 4);
        assert_eq!((whole.is_good, whole.is_cut), (true, false), "{whole:?}");
        let cut = cgroups(folder.path().to_owned(), 3);
        assert_eq!((cut.is_good, cut.is_cut), (true, true), "{cut:?}");
    }
}
