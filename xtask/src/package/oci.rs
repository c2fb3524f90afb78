//! The image: an OCI layout in a tar file, as `skopeo`, `podman load` and containerd read it.
//!
//! Source: the OCI Image Format Specification 1.1, `image-layout.md`, `manifest.md`, `config.md`, `layer.md`. One layer,
//! with the binary, the packs and a list of users; no shell, no libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::archive::tar;
use super::tree::{Tree, gzip};
use super::{Release, output, sha256};
use crate::command::root;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Users of the image: the daemon is root, as who it loads programs; `icecore` is there to be named.
const PASSWD: &str =
    "root:x:0:0:root:/:/nonexistent\nicecore:x:861:861::/nonexistent:/nonexistent\n";
const GROUP: &str = "root:x:0:\nicecore:x:861:\n";

/// Makes `icecore-<version>-oci.tar`.
pub(super) fn build(release: &Release) -> Result<PathBuf> {
    let tree = Tree::begin(release, "image")?;
    tree.copy(&release.binary, "usr/bin/icecore", 0o755)?;
    tree.copy_folder(&root().join("policies"), "usr/share/icecore/policies")?;
    tree.write("etc/passwd", 0o644, PASSWD)?;
    tree.write("etc/group", 0o644, GROUP)?;
    for (folder, mode) in [
        ("etc/icecore", 0o755),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("var/lib/icecore", 0o755),
    ] {
        tree.folder(folder, mode)?;
    }
    let layout = release.work.join("layout");
    lay_out(
        &layout,
        tree.root(),
        &release.version,
        release.epoch,
        &release.work,
    )?;
    let file = release
        .out
        .join(format!("icecore-{}-oci.tar", release.version));
    tar(&layout, release.epoch, &file)?;
    Ok(file)
}

/// Writes a layout whose one image has the files below `root`.
fn lay_out(layout: &Path, root: &Path, version: &str, epoch: u64, work: &Path) -> Result<()> {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let plain = work.join("layer.tar");
    tar(root, epoch, &plain)?;
    let unpacked = format!("sha256:{}", sha256(&plain)?);
    let layer = blob(&blobs, LAYER, &gzip(&plain)?)?;
    let created = output(
        Command::new("date")
            .args(["--utc", "+%Y-%m-%dT%H:%M:%SZ", "-d"])
            .arg(format!("@{epoch}")),
    )?;
    let created = created.trim();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {
            "Entrypoint": ["/usr/bin/icecore"],
            "Cmd": ["daemon"],
            "Env": ["PATH=/usr/bin"],
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "icecore",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [unpacked] },
        "history": [{ "created": created, "created_by": "cargo xtask package" }],
    });
    let config = blob(&blobs, CONFIG, &serde_json::to_vec(&config)?)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
    });
    let mut manifest = blob(&blobs, MANIFEST, &serde_json::to_vec(&manifest)?)?;
    let whole = manifest
        .as_object_mut()
        .context("a descriptor is an object")?;
    whole.insert(
        "platform".into(),
        json!({ "architecture": "amd64", "os": "linux" }),
    );
    whole.insert(
        "annotations".into(),
        json!({ "org.opencontainers.image.ref.name": version }),
    );
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest] });
    fs::write(layout.join("index.json"), serde_json::to_vec(&index)?)?;
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    Ok(())
}

/// Writes bytes under their digest and gives their descriptor.
fn blob(blobs: &Path, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let written = blobs.join("written");
    fs::write(&written, bytes)?;
    let digest = sha256(&written)?;
    fs::rename(&written, blobs.join(&digest))?;
    Ok(
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a descriptor's blob, which must be of the size and digest that it says.
    #[track_caller]
    fn read(layout: &Path, descriptor: &Value, media_type: &str) -> Vec<u8> {
        assert_eq!(descriptor["mediaType"], media_type);
        let digest = descriptor["digest"].as_str().unwrap();
        let digest = digest.strip_prefix("sha256:").unwrap();
        let file = layout.join("blobs/sha256").join(digest);
        assert_eq!(sha256(&file).unwrap(), digest);
        let bytes = fs::read(&file).unwrap();
        assert_eq!(descriptor["size"], bytes.len());
        bytes
    }

    fn json(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    /// Makes a layout of a small root below `work`, in `name`.
    fn made(work: &Path, name: &str) -> PathBuf {
        let root = work.join(format!("{name}-root"));
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("bin/true"), "#!/bin/sh\n").unwrap();
        let layout = work.join(name);
        lay_out(&layout, &root, "1.2.3", 1_700_000_000, work).unwrap();
        layout
    }

    #[test]
    fn a_layout_is_walked_by_digests_from_its_index_to_its_files() {
        let work = tempfile::tempdir().unwrap();
        let layout = made(work.path(), "one");
        let version = json(&fs::read(layout.join("oci-layout")).unwrap());
        assert_eq!(version["imageLayoutVersion"], "1.0.0");
        let index = json(&fs::read(layout.join("index.json")).unwrap());
        let manifest = json(&read(&layout, &index["manifests"][0], MANIFEST));
        let config = json(&read(&layout, &manifest["config"], CONFIG));
        read(&layout, &manifest["layers"][0], LAYER);
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let packed = layout
            .join("blobs/sha256")
            .join(layer.strip_prefix("sha256:").unwrap());
        let plain = work.path().join("unpacked.tar");
        let gunzip = Command::new("gzip")
            .args(["-dc"])
            .arg(packed)
            .output()
            .unwrap();
        fs::write(&plain, gunzip.stdout).unwrap();
        let digest = format!("sha256:{}", sha256(&plain).unwrap());
        assert_eq!(config["rootfs"]["diff_ids"][0], digest.as_str());
        let listed = output(Command::new("tar").arg("-tf").arg(&plain)).unwrap();
        assert!(listed.contains("./bin/true"), "{listed}");
        let all = fs::read_dir(layout.join("blobs/sha256")).unwrap().count();
        assert_eq!(all, 3, "nothing lies beside what is referred to");
    }

    #[test]
    fn the_same_files_give_the_same_layout() {
        let work = tempfile::tempdir().unwrap();
        let index = |name: &str| fs::read(made(work.path(), name).join("index.json")).unwrap();
        assert_eq!(index("one"), index("two"));
    }
}
