//! Icecore as it ships: supervisor, eBPF programs, proxy; the load runs in sessions of it.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::child;
use super::requests::HOST;
use crate::harness::certificates::Certificates;
use crate::harness::cgroup::Cgroup;
use crate::harness::config::PROXY_UID;
use crate::harness::daemon::Daemon;
use crate::harness::mount::BpfFolder;
use crate::harness::port::Port;
use crate::harness::reaper::Reaper;
use crate::python;

/// A running daemon with a world of its own. Fields are dropped in this order.
pub(super) struct Icecore {
    daemon: Daemon,
    cgroup: Cgroup,
    program: PathBuf,
    _pins: BpfFolder,
    _port: Port,
    folder: TempDir,
    _reaper: Reaper,
}

impl Icecore {
    /// Starts a daemon that records as `mode` says and waits until it takes sessions.
    pub(super) fn start(
        program: &Path,
        mode: &str,
        upstream: SocketAddr,
        certificates: &Certificates,
    ) -> Result<Self> {
        Self::start_with(program, mode, upstream, certificates, "")
    }

    /// Starts one whose config has more lines.
    pub(super) fn start_with(
        program: &Path,
        mode: &str,
        upstream: SocketAddr,
        certificates: &Certificates,
        more: &str,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("icecore-test-").tempdir()?;
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        let placed = path.join("icecore");
        if fs::hard_link(program, &placed).is_err() {
            fs::copy(program, &placed)?;
        }
        let cgroup = Cgroup::make()?;
        let reaper = Reaper::watch(cgroup.path(), path)?;
        let pins = BpfFolder::mount(&path.join("bpf"))?;
        let policies = path.join("policies");
        fs::create_dir(&policies)?;
        let pack = "read-only.cedar";
        fs::copy(
            python::folder("../policies").join(pack),
            policies.join(pack),
        )?;
        let key = path.join("login.p8");
        let made = Command::new("openssl")
            .args([
                "genpkey",
                "-quiet",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ])
            .arg("-out")
            .arg(&key)
            .output()
            .context("openssl makes the login's key")?;
        ensure!(
            made.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        let port = Port::take()?;
        let config = path.join("icecore.toml");
        fs::write(
            &config,
            format!(
                r#"[daemon]
user = {PROXY_UID}
run_dir = "{folder}/run"
state_dir = "{folder}/state"
shutdown_grace = "5s"

[capture]
root = "{root}"
pin_dir = "{folder}/bpf/icecore"
port = {port}

[upstream]
ca_file = "{ca}"

[upstream.resolve]
"{HOST}" = "{upstream}"

[[account]]
host = "{HOST}"
name = "ACME"
user = "ICECORE_SVC"
role = "ANALYST"
warehouse = "WH"
credential = {{ kind = "key-pair", private_key_file = "{folder}/login.p8" }}

[policy]
dir = "{folder}/policies"

[record]
mode = "{mode}"
store = "file://{folder}/store"
spool_max = "8GiB"

[limits]
session_connects_per_second = 1000000
{more}"#,
                folder = path.display(),
                root = cgroup.path().display(),
                port = port.number(),
                ca = certificates.ca_file.display(),
            ),
        )?;
        let log = path.join("daemon.log");
        let daemon = Daemon::start(&placed, &config, &cgroup.outside(), &log, "info", &[])?;
        let mut icecore = Self {
            daemon,
            cgroup,
            program: placed,
            _pins: pins,
            _port: port,
            folder,
            _reaper: reaper,
        };
        let mut probe = icecore.session(OsStr::new("true"));
        icecore
            .daemon
            .wait_until(|| probe.output().is_ok_and(|output| output.status.success()))?;
        Ok(icecore)
    }

    /// Gives a command that runs a program in a session.
    pub(super) fn session(&self, program: &OsStr) -> Command {
        let mut command = child::in_cgroup(&self.cgroup.outside(), self.program.as_os_str());
        command
            .args(["run", "--control"])
            .arg(self.control())
            .arg("--")
            .arg(program);
        command
    }

    /// Gives a command that runs a program where the hooks look at it and let it pass.
    pub(super) fn outside(&self, program: &OsStr) -> Command {
        child::in_cgroup(&self.cgroup.outside(), program)
    }

    /// Seals what is recorded and waits until the store has it.
    pub(super) fn flush(&self) -> Result<()> {
        let output = Command::new(&self.program)
            .args(["flush", "--control"])
            .arg(self.control())
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "icecore flush: {errors}");
        Ok(())
    }

    /// Gives the id of the proxy's process, which does the work that is measured.
    pub(super) fn proxy(&self) -> Result<u32> {
        Ok(u32::try_from(self.daemon.proxy()?.as_raw_nonzero().get())?)
    }

    /// Gives the folder in which the spool is.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("run/control.sock")
    }
}
