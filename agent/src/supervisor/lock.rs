//! One daemon a `run_dir`: the lock goes with the process that holds it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::SupervisorError;

/// The right to be the daemon of a `run_dir`.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes up a lock that is held by an open file (flock(2)): it was never free in between.
    pub(super) fn inherited(file: File) -> Self {
        Self { file }
    }

    /// Gives the file that holds it.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Takes the lock, at once or not at all.
    pub(super) fn take(run_dir: &Path) -> Result<Self, SupervisorError> {
        let path = run_dir.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| SupervisorError::Path {
                path: path.clone(),
                source,
            })?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { file }),
            Err(Errno::WOULDBLOCK) => Err(SupervisorError::Running(run_dir.to_owned())),
            Err(error) => Err(SupervisorError::Path {
                path,
                source: error.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn second_daemon_is_refused_until_the_first_is_gone() {
        let run_dir = TempDir::new().unwrap();
        let first = Lock::take(run_dir.path()).unwrap();
        assert!(matches!(
            Lock::take(run_dir.path()),
            Err(SupervisorError::Running(_))
        ));
        drop(first);
        Lock::take(run_dir.path()).unwrap();
    }
}
