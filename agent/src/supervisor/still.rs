//! A container that stands still while it is looked at.
//!
//! What runs could fork, pass descriptors on and move between cgroups faster than it is read, and be seen nowhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tracing::error;

use super::cgroup::write;

/// How often it is looked whether all stands still, and how long one look lasts: together a second.
const LOOKS_MAX: u32 = 500;
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// Processes that were stopped; they go on when this is dropped.
#[derive(Debug)]
pub(super) struct Still {
    freeze: PathBuf,
    /// Whether its runtime had it stopped already.
    was: bool,
}

impl Still {
    /// Stops all processes of a cgroup and below (cgroup-v2.rst, "cgroup.freeze"; since Linux 5.2).
    ///
    /// # Errors
    /// When the kernel refuses, or one of them does not stop in time.
    pub(super) fn hold(cgroup: &Path) -> io::Result<Self> {
        let freeze = cgroup.join("cgroup.freeze");
        let was = fs::read_to_string(&freeze)?.trim_end() == "1";
        // From here on it is let go of, whatever happens.
        let still = Self { freeze, was };
        if !was {
            write(&still.freeze, "1")?;
        }
        for _ in 0..LOOKS_MAX {
            let events = fs::read_to_string(cgroup.join("cgroup.events"))?;
            if events.lines().any(|line| line == "frozen 1") {
                return Ok(still);
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Err(io::Error::other(
            "expected all of its processes to stop within a second, found one that did not",
        ))
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        if self.was {
            return;
        }
        match write(&self.freeze, "0") {
            Ok(()) => {}
            // It has ended.
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => {}
            Err(failure) => {
                error!(%failure, "container stands still; write 0 to that file");
            }
        }
    }
}
