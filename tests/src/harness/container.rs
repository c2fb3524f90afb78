//! A container as its runtime leaves it: a cgroup that is not ours, PID, mount and network namespaces of its own, few rights.
//!
//! Made by util-linux, since no runtime is at hand everywhere; what a session is judged by is all there.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// The user that a container's program is.
pub const UID: u32 = 1000;

/// As the unprivileged user, with no capability and no way to one.
pub const UNPRIVILEGED: &[&str] = &[
    "setpriv",
    "--reuid=1000",
    "--regid=1000",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
];

/// As root of the container without a capability, as `--cap-drop ALL --security-opt no-new-privileges` leaves an image's root.
pub const ROOT_ALONE: &[&str] = &[
    "setpriv",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
];

/// As root of the container, with its network's administration: enough for `iptables`, and for nothing of the host.
pub const NETWORK_ADMIN: &[&str] = &[
    "setpriv",
    "--bounding-set=-all,+net_admin,+net_raw",
    "--inh-caps=-all",
    "--no-new-privs",
];

/// The container's first process: joins the cgroup from inside, since the process that makes the namespaces is outside.
const FIRST: &str = r#"
cgroup=$1; shift
ip link set lo up
echo 0 > "$cgroup/cgroup.procs"
exec "$@" sh -c 'echo ready; while read -r line; do eval "$line"; done' 2> /dev/null
"#;

/// Whose network a container has.
#[derive(Clone, Copy, Debug)]
pub enum Net {
    /// One of its own.
    Own,
    /// The one of this process, as containers of a pod share it.
    Of(u32),
    /// The host's.
    Host,
}

/// A container that runs, and does what it is told.
#[derive(Debug)]
pub struct Container {
    starter: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
    cgroup: PathBuf,
    pid: u32,
}

impl Container {
    /// Starts one by a command to which words are added that it runs, such as `env -i PATH=...`.
    pub fn start(mut starter: Command, cgroup: &Path, net: Net, rights: &[&str]) -> Result<Self> {
        fs::create_dir_all(cgroup)?;
        // Who waits for it is in none of its namespaces, as a runtime's shim is not.
        starter.args(["unshare", "--pid", "--fork", "--kill-child"]);
        match net {
            Net::Own => starter.args(["unshare", "--net"]),
            Net::Host => starter.arg("unshare"),
            Net::Of(pid) => starter
                .args(["nsenter", &format!("--net=/proc/{pid}/ns/net")])
                .arg("unshare"),
        };
        starter
            .args(["--mount", "--mount-proc"])
            .args(["sh", "-euc", FIRST, "container"])
            .arg(cgroup)
            .args(rights)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut starter = starter.spawn().context("start a container")?;
        let says = BufReader::new(starter.stdout.take().context("no stdout")?);
        let hears = starter.stdin.take().context("no stdin")?;
        let mut container = Self {
            starter,
            says,
            hears,
            cgroup: cgroup.to_owned(),
            pid: 0,
        };
        let line = container.line()?;
        ensure!(line == "ready", "expected a container, found {line:?}");
        let procs = fs::read_to_string(cgroup.join("cgroup.procs"))?;
        container.pid = procs.lines().next().context("an empty cgroup")?.parse()?;
        Ok(container)
    }

    /// Tells its first process, by the host's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives its cgroup.
    #[must_use]
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Has a line of shell done in it, and gives the one line that it prints.
    pub fn told(&mut self, script: &str) -> Result<String> {
        writeln!(self.hears, "{script}")?;
        self.line()
    }

    /// Gives a command that runs in its network, as root of the host and outside of its cgroup.
    #[must_use]
    pub fn in_network(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid));
        command.args(words);
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // `unshare` has its child killed with it, which is the first of its PID namespace: all others go too.
        drop(self.starter.kill());
        drop(self.starter.wait());
        for _ in 0..100 {
            if fs::remove_dir(&self.cgroup).is_ok() || !self.cgroup.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
