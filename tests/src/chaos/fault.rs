//! What goes wrong in a round, and what a host does about it by itself.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::random::Random;
use crate::emulator::{Endpoint, FaultKind};
use crate::harness::config::PROXY_UID;
use crate::harness::disk::SmallDisk;
use crate::harness::wedge::Wedge;
use crate::harness::world::World;

/// `RestartSec` of the packaged unit.
const RESTARTED_AFTER: Duration = Duration::from_secs(1);

/// By when something has been sealed and stored: twice the interval of the test's config.
const SEALED_WITHIN: Duration = Duration::from_secs(4);

/// Most answers of the upstream that are lost in a round.
const LOST_MAX: u32 = 1000;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The proxy is killed.
    ProxyKilled,
    /// The supervisor is killed, and started again as systemd would.
    SupervisorKilled,
    /// Both are.
    BothKilled,
    /// The proxy stands still for a while.
    ProxyStopped,
    /// The supervisor does.
    SupervisorStopped,
    /// One core of the proxy does.
    CoreWedged,
    /// `icecore upgrade --proxy`.
    ProxyReplaced,
    /// `icecore upgrade` to a copy of the program.
    DaemonReplaced,
    /// Config and policies are read again.
    Reloaded,
    /// The proxy may open nothing more for a while.
    DescriptorsOut,
    /// The disk of its state is full for a while.
    DiskFull,
    /// The store is not there for a while.
    StoreAway,
    /// The upstream answers nothing for a while.
    UpstreamHangs,
    /// The upstream closes connections without an answer for a while.
    UpstreamDrops,
    /// One of the kernel's programs is detached by hand: all sessions are killed.
    ProgramsRemoved,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ProxyKilled,
        Self::SupervisorKilled,
        Self::BothKilled,
        Self::ProxyStopped,
        Self::SupervisorStopped,
        Self::CoreWedged,
        Self::ProxyReplaced,
        Self::DaemonReplaced,
        Self::Reloaded,
        Self::DescriptorsOut,
        Self::DiskFull,
        Self::StoreAway,
        Self::UpstreamHangs,
        Self::UpstreamDrops,
        Self::ProgramsRemoved,
    ];

    /// Tells whether sessions end by it; all others they outlive.
    #[must_use]
    pub const fn ends_sessions(self) -> bool {
        matches!(self, Self::ProgramsRemoved)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ProxyKilled => "proxy killed",
            Self::SupervisorKilled => "supervisor killed",
            Self::BothKilled => "both killed",
            Self::ProxyStopped => "proxy stopped",
            Self::SupervisorStopped => "supervisor stopped",
            Self::CoreWedged => "one core stopped",
            Self::ProxyReplaced => "upgrade --proxy",
            Self::DaemonReplaced => "upgrade",
            Self::Reloaded => "reload",
            Self::DescriptorsOut => "out of descriptors",
            Self::DiskFull => "disk full",
            Self::StoreAway => "store away",
            Self::UpstreamHangs => "upstream hangs",
            Self::UpstreamDrops => "upstream drops",
            Self::ProgramsRemoved => "program detached",
        })
    }
}

/// Where faults happen.
#[derive(Debug)]
pub struct Site<'a> {
    /// The world.
    pub world: &'a mut World,
    /// The disk of its daemon's state.
    pub disk: &'a SmallDisk,
    /// Copies of the program, for an upgrade to go to and fro.
    pub programs: [PathBuf; 2],
}

impl Site<'_> {
    /// Has a fault happen and pass.
    pub fn suffer(&mut self, fault: Fault, random: &mut Random) -> Result<()> {
        let held = Duration::from_millis(1000 + 250 * random.below(11) as u64);
        match fault {
            Fault::ProxyKilled => signal(self.world.daemon()?.proxy()?, Signal::KILL),
            Fault::SupervisorKilled => self.restart(),
            Fault::BothKilled => {
                signal(self.world.daemon()?.proxy()?, Signal::KILL)?;
                self.restart()
            }
            Fault::ProxyStopped => stand_still(self.world.daemon()?.proxy()?, held),
            Fault::SupervisorStopped => stand_still(self.world.daemon()?.supervisor()?, held),
            Fault::CoreWedged => {
                let wedge = Wedge::drive_in(self.world.daemon()?.proxy()?)?;
                thread::sleep(held);
                drop(wedge);
                Ok(())
            }
            Fault::ProxyReplaced => self.upgrade(&["--proxy"]),
            Fault::DaemonReplaced => {
                let program = self.programs.get(random.below(2)).context("a program")?;
                let program = program.to_string_lossy().into_owned();
                self.upgrade(&[&program])
            }
            Fault::Reloaded => signal(self.world.daemon()?.supervisor()?, Signal::HUP),
            Fault::DescriptorsOut => starve(self.world.daemon()?.proxy()?, held),
            Fault::DiskFull => {
                let filler = self.disk.fill()?;
                self.hold(held + SEALED_WITHIN, random)?;
                drop(filler);
                Ok(())
            }
            Fault::StoreAway => {
                let (store, aside) = (
                    self.world.config.store.clone(),
                    self.world.path("aside-store"),
                );
                fs::rename(&store, &aside)?;
                // In its place stands what nothing can be written into.
                fs::write(&store, "")?;
                self.hold(held + SEALED_WITHIN, random)?;
                fs::remove_file(&store)?;
                Ok(fs::rename(&aside, &store)?)
            }
            Fault::UpstreamHangs => {
                let gate = self.world.gate.pid()?;
                signal(gate, Signal::STOP)?;
                let held = self.hold(held, random);
                signal(gate, Signal::CONT)?;
                held
            }
            Fault::UpstreamDrops => {
                let gate = &self.world.gate;
                gate.plant_times(Endpoint::Query, FaultKind::Close, LOST_MAX)?;
                self.hold(held, random)?;
                self.world.gate.clear_faults()
            }
            Fault::ProgramsRemoved => self.detach(random),
        }
    }

    /// Waits; one time in three the proxy is killed meanwhile.
    fn hold(&mut self, held: Duration, random: &mut Random) -> Result<()> {
        thread::sleep(held / 2);
        // One that cannot start at such a time is not there at times.
        if random.below(3) == 0
            && let Ok(proxy) = self.world.daemon()?.proxy()
        {
            eprintln!("         the proxy was killed meanwhile");
            signal(proxy, Signal::KILL)?;
        }
        thread::sleep(held / 2);
        Ok(())
    }

    /// Kills the supervisor and starts it again, as systemd would.
    fn restart(&mut self) -> Result<()> {
        self.world.daemon()?.kill_supervisor()?;
        self.world.daemon = None;
        thread::sleep(RESTARTED_AFTER);
        self.world.start_daemon()
    }

    /// Has something replaced; tries again where it is told to, since a reload of the round before is still under way.
    fn upgrade(&self, arguments: &[&str]) -> Result<()> {
        let control = self.world.control_socket();
        let control = control.to_string_lossy();
        let words = [&["upgrade", "--control", &control], arguments].concat();
        let mut errors = String::new();
        for _ in 0..20 {
            let output = self.world.icecore(&words)?;
            if output.status.success() {
                return Ok(());
            }
            errors = String::from_utf8_lossy(&output.stderr).into_owned();
            if !errors.contains("try again in a moment") {
                break;
            }
            thread::sleep(Duration::from_millis(250));
        }
        anyhow::bail!("icecore upgrade: {errors}")
    }

    fn detach(&self, random: &mut Random) -> Result<()> {
        let folder = self.world.config.pins.join("v2/links");
        let mut links = Vec::new();
        for link in fs::read_dir(&folder)? {
            links.push(link?.path());
        }
        links.sort();
        let link = links.get(random.below(links.len())).context("no links")?;
        fs::remove_file(link)?;
        eprintln!("         {} was removed", link.display());
        for _ in 0..100 {
            if link.exists() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("`{}` is not back after 5 s", link.display())
    }
}

fn signal(process: Pid, signal: Signal) -> Result<()> {
    kill_process(process, signal).with_context(|| format!("{signal:?} to {process:?}"))
}

fn stand_still(process: Pid, held: Duration) -> Result<()> {
    signal(process, Signal::STOP)?;
    thread::sleep(held);
    signal(process, Signal::CONT)
}

/// Lets a process open nothing more for a while.
fn starve(process: Pid, held: Duration) -> Result<()> {
    let folder = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    let open = fs::read_dir(folder.join("fd"))?.count();
    // Its fifth field is the hard limit. Source: proc_pid_limits(5).
    let limits = fs::read_to_string(folder.join("limits"))?;
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let hard = files.and_then(|line| line.split_whitespace().nth(4));
    let hard = hard.context("no limit of open files")?;
    limit(process, &format!("{open}:{hard}"))?;
    thread::sleep(held);
    limit(process, &format!("{hard}:{hard}"))
}

/// Sets a process's limits of open files, as its own user: others need CAP_SYS_RESOURCE (prlimit(2)), which containers seldom have.
fn limit(process: Pid, limits: &str) -> Result<()> {
    let user = PROXY_UID.to_string();
    let output = Command::new("setpriv")
        .args([
            "--clear-groups",
            "--reuid",
            &user,
            "--regid",
            &user,
            "prlimit",
        ])
        .arg(format!("--nofile={limits}"))
        .args(["--pid", &process.as_raw_nonzero().to_string()])
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // It did not live through that, which is for the round to judge.
    let is_gone = errors.contains("No such process");
    ensure!(output.status.success() || is_gone, "prlimit: {errors}");
    Ok(())
}
