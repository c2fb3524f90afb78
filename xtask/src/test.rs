//! `cargo xtask test`: installs what tests need, then runs all of them.

use anyhow::Result;

use crate::command::{self, cargo};

/// Tells tests that have a long form to run it.
const LONG: &str = "ICECORE_TEST_LONG";

/// Runs the tests whose names hold `filter`, or all; fails if one fails.
pub(crate) fn run(long: bool, filter: Option<&str>) -> Result<()> {
    let packages = ["--package", "icecore", "--package", "icecore-tests"];
    command::run(cargo(&["build"]).args(packages))?;
    let prepare = ["--bin", "icecore-testbed", "--", "prepare"];
    command::run(cargo(&["run", "--quiet", "--package", "icecore-tests"]).args(prepare))?;
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    if let Some(filter) = filter {
        tests.args(["--", filter]);
    }
    if long {
        tests.env(LONG, "1");
    }
    command::run(&mut tests)
}
