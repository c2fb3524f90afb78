//! Node and the packages of its that tests run, as the lock files of folders below `tests/` list them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::python::folder;

/// Finds Node, or installs Debian's where there is none.
pub(crate) fn program() -> Result<PathBuf> {
    install::program("npm", &["nodejs", "npm"])?;
    install::program("node", &["nodejs", "npm"])
}

/// Gives the `node_modules` of a folder, as its `package-lock.json` lists them.
pub(crate) fn modules(name: &str) -> Result<PathBuf> {
    Ok(package(name, &[])?.join("node_modules"))
}

/// Gives a copy of a folder's scripts with the packages that its `package-lock.json` lists beside them.
pub(crate) fn package(name: &str, scripts: &[&str]) -> Result<PathBuf> {
    let files = [&["package.json", "package-lock.json"], scripts].concat();
    let sources: Vec<PathBuf> = files.iter().map(|file| folder(name).join(file)).collect();
    install::kept("node", name, &sources, |kept| {
        for file in &files {
            fs::copy(folder(name).join(file), kept.join(file))?;
        }
        // No package's own install script is needed, so none runs.
        let quiet = [
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        install::run(Command::new("npm").arg("ci").args(quiet).current_dir(kept))
    })
}
