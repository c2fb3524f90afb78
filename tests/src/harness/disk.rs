//! A small file system of a test's own, to be filled and made read-only.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A small file system over a folder; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of a size, such as `64m`.
    pub fn mount(at: &Path, size: &str) -> Result<Self> {
        fs::create_dir_all(at)?;
        let options = format!("size={size},mode=0755");
        mount(&["-t", "tmpfs", "-o", &options, "icecore-test"], at)?;
        Ok(Self(at.to_owned()))
    }

    /// Changes how it is mounted.
    pub fn remount(&self, options: &str) -> Result<()> {
        mount(&["-o", &format!("remount,{options}")], &self.0)
    }

    /// Takes all that is free of it; gives the file that does, which goes when it is dropped.
    pub fn fill(&self) -> Result<Filler> {
        let path = self.0.join("filler");
        let file = File::create(&path).with_context(|| format!("create `{}`", path.display()))?;
        let filler = Filler(path);
        let mut length_bytes = 0;
        // Ever smaller pieces, to the last page.
        for piece_bytes in [1 << 20, 1 << 12_u64] {
            let flags = rustix::fs::FallocateFlags::empty();
            while rustix::fs::fallocate(&file, flags, length_bytes, piece_bytes).is_ok() {
                length_bytes += piece_bytes;
            }
        }
        ensure!(length_bytes > 0, "the disk was full already");
        Ok(filler)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("--lazy").arg(&self.0).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("`{}` stays mounted", self.0.display());
        }
    }
}

/// What fills a disk.
#[derive(Debug)]
pub struct Filler(PathBuf);

impl Drop for Filler {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            eprintln!("`{}` stays: {error}", self.0.display());
        }
    }
}

fn mount(arguments: &[&str], at: &Path) -> Result<()> {
    let status = Command::new("mount").args(arguments).arg(at).status()?;
    ensure!(status.success(), "mount {arguments:?}: {status}");
    Ok(())
}
