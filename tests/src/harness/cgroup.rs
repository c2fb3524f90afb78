//! A sub-cgroup of the machine's v2 tree that a test has for itself: everything it starts is below it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A cgroup that is killed and removed, with all below it, when this value is dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes `<v2 root>/icecore-test-<pid>-<n>` with a child `outside` for processes in no session.
    pub fn make() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("icecore-test-{}-{number}", std::process::id());
        let cgroup = Self {
            path: v2_root()?.join(name),
        };
        fs::create_dir(&cgroup.path)
            .with_context(|| format!("make cgroup `{}`: tests need root", cgroup.path.display()))?;
        fs::create_dir(cgroup.outside())?;
        Ok(cgroup)
    }

    /// Gives the folder: what a daemon under test takes for the machine's root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder of the processes that are in no session.
    #[must_use]
    pub fn outside(&self) -> PathBuf {
        self.path.join("outside")
    }

    /// Gives the names of the sessions' cgroups that exist.
    pub fn sessions(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path.join("icecore"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && name != "daemon" {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn remove(&self) -> Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")?;
        let all = || {
            remove_below(&self.path)?;
            self.beside().iter().try_for_each(|path| remove_below(path))
        };
        for _ in 0..100 {
            if all().is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        all()
    }

    /// Gives the folders of its name in the hierarchies of cgroup v1, where a systemd of a test makes the same ones.
    fn beside(&self) -> Vec<PathBuf> {
        let name = self.path.file_name().unwrap_or_default();
        let hierarchies = fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten();
        let paths = hierarchies.map(|hierarchy| hierarchy.path().join(name));
        paths.filter(|path| path.is_dir()).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("cgroup `{}` stays behind: {error:#}", self.path.display());
        }
    }
}

fn remove_below(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    Ok(fs::remove_dir(folder)?)
}

/// Finds the cgroup v2 mount: `/sys/fs/cgroup`, or a folder below it on hybrid hosts.
pub fn v2_root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mount = mounts
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .and_then(|line| line.split(' ').nth(4))
        .context("no cgroup v2 mount in /proc/self/mountinfo")?;
    Ok(mount.into())
}
