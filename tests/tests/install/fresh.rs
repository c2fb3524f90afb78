//! A fresh Debian whose processes see their own `/`, stay below a sub-cgroup of the test's, and reach loopback.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use icecore_tests::debian;
use icecore_tests::harness::cgroup::{Cgroup, v2_root};
use icecore_tests::harness::reaper::Reaper;
use tempfile::TempDir;

/// Makes the mount namespace and stays: it lives as long as it does. Arguments: the test's cgroup, the cgroup v2 mount, the
/// root, a folder of Python packages or `-`.
///
/// All cgroups are there, since the daemon wants to see the hierarchy's root; configs name the test's own. A cgroup
/// namespace would hide how deep it lies, which the daemon refuses; a PID namespace, whose connection the kernel reports.
const HOLD: &str = r#"
cgroup=$1 all=$2 root=$3 packages=$4
echo $$ > "$cgroup/outside/cgroup.procs"
exec unshare --mount --propagation private sh -euc '
    cgroup=$1 all=$2 root=$3 packages=$4
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount --bind "$all" "$root/sys/fs/cgroup"
    mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=0755 tmpfs "$root/run"
    if [ "$packages" != - ]; then mount --bind -o ro "$packages" "$root/opt"; fi
    echo ready
    exec cat
' hold "$cgroup" "$all" "$root" "$packages"
"#;

/// Enters it. Arguments: the cgroup's `cgroup.procs`, the holder's process id, the root, then the command.
const ENTER: &str = r#"
procs=$1 holder=$2 root=$3; shift 3
echo $$ > "$procs"
exec nsenter --target "$holder" --mount chroot "$root" \
    env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
"#;

/// A fresh Debian. Fields are dropped in this order.
pub(crate) struct Fresh {
    holder: Child,
    pub(crate) cgroup: Cgroup,
    folder: TempDir,
    _reaper: Reaper,
}

impl Fresh {
    /// Unpacks one in which `name` leads to `address`, with Python packages of the host at `/opt`, if any.
    pub(crate) fn unpack(name: &str, address: Ipv4Addr, packages: Option<&Path>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("icecore-test-")
            .tempdir()
            .unwrap();
        let cgroup = Cgroup::make().unwrap();
        let reaper = Reaper::watch(cgroup.path(), folder.path()).unwrap();
        let root = folder.path().join("root");
        debian::unpack(&root).unwrap();
        let hosts = root.join("etc/hosts");
        let text = format!("127.0.0.1 localhost\n::1 localhost\n{address} {name}\n");
        fs::write(&hosts, text).unwrap();
        let mut holder = Command::new("/bin/sh")
            .args(["-euc", HOLD, "hold"])
            .arg(cgroup.path())
            .arg(v2_root().unwrap())
            .arg(&root)
            .arg(packages.unwrap_or(Path::new("-")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = holder.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let fresh = Self {
            holder,
            cgroup,
            folder,
            _reaper: reaper,
        };
        assert_eq!(line, "ready\n");
        fresh
    }

    /// Gives a path of the host for one inside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder
            .path()
            .join("root")
            .join(inside.trim_start_matches('/'))
    }

    /// Tells whether there is something at a path inside, on what is mounted there too.
    pub(crate) fn has(&self, inside: &str) -> bool {
        self.tried(&["test", "-e", inside]).status.success()
    }

    /// Gives the test's cgroup as processes inside see it.
    pub(crate) fn cgroup_inside(&self) -> String {
        let name = self
            .cgroup
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        format!("/sys/fs/cgroup/{name}")
    }

    /// Gives a folder of the host's for what is not inside.
    pub(crate) fn aside(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Gives a command that runs inside.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-euc", ENTER, "enter"])
            .arg(self.cgroup.outside().join("cgroup.procs"))
            .arg(self.holder.id().to_string())
            .arg(self.folder.path().join("root"))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command inside, whatever it ends with.
    pub(crate) fn tried(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a command inside that must succeed, and gives what it prints, errors last.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let output = self.tried(words);
        let said = said(&output);
        assert!(
            output.status.success(),
            "{words:?}: {}\n{said}",
            output.status
        );
        said
    }

    /// Writes a file inside.
    pub(crate) fn write(&self, inside: &str, mode: u32, bytes: impl AsRef<[u8]>) {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(path)
            .unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    /// Lists every path inside but what dpkg, debconf and logs keep for themselves.
    pub(crate) fn listed(&self) -> Vec<String> {
        let said = self.run(&[
            "find",
            "/",
            "-xdev",
            "(",
            "-path",
            "/var/lib/dpkg",
            "-o",
            "-path",
            "/var/cache/debconf",
            "-o",
            "-path",
            "/var/log",
            "-o",
            "-path",
            "/tmp",
            ")",
            "-prune",
            "-o",
            "-print",
        ]);
        let mut paths: Vec<String> = said.lines().map(str::to_owned).collect();
        paths.sort();
        paths
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // What it waits for; its namespaces, and what is mounted in them, end with it.
        drop(self.holder.stdin.take());
        drop(self.holder.wait());
    }
}

/// Gives what a command said, errors last.
pub(crate) fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}
