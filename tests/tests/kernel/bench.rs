//! A capture root of the test's own, with a BPF file system, an upstream, a proxy and sessions; taken away on drop.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use icecore::connection::redirect::{self, Installation, Kernel, KernelError, SessionTag};
use icecore::id::SessionId;
use icecore_tests::harness::port::Port;
use tempfile::TempDir;

use crate::act::{Act, Said};
use crate::child::Child;

static NEXT: AtomicU16 = AtomicU16::new(0);

pub(crate) struct Bench {
    pub(crate) root: PathBuf,
    pub(crate) port: u16,
    pub(crate) upstream: TcpListener,
    pub(crate) program_logs: bool,
    pub(crate) guards_host: bool,
    pub(crate) backstop: bool,
    pub(crate) heartbeat_stale: Duration,
    kernel: Option<Kernel>,
    _port: Port,
    folder: TempDir,
}

/// A session that is open, with the cgroup that its processes are in.
pub(crate) struct Session {
    pub(crate) tag: SessionTag,
    pub(crate) cgroup: PathBuf,
    pub(crate) cgroup_id: u64,
}

impl Bench {
    /// Makes everything and installs the programs, disarmed.
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mount = redirect::v2_mount().expect("a cgroup v2 mount");
        // An address of its own on loopback: a connect that is not redirected ends here.
        let upstream = TcpListener::bind((Ipv4Addr::new(127, 77, 0, 1), 0)).unwrap();
        upstream.set_nonblocking(true).unwrap();
        let port = Port::take().unwrap();
        let mut bench = Self {
            root: mount.join(format!("icecore-test-{}-{number}", process::id())),
            port: port.number(),
            _port: port,
            upstream,
            program_logs: false,
            guards_host: true,
            backstop: false,
            // Whoever builds beside the tests may keep a proxy from running for a while.
            heartbeat_stale: Duration::from_secs(30),
            kernel: None,
            folder: TempDir::new().unwrap(),
        };
        // From here on a panic takes away what was made.
        fs::create_dir(&bench.root).unwrap();
        fs::create_dir_all(bench.root.join("icecore/daemon")).unwrap();
        fs::create_dir(bench.root.join("outside")).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "bpf", "icecore-test"])
            .arg(bench.folder.path())
            .status();
        assert!(mount.unwrap().success(), "bpffs is mounted");
        bench.install().unwrap();
        bench
    }

    /// Makes everything, and has a proxy that accepts.
    pub(crate) fn armed() -> (Self, Child) {
        let mut bench = Self::new();
        let proxy = bench.proxy();
        bench.kernel().arm().unwrap();
        (bench, proxy)
    }

    /// Installs the programs, over what is pinned.
    pub(crate) fn install(&mut self) -> Result<(), KernelError> {
        let root = self.root.clone();
        self.install_at(&root, &self.pin_dir())
    }

    pub(crate) fn install_at(&mut self, root: &Path, pin_dir: &Path) -> Result<(), KernelError> {
        self.kernel = Some(self.with_installation(root, pin_dir, Kernel::install)?);
        Ok(())
    }

    /// Installs the programs over those of a daemon that goes on.
    pub(crate) fn take_over(&mut self) -> Result<(), KernelError> {
        let (root, pin_dir) = (self.root.clone(), self.pin_dir());
        self.kernel = Some(self.with_installation(&root, &pin_dir, Kernel::take_over)?);
        Ok(())
    }

    fn with_installation<T>(
        &self,
        root: &Path,
        pin_dir: &Path,
        act: impl FnOnce(&Installation<'_>) -> T,
    ) -> T {
        let daemon = fs::metadata(root.join("icecore/daemon")).unwrap();
        act(&Installation {
            root,
            pin_dir,
            port: self.port,
            redirect_ports: &[self.upstream_port(), 443, 80],
            program_logs: self.program_logs,
            guards_host: self.guards_host,
            heartbeat_stale: self.heartbeat_stale,
            backstop: self.backstop,
            daemon_cgroup_id: daemon.ino(),
        })
    }

    /// Starts a proxy in the daemon's cgroup, with nothing but the map's descriptor.
    pub(crate) fn proxy(&mut self) -> Child {
        let mut proxy = Child::start(&self.root.join("icecore/daemon"));
        let map = self.kernel().destinations_fd().unwrap();
        let heartbeat = self.kernel().heartbeat_fd().unwrap();
        let said = proxy.tell(Act::Proxy {
            port: self.port,
            pid: process::id(),
            fd: map.as_raw_fd(),
            heartbeat: heartbeat.as_raw_fd(),
        });
        assert_eq!(said, Said::Done);
        proxy
    }

    pub(crate) fn kernel(&mut self) -> &mut Kernel {
        self.kernel.as_mut().unwrap()
    }

    /// Lets the handles go, as a daemon does that is killed.
    pub(crate) fn forget_kernel(&mut self) {
        self.kernel = None;
    }

    pub(crate) fn pin_dir(&self) -> PathBuf {
        self.folder.path().join("icecore")
    }

    pub(crate) fn session(&mut self) -> Session {
        let id = SessionId::new();
        let cgroup = self.root.join("icecore").join(id.to_string());
        fs::create_dir(&cgroup).unwrap();
        let cgroup_id = fs::metadata(&cgroup).unwrap().ino();
        let tag = SessionTag {
            id,
            nonce: cgroup_id ^ 0x5eed,
            uid: 1000,
        };
        self.kernel().add_session(cgroup_id, tag).unwrap();
        Session {
            tag,
            cgroup,
            cgroup_id,
        }
    }

    /// Starts a process in the daemon's cgroup.
    pub(crate) fn daemon(&self) -> Child {
        Child::start(&self.root.join("icecore/daemon"))
    }

    pub(crate) fn outsider(&self) -> Child {
        Child::start(&self.root.join("outside"))
    }

    pub(crate) fn upstream_port(&self) -> u16 {
        self.upstream.local_addr().unwrap().port()
    }

    /// Tells where the upstream really is.
    pub(crate) fn upstream_at(&self) -> SocketAddr {
        self.upstream.local_addr().unwrap()
    }

    /// Tells how many connections reached the upstream since the last time.
    pub(crate) fn reached_upstream(&self) -> usize {
        let accepted = std::iter::from_fn(|| match self.upstream.accept() {
            Ok(connection) => Some(connection),
            Err(failure) if failure.kind() == io::ErrorKind::WouldBlock => None,
            Err(failure) => panic!("{failure}"),
        });
        accepted.count()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.kernel = None;
        if let Err(failure) = redirect::detach(&self.pin_dir()) {
            eprintln!("left pins behind: {failure}");
        }
        let unmount = Command::new("umount").arg(self.folder.path()).status();
        if !unmount.is_ok_and(|status| status.success()) {
            eprintln!("left a mount behind: {}", self.folder.path().display());
        }
        if let Err(failure) = remove_cgroups(&self.root) {
            eprintln!("left {} behind: {failure}", self.root.display());
        }
    }
}

/// Removes a cgroup and those below it, once the processes in them have ended.
pub(crate) fn remove_cgroups(cgroup: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroups(&entry.path())?;
        }
    }
    for _ in 0..100 {
        match fs::remove_dir(cgroup) {
            Err(failure) if failure.kind() == io::ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
    fs::remove_dir(cgroup)
}
