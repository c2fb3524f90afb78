//! Tar archives with nothing of the host in them, and the release's own tarball.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Release;
use super::tree::{Tree, gzip};

/// Packs what lies below a folder: sorted, root's, of one time.
///
/// Source of the options: <https://reproducible-builds.org/docs/archives/>; `ustar` has no header that names a process.
pub(super) fn tar(folder: &Path, epoch: u64, to: &Path) -> Result<()> {
    let status = Command::new("tar")
        .args(["--create", "--sort=name", "--format=ustar"])
        .args(["--owner=0", "--group=0", "--numeric-owner"])
        .arg(format!("--mtime=@{epoch}"))
        .arg("--file")
        .arg(to)
        .arg("--directory")
        .arg(folder)
        .arg(".")
        .env("LC_ALL", "C")
        .status()
        .context("start `tar`")?;
    ensure!(status.success(), "tar `{}`: {status}", folder.display());
    Ok(())
}

/// Makes `icecore-<version>-x86_64-linux.tar.gz`, whose one folder is copied onto `/` or used where it lies.
pub(super) fn build(release: &Release) -> Result<PathBuf> {
    let name = format!("icecore-{}-x86_64-linux", release.version);
    let tree = Tree::begin(release, "tarball")?;
    let inner = Tree::begin(release, &format!("tarball/{name}"))?;
    inner.common(release)?;
    let plain = release.work.join("tarball.tar");
    tar(tree.root(), release.epoch, &plain)?;
    let file = release.out.join(format!("{name}.tar.gz"));
    fs::write(&file, gzip(&plain)?).with_context(|| format!("write `{}`", file.display()))?;
    Ok(file)
}
