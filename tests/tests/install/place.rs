//! A fresh Debian with an emulator, a trap and a package to install, and what a user without rights does in it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use icecore_tests::emulator::{Credential, Tuning};
use icecore_tests::harness::certificates::{Certificates, LoginKey};
use icecore_tests::harness::config::Config;
use icecore_tests::harness::gate::{Gate, GateOptions};
use icecore_tests::harness::port::Port;
use icecore_tests::harness::programs;
use icecore_tests::harness::trap::Trap;
use icecore_tests::python::{self, Generation, folder};
use icecore_tests::time;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fresh::{Fresh, said};
use crate::packages;

/// How many places this process has made: each has an address of its own.
static NEXT: AtomicU8 = AtomicU8::new(0);

const ACCOUNT: &str = "acme.snowflakecomputing.com";

/// What an agent does: one statement that the read-only pack allows, and one that it refuses.
pub(crate) const WORK: &str = "
connection = connect()
tell('read', rows=connection.cursor().execute('select 1').fetchall())
failure('write', lambda: connection.cursor().execute('drop table orders'))
";

/// Emulator, trap and the fresh Debian that has nothing but them to talk to.
pub(crate) struct Place {
    pub(crate) fresh: Fresh,
    pub(crate) gate: Gate,
    pub(crate) trap: Trap,
    pub(crate) port: Port,
    pub(crate) debs: PathBuf,
}

impl Place {
    pub(crate) fn make() -> Self {
        let process = u8::try_from(std::process::id() % 256).unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::new(127, 77, process | 0x80, 200 + number);
        let fresh = Fresh::unpack(ACCOUNT, address, Some(&driver()));
        let aside = fresh.aside("aside");
        let certificates = Certificates::make(&aside, "upstream").unwrap();
        let key = LoginKey::make(&aside).unwrap();
        let options = GateOptions {
            credential: Credential::KeyPair {
                public_key_pem: key.public_pem.clone(),
            },
            // What a user has that was made by the book, so that `doctor` finds nothing.
            tuning: Tuning {
                narrow_user: true,
                ..Tuning::default()
            },
            ..GateOptions::default()
        };
        let program = programs::built().unwrap().join("icecore-emulator");
        let gate = Gate::start(&program, &fresh.aside("gate"), &certificates, &options).unwrap();
        let place = Self {
            debs: fresh.aside("debs"),
            trap: Trap::set(SocketAddr::from((address, 443))).unwrap(),
            port: Port::take().unwrap(),
            gate,
            fresh,
        };
        place
            .fresh
            .write("/root/acme.p8", 0o600, fs::read(key.private_file).unwrap());
        place.fresh.write(
            "/root/upstream.pem",
            0o644,
            fs::read(certificates.ca_file).unwrap(),
        );
        let piece = fs::read(folder("drivers").join("piece.py")).unwrap();
        place.fresh.write("/usr/local/share/piece.py", 0o644, piece);
        place
    }

    /// Makes one with the package installed and configured.
    pub(crate) fn installed() -> Self {
        let place = Self::make();
        let deb = place.deb("0.1.0");
        place.fresh.run(&["dpkg", "--install", &deb]);
        place.configure();
        place
    }

    /// Makes a package of a version and puts it inside.
    pub(crate) fn deb(&self, version: &str) -> String {
        let deb = packages::make(&self.debs.join(version), version);
        let inside = format!("/tmp/icecore-{version}.deb");
        fs::copy(deb, self.fresh.path(&inside)).unwrap();
        inside
    }

    /// Does what docs/install.md tells an administrator to do.
    pub(crate) fn configure(&self) {
        let fresh = &self.fresh;
        fresh.run(&[
            "install",
            "-m",
            "600",
            "/root/acme.p8",
            "/etc/icecore/keys/acme.p8",
        ]);
        fresh.run(&[
            "install",
            "-m",
            "644",
            "/root/upstream.pem",
            "/etc/icecore/upstream.pem",
        ]);
        fresh.run(&[
            "install",
            "-m",
            "644",
            "/usr/share/icecore/policies/read-only.cedar",
            "/etc/icecore/policies/",
        ]);
        fresh.write("/etc/icecore/icecore.toml", 0o644, self.config());
        fresh.run(&["icecore", "check"]);
    }

    /// Gives a config that leads to the emulator, with a package's own folders.
    pub(crate) fn config(&self) -> String {
        let config = Config {
            mode: "enforce".into(),
            folder: PathBuf::new(),
            cgroup: self.fresh.cgroup_inside().into(),
            pins: "/sys/fs/bpf/icecore".into(),
            port: self.port.number(),
            upstream_ca: "/etc/icecore/upstream.pem".into(),
            upstream: self.gate.address(),
            key_file: "/etc/icecore/keys/acme.p8".into(),
            credential: None,
            aliases: Vec::new(),
            others: Vec::new(),
            record_mode: "strict_local".into(),
            store: "/var/lib/icecore/store".into(),
            spool_max: "64MiB".into(),
            shutdown_grace: "2s".into(),
        };
        // Folders are the defaults, which the package's scripts know.
        config
            .text()
            .replace("run_dir = \"run\"", "run_dir = \"/run/icecore\"")
            .replace("state_dir = \"state\"", "state_dir = \"/var/lib/icecore\"")
            .replace("dir = \"policies\"", "dir = \"/etc/icecore/policies\"")
    }

    pub(crate) fn takes_sessions(&self) -> bool {
        self.fresh
            .tried(&["icecore", "run", "--", "true"])
            .status
            .success()
    }

    pub(crate) fn start(&self) -> Running {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.fresh.aside("aside").join("daemon.log"))
            .unwrap();
        let child = self
            .fresh
            .command(&["/usr/bin/icecore", "daemon"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Running(child);
        let start = time::instant();
        while !self.takes_sessions() {
            let log = || fs::read_to_string(self.fresh.aside("aside").join("daemon.log"));
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "{}",
                log().unwrap()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon
    }

    /// Has an unmodified driver do its work as a user without rights; tells what it told.
    pub(crate) fn work(&self) -> Vec<Value> {
        let output = self.fresh.tried(&[
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "env",
            "HOME=/tmp",
            "PYTHONPATH=/opt",
            "icecore",
            "run",
            "--",
            "python3",
            "/usr/local/share/piece.py",
            WORK,
        ]);
        assert!(output.status.success(), "{}", said(&output));
        let out = String::from_utf8(output.stdout).unwrap();
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[track_caller]
    pub(crate) fn one_statement_ran_and_one_was_refused(&self) {
        let told = self.work();
        assert_eq!(told[0]["rows"], serde_json::json!([[1]]), "{told:?}");
        assert_eq!(told[1]["errno"], 3001, "{told:?}");
    }

    /// Starts a session that lasts.
    pub(crate) fn sleeper(&self) -> Running {
        let words = [
            "icecore",
            "run",
            "--quiet",
            "--",
            "sh",
            "-c",
            "echo in; exec sleep 600",
        ];
        let mut child = self
            .fresh
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        Running(child)
    }

    pub(crate) fn purge(&self) -> String {
        self.fresh.run(&["dpkg", "--purge", "icecore"])
    }
}

/// A process that is killed when a test ends before it.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn is_there(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub(crate) fn end(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Gives the packages of the Rust driver's environment, for the Python of the fresh Debian.
fn driver() -> PathBuf {
    let python = python::interpreter(Generation::Five).unwrap();
    let lib = python.parent().and_then(Path::parent).unwrap().join("lib");
    let entries = fs::read_dir(lib)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.map(|path| path.join("site-packages")).collect();
    folders.retain(|path| path.is_dir());
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.remove(0)
}
