//! Rows of the comparison, and one measurement of one of them.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::child::{self, Served};
use super::icecore::Icecore;
use super::load::Told;
use super::process::{self, Ticks};
use super::requests::Ask;

/// Who is between load and upstream.
pub(super) enum Hop<'a> {
    /// Nobody.
    Direct,
    /// Another proxy.
    Peer(&'a Served),
    /// Icecore, in sessions.
    Icecore(&'a Icecore),
}

/// One row: who does what.
pub(super) struct Row<'a> {
    /// Names it.
    pub(super) name: &'static str,
    /// Who.
    pub(super) hop: Hop<'a>,
    /// Where the load connects.
    pub(super) to: SocketAddr,
    /// What is asked.
    pub(super) ask: Ask,
}

/// How long, and from where.
pub(super) struct Bed {
    /// This program, which is the load too.
    pub(super) program: PathBuf,
    /// Roots of the certificates that upstream and peers show.
    pub(super) roots: PathBuf,
    /// Where the load of rows without a session runs.
    pub(super) cgroup: PathBuf,
    /// The core of proxies, and that of load and upstream.
    pub(super) cores: [usize; 2],
    pub(super) connections: usize,
    pub(super) warm: Duration,
    pub(super) measured: Duration,
}

/// What one run of a row gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) requests: u64,
    pub(super) per_second: f64,
    /// CPU time of the proxy, in microseconds a request; none without a proxy.
    pub(super) cpu_us: Option<f64>,
    /// The same with what is done later for these requests: sealing the record.
    pub(super) cpu_sealed_us: Option<f64>,
    /// Memory of the proxy at the end of the measured time, in bytes (Pss).
    pub(super) memory_bytes: Option<u64>,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) max_us: f64,
    /// CPU time of the load generator, in microseconds a request.
    pub(super) load_cpu_us: f64,
    /// How busy the proxies' core and that of load and upstream were, in percent.
    pub(super) busy_percent: [f64; 2],
    /// What the hypervisor took of both, in percent.
    pub(super) steal_percent: f64,
}

impl Row<'_> {
    /// Runs the load once and measures what it costs.
    pub(super) fn measure(&self, bed: &Bed, rate: Option<f64>) -> Result<Round> {
        self.run(bed, rate)
            .with_context(|| format!("row `{}`", self.name))
    }

    fn run(&self, bed: &Bed, rate: Option<f64>) -> Result<Round> {
        let pids = self.pids()?;
        let mut load = Loading::start(self.command(bed, rate), bed.cores[1])?;
        ensure!(
            matches!(load.told()?, Told::Begin),
            "expected the beginning of the load"
        );
        let from = Reading::take(&pids, bed.cores)?;
        let Told::End(ran) = load.told()? else {
            anyhow::bail!("expected the end of the load");
        };
        let until = Reading::take(&pids, bed.cores)?;
        let memory_bytes = match pids.is_empty() {
            true => None,
            false => Some(process::memory_of(&pids)?),
        };
        load.finish()?;
        let a_request = |time: Duration, requests: u64| {
            (!pids.is_empty()).then(|| time.as_secs_f64() * 1e6 / requests.max(1) as f64)
        };
        let cpu_us = a_request(until.cpu.saturating_sub(from.cpu), ran.requests);
        let mut cpu_sealed_us = cpu_us;
        if let Hop::Icecore(icecore) = &self.hop {
            icecore.flush()?;
            let sealing = process::cpu_of(&pids)?.saturating_sub(until.cpu);
            cpu_sealed_us = cpu_us
                .zip(a_request(sealing, ran.all_requests))
                .map(|(serving, sealing)| serving + sealing);
        }
        Ok(Round {
            requests: ran.requests,
            per_second: ran.requests as f64 / ran.seconds,
            cpu_us,
            cpu_sealed_us,
            memory_bytes,
            p50_us: ran.p50_us,
            p99_us: ran.p99_us,
            max_us: ran.max_us,
            load_cpu_us: ran.own_cpu_us,
            busy_percent: [0, 1].map(|core| from.busy_percent(&until, core)),
            steal_percent: from.steal_percent(&until),
        })
    }

    fn pids(&self) -> Result<Vec<u32>> {
        match &self.hop {
            Hop::Direct => Ok(Vec::new()),
            Hop::Peer(served) => served.pids(),
            Hop::Icecore(icecore) => Ok(vec![icecore.proxy()?]),
        }
    }

    fn command(&self, bed: &Bed, rate: Option<f64>) -> Command {
        let mut command = self.start(bed, bed.program.as_os_str());
        command.args(["load", "--to", &self.to.to_string()]);
        command.args(["--connections", &bed.connections.to_string()]);
        command.args(["--warm-ms", &bed.warm.as_millis().to_string()]);
        command.args(["--measure-ms", &bed.measured.as_millis().to_string()]);
        command.args([
            "--ask",
            match self.ask {
                Ask::Heartbeat => "heartbeat",
                Ask::Query => "query",
            },
        ]);
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        // In a session Icecore itself tells what to trust.
        if !matches!(self.hop, Hop::Icecore(_)) {
            command.arg("--roots").arg(&bed.roots);
        }
        command
    }

    fn start(&self, bed: &Bed, program: &OsStr) -> Command {
        match &self.hop {
            Hop::Direct | Hop::Peer(_) => child::in_cgroup(&bed.cgroup, program),
            Hop::Icecore(icecore) => icecore.session(program),
        }
    }
}

/// A load that runs.
struct Loading {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Loading {
    fn start(mut command: Command, core: usize) -> Result<Self> {
        let mut child = child::on_core(core, || {
            Ok(command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?)
        })?;
        let out = child.stdout.take().context("no stdout")?;
        Ok(Self {
            child,
            out: BufReader::new(out),
        })
    }

    fn told(&mut self) -> Result<Told> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        if line.is_empty() {
            let mut errors = String::new();
            if let Some(mut stderr) = self.child.stderr.take() {
                std::io::Read::read_to_string(&mut stderr, &mut errors)?;
            }
            anyhow::bail!("the load ended: {errors}");
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the load ended with {status}");
        Ok(())
    }
}

/// Counters at one moment.
struct Reading {
    cpu: Duration,
    ticks: [Ticks; 2],
}

impl Reading {
    fn take(pids: &[u32], [first, second]: [usize; 2]) -> Result<Self> {
        Ok(Self {
            cpu: process::cpu_of(pids)?,
            ticks: [process::ticks(Some(first))?, process::ticks(Some(second))?],
        })
    }

    fn busy_percent(&self, until: &Self, core: usize) -> f64 {
        let (Some(from), Some(until)) = (self.ticks.get(core), until.ticks.get(core)) else {
            return 0.0;
        };
        let all = until.all.saturating_sub(from.all).max(1);
        let idle = until.idle.saturating_sub(from.idle);
        100.0 * (1.0 - idle as f64 / all as f64)
    }

    fn steal_percent(&self, until: &Self) -> f64 {
        let sum = |reading: &Self| {
            let ticks = reading.ticks.iter();
            ticks.fold((0, 0), |(all, steal), core| {
                (all + core.all, steal + core.steal)
            })
        };
        let ((all_from, from), (all_until, stolen)) = (sum(self), sum(until));
        let all = all_until.saturating_sub(all_from).max(1);
        100.0 * stolen.saturating_sub(from) as f64 / all as f64
    }
}

/// Runs a load of connects and gives what it printed.
pub(super) fn printed<T: for<'a> Deserialize<'a>>(mut command: Command, core: usize) -> Result<T> {
    let output = child::on_core(core, || Ok(command.output()?))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Gives the folder of the program that runs.
pub(super) fn beside(program: &Path, name: &str) -> PathBuf {
    program.with_file_name(name)
}
