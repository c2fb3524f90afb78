//! Folders of sessions whose launcher was killed before it could remove them.
//!
//! A launcher holds a lock on its folder as long as it lives; the kernel lets go of it, however the launcher ends. What
//! is removed is only what a launcher makes: files of known names, then the empty folder. Nothing is followed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, open, unlinkat};
use rustix::process::geteuid;

use crate::id::SessionId;

/// How a session's folder begins; its session's id follows.
pub(super) const PREFIX: &str = "icecore-";

/// How old a folder must be: a younger one may be between its making and its lock.
const AGE_MIN: Duration = Duration::from_secs(60);

/// Most entries of a place that are looked at; such places are shared, and no start may wait for them.
const ENTRIES_MAX: usize = 4096;

/// Locks a folder for as long as the descriptor lives; programs that are started do not get it.
pub(super) fn hold(folder: &Path) -> io::Result<OwnedFd> {
    let descriptor = open_folder(folder)?;
    flock(&descriptor, FlockOperation::NonBlockingLockExclusive)?;
    Ok(descriptor)
}

/// Removes what dead launchers of the same user left in a place.
pub(super) fn sweep(place: &Path, names: &[&str], now: DateTime<Utc>) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.take(ENTRIES_MAX).flatten() {
        if let Some(session) = session_of(&entry.file_name()) {
            // What cannot be removed stays, as it would have without this.
            let swept = sweep_one(&entry.path(), session, names, now);
            if let Err(error) = swept {
                tracing::debug!(%session, %error, "leftover folder was not removed");
            }
        }
    }
}

fn sweep_one(
    folder: &Path,
    session: SessionId,
    names: &[&str],
    now: DateTime<Utc>,
) -> io::Result<()> {
    let descriptor = open_folder(folder)?;
    let facts = File::from(descriptor.try_clone()?).metadata()?;
    let age = now.timestamp().saturating_sub(facts.mtime());
    // Others may look into it if the command is another user's.
    let made = [0o700, 0o755].contains(&(facts.mode() & 0o7777));
    let own = made && facts.uid() == geteuid().as_raw();
    if !own || age < AGE_MIN.as_secs().cast_signed() {
        return Ok(());
    }
    if flock(&descriptor, FlockOperation::NonBlockingLockExclusive).is_err() || lives(session) {
        return Ok(());
    }
    for name in names {
        match unlinkat(&descriptor, *name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fs::remove_dir(folder)
}

fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(folder, flags, Mode::empty())?)
}

fn session_of(name: &OsStr) -> Option<SessionId> {
    name.to_str()?.strip_prefix(PREFIX)?.parse().ok()
}

/// Tells whether any process is still in a session; sessions outlive a launcher while no daemon runs.
fn lives(session: SessionId) -> bool {
    let id = session.to_string();
    let Ok(processes) = fs::read_dir("/proc") else {
        return true;
    };
    processes.flatten().any(|process| {
        let cgroups: PathBuf = process.path().join("cgroup");
        fs::read_to_string(cgroups).is_ok_and(|text| text.contains(&id))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{DirBuilder, Permissions};
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

    use chrono::TimeDelta;
    use tempfile::TempDir;

    use super::*;
    use crate::clock::Clock;

    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(TempDir::new().unwrap())
        }

        fn folder(&self, name: &str) -> PathBuf {
            let path = self.0.path().join(name);
            DirBuilder::new().mode(0o700).create(&path).unwrap();
            fs::write(path.join("ssl.pem"), "x").unwrap();
            path
        }

        fn of_session(&self) -> PathBuf {
            self.folder(&format!("{PREFIX}{}", SessionId::new()))
        }

        fn sweep(&self, later: TimeDelta) {
            let now = Clock::system().now() + later;
            sweep(self.0.path(), &["ssl.pem"], now);
        }
    }

    #[test]
    fn folder_of_a_dead_launcher_goes() {
        let place = Place::new();
        let (folder, for_another) = (place.of_session(), place.of_session());
        fs::set_permissions(&for_another, Permissions::from_mode(0o755)).unwrap();
        drop(hold(&folder).unwrap());
        place.sweep(TimeDelta::minutes(2));
        assert!(!folder.exists() && !for_another.exists());
    }

    #[test]
    fn folder_of_a_living_launcher_stays() {
        let place = Place::new();
        let folder = place.of_session();
        let held = hold(&folder).unwrap();
        place.sweep(TimeDelta::minutes(2));
        assert!(folder.join("ssl.pem").exists());
        drop(held);
    }

    #[test]
    fn young_folder_stays() {
        let place = Place::new();
        let folder = place.of_session();
        place.sweep(TimeDelta::zero());
        assert!(folder.join("ssl.pem").exists());
    }

    #[test]
    fn what_no_launcher_made_stays() {
        let place = Place::new();
        let other = place.folder("icecore-notes");
        let open = place.of_session();
        fs::set_permissions(&open, Permissions::from_mode(0o775)).unwrap();
        let target = place.folder("target");
        let link = place.0.path().join(format!("{PREFIX}{}", SessionId::new()));
        symlink(&target, &link).unwrap();
        let mine = place.of_session();
        fs::write(mine.join("mine.txt"), "x").unwrap();
        place.sweep(TimeDelta::minutes(2));
        assert!(other.join("ssl.pem").exists());
        assert!(open.join("ssl.pem").exists());
        assert!(target.join("ssl.pem").exists());
        assert!(mine.join("mine.txt").exists());
    }
}
