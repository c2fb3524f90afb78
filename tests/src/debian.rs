//! A fresh Debian in a folder, made by debootstrap once and kept beside the build, and unpacked anew for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::install;
use crate::python::folder;

/// What is in it beside the least that Debian can be: an interpreter for drivers, roots, and what runners become root by.
const PACKAGES: &str = "python3,ca-certificates,sudo";

/// Unpacks a fresh Debian of the host's own release below `to`.
pub fn unpack(to: &Path) -> Result<()> {
    let packed = packed()?;
    fs::create_dir(to).with_context(|| format!("make `{}`", to.display()))?;
    install::run(
        Command::new("tar")
            .args([
                "--extract",
                "--numeric-owner",
                "--preserve-permissions",
                "--file",
            ])
            .arg(packed.join("root.tar"))
            .arg("--directory")
            .arg(to),
    )
}

/// Gives the folder with `root.tar`, which is made if this host never made it.
fn packed() -> Result<PathBuf> {
    let release = release(&fs::read_to_string("/etc/os-release")?)?;
    let debootstrap = install::program("debootstrap", &["debootstrap"])?;
    let mirror = mirror(&release)?;
    // What goes in is said in this file; another text of it makes another root.
    let made_by = folder("src/debian.rs");
    install::kept("debian", &release, &[made_by], |folder| {
        let root = folder.join("root");
        install::run(
            Command::new(&debootstrap)
                .args([
                    "--variant=minbase",
                    &format!("--include={PACKAGES}"),
                    &release,
                ])
                .arg(&root)
                .arg(&mirror)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )?;
        install::run(
            Command::new("tar")
                .args([
                    "--create",
                    "--numeric-owner",
                    "--exclude=./var/cache/apt/archives/*.deb",
                ])
                .args(["--exclude=./dev/*", "--file"])
                .arg(folder.join("root.tar"))
                .arg("--directory")
                .arg(&root)
                .arg("."),
        )?;
        Ok(fs::remove_dir_all(root)?)
    })
}

/// Finds the release's name. Source: os-release(5).
fn release(text: &str) -> Result<String> {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches('"').to_owned())
    };
    ensure!(
        value("ID=").as_deref() == Some("debian"),
        "expected a Debian host, whose release is installed anew; found {:?}",
        value("PRETTY_NAME=")
    );
    value("VERSION_CODENAME=").context("/etc/os-release: expected VERSION_CODENAME, found none")
}

/// Gives the mirror that this host's apt takes the release's packages from.
fn mirror(release: &str) -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(SITE) $(RELEASE) $(COMPONENT)",
        ])
        .output()
        .context("start `apt-get`")?;
    let text = String::from_utf8(output.stdout)?;
    let wanted = format!(" {release} main");
    text.lines()
        .find_map(|line| line.strip_suffix(&wanted))
        .map(str::to_owned)
        .with_context(|| format!("apt-get indextargets: no source of `{release}`, in\n{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_as_the_file_says_it() {
        let text = "ID=debian\nVERSION_CODENAME=\"bookworm\"\n";
        assert_eq!(release(text).unwrap(), "bookworm");
        assert!(release("ID=ubuntu\nVERSION_CODENAME=noble\n").is_err());
        assert!(release("ID=debian\n").is_err());
    }
}
