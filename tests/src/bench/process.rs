//! What the kernel says of processes and of the machine.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Gives the CPU time that a process has used, all threads, user and system.
///
/// Source: proc(5), `/proc/[pid]/stat` fields 14 and 15, in ticks of which there are 100 a second on Linux.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The second field is a name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Gives the CPU time of processes that work together.
pub(super) fn cpu_of(pids: &[u32]) -> Result<Duration> {
    pids.iter().map(|pid| cpu(*pid)).sum()
}

/// Gives the memory that a process has to itself or shares in part, in bytes.
pub(super) fn memory_of(pids: &[u32]) -> Result<u64> {
    let mut bytes = 0;
    for pid in pids {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        bytes += kib.context("no Pss")?.parse::<u64>()? * 1024;
    }
    Ok(bytes)
}

/// How a core's time was spent up to a moment, in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticks {
    /// All of it.
    pub(super) all: u64,
    /// Idle or waiting for a disk.
    pub(super) idle: u64,
    /// Taken by the hypervisor.
    pub(super) steal: u64,
}

/// Gives the time of one core, or of all without a number.
///
/// Source: proc(5), `/proc/stat`.
pub(super) fn ticks(core: Option<usize>) -> Result<Ticks> {
    let name = core.map_or_else(|| "cpu".to_owned(), |core| format!("cpu{core}"));
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat
        .lines()
        .find(|line| line.split(' ').next() == Some(&name));
    let fields = line.context("no such core")?.split_whitespace().skip(1);
    let fields: Vec<u64> = fields.take(8).map(str::parse).collect::<Result<_, _>>()?;
    let at = |place: usize| fields.get(place).copied().unwrap_or_default();
    Ok(Ticks {
        all: fields.iter().sum(),
        idle: at(3) + at(4),
        steal: at(7),
    })
}

/// Gives the ids of a process's children.
pub(super) fn children(pid: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(Path::new(&path))?;
    Ok(text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?)
}
