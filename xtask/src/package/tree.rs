//! The files of a package, laid out below a folder as they will lie on a host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Release, output};
use crate::command::root;

/// Where the unit in the tree says that the binary is: where a build from source goes.
const BUILT_BINARY: &str = "/usr/local/bin/icecore";

/// Where a package puts it.
const PACKAGED_BINARY: &str = "/usr/bin/icecore";

/// The folder of `packaging` that no host gets: what makes the .deb. All others go to hosts as they are.
const MAKES_THE_DEB: &str = "deb";

/// A folder that stands for `/`.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Begins with nothing, in `name` below the work folder.
    pub(super) fn begin(release: &Release, name: &str) -> Result<Self> {
        let root = release.work.join(name);
        fs::create_dir_all(&root)?;
        set_mode(&root, 0o755)?;
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a folder and those above it.
    pub(super) fn folder(&self, path: &str, mode: u32) -> Result<()> {
        let mut at = self.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            at.push(part);
            if !at.exists() {
                fs::create_dir(&at).with_context(|| format!("make `{}`", at.display()))?;
                set_mode(&at, 0o755)?;
            }
        }
        set_mode(&at, mode)
    }

    /// Writes a file.
    pub(super) fn write(&self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Result<()> {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder, 0o755)?;
        }
        let file = self.root.join(path);
        fs::write(&file, bytes).with_context(|| format!("write `{}`", file.display()))?;
        set_mode(&file, mode)
    }

    /// Copies a file of the checkout.
    pub(super) fn copy(&self, from: &Path, path: &str, mode: u32) -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("read `{}`", from.display()))?;
        self.write(path, mode, bytes)
    }

    /// Copies a folder of the checkout; what begins with `#!` may be executed.
    pub(super) fn copy_folder(&self, from: &Path, path: &str) -> Result<()> {
        for entry in sorted(from)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            let to = format!("{path}/{name}");
            if entry.is_dir() {
                self.copy_folder(&entry, &to)?;
            } else {
                let is_script = fs::read(&entry)?.starts_with(b"#!");
                self.copy(&entry, &to, if is_script { 0o755 } else { 0o644 })?;
            }
        }
        Ok(())
    }

    /// Lays out what both the .deb and the tarball have, below `share` and beside it.
    pub(super) fn common(&self, release: &Release) -> Result<()> {
        let top = root();
        self.copy(&release.binary, "usr/bin/icecore", 0o755)?;
        self.write(
            "usr/lib/systemd/system/icecore.service",
            0o644,
            packaged_unit()?,
        )?;
        self.copy_folder(&top.join("policies"), "usr/share/icecore/policies")?;
        for kind in sorted(&top.join("packaging"))? {
            let name = kind.file_name().unwrap_or_default().to_string_lossy();
            if kind.is_dir() && name != MAKES_THE_DEB {
                self.copy_folder(&kind, &format!("usr/share/icecore/{name}"))?;
            }
        }
        let doc = "usr/share/doc/icecore";
        for page in [
            "README.md",
            "SECURITY.md",
            "ARCHITECTURE.md",
            "CHANGELOG.md",
        ] {
            self.copy(&top.join(page), &format!("{doc}/{page}"), 0o644)?;
        }
        self.copy_folder(&top.join("docs"), &format!("{doc}/docs"))?;
        let example = top.join("packaging/icecore.toml");
        self.copy(&example, &format!("{doc}/examples/icecore.toml"), 0o644)?;
        self.completions(release)?;
        self.manual(release)
    }

    fn completions(&self, release: &Release) -> Result<()> {
        // Where each shell looks for what packages bring.
        for (shell, path) in [
            ("bash", "usr/share/bash-completion/completions/icecore"),
            ("zsh", "usr/share/zsh/vendor-completions/_icecore"),
            ("fish", "usr/share/fish/vendor_completions.d/icecore.fish"),
        ] {
            let mut command = Command::new(&release.binary);
            let text = output(command.args(["completions", shell]).env_clear())?;
            self.write(path, 0o644, text)?;
        }
        Ok(())
    }

    /// Has the binary write its manual, and packs each page (Debian Policy, 12.1).
    fn manual(&self, release: &Release) -> Result<()> {
        let pages = release.work.join("man1");
        if pages.exists() {
            fs::remove_dir_all(&pages)?;
        }
        let mut command = Command::new(&release.binary);
        output(command.arg("man").arg(&pages).env_clear())?;
        for page in sorted(&pages)? {
            let name = page.file_name().unwrap_or_default().to_string_lossy();
            let path = format!("usr/share/man/man1/{name}.gz");
            self.write(&path, 0o644, gzip(&page)?)?;
        }
        Ok(())
    }

    /// Gives every file below, sorted, as paths without a leading `/`.
    pub(super) fn files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in sorted(&folder)? {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    let path = entry.strip_prefix(&self.root)?;
                    files.push(path.to_string_lossy().into_owned());
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Gives the unit's text with the binary where a package has it.
fn packaged_unit() -> Result<String> {
    let file = root().join("packaging/icecore.service");
    let text = fs::read_to_string(&file).with_context(|| format!("read `{}`", file.display()))?;
    ensure!(
        text.contains(BUILT_BINARY),
        "`{}`: expected `{BUILT_BINARY}` in it, found it nowhere",
        file.display()
    );
    Ok(text.replace(BUILT_BINARY, PACKAGED_BINARY))
}

/// Compresses a file, without its name and time.
pub(super) fn gzip(file: &Path) -> Result<Vec<u8>> {
    let output = Command::new("gzip")
        .args(["-9", "--no-name", "--stdout"])
        .arg(file)
        .output()
        .context("start `gzip`")?;
    ensure!(output.status.success(), "gzip: {}", output.status);
    Ok(output.stdout)
}

/// Lists a folder in one order on every host.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read `{}`", folder.display()))?;
    let mut entries = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// Sets a mode, whatever the umask is.
fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of `{}`", path.display()))
}
