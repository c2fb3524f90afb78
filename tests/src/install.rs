//! Folders that are filled once for each version of the lock files that say what goes into them, kept beside the build.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::FlockOperation;

use crate::python::build_folder;

/// Gives the folder of `name`, which `fill` fills first if it never did so from these lock files.
///
/// Whoever comes while another fills it waits. `fill` gets an empty folder and may keep what it likes beside it.
pub(crate) fn kept(
    kind: &str,
    name: &str,
    locks: &[PathBuf],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let build = build_folder()?;
    let cache = build.parent().unwrap_or(&build).join(kind);
    fs::create_dir_all(&cache)?;
    let folder = cache.join(format!("{name}-{}", digest(locks)?));
    let complete = folder.join("complete");

    let turn = File::create(cache.join(format!("{name}.lock")))?;
    rustix::fs::flock(&turn, FlockOperation::LockExclusive).context("wait for another install")?;
    if !complete.exists() {
        eprintln!("installing {} ...", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        fill(&folder)?;
        File::create(&complete)?;
    }
    Ok(folder)
}

fn digest(files: &[PathBuf]) -> Result<String> {
    let mut text = Vec::new();
    for file in files {
        text.extend(fs::read(file).with_context(|| format!("read `{}`", file.display()))?);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    Ok(digest
        .as_ref()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Runs a command to its end and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

/// Finds a program in `PATH`, or installs Debian's packages that bring it.
pub(crate) fn program(name: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(found) = in_path(name) {
        return Ok(found);
    }
    eprintln!("installing {} of Debian ...", packages.join(" and "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    apt(&["update", "-q"])?;
    apt(&[
        &["install", "-y", "-q", "--no-install-recommends"],
        packages,
    ]
    .concat())?;
    in_path(name)
        .with_context(|| format!("{packages:?} are installed, but there is no `{name}` in PATH"))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
