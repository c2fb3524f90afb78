//! Rebuilds the committed kernel programs, or checks that they are what the sources say.
//!
//! The same sources give the same bytes in every folder and on every host: the toolchain, the linker and the flags are
//! pinned here, and no path of the host gets into the object.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command;

/// The object that the agent embeds, below the workspace's root.
const OBJECT: &str = "agent-ebpf/object/icecore-programs.o";

/// Last line of bpf-linker that links with rustc's own LLVM; later ones ask for one of the system.
const LINKER: &str = "0.10.4";

const TARGET: &str = "bpfel-unknown-none";

/// The build's profile, said here so that the workspace's own may change without changing the object.
/// No overflow checks: a program that could panic has a path that the verifier cannot see the end of.
const PROFILE: [(&str, &str); 7] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "false"),
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "false"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "false"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
];

/// Rebuilds the object; with `check` compares it with the committed one in place of writing it.
///
/// # Errors
///
/// If a tool is missing and cannot be installed, the build fails, or, with `check`, the two differ.
pub(crate) fn run(check: bool) -> Result<()> {
    let build = Build::prepare()?;
    let built = build.object()?;
    let built = fs::read(&built).with_context(|| format!("read `{}`", built.display()))?;
    let committed = build.root.join(OBJECT);
    if !check {
        if fs::read(&committed).is_ok_and(|bytes| bytes == built) {
            eprintln!("{OBJECT} is unchanged");
            return Ok(());
        }
        fs::write(&committed, &built)
            .with_context(|| format!("write `{}`", committed.display()))?;
        eprintln!("{OBJECT}: wrote {} bytes", built.len());
        return Ok(());
    }
    let bytes = fs::read(&committed).with_context(|| format!("read `{}`", committed.display()))?;
    if bytes == built {
        eprintln!("{OBJECT} is what the sources say");
        return Ok(());
    }
    let first = bytes.iter().zip(&built).position(|(a, b)| a != b);
    bail!(
        "{OBJECT}: expected what the sources say ({} bytes), found {} bytes, first difference at {}; \
         run `cargo xtask ebpf` and commit the object",
        built.len(),
        bytes.len(),
        first.unwrap_or_else(|| bytes.len().min(built.len())),
    )
}

/// Where things are on this host.
struct Build {
    root: PathBuf,
    /// A target folder of its own: the outer `cargo run` may hold the lock of the workspace's.
    target: PathBuf,
    sysroot: PathBuf,
    cargo_home: PathBuf,
    path: OsString,
}

impl Build {
    fn prepare() -> Result<Self> {
        let root = command::root();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let mut build = Self {
            target: root.join(target).join("ebpf"),
            sysroot: PathBuf::from(output(
                Command::new("rustc").args(["--print", "sysroot"]),
                &root,
            )?),
            cargo_home: cargo_home()?,
            path: env::var_os("PATH").unwrap_or_default(),
            root,
        };
        build.require_core_sources()?;
        build.require_linker()?;
        Ok(build)
    }

    /// `core` is built for the target from its sources.
    fn require_core_sources(&self) -> Result<()> {
        if self
            .sysroot
            .join("lib/rustlib/src/rust/library/core")
            .exists()
        {
            return Ok(());
        }
        eprintln!("installing the toolchain's component rust-src");
        run_in(
            Command::new("rustup").args(["component", "add", "rust-src"]),
            &self.root,
        )
    }

    /// Takes the linker that is there if it is the right one; otherwise installs it below the target folder.
    fn require_linker(&mut self) -> Result<()> {
        let is_right = |path: &OsString, root: &Path| {
            output(
                Command::new("bpf-linker")
                    .arg("--version")
                    .env("PATH", path),
                root,
            )
            .is_ok_and(|version| version.ends_with(&format!(" {LINKER}")))
        };
        if is_right(&self.path, &self.root) {
            return Ok(());
        }
        let tools = self.target.join("tools");
        let path = env::join_paths(
            std::iter::once(tools.join("bin")).chain(env::split_paths(&self.path)),
        )?;
        if !is_right(&path, &self.root) {
            eprintln!("installing bpf-linker {LINKER}");
            run_in(
                Command::new(cargo())
                    .args([
                        "install",
                        "bpf-linker",
                        "--version",
                        LINKER,
                        "--locked",
                        "--root",
                    ])
                    .arg(&tools),
                &self.root,
            )?;
        }
        self.path = path;
        Ok(())
    }

    /// Builds and strips the object; gives its place.
    fn object(&self) -> Result<PathBuf> {
        let mut build = Command::new(cargo());
        build
            .args([
                "build",
                "--locked",
                "--release",
                "--package",
                "icecore-ebpf",
            ])
            .args([
                "--bin",
                "icecore-programs",
                "--no-default-features",
                "--features",
                "programs",
            ])
            .args(["--target", TARGET, "-Z", "build-std=core"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags()?)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("PATH", &self.path)
            .envs(PROFILE);
        run_in(&mut build, &self.root)?;

        let linked = self.target.join(TARGET).join("release/icecore-programs");
        let stripped = self.target.join("icecore-programs.o");
        // The toolchain's own objcopy. `.BTF` and `.BTF.ext` stay: they are what the kernel reads.
        let objcopy = output(
            Command::new("rustc").args(["--print", "target-libdir"]),
            &self.root,
        )?;
        let objcopy = Path::new(&objcopy)
            .with_file_name("bin")
            .join("rust-objcopy");
        ensure!(
            objcopy.exists(),
            "expected `{}`, found nothing",
            objcopy.display()
        );
        run_in(
            Command::new(objcopy)
                .arg("--strip-debug")
                .args([&linked, &stripped])
                .env("LD_LIBRARY_PATH", self.sysroot.join("lib")),
            &self.root,
        )?;
        Ok(stripped)
    }

    /// The compiler's flags: debug information for BTF, and a made-up name for every folder of this host.
    fn flags(&self) -> Result<OsString> {
        let mut flags = OsString::from(
            "--cfg=bpf_target_arch=\"x86_64\"\u{1f}-Cdebuginfo=2\u{1f}-Clink-arg=--btf",
        );
        let mut folders = vec![
            (self.cargo_home.clone(), "cargo"),
            (self.sysroot.clone(), "rust"),
            (self.sysroot.canonicalize()?, "rust"),
            (self.root.clone(), "icecore"),
        ];
        // The last that fits is taken: each registry's own folder, whose name tells its host, after their common one.
        let sources = self.cargo_home.join("registry/src");
        for registry in fs::read_dir(&sources).into_iter().flatten() {
            folders.push((registry?.path(), "crates"));
        }
        for (folder, name) in folders {
            flags.push("\u{1f}--remap-path-prefix=");
            flags.push(folder);
            flags.push("=");
            flags.push(name);
        }
        Ok(flags)
    }
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn cargo_home() -> Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("expected CARGO_HOME or a home folder, found neither")
}

fn run_in(command: &mut Command, folder: &Path) -> Result<()> {
    let status = command.current_dir(folder).status();
    let status = status.with_context(|| format!("run {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

fn output(command: &mut Command, folder: &Path) -> Result<String> {
    let output = command.current_dir(folder).output();
    let output = output.with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
