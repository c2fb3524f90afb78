//! Commands in a mount namespace of their own, with their own `/etc/hosts` and an empty environment.
//!
//! The host's files stay as they are: names resolve differently for these processes only.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

/// Prepares the namespace: joins the cgroup, lays the hosts file over `/etc/hosts`, and keeps `$HOME` of root readable
/// for other users where interpreters and builds live below it. Arguments: hosts file, cgroup.procs or `-`, folder for
/// moving mounts, then the command.
const ENTER: &str = r#"
hosts=$1 procs=$2 aside=$3; shift 3
if [ "$procs" != - ]; then echo $$ > "$procs"; fi
mount --bind "$hosts" /etc/hosts
if [ "$aside" != - ]; then
    mkdir -p "$aside"
    mount --bind /root "$aside"
    mount -t tmpfs -o mode=755 tmpfs /root
    for folder in .pyenv .cache; do
        if [ -d "$aside/$folder" ]; then
            mkdir -p "/root/$folder"
            mount --bind "$aside/$folder" "/root/$folder"
        fi
    done
    umount "$aside"
fi
exec "$@"
"#;

/// How a command of a test sees the machine.
#[derive(Clone, Debug)]
pub struct Namespace {
    hosts: PathBuf,
    cgroup: Option<PathBuf>,
    aside: Option<PathBuf>,
}

impl Namespace {
    /// Describes a namespace in which these names resolve to these addresses; its files are in `folder`.
    pub fn new(folder: &Path, names: &[(&str, &str)]) -> Result<Self> {
        let hosts = folder.join(format!("hosts-{}", uuid::Uuid::new_v4().simple()));
        let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
        for (name, address) in names {
            text.push_str(&format!("{address} {name}\n"));
        }
        fs::write(&hosts, text)?;
        fs::set_permissions(&hosts, fs::Permissions::from_mode(0o644))?;
        Ok(Self {
            hosts,
            cgroup: None,
            aside: None,
        })
    }

    /// Puts the command into a cgroup before it starts.
    #[must_use]
    pub fn in_cgroup(mut self, cgroup: &Path) -> Self {
        self.cgroup = Some(cgroup.to_owned());
        self
    }

    /// Shows interpreters and builds below `/root` to other users; `aside` is an unused path.
    #[must_use]
    pub fn readable_by_others(mut self, aside: &Path) -> Self {
        self.aside = Some(aside.to_owned());
        self
    }

    /// Gives a command that runs `program` in the namespace under `env -i` and these variables.
    pub fn command(&self, environment: &[(&str, &OsStr)], program: &OsStr) -> Command {
        let procs = self.cgroup.as_ref().map(|c| c.join("cgroup.procs"));
        let dash = Path::new("-");
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "/bin/sh",
                "-euc",
                ENTER,
                "enter",
            ])
            .arg(&self.hosts)
            .arg(procs.as_deref().unwrap_or(dash))
            .arg(self.aside.as_deref().unwrap_or(dash))
            .args(["env", "-i", "PATH=/usr/bin:/bin"]);
        for (name, value) in environment {
            let mut pair = std::ffi::OsString::from(name);
            pair.push("=");
            pair.push(value);
            command.arg(pair);
        }
        command.arg(program);
        command
    }
}
