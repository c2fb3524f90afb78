//! A bpffs of a test's own, for the pins of its daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// A mounted bpffs; unmounted when this value is dropped, which frees every program and map pinned in it.
#[derive(Debug)]
pub struct BpfFolder {
    path: PathBuf,
}

impl BpfFolder {
    /// Mounts a bpffs at `path`, which is made.
    pub fn mount(path: &Path) -> Result<Self> {
        fs::create_dir(path)?;
        let status = Command::new("mount")
            .args(["-t", "bpf", "-o", "mode=0700", "icecore-test"])
            .arg(path)
            .status()?;
        ensure!(status.success(), "mount bpffs: {status}");
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Gives the mount point.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BpfFolder {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(&self.path).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("bpffs `{}` stays mounted", self.path.display());
        }
    }
}
