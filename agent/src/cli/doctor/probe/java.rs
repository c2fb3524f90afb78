//! Starts a Java virtual machine on the one file that connects by JDBC; it lies in a folder of the job's user's own, and goes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use uuid::Uuid;

use super::Plan;
use crate::cli::Exit;
use crate::cli::failure::Failure;

/// What it runs: a launcher compiles one file by itself (JEP 330), where the virtual machine has a compiler.
const SOURCE: &str = include_str!("../scripts/Probe.java");

/// Runs it to its end; its output is this process's.
pub(super) fn run(plan: &Plan) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| {
        let error = anyhow::Error::from(error).context("java cannot be started");
        Failure::new(Exit::Unreachable, error)
    };
    let folder = Folder::make().map_err(failed)?;
    let source = folder.0.join("Probe.java");
    fs::write(&source, SOURCE).map_err(failed)?;
    let mut java = Command::new("java");
    if let Some(jar) = &plan.jar {
        java.arg("-cp").arg(jar);
    }
    let status = java
        .arg(&source)
        .args([&plan.host, &plan.account, &plan.password])
        .arg(match plan.jar {
            Some(_) => "jdbc",
            None => "https",
        })
        .stdin(Stdio::null())
        .status()
        .map_err(failed)?;
    Ok(match status.success() {
        true => Exit::Done.into(),
        false => Exit::Refused.into(),
    })
}

/// A folder that nobody else looks into.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let path = Path::new("/tmp").join(format!("icecore-doctor-{}", Uuid::new_v4()));
        // Made, never found: one that is there may be somebody else's.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the user's own, without anything of worth in it.
        drop(fs::remove_dir_all(&self.0));
    }
}
