//! How the kernel says that a session's process is held, read by doctor from outside while it runs: the process has no part in it.

use std::fs;
use std::path::PathBuf;

use super::line::Line;
use crate::control::request::Opened;

const NAME: &str = "privileges";

const FIX: &str = "start jobs by `icecore run --user`; run doctor of the daemon's own version";

/// The command of doctor's own that is looked for; the launcher has it further behind until it becomes it.
const COMMAND: &str = "doctor-probe";

/// `SECCOMP_MODE_FILTER`. Source: linux/include/uapi/linux/seccomp.h.
const FILTERED: &str = "2";

/// What is known of the process so far.
#[derive(Debug)]
pub(super) struct Held {
    /// The folder of the sessions' cgroups.
    sessions: PathBuf,
    /// What the kernel says of this process, which started it.
    own: String,
    pid: Option<String>,
    status: Option<String>,
    /// The cgroup that it was found in, if it was none of its session's.
    left_for: Option<String>,
}

impl Held {
    /// Begins to look for it.
    pub(super) fn new(sessions: PathBuf) -> Self {
        Self {
            sessions,
            own: fs::read_to_string("/proc/self/status").unwrap_or_default(),
            pid: None,
            status: None,
            left_for: None,
        }
    }

    /// Looks at the process, once it is there.
    pub(super) fn look(&mut self, opened: &Opened) {
        let name = opened.session.to_string();
        let listed = fs::read_to_string(self.sessions.join(&name).join("cgroup.procs"));
        if self.pid.is_none() {
            let listed = listed.unwrap_or_default();
            let is_it = |pid: &&str| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.split(|byte| *byte == 0).nth(1) == Some(COMMAND.as_bytes())
            };
            self.pid = listed.lines().find(is_it).map(str::to_owned);
        }
        let Some(pid) = &self.pid else {
            return;
        };
        // One that has ended has no status of worth, and no cgroup.
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            return;
        };
        if ["Z", "X"]
            .iter()
            .any(|state| field(&status, "State").starts_with(state))
        {
            return;
        }
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let own = cgroup.lines().find_map(|line| line.strip_prefix("0::"));
        if let Some(own) = own
            && !own.ends_with(&format!("/icecore/{name}"))
        {
            self.left_for.get_or_insert_with(|| own.to_owned());
        }
        self.status.get_or_insert(status);
    }

    /// Tells the cgroup that it went to, if it left its session's.
    pub(super) fn left_for(&self) -> Option<&str> {
        self.left_for.as_deref()
    }

    /// Tells whether it has no capability, by the kernel's word.
    pub(super) fn is_without_capabilities(&self) -> bool {
        self.status.as_deref().is_some_and(|status| {
            ["CapEff", "CapPrm", "CapAmb"]
                .iter()
                .all(|name| is_none(&field(status, name)))
        })
    }

    /// Tells whether it has a filter of system calls that this process has not, which the launcher set.
    pub(super) fn is_filtered(&self) -> bool {
        let Some(status) = &self.status else {
            return false;
        };
        let count = |status: &str| field(status, "Seccomp_filters").parse::<u32>().ok();
        let mode = field(status, "Seccomp");
        match (count(status), count(&self.own)) {
            (Some(its), Some(own)) => mode == FILTERED && its > own,
            // Told since Linux 5.10; before, a filter of one's own hides that of the launcher.
            _ => mode == FILTERED && field(&self.own, "Seccomp") == "0",
        }
    }

    /// Says how the kernel holds it.
    pub(super) fn line(&self, uid: u32) -> Line {
        let Some(status) = &self.status else {
            return Line::not_checked(NAME, "the session's process was not seen while it ran");
        };
        let mut bad: Vec<String> = expected(uid)
            .into_iter()
            .filter_map(|(name, expected)| {
                let found = field(status, name);
                (found != expected)
                    .then(|| format!("{name}: expected `{expected}`, found `{found}`"))
            })
            .collect();
        if bad.is_empty() && !self.is_filtered() {
            bad.push("it has no filter of system calls beside those that doctor has".to_owned());
        }
        if bad.is_empty() {
            let text = "no capability, no new privilege, a filter of system calls, by the kernel's own word";
            return Line::ok(NAME, text);
        }
        Line::failed(NAME, bad.join("; "), FIX)
    }
}

/// What the kernel must say of it. Source: proc_pid_status(5).
fn expected(uid: u32) -> [(&'static str, String); 7] {
    [
        ("Uid", format!("{uid} {uid} {uid} {uid}")),
        ("NoNewPrivs", "1".to_owned()),
        ("CapEff", format!("{:016x}", 0)),
        ("CapPrm", format!("{:016x}", 0)),
        ("CapBnd", format!("{:016x}", 0)),
        ("CapAmb", format!("{:016x}", 0)),
        ("Seccomp", FILTERED.to_owned()),
    ]
}

/// Tells whether a set of capabilities, as it is written, is there and empty.
fn is_none(set: &str) -> bool {
    !set.is_empty() && set.bytes().all(|digit| digit == b'0')
}

/// Gives the words of a member of `/proc/<pid>/status`, one blank between them.
fn field(status: &str, name: &str) -> String {
    let of = |line: &str| {
        let rest = line.strip_prefix(name)?.strip_prefix(':')?;
        Some(rest.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    };
    status.lines().find_map(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::line::Outcome;
    use super::*;

    const HELD: &str = "Name:\tx\nUid:\t7\t7\t7\t7\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n";

    fn held(status: Option<&str>, own: &str) -> Held {
        Held {
            sessions: PathBuf::new(),
            own: own.to_owned(),
            pid: None,
            status: status.map(str::to_owned),
            left_for: None,
        }
    }

    #[test]
    fn members_of_a_status_are_found_by_their_whole_name() {
        assert_eq!(field(HELD, "Uid"), "7 7 7 7");
        assert_eq!(field(HELD, "CapBnd"), "0000000000000000");
        assert_eq!(field(HELD, "Cap"), "");
        assert_eq!(field(HELD, "Seccomp"), "2");
    }

    #[test]
    fn a_filter_counts_that_doctor_has_not_itself() {
        let one = "Seccomp:\t2\nSeccomp_filters:\t1\n";
        let held_beside = held(Some(HELD), one);
        assert!(held_beside.is_filtered());
        assert_eq!(held_beside.line(7).outcome, Outcome::Ok);
        // A container's filter, which doctor has too, is not the launcher's.
        let same = held(Some(HELD), &one.replace('1', "2"));
        assert!(!same.is_filtered());
        assert_eq!(same.line(7).outcome, Outcome::Failed);
        let old = HELD.replace("Seccomp_filters:\t2\n", "");
        assert!(held(Some(&old), "Seccomp:\t0\n").is_filtered());
        assert!(!held(Some(&old), "Seccomp:\t2\n").is_filtered());
    }

    #[test]
    fn what_was_not_seen_is_not_known_and_what_is_too_much_fails() {
        let own = "Seccomp:\t0\nSeccomp_filters:\t0\n";
        assert_eq!(held(None, own).line(7).outcome, Outcome::NotChecked);
        assert!(!held(None, own).is_without_capabilities());
        assert_eq!(held(Some(HELD), own).line(8).outcome, Outcome::Failed);
        let more = HELD.replace("CapEff:\t00", "CapEff:\t80");
        assert_eq!(held(Some(&more), own).line(7).outcome, Outcome::Failed);
        assert!(!held(Some(&more), own).is_without_capabilities());
        assert!(held(Some(HELD), own).is_without_capabilities());
    }
}
