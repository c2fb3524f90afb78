//! Python environments from locked lists, made at first use and kept beside the build.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::FlockOperation;

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

/// Gives the interpreter of a generation's environment, which is installed first if this version of its list never was.
pub fn interpreter(generation: Generation) -> Result<PathBuf> {
    Ok(environment(generation.name())?.join("bin/python"))
}

/// Gives the environment of the list of a name, which is installed first if this version of the list never was.
pub fn environment(name: &str) -> Result<PathBuf> {
    let list = folder("python").join(format!("{name}.lock.txt"));
    let text = fs::read(&list).with_context(|| format!("read `{}`", list.display()))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    let hash: String = digest
        .as_ref()
        .iter()
        .take(6)
        .map(|b| format!("{b:02x}"))
        .collect();
    let build = build_folder()?;
    let cache = build.parent().unwrap_or(&build).join("python");
    fs::create_dir_all(&cache)?;
    let environment = cache.join(format!("{name}-{hash}"));
    let complete = environment.join("complete");

    let lock = File::create(cache.join(format!("{name}.lock")))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).context("wait for another install")?;
    if !complete.exists() {
        install(&environment, &environment.join("bin/python"), &list)?;
        File::create(&complete)?;
    }
    Ok(environment)
}

fn install(environment: &Path, python: &Path, list: &Path) -> Result<()> {
    eprintln!("installing {} ...", environment.display());
    if environment.exists() {
        fs::remove_dir_all(environment)?;
    }
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(environment))?;
    run(Command::new(python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-r",
        ])
        .arg(list))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

/// Gives a folder of this package, as it stands in the source tree.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
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
