//! The image and the tarball: read as their formats say, and run with nothing of the host beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::packages;

fn unpack(archive: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let status = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success(), "{}", archive.display());
}

/// Reads what a descriptor names, which must have the size and digest that it says.
#[track_caller]
fn read(layout: &Path, descriptor: &Value) -> (PathBuf, Value) {
    let digest = descriptor["digest"].as_str().unwrap();
    let file = layout.join("blobs").join(digest.replace(':', "/"));
    let bytes = fs::read(&file).unwrap();
    let sum = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let hex: String = sum
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(digest, format!("sha256:{hex}"));
    assert_eq!(descriptor["size"], bytes.len());
    (file, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Runs the packed binary in a root in which nothing else is.
#[track_caller]
fn runs_alone(root: &Path, program: &str) {
    let output = Command::new("chroot")
        .arg(root)
        .args([program, "--version"])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "icecore 0.1.0\n");
}

#[test]
fn the_image_and_the_tarball_hold_a_program_that_needs_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    packages::make(&out, "0.1.0");

    let layout = folder.path().join("layout");
    unpack(&out.join("icecore-0.1.0-oci.tar"), &layout);
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let (_, manifest) = read(&layout, &index["manifests"][0]);
    let (_, config) = read(&layout, &manifest["config"]);
    let (layer, _) = read(&layout, &manifest["layers"][0]);
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/icecore");
    let root = folder.path().join("root");
    unpack(&layer, &root);
    runs_alone(&root, "/usr/bin/icecore");
    assert!(
        root.join("usr/share/icecore/policies/read-only.cedar")
            .is_file()
    );

    let plain = folder.path().join("plain");
    unpack(&out.join("icecore-0.1.0-x86_64-linux.tar.gz"), &plain);
    runs_alone(
        &plain.join("icecore-0.1.0-x86_64-linux"),
        "/usr/bin/icecore",
    );
}
