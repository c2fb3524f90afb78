//! `cargo xtask bench`: builds what ships, gets the other proxies, then hands over to the program that measures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::command::{self, cargo, root};

/// The other proxies, by Debian package, with the program that each brings.
const PEERS: [(&str, &str); 2] = [("nginx-light", "nginx"), ("haproxy", "haproxy")];

/// What is measured without a proxy: reading and judging statements, masking chunks, recording, verifying a record, reading
/// one of many sessions.
const ALONE: [&str; 5] = ["statements", "masking", "record", "verify", "month"];

/// How the benchmark runs.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Seconds in place of minutes: shows that everything works; the figures say little.
    #[arg(long)]
    quick: bool,
    /// Only rows whose name holds this text: `hop`, `sql`, `icecore`, `connect`, ...; `tap` for what reading model calls adds, `statements` for reading and judging,
    /// `masking` for chunks, `record` for the record (`ICECORE_BENCH_PYTHON` names a Python with pyarrow to compare),
    /// `verify` for `icecore verify`, `month` for reading many sessions.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write everything that was measured to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measured rounds of each row, in place of 5.
    #[arg(long)]
    rounds: Option<usize>,
    /// Write BENCHMARKS.md, as a whole run does that is not quick.
    #[arg(long)]
    report: bool,
    /// Build with this profile; only `release` is what ships.
    #[arg(long, default_value = "release")]
    profile: String,
}

/// Builds, gets the peers, measures.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let mut build = cargo(&["build", "--workspace", "--profile", &bench.profile]);
    for program in ["icecore", "icecore-canned", "icecore-bench"] {
        build.args(["--bin", program]);
    }
    command::run(&mut build)?;
    let folder = if bench.profile == "dev" {
        "debug"
    } else {
        &bench.profile
    };
    let target = std::env::current_exe()?;
    let target = target.ancestors().nth(2).context("the target folder")?;
    let mut measure = command::of_tests(&target.join(folder).join("icecore-bench"));
    measure.arg("run");
    if let Some(tools) = peers(&target.join("bench-peers"))? {
        measure.arg("--tools").arg(tools);
    }
    if bench.quick {
        measure.arg("--quick");
    }
    if let Some(only) = &bench.only {
        measure.args(["--only", only]);
    }
    if let Some(rounds) = bench.rounds {
        measure.args(["--rounds", &rounds.to_string()]);
    }
    if let Some(file) = &bench.json {
        measure.arg("--json").arg(std::path::absolute(file)?);
    }
    let only = bench.only.as_deref();
    for name in ALONE {
        if only.is_none_or(|only| only == name) {
            alone(name, &bench.profile)?;
        }
    }
    if only.is_some_and(|only| ALONE.contains(&only)) {
        return Ok(());
    }
    let whole = !bench.quick && bench.only.is_none() && bench.profile == "release";
    if whole || bench.report {
        measure.arg("--report").arg(root().join("BENCHMARKS.md"));
    }
    command::run(&mut measure)
}

/// Measures what needs no proxy.
fn alone(name: &str, profile: &str) -> Result<()> {
    let mut measure = cargo(&["bench", "-p", "icecore-tests", "--bench", name]);
    measure.args(["--profile", profile]);
    command::run(&mut measure)
}

/// Finds the peers installed, or downloads and unpacks their packages: to install them would start services.
fn peers(folder: &Path) -> Result<Option<PathBuf>> {
    let installed = |program: &str| {
        ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
            .iter()
            .any(|place| Path::new(place).join(program).exists())
    };
    let missing: Vec<&str> = PEERS
        .iter()
        .filter(|(_, program)| !installed(program))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(Some(folder.to_owned()));
    }
    let archives = folder.join("archives");
    fs::create_dir_all(archives.join("partial"))?;
    let mut download = Command::new("apt-get");
    download
        .args([
            "install",
            "--quiet",
            "--yes",
            "--download-only",
            "--no-install-recommends",
        ])
        .arg("--option")
        .arg(format!("Dir::Cache::archives={}", archives.display()))
        .args(&missing)
        .stdout(Stdio::null());
    if command::run(&mut download).is_err() {
        command::run(
            Command::new("apt-get")
                .args(["update", "--quiet"])
                .stdout(Stdio::null()),
        )?;
        command::run(&mut download)?;
    }
    let mut unpacked = 0;
    for entry in fs::read_dir(&archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            command::run(Command::new("dpkg").arg("-x").arg(&path).arg(folder))?;
            unpacked += 1;
        }
    }
    ensure!(
        unpacked > 0,
        "expected packages of {} in `{}`, found none",
        missing.join(", "),
        archives.display()
    );
    fs::write(complete, "")?;
    Ok(Some(folder.to_owned()))
}
