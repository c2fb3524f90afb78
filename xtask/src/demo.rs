//! `cargo xtask demo`: builds, then hands over to the program that shows Icecore at work.

use std::path::Path;

use anyhow::Result;

use crate::command::{self, cargo};

/// Runs the demo; `keep` names a folder in which the record is left.
pub(crate) fn run(keep: Option<&Path>) -> Result<()> {
    command::run(&mut cargo(&["build", "--workspace", "--bins"]))?;
    let mut demo = command::testbed()?;
    demo.arg("demo");
    if let Some(folder) = keep {
        demo.arg("--keep").arg(std::path::absolute(folder)?);
    }
    command::run(&mut demo)
}
