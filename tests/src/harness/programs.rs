//! The programs under test, built once a run and put where every user can reach them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Result, anyhow, ensure};

use crate::python::{build_folder, folder};

/// Set by `cargo xtask`, which has built everything just before.
const BUILT: &str = "ICECORE_TEST_BUILT";

/// Builds the programs unless they are up to date, and gives the folder that holds them.
pub fn built() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))
}

fn build() -> Result<PathBuf> {
    let output = build_folder()?;
    if std::env::var_os(BUILT).is_some() {
        return Ok(output);
    }
    let target = output.parent().unwrap_or(&output);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "icecore",
            "--package",
            "icecore-tests",
        ])
        .current_dir(folder(".."))
        .env("CARGO_TARGET_DIR", target)
        .status()?;
    ensure!(status.success(), "cargo build: {status}");
    Ok(output)
}

/// Puts a built program into `folder`, where the build folder's own rights do not matter.
pub fn place(name: &str, folder: &Path) -> Result<PathBuf> {
    let built = built()?.join(name);
    let placed = folder.join(name);
    if fs::hard_link(&built, &placed).is_err() {
        fs::copy(&built, &placed)?;
    }
    Ok(placed)
}
