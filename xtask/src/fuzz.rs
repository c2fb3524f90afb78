//! Fuzzes what reads bytes that others write: every target for some seconds, from its own corpus on.
//!
//! The targets are a workspace of their own, since building the agent needs no fuzzer. No sanitizer: those need another
//! toolchain, and the targets look for panics and broken promises, which safe Rust shows without one.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{self, cargo, root};

/// The version of cargo-fuzz that is installed if it is not there.
const CARGO_FUZZ: &str = "0.13.2";

/// How long a target runs unless the command line says otherwise.
pub(crate) const SECONDS: u64 = 60;

/// Largest input that is tried, in bytes; deeper nesting than this holds is a unit test's.
const INPUT_MAX_BYTES: u32 = 16 << 10;

/// Runs `only`, or every target, for `seconds` each; fails on the first input that breaks one.
///
/// # Errors
/// If the fuzzer cannot be installed or built, or an input breaks a target: its file is named by the fuzzer.
pub(crate) fn run(seconds: u64, only: Option<&str>) -> Result<()> {
    let places = Places::find();
    places.require_fuzzer()?;
    let targets: Vec<String> = targets()?
        .into_iter()
        .filter(|name| only.is_none_or(|only| only == name))
        .collect();
    ensure!(
        !targets.is_empty(),
        "expected a target of `fuzz/fuzz_targets`, found `{}`",
        only.unwrap_or_default()
    );
    for target in &targets {
        let corpus = places.folder.join("corpus").join(target);
        let found = places.folder.join("found").join(target);
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&found)?;
        let mut fuzz = cargo(&["fuzz", "run", "--sanitizer", "none", "--target-dir"]);
        fuzz.arg(places.folder.join("target"))
            .arg(target)
            .arg(&corpus)
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={INPUT_MAX_BYTES}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .args(["-print_final_stats=1", "-verbosity=0"])
            .env("PATH", &places.path);
        command::run(&mut fuzz)?;
    }
    eprintln!("==> {} targets fuzzed for {seconds} s each", targets.len());
    Ok(())
}

/// Where the fuzzer and what it makes are: below the target folder.
struct Places {
    folder: PathBuf,
    tools: PathBuf,
    path: std::ffi::OsString,
}

impl Places {
    fn find() -> Self {
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let folder = root().join(target).join("fuzz");
        let tools = folder.join("tools");
        let before = env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(tools.join("bin")).chain(env::split_paths(&before));
        Self {
            path: env::join_paths(all).unwrap_or(before),
            folder,
            tools,
        }
    }

    fn require_fuzzer(&self) -> Result<()> {
        let version = Command::new("cargo-fuzz")
            .args(["fuzz", "--version"])
            .env("PATH", &self.path)
            .output();
        let is_right = version.is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout)
                .trim()
                .ends_with(&format!(" {CARGO_FUZZ}"))
        });
        if is_right {
            return Ok(());
        }
        let install = [
            "install",
            "cargo-fuzz",
            "--version",
            CARGO_FUZZ,
            "--locked",
            "--root",
        ];
        command::run(cargo(&install).arg(&self.tools))
    }
}

/// Lists the targets by their files.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read `{}`", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
