//! Packages out of the tree, by `cargo xtask package`.
//!
//! The short form packs the binary that tests have built already, which is linked to this host's C library; with
//! `ICECORE_TEST_LONG` a static one is built, as releases have it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use icecore_tests::harness::programs;
use icecore_tests::python::folder;

/// Tells whether long forms are asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("ICECORE_TEST_LONG").is_some()
}

/// Gives a command that runs the project's tasks: as built just before, else by cargo.
fn xtask() -> Command {
    let built = programs::built().unwrap().join("xtask");
    if std::env::var_os("ICECORE_TEST_BUILT").is_some() && built.is_file() {
        let mut command = Command::new(built);
        command.env("CARGO_MANIFEST_DIR", folder("../xtask"));
        return command;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "xtask", "--"]);
    command
}

/// Makes the packages of a version in `out`, and gives the .deb.
pub(crate) fn make(out: &Path, version: &str) -> PathBuf {
    let mut command = xtask();
    command
        .arg("package")
        .args(["--package-version", version, "--deb-compression", "none"])
        .arg("--out")
        .arg(out)
        .current_dir(folder(".."));
    if is_long() {
        command.args(["--profile", "dev"]);
    } else {
        command
            .arg("--binary")
            .arg(programs::built().unwrap().join("icecore"));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let deb = out.join(format!("icecore_{version}_amd64.deb"));
    assert!(deb.is_file(), "{said}");
    deb
}

#[test]
fn the_same_tree_gives_the_same_packages_and_their_digests_hold() {
    let folder = tempfile::tempdir().unwrap();
    let sums = |name: &str| {
        let out = folder.path().join(name);
        make(&out, "0.0.1");
        let check = Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(&out)
            .output()
            .unwrap();
        assert!(check.status.success(), "{check:?}");
        fs::read_to_string(out.join("SHA256SUMS")).unwrap()
    };
    let once = sums("once");
    let kinds = if is_long() { 5 } else { 2 };
    assert_eq!(once.lines().count(), kinds, "{once}");
    assert_eq!(once, sums("again"));
}
