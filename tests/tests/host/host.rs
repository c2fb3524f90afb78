//! A host with a daemon and nothing else: no emulator, no driver.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use icecore_tests::harness::certificates::{Certificates, LoginKey};
use icecore_tests::harness::cgroup::Cgroup;
use icecore_tests::harness::config::Config;
use icecore_tests::harness::daemon::Daemon;
use icecore_tests::harness::mount::BpfFolder;
use icecore_tests::harness::port::Port;
use icecore_tests::{harness::programs, python, time};
use tempfile::TempDir;

/// A user without any rights.
pub(crate) const NOBODY: u32 = 65534;

/// A daemon in a cgroup of its own. Fields are dropped in this order.
pub(crate) struct Host {
    pub(crate) daemon: Option<Daemon>,
    pub(crate) config: Config,
    pub(crate) cgroup: Cgroup,
    pub(crate) icecore: PathBuf,
    _pins: BpfFolder,
    _port: Port,
    folder: TempDir,
}

impl Host {
    /// Makes a host whose daemon takes sessions.
    pub(crate) fn start() -> Self {
        let mut host = Self::without_daemon();
        host.start_daemon();
        host
    }

    pub(crate) fn without_daemon() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("icecore-test-")
            .tempdir()
            .unwrap();
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let icecore = programs::place("icecore", path).unwrap();
        let cgroup = Cgroup::make().unwrap();
        let pins = BpfFolder::mount(&path.join("bpf")).unwrap();
        let port = Port::take().unwrap();
        let config = Config {
            mode: "enforce".into(),
            folder: path.to_owned(),
            cgroup: cgroup.path().to_owned(),
            pins: pins.path().join("icecore"),
            port: port.number(),
            upstream_ca: Certificates::make(path, "upstream").unwrap().ca_file,
            upstream: "127.0.0.1:9".parse().unwrap(),
            key_file: LoginKey::make(path).unwrap().private_file,
            credential: None,
            aliases: Vec::new(),
            others: Vec::new(),
            record_mode: "strict_local".into(),
            store: path.join("store"),
            spool_max: "64MiB".into(),
            shutdown_grace: "2s".into(),
        };
        fs::create_dir(config.policies()).unwrap();
        let pack = "read-only.cedar";
        let from = python::folder("../policies").join(pack);
        fs::copy(from, config.policies().join(pack)).unwrap();
        fs::write(path.join("icecore.toml"), config.text()).unwrap();
        Self {
            daemon: None,
            config,
            cgroup,
            icecore,
            _pins: pins,
            _port: port,
            folder,
        }
    }

    pub(crate) fn start_daemon(&mut self) {
        let log = self.path("daemon.log");
        let outside = self.cgroup.outside();
        let mut daemon = Daemon::start(
            &self.icecore,
            &self.config_file(),
            &outside,
            &log,
            "info",
            &[],
        )
        .unwrap();
        daemon
            .wait_until(|| self.run(&["true"]).status.success())
            .unwrap();
        self.daemon = Some(daemon);
    }

    pub(crate) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path("icecore.toml")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.config.run_dir().join("control.sock")
    }

    /// Gives the words that run a command in a session.
    pub(crate) fn words(&self, command: &[&str]) -> Vec<String> {
        let config = self.config_file().display().to_string();
        let program = self.icecore.display().to_string();
        let mut words = vec![
            program,
            "run".into(),
            "--config".into(),
            config,
            "--".into(),
        ];
        words.extend(command.iter().map(|word| (*word).to_owned()));
        words
    }

    /// Gives a command that runs another one in a session.
    pub(crate) fn session(&self, command: &[&str]) -> Command {
        plain(&self.words(command))
    }

    /// Runs a command in a session of root's.
    pub(crate) fn run(&self, command: &[&str]) -> Output {
        self.session(command).output().unwrap()
    }

    /// Runs a shell script in a session of root's.
    pub(crate) fn shell(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script])
    }

    /// Runs a command in a session of an unprivileged user's.
    pub(crate) fn run_as_nobody(&self, command: &[&str]) -> Output {
        plain(&as_nobody(&self.words(command))).output().unwrap()
    }

    /// Runs a command outside of all sessions, such as `icecore check`.
    pub(crate) fn icecore(&self, arguments: &[&str]) -> Output {
        let mut words = vec![self.icecore.display().to_string()];
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        plain(&words).output().unwrap()
    }
}

/// Gives a command with an environment of a path only, and no signal ignored.
///
/// A shell without job control ignores SIGINT in what it starts in the background, the tests among it.
pub(crate) fn plain(words: &[String]) -> Command {
    let mut command = Command::new("/usr/bin/env");
    command
        .arg("--default-signal")
        .args(words)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

/// Puts words before a command that run it as a user without rights.
pub(crate) fn as_nobody(words: &[String]) -> Vec<String> {
    let uid = NOBODY.to_string();
    let mut all: Vec<String> = [
        "setpriv",
        "--clear-groups",
        "--reuid",
        &uid,
        "--regid",
        &uid,
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend_from_slice(words);
    all
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until something holds; fails after so many seconds.
#[track_caller]
pub(crate) fn until(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let start = time::instant();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(seconds),
            "not within {seconds} s: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tells whether a process runs.
pub(crate) fn runs(pid: u32) -> bool {
    // A zombie has ended.
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}
