//! The benchmark: Icecore against other proxies, in one run, taking turns.
//!
//! `cargo xtask bench` builds and installs what it needs and starts this. Nothing here asserts anything about time.

mod child;
mod comparison;
mod connects;
mod first_byte;
mod icecore;
mod line;
mod load;
mod machine;
mod measure;
mod peers;
mod process;
mod report;
mod requests;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};

pub use connects::Connects;
pub use first_byte::FirstBytes;
pub use load::Load;

/// Names the measurement of the tap, which is no row of the comparison.
const TAP: &str = "tap";

/// What to measure and where to write it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Seconds in place of minutes: shows that everything works; the figures say little.
    #[arg(long)]
    pub quick: bool,
    /// Only rows whose name holds this text; `connect` names the hook's part, `tap` what reading model calls adds.
    #[arg(long)]
    pub only: Option<String>,
    /// Write everything that was measured to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write the report to this file.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Where peers were unpacked that are not installed.
    #[arg(long)]
    pub tools: Option<PathBuf>,
    /// Measured rounds of each row.
    #[arg(long)]
    pub rounds: Option<usize>,
}

/// Measures, and tells it on the terminal and in the files that were asked for.
pub fn run(options: &Options) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the benchmark loads eBPF programs: run it as root"
    );
    if options.only.as_deref() == Some(TAP) {
        return first_byte::measure(options.quick);
    }
    let measured = comparison::run(options)?;
    report::table(&measured, &mut std::io::stdout().lock())?;
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&measured)?)?;
    }
    if let Some(file) = &options.report {
        fs::write(file, report::markdown(&measured))?;
    }
    Ok(())
}

/// Is the calls of one measurement of the tap.
pub fn first_bytes(calls: &FirstBytes) -> Result<()> {
    first_byte::run(calls)
}

/// Is the load of one row.
pub fn load(load: &Load) -> Result<()> {
    load::run(load)
}

/// Is the connects of one row.
pub fn connects(connects: &Connects) -> Result<()> {
    connects::run(connects)
}
