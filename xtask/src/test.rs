//! `cargo xtask test`: installs what tests need, then runs all of them.

use anyhow::Result;

use crate::command::{self, cargo};
use crate::{fuzz, package};

/// Tells tests that have a long form to run it.
const LONG: &str = "ICECORE_TEST_LONG";

/// Runs the tests whose names hold `filter`, or all; fails if one fails.
pub(crate) fn run(long: bool, filter: Option<&str>) -> Result<()> {
    // One selection of packages for every build, so that no dependency is built twice with other features.
    command::run(&mut cargo(&["test", "--workspace", "--no-run"]))?;
    command::run(command::testbed()?.arg("prepare"))?;
    // What is installed is static, as releases are.
    package::build("dev")?;
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    if let Some(filter) = filter {
        tests.args(["--", filter]);
    }
    if long {
        tests.env(LONG, "1");
    }
    command::run(tests.env(command::BUILT, "1"))?;
    if long && filter.is_none() {
        fuzz::run(fuzz::SECONDS, None)?;
    }
    Ok(())
}
