//! Packages out of the tree, by `cargo xtask package`.
//!
//! The binary is a static one, as releases have it, but with the profile of the tests: another C library makes other system
//! calls, which the proxy's filter must know.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use icecore_tests::harness::programs;
use icecore_tests::python::folder;

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
        .args(["--profile", "dev"])
        .current_dir(folder(".."));
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
    assert_eq!(once.lines().count(), 5, "{once}");
    assert_eq!(once, sums("again"));
}
