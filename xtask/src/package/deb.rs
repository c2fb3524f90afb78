//! The `.deb`: the files, what dpkg is told of them, and the scripts of `packaging/deb`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::binary::Linkage;
use super::tree::{Tree, gzip};
use super::{Release, output};
use crate::command::root;

/// What the maintainer's scripts use beside what every Debian has.
const NEEDED_BY_SCRIPTS: &str = "adduser, debconf (>= 0.5) | debconf-2.0";

/// Builds the package and gives its place.
pub(super) fn build(release: &Release) -> Result<PathBuf> {
    let tree = Tree::begin(release, "deb")?;
    tree.common(release)?;
    let from = root().join("packaging/deb");
    let doc = "usr/share/doc/icecore";
    tree.copy(&from.join("copyright"), &format!("{doc}/copyright"), 0o644)?;
    tree.copy(
        &from.join("lintian-overrides"),
        "usr/share/lintian/overrides/icecore",
        0o644,
    )?;
    let log = release.work.join("changelog");
    fs::write(&log, changelog(release)?)?;
    tree.write(&format!("{doc}/changelog.gz"), 0o644, gzip(&log)?)?;

    let files = tree.files()?;
    tree.write("DEBIAN/control", 0o644, control(release, &tree, &files)?)?;
    tree.write("DEBIAN/md5sums", 0o644, digests(&tree, &files)?)?;
    for script in ["postinst", "prerm", "postrm"] {
        tree.copy(&from.join(script), &format!("DEBIAN/{script}"), 0o755)?;
    }
    tree.copy(&from.join("templates"), "DEBIAN/templates", 0o644)?;

    let name = format!("icecore_{}_amd64.deb", release.version);
    let file = release.out.join(name);
    let built = Command::new("dpkg-deb")
        .args(["--build", "--root-owner-group"])
        .arg(format!("-Z{}", release.deb_compression))
        // One thread: where xz cuts its input for several is a matter of the host.
        .arg("--threads-max=1")
        .arg(tree.root())
        .arg(&file)
        .env("SOURCE_DATE_EPOCH", release.epoch.to_string())
        .env("LC_ALL", "C")
        .status()
        .context("start `dpkg-deb`, of Debian's dpkg")?;
    ensure!(built.success(), "dpkg-deb: {built}");
    Ok(file)
}

/// Writes what dpkg knows of the package. Source: Debian Policy, 5.3 and 5.6.
fn control(release: &Release, tree: &Tree, files: &[String]) -> Result<String> {
    let mut kib = 0;
    for file in files {
        // Policy 5.6.20: each file counts in whole KiB, and each folder as one; folders are left out here.
        kib += fs::metadata(tree.root().join(file))?.size().div_ceil(1024);
    }
    let depends = match release.linkage {
        Linkage::Static => NEEDED_BY_SCRIPTS.to_owned(),
        Linkage::Dynamic => format!("{NEEDED_BY_SCRIPTS}, libc6 (>= {}), libgcc-s1", libc()?),
    };
    Ok(format!(
        "Package: icecore\n\
         Version: {version}\n\
         Architecture: amd64\n\
         Maintainer: {maintainer}\n\
         Installed-Size: {kib}\n\
         Depends: {depends}\n\
         Recommends: ca-certificates\n\
         Section: admin\n\
         Priority: optional\n\
         Description: govern the use that AI agents make of Snowflake\n \
         Icecore is a host agent for CI runners and developers' machines. Kernel\n \
         programs carry a session's Snowflake connections to a proxy on the same\n \
         host, which holds the credential, decides each statement by policy, masks\n \
         results and writes down who asked what, the verdict and the outcome.\n \
         .\n \
         Jobs run unmodified under `icecore run`. Nothing is attached and nothing\n \
         runs before /etc/icecore/icecore.toml has been written.\n",
        version = release.version,
        maintainer = release.maintainer,
    ))
}

/// Gives the version of this host's C library, which a dynamic binary was built against.
fn libc() -> Result<String> {
    let text = output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let version = text.trim().rsplit(' ').next().unwrap_or_default();
    ensure!(
        version.starts_with(|first: char| first.is_ascii_digit()),
        "getconf: expected the C library's version, found `{text}`"
    );
    Ok(version.to_owned())
}

/// Writes the digests that `dpkg --verify` compares by.
fn digests(tree: &Tree, files: &[String]) -> Result<String> {
    output(Command::new("md5sum").args(files).current_dir(tree.root()))
}

/// Writes the package's own changelog, one entry. Source: Debian Policy, 4.4.
fn changelog(release: &Release) -> Result<String> {
    let date = output(
        Command::new("date")
            .args(["--utc", "-R", "-d"])
            .arg(format!("@{}", release.epoch))
            .env("LC_ALL", "C"),
    )?;
    Ok(format!(
        "icecore ({}) unstable; urgency=medium\n\n  * What changed is told in CHANGELOG.md beside this file.\n\n -- {}  {}\n",
        release.version,
        release.maintainer,
        date.trim()
    ))
}
