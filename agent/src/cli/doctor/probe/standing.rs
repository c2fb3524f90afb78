//! What a session's process has and must not have: privileges, descriptors, a way into other cgroups, files of the daemon's.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Attempt, Plan};
use crate::connection::redirect::v2_mount;
use crate::connection::sys::try_ring;

/// Most cgroups that are tried.
const CGROUPS_MAX: usize = 20_000;

/// Tries all of it; first, while the process has nothing of its own open.
pub(super) fn of(plan: &Plan) -> Vec<Attempt> {
    let mut attempts = vec![descriptors()];
    attempts.extend(privileges(plan));
    attempts.push(ring(plan));
    attempts.extend(plan.secrets.iter().map(|path| secret(path)));
    // The last: one that succeeds takes the process out of its session.
    attempts.push(cgroups());
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

/// Reads what the kernel says of the process. Source: proc_pid_status(5).
fn privileges(plan: &Plan) -> Vec<Attempt> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = plan.uid;
    [
        ("Uid", format!("{uid} {uid} {uid} {uid}")),
        ("NoNewPrivs", "1".to_owned()),
        ("CapEff", format!("{:016x}", 0)),
        ("CapPrm", format!("{:016x}", 0)),
        ("CapBnd", format!("{:016x}", 0)),
        ("CapAmb", format!("{:016x}", 0)),
        // `SECCOMP_MODE_FILTER`.
        ("Seccomp", "2".to_owned()),
    ]
    .into_iter()
    .map(|(name, expected)| {
        let found = field(&status, name);
        let ended = match found == expected {
            true => Ok(found),
            false => Err(format!("expected `{expected}`, found `{found}`")),
        };
        Attempt::of("privileges", name, ended)
    })
    .collect()
}

/// Gives the words of a member of `/proc/<pid>/status`, one blank between them.
fn field(status: &str, name: &str) -> String {
    let of = |line: &str| {
        let rest = line.strip_prefix(name)?.strip_prefix(':')?;
        Some(rest.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    };
    status.lines().find_map(of).unwrap_or_default()
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
    let opened = File::open(path);
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

/// Writes its own number into every `cgroup.procs` that can be found.
fn cgroups() -> Attempt {
    let what = "move into any cgroup";
    let Some(mount) = v2_mount() else {
        return Attempt::of("cgroups", what, Ok("none is to be seen".to_owned()));
    };
    let (mut tried, mut moved): (usize, Vec<PathBuf>) = (0, Vec::new());
    let mut open = vec![mount];
    while let Some(folder) = open.pop() {
        if tried >= CGROUPS_MAX {
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
    Attempt::of("cgroups", what, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_status_are_found_by_their_whole_name() {
        let status = "Name:\tx\nCapBnd:\t0000000000000000\nUid:\t7\t7\t7\t7\n";
        assert_eq!(field(status, "Uid"), "7 7 7 7");
        assert_eq!(field(status, "CapBnd"), "0000000000000000");
        assert_eq!(field(status, "Cap"), "");
        assert_eq!(field(status, "NoNewPrivs"), "");
    }

    #[test]
    fn a_file_that_opens_is_bad_and_one_that_is_not_there_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!secret(file.path()).is_good);
        assert!(secret(Path::new("/nowhere/key")).is_good);
    }
}
