//! `cargo xtask demo`: builds, then hands over to the program that shows Icecore at work.

use std::path::Path;

use anyhow::Result;

use crate::command::{self, cargo};

/// Runs the demo; `keep` names a folder in which everything is left.
pub(crate) fn run(keep: Option<&Path>) -> Result<()> {
    let packages = ["--package", "icecore", "--package", "icecore-tests"];
    command::run(cargo(&["build"]).args(packages))?;
    let demo = ["--bin", "icecore-testbed", "--", "demo"];
    let mut demo_command = cargo(&["run", "--quiet", "--package", "icecore-tests"]);
    demo_command.args(demo);
    if let Some(folder) = keep {
        demo_command.arg("--keep").arg(std::path::absolute(folder)?);
    }
    command::run(&mut demo_command)
}
