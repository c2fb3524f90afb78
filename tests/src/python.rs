//! Python environments from locked lists, made at first use and kept beside the build.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::install;

/// The generations of Snowflake's Python connector; each needs an environment of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Connector 4.8: `requests`, HTTP/1.1, gzip bodies. fakesnow lives here too.
    Four,
    /// Connector 5.2: the Rust driver, HTTP/2. DuckDB for reading the record lives here too.
    Five,
}

impl Generation {
    /// Both, for tests that show the same of each.
    pub const ALL: [Self; 2] = [Self::Four, Self::Five];

    fn name(self) -> &'static str {
        match self {
            Self::Four => "generation4",
            Self::Five => "generation5",
        }
    }
}

/// Gives the interpreter of a generation, which is installed first if this version of its list never was.
pub fn interpreter(generation: Generation) -> Result<PathBuf> {
    interpreter_of(generation.name())
}

/// Gives the interpreter of an environment, as [`environment`] does.
pub(crate) fn interpreter_of(name: &str) -> Result<PathBuf> {
    Ok(environment(name)?.join("bin/python"))
}

/// Gives the environment that `python/<name>.lock.txt` lists, installed first if this version of the list never was.
pub fn environment(name: &str) -> Result<PathBuf> {
    let list = folder("python").join(format!("{name}.lock.txt"));
    install::kept("python", name, std::slice::from_ref(&list), |environment| {
        install::run(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(environment),
        )?;
        install::run(
            Command::new(environment.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--no-deps"])
                .args([
                    "--disable-pip-version-check",
                    "--only-binary",
                    ":all:",
                    "--require-hashes",
                    "-r",
                ])
                .arg(&list),
        )
    })
}

/// What pieces of Python do with several statements in one request, for pieces to begin with.
pub const BATCH: &str = include_str!("../drivers/batch.py");

/// Gives a folder of this package, as it stands in the source tree where cargo or `cargo xtask` runs it.
///
/// A folder that was compiled in could be another checkout's, which built into the same target folder.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
    Path::new(&package).join(name)
}

/// Gives the folder that the running program was built into: `<target>/debug` for the one profile of this project.
pub fn build_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let built = program
        .ancestors()
        .find(|folder| folder.join(".fingerprint").exists())
        .context("this program does not run from a cargo target folder")?;
    Ok(built.to_owned())
}
