//! A Java virtual machine that runs a program of one file.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail, ensure};

/// Where Debian and its kin put the chosen one.
const LAUNCHER: &str = "/usr/bin/java";

/// Gives the launcher; installs Debian's package if the host has none that can compile.
pub fn launcher() -> Result<PathBuf> {
    if !compiles() {
        eprintln!("installing a JDK ...");
        let install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends default-jdk-headless";
        let status = Command::new("sh").args(["-euc", install]).status()?;
        ensure!(status.success(), "{install}: {status}");
    }
    if !compiles() {
        bail!(
            "`{LAUNCHER}`: expected a JDK (module jdk.compiler), found none after installing one"
        );
    }
    Ok(LAUNCHER.into())
}

/// Tells whether the launcher can run a source file (JEP 330).
fn compiles() -> bool {
    Command::new(LAUNCHER)
        .arg("--list-modules")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("jdk.compiler"))
}
