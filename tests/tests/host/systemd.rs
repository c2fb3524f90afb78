//! The unit under a systemd that runs: a manager of its own, in a cgroup and a mount namespace of the test's.
//!
//! It is a user's manager of root's (`systemd --user`), since a second system manager would set the machine up anew. What
//! the unit takes from the daemon it takes there too, but for `ProtectKernelLogs`, which needs files that not every machine
//! has (`/dev/kmsg`).

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use icecore_tests::python;
use rustix::process::{Pid, Signal, kill_process};

use crate::host::{Host, runs, stderr, stdout, until};

/// Becomes the manager. Arguments: the test's cgroup, its runtime folder, the folder of its units.
const MANAGER: &str = r#"
echo $$ > "$1/outside/cgroup.procs"
exec unshare --mount --propagation private sh -euc '
    mount -t tmpfs -o mode=0755 tmpfs /run
    mkdir -p /run/systemd/system
    exec env -i PATH=/usr/bin:/bin HOME="$2" XDG_RUNTIME_DIR="$2" SYSTEMD_UNIT_PATH="$3": \
        /lib/systemd/systemd --user --unit=none.target --log-target=console
' manager "$@"
"#;

/// A manager, with the unit as it is packaged but for its paths.
struct Manager {
    child: Child,
    runtime: PathBuf,
}

impl Manager {
    /// Starts one; none on a host without systemd.
    fn start(host: &Host, more: &str) -> Option<Self> {
        if !fs::exists("/lib/systemd/systemd").unwrap() {
            eprintln!("not shown: this host has no systemd");
            return None;
        }
        let (runtime, units) = (host.path("runtime"), host.path("units"));
        for folder in [&runtime, &units] {
            fs::create_dir(folder).unwrap();
        }
        let unit = fs::read_to_string(python::folder("../packaging").join("icecore.service"));
        let unit = unit
            .unwrap()
            .replace(
                "/usr/local/bin/icecore",
                &host.icecore.display().to_string(),
            )
            .replace(
                "/etc/icecore/icecore.toml",
                &host.config_file().display().to_string(),
            );
        // The test's folder is in /tmp, of which the unit has its own.
        let own = host.path("").display().to_string();
        let own = own.trim_end_matches('/');
        let unit = format!(
            "{unit}\n[Service]\nBindPaths={own}\nStandardError=append:{own}/daemon.log\n{more}\n\
             ProtectKernelLogs=no\n"
        );
        fs::write(units.join("icecore.service"), unit).unwrap();
        fs::write(units.join("none.target"), "[Unit]\nDescription=Nothing\n").unwrap();
        let log = fs::File::create(host.path("systemd.log")).unwrap();
        let child = Command::new("/bin/sh")
            .args(["-euc", MANAGER, "manager"])
            .args([host.cgroup.path(), &runtime, &units])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let manager = Self { child, runtime };
        until(20, "the manager answers", || {
            manager.systemctl(&["list-units"]).status.success()
        });
        Some(manager)
    }

    fn systemctl(&self, words: &[&str]) -> Output {
        Command::new("systemctl")
            .arg("--user")
            .args(words)
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn done(&self, host: &Host, words: &[&str]) {
        let output = self.systemctl(words);
        let log = |name: &str| fs::read_to_string(host.path(name)).unwrap_or_default();
        let state = self.systemctl(&["show", "icecore.service", "-p", "Result,ExecMainStatus"]);
        let logs = format!(
            "{}\n{}\n{}",
            stdout(&state),
            log("systemd.log"),
            log("daemon.log")
        );
        assert!(output.status.success(), "{}\n{logs}", stderr(&output));
    }

    /// Gives a property of the unit.
    fn shown(&self, property: &str) -> String {
        let output = self.systemctl(&["show", "icecore.service", "--value", "-p", property]);
        stdout(&output).trim().to_owned()
    }

    /// Gives the service's main process; none while it waits for its next start.
    fn supervisor(&self) -> Option<Pid> {
        Pid::from_raw(self.shown("MainPID").parse().unwrap())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // It stops its services first.
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn the_unit_runs_under_systemd_and_comes_back_by_itself() {
    let host = Host::without_daemon();
    let Some(manager) = Manager::start(&host, "WatchdogSec=3s") else {
        return;
    };
    // Done once sessions are taken, not before.
    manager.done(&host, &["start", "icecore.service"]);
    assert_eq!(manager.shown("ActiveState"), "active");
    assert_eq!(manager.shown("StatusText"), "sessions are taken");
    let works = || host.run(&["true"]).status.success();
    assert!(works(), "{}", stderr(&host.run(&["true"])));

    // Policies are reloaded by the unit's own command, and bad ones make it fail while those before stay.
    manager.done(&host, &["reload", "icecore.service"]);
    let bad = host.config.policies().join("bad.cedar");
    fs::write(&bad, "permit (").unwrap();
    let refused = manager.systemctl(&["reload", "icecore.service"]);
    assert!(!refused.status.success());
    fs::remove_file(bad).unwrap();
    assert!(works());

    // A supervisor that is killed is back by itself, and so is one that hangs.
    let back = |before: Pid| {
        until(40, "another daemon serves", || {
            manager.shown("ActiveState") == "active"
                && manager.supervisor() != Some(before)
                && works()
        });
    };
    let first = manager.supervisor().expect("a main process");
    kill_process(first, Signal::KILL).unwrap();
    back(first);
    let second = manager.supervisor().expect("a main process");
    kill_process(second, Signal::STOP).unwrap();
    back(second);

    // Longer than the watchdog waits, fed all the time.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(manager.shown("NRestarts"), "2");
    let third = manager.supervisor().expect("a main process");
    manager.done(&host, &["stop", "icecore.service"]);
    assert_eq!(manager.shown("ActiveState"), "inactive");
    let third = third.as_raw_nonzero().get().unsigned_abs();
    assert!(!runs(third));
}
