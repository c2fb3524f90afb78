//! `cargo xtask package`: what a release hands out, the same bytes for the same sources.
//!
//! A static binary, a `.deb`, a tarball, an OCI image, a list of what is inside, and the digests of all. Nothing is
//! signed and nothing is sent anywhere: whoever releases does both.

mod archive;
mod binary;
mod deb;
mod oci;
mod sbom;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{self, cargo, root};
use crate::ebpf;
use binary::Linkage;

/// The platform that packages are for. musl: the one C library that links whole into a program and still resolves names;
/// glibc's resolver loads shared libraries of the very version that it was built with.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// What is packaged, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Package {
    /// The cargo profile to build with
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
    /// Where the packages go; what is there under their names is replaced
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    out: PathBuf,
    /// The version of the packages [default: the workspace's]
    #[arg(long, value_name = "VERSION")]
    package_version: Option<String>,
    /// Who answers for the .deb
    #[arg(
        long,
        value_name = "NAME <ADDRESS>",
        default_value = "Icecore <packages@icecore.dev>"
    )]
    maintainer: String,
    /// How the .deb is compressed; `none` is for tests
    #[arg(long, value_name = "KIND", default_value = "xz", value_parser = ["xz", "none"])]
    deb_compression: String,
    /// Rebuilds the kernel programs first; refuses if they differ from the committed ones, which the binary embeds
    #[arg(long)]
    rebuild_ebpf: bool,
    /// Packages this binary in place of building one; one that is not static gets a .deb alone, for hosts like this one
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    binary: Option<PathBuf>,
}

/// What every kind of package needs to know.
struct Release {
    version: String,
    maintainer: String,
    deb_compression: String,
    /// Seconds since 1970 that every file has as its time.
    /// Source: <https://reproducible-builds.org/specs/source-date-epoch/>.
    epoch: u64,
    linkage: Linkage,
    /// The stripped binary.
    binary: PathBuf,
    /// Where files wait until they are packed.
    work: PathBuf,
    out: PathBuf,
}

/// Builds and packs.
///
/// # Errors
///
/// If a tool is missing, the build fails, or the binary is not what it has to be.
pub(crate) fn run(package: &Package) -> Result<()> {
    if package.rebuild_ebpf {
        eprintln!("==> kernel programs, rebuilt and compared with those that are embedded");
        ebpf::run(true)?;
    }
    let out = root().join(&package.out);
    fs::create_dir_all(&out).with_context(|| format!("make `{}`", out.display()))?;
    // Beside the packages and not in them: a build that breaks off leaves it to be looked at.
    let work = out.join("work");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir(&work)?;
    let built = match &package.binary {
        Some(file) => file.clone(),
        None => build(&package.profile)?,
    };
    let (binary, linkage) = binary::take(&built, &work)?;
    ensure!(
        linkage == Linkage::Static || package.binary.is_some(),
        "`{}`: expected a static binary, found one that asks for an interpreter",
        built.display()
    );
    let release = Release {
        version: package
            .package_version
            .clone()
            .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
        maintainer: package.maintainer.clone(),
        deb_compression: package.deb_compression.clone(),
        epoch: epoch()?,
        linkage,
        binary,
        work,
        out,
    };
    ensure!(
        is_version(&release.version),
        "--package-version: expected digits, letters, `.`, `+` and `~`, such as `0.2.0`, found `{}`",
        release.version
    );
    let mut made = vec![deb::build(&release)?];
    match release.linkage {
        Linkage::Static => {
            made.push(archive::build(&release)?);
            made.push(oci::build(&release)?);
            made.push(binary::bare(&release)?);
        }
        Linkage::Dynamic => {
            eprintln!("not made: tarball, image and bare binary, which must run on any host");
        }
    }
    made.push(sbom::build(&release)?);
    sums(&release, &made)?;
    fs::remove_dir_all(&release.work)?;
    for file in &made {
        eprintln!(
            "==> {}, {} bytes",
            file.display(),
            fs::metadata(file)?.len()
        );
    }
    Ok(())
}

/// Tells whether a text can be a version of a .deb and stand in a file's name.
/// Source: Debian Policy, 5.6.12; without `-` and `:`, so that the package is a native one.
fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || ['.', '+', '~'].contains(&one))
}

/// Builds the agent for [`TARGET`] and gives the binary's place.
///
/// # Errors
///
/// If the C compiler for it is not there and cannot be installed, or the build fails.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    if !has_compiler() {
        eprintln!("==> installing musl-tools of Debian");
        let installed = Command::new("apt-get")
            .args([
                "install",
                "-qq",
                "-y",
                "--no-install-recommends",
                "musl-tools",
            ])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status();
        ensure!(
            installed.is_ok_and(|status| status.success()) && has_compiler(),
            "expected `musl-gcc`, which compiles the C parts of ring, zstd and mimalloc, found none: \
             `apt-get update && apt-get install musl-tools`"
        );
    }
    command::run(
        Command::new("rustup")
            .args(["target", "add", TARGET])
            .current_dir(root()),
    )?;
    // The agent alone, with its own features and none that only tests ask for.
    let mut build = cargo(&[
        "build",
        "--locked",
        "--package",
        "icecore",
        "--bin",
        "icecore",
    ]);
    command::run(build.args(["--target", TARGET, "--profile", profile]))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    // Source: the Cargo book, "Build cache".
    let folder = if profile == "dev" { "debug" } else { profile };
    let path = target.join(TARGET).join(folder).join("icecore");
    Ok(root().join(path))
}

/// Tells whether there is a C compiler for the target.
fn has_compiler() -> bool {
    let found = Command::new("musl-gcc").arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}

/// Gives the time that files have: the variable's, else that of the checked-out commit.
fn epoch() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => output(
            Command::new("git")
                .args(["log", "-1", "--format=%ct"])
                .current_dir(root()),
        )
        .context("SOURCE_DATE_EPOCH is not set, and this is no checkout")?,
    };
    text.trim()
        .parse()
        .with_context(|| format!("SOURCE_DATE_EPOCH: expected seconds since 1970, found `{text}`"))
}

/// Writes `SHA256SUMS`, as sha256sum(1) checks it.
fn sums(release: &Release, made: &[PathBuf]) -> Result<()> {
    let mut text = String::new();
    for file in made {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{}  {name}\n", sha256(file)?));
    }
    let file = release.out.join("SHA256SUMS");
    fs::write(&file, text).with_context(|| format!("write `{}`", file.display()))
}

/// Gives a file's SHA-256 in hex.
fn sha256(file: &Path) -> Result<String> {
    let text = output(Command::new("sha256sum").arg("--binary").arg(file))?;
    let digest = text.split(' ').next().unwrap_or_default();
    // sha256sum(1) leads a line with a backslash where it had to change the name.
    let digest = digest.trim_start_matches('\\');
    ensure!(
        digest.len() == 64,
        "sha256sum: expected a digest, found `{text}`"
    );
    Ok(digest.to_owned())
}

/// Runs a program and gives what it prints.
fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_native_packages_pass() {
        for good in ["0.1.0", "0.1.0+1", "1.0~rc1"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "v1", "1.0-1", "1:2", "1/2", "1 2", "1\n"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
