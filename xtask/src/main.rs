//! The project's tasks: the same on a laptop and in CI.

mod bench;
mod ci;
mod command;
mod demo;
mod ebpf;
mod fuzz;
mod package;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Shows Icecore at work on this machine: emulator, daemon, a real driver in a session, the record. Needs root.
    Demo {
        /// Leave the store and everything else in this folder.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Installs what tests need and runs all tests. Needs root.
    ///
    /// All of it takes about an hour on two cores, and longer at first, for what it builds and fetches: drivers, coding agents and stand-ins
    /// of stores from PyPI, npm and crates.io, and Debian's packages. What it installs by apt-get and rustup stays on the machine; the
    /// rest stays in the target folder, ten gigabytes and more with the builds. While it runs it touches a sub-cgroup, mounts and network
    /// namespaces of its own, loopback, and folders below /tmp, and takes them away again. It calls no account and no model elsewhere.
    Test {
        /// Run the long forms of tests that have one, then fuzz each target for a minute.
        #[arg(long)]
        long: bool,
        /// Run only tests whose name holds this text.
        filter: Option<String>,
    },
    /// Measures Icecore against other proxies, in one run; asserts nothing about time. Needs root.
    Bench(bench::Bench),
    /// Checks everything but behaviour: format, lints, docs, tidiness, the committed eBPF object, dependencies.
    Ci,
    /// Rebuilds the committed kernel programs.
    Ebpf {
        /// Compare with the committed object and write nothing.
        #[arg(long)]
        check: bool,
    },
    /// Builds what a release hands out: static binary, .deb, tarball, OCI image, bill of materials, digests.
    Package(package::Package),
    /// Fuzzes what reads bytes that others write. Installs cargo-fuzz below the target folder if it is missing.
    Fuzz {
        /// How long each target runs.
        #[arg(long, value_name = "SECONDS", default_value_t = fuzz::SECONDS)]
        seconds: u64,
        /// Run only this target.
        target: Option<String>,
    },
    /// Checks what no compiler checks: file sizes, import directions, promises in ARCHITECTURE.md.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Demo { keep } => demo::run(keep.as_deref()),
        Task::Test { long, filter } => test::run(long, filter.as_deref()),
        Task::Bench(bench) => bench::run(&bench),
        Task::Ci => ci::run(),
        Task::Ebpf { check } => ebpf::run(check),
        Task::Package(package) => package::run(&package),
        Task::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()),
        Task::Tidy => tidy::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
