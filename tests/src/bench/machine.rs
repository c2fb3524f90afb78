//! What the figures were taken on, and how quiet it was.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::process::{self, Ticks};
use crate::time;

/// Syncs that are timed.
const SYNCS: usize = 200;

/// What a reader must know to compare figures with theirs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Machine {
    /// The processor.
    pub(super) processor: String,
    /// How many cores.
    pub(super) cores: usize,
    /// The kernel's version.
    pub(super) kernel: String,
    /// The commit that was measured, and whether the tree had changes beside it.
    pub(super) commit: String,
    /// Versions of everything that took part.
    pub(super) versions: Vec<String>,
    /// The load average of the last minute, before and after.
    pub(super) load_average: [f64; 2],
    /// Share of the machine's time that the hypervisor took during the run, in percent.
    pub(super) steal_percent: f64,
    /// Median of an appending write of 4 KiB with fdatasync where the spools are, in microseconds.
    pub(super) fdatasync_p50_us: f64,
    /// Days since 1970, UTC.
    pub(super) day: u64,
}

/// Watches the machine from the beginning of a run to its end.
pub(super) struct Watch {
    from: Ticks,
    load_average: f64,
    // Of the tree that the programs were built from: it may be another when the run ends.
    commit: String,
}

impl Watch {
    pub(super) fn begin() -> Result<Self> {
        Ok(Self {
            from: process::ticks(None)?,
            load_average: load_average()?,
            commit: commit(),
        })
    }

    /// Describes the machine at the end of a run.
    pub(super) fn end(self, programs: &[Vec<OsString>], spool: &Path) -> Result<Machine> {
        let until = process::ticks(None)?;
        let all = until.all.saturating_sub(self.from.all).max(1);
        let stolen = until.steal.saturating_sub(self.from.steal);
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let processor = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Machine {
            processor: processor
                .map(|(_, name)| name.to_owned())
                .unwrap_or_default(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: kernel.trim().to_owned(),
            commit: self.commit,
            versions: programs.iter().filter_map(|words| version(words)).collect(),
            load_average: [self.load_average, load_average()?],
            steal_percent: 100.0 * stolen as f64 / all as f64,
            fdatasync_p50_us: fdatasync_p50_us(spool)?,
            day: time::since_epoch().as_secs() / 86_400,
        })
    }
}

impl Machine {
    /// Says what makes the figures less sure, if anything does.
    pub(super) fn noise(&self) -> Option<String> {
        let [before, _] = self.load_average;
        let mut reasons = Vec::new();
        if self.steal_percent > 2.0 {
            reasons.push(format!(
                "the hypervisor took {:.1} % of the time",
                self.steal_percent
            ));
        }
        if before > 0.5 {
            reasons.push(format!("load average {before:.1} before it began"));
        }
        (!reasons.is_empty()).then(|| reasons.join(", "))
    }

    /// Writes the day as a date.
    pub(super) fn date(&self) -> String {
        // Days to a civil date. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let days = self.day + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        format!("{year}-{month:02}-{day:02}")
    }
}

fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().context("no load average")?;
    Ok(first.parse()?)
}

/// Runs a command that prints a version, and gives the line that holds it.
fn version(words: &[OsString]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let output = Command::new(program).args(arguments).output().ok()?;
    // nginx tells its version on stderr.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains(|c: char| c.is_ascii_digit()))?;
    let line = line.split(" - ").next().unwrap_or(line);
    Some(line.trim_start_matches("nginx version: ").to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let root = crate::python::folder("..");
        let output = Command::new("git")
            .args(arguments)
            .current_dir(root)
            .output();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        Some(_) | None => format!("{commit} with changes"),
    }
}

fn fdatasync_p50_us(folder: &Path) -> Result<f64> {
    let path = folder.join("fdatasync-probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        let from = time::instant();
        file.sync_data()?;
        times.push(from.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    let median = times.get(SYNCS / 2).copied().unwrap_or_default();
    Ok(median.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (day, date) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (20_454, "2026-01-01"),
        ] {
            let machine = Machine {
                day,
                ..Machine::default()
            };
            assert_eq!(machine.date(), date);
        }
    }
}
