//! `icecore enter --watch`: each container whose first process has a variable becomes a session, whichever engine starts it.
//!
//! Engines differ in hooks and sockets; a cgroup and an environment all containers have. One that is made without the variable
//! is no session, and reaches no governed address either: those are guarded on the whole host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::Exit;
use super::failure::Failure;
use super::run::token;
use super::tell::tell;
use crate::connection::redirect::v2_mount;
use crate::control::{HandedToken, TOKEN_TEXT_MAX_BYTES};

/// How often new containers are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// After how many looks one that could not be a session is tried again.
const RETRY_LOOKS: u32 = 20;

/// Makes sessions of containers until this process is ended.
pub(super) fn watch(
    variable: &str,
    mut enter: impl FnMut(u32, PathBuf) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mount = v2_mount().ok_or_else(|| {
        Failure::text(
            Exit::Unreachable,
            "expected cgroup v2 to be mounted, found none",
        )
    })?;
    tell(format_args!(
        "icecore: watching for containers with {variable}"
    ));
    let mut entered = BTreeSet::new();
    // Those that failed: why, and how many looks ago.
    let mut failed: BTreeMap<u64, (String, u32)> = BTreeMap::new();
    loop {
        let found = cgroups(&mount);
        entered.retain(|id| found.contains_key(id));
        failed.retain(|id, _| found.contains_key(id));
        for (id, folder) in found {
            if entered.contains(&id) {
                continue;
            }
            if let Some((_, looks)) = failed.get_mut(&id)
                && *looks < RETRY_LOOKS
            {
                *looks += 1;
                continue;
            }
            let Some(pid) = first_process(&folder).filter(|pid| has(*pid, variable)) else {
                continue;
            };
            match enter(pid, folder) {
                Ok(()) => {
                    failed.remove(&id);
                    entered.insert(id);
                }
                Err(failure) => {
                    let text = failure.words();
                    let is_told = failed.get(&id).is_some_and(|(told, _)| *told == text);
                    if !is_told {
                        tell(format_args!("icecore: process {pid}: {text}"));
                    }
                    failed.insert(id, (text, 0));
                }
            }
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

/// Lists the cgroups that there are, by id, but for ours.
fn cgroups(mount: &Path) -> BTreeMap<u64, PathBuf> {
    let (mut found, mut open) = (BTreeMap::new(), vec![mount.to_owned()]);
    while let Some(folder) = open.pop() {
        // One that went meanwhile has nothing below it.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_ours = path.ends_with("icecore") && path.join("daemon").exists();
            if !is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.insert(entry.ino(), path.clone());
                open.push(path);
            }
        }
    }
    found
}

/// Finds a process that is in a cgroup itself.
fn first_process(cgroup: &Path) -> Option<u32> {
    let procs = fs::read_to_string(cgroup.join("cgroup.procs")).ok()?;
    procs.lines().next()?.parse().ok().filter(|pid| *pid > 1)
}

/// Tells whether a process began with a variable, such as `ICECORE_SESSION=1`.
fn has(pid: u32, variable: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut all = environment.split(|byte| *byte == 0);
    all.any(|one| one == variable.as_bytes())
}

/// Reads a token from a file that is in a container; no link in there leads out of it.
pub(super) fn token_inside(pid: u32, path: &Path) -> Result<HandedToken, Failure> {
    let place = format!("`{}` of process {pid}", path.display());
    let read = || -> io::Result<Vec<u8>> {
        let root = File::open(format!("/proc/{pid}/root"))?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(&root, path, flags, Mode::empty(), resolve)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("expected a file, found something else"));
        }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_process_is_known_by_its_whole_variable() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .env("ICECORE_SESSION", "12")
            .spawn()
            .unwrap();
        // Until it has executed, it still has this process's.
        while !has(child.id(), "ICECORE_SESSION=12") {
            thread::yield_now();
        }
        assert!(!has(child.id(), "ICECORE_SESSION=1") && !has(u32::MAX, "ICECORE_SESSION=12"));
        child.kill().unwrap();
        child.wait().unwrap();
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
