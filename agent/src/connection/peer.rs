//! The process at the other end, read from /proc when its connection is accepted: evidence, not authority.

use std::fs;

use serde::{Deserialize, Serialize};

/// Ticks of `/proc/<pid>/stat` in a second. Source: `USER_HZ` in linux/include/asm-generic/param.h.
const TICKS_PER_SECOND: i64 = 100;

/// Stands among the ancestors of a process that was not looked up; programs' paths begin with `/`.
pub const NOT_LOOKED_UP: &str = "(not looked up)";

/// Most ancestors that are read.
const ANCESTORS_MAX: usize = 32;

/// Most bytes of their names; they are told in one packet, where a byte may take six.
const ANCESTORS_MAX_BYTES: usize = 16 << 10;

/// A process, as far as it could still be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its process id, from the kernel's tag.
    pub pid: u32,
    /// Its user id, from the kernel's tag.
    pub uid: u32,
    /// Its thread's name, from the kernel's tag; the process chooses it.
    pub comm: String,
    /// Its start, in nanoseconds since boot.
    pub start_ns: Option<i64>,
    /// Its program.
    pub exe: Option<String>,
    /// Programs of its ancestors, the oldest first, itself last.
    pub ancestors: Vec<String>,
    /// Number of its last exec, from the kernel's tag; 0 where it is not known.
    pub exec_id: u64,
    /// When it connected, in nanoseconds since boot, from the kernel's tag.
    pub connected_ns: u64,
    /// Numbers of the execs that it descends from, that one first: the kernel's word, also once a parent is gone. [`GAP`] stands
    /// at the end where some may be missing.
    pub execs: Vec<u64>,
}

/// Stands among the numbers of execs for those that were forgotten: none has it, since they are times since boot.
pub const GAP: u64 = 0;

impl Peer {
    /// Adds what was read of it in /proc.
    #[must_use]
    pub fn with(self, traced: Traced) -> Self {
        let Traced {
            start_ns,
            exe,
            ancestors,
            execs,
        } = traced;
        Self {
            start_ns,
            exe,
            ancestors,
            execs,
            ..self
        }
    }
}

/// What is read of a process in /proc, and what the kernel told of its execs. Programs of other users' processes are shown to root alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// Its start, in nanoseconds since boot.
    pub start_ns: Option<i64>,
    /// Its program.
    pub exe: Option<String>,
    /// Programs of its ancestors, the oldest first, itself last.
    pub ancestors: Vec<String>,
    /// Numbers of the execs that it descends from, its last first, as far as they are remembered, with [`GAP`] behind them where
    /// some were forgotten.
    pub execs: Vec<u64>,
}

impl Traced {
    /// Says of a process that it was not looked up: it may descend from any.
    #[must_use]
    pub fn not_looked_up() -> Self {
        Self {
            ancestors: vec![NOT_LOOKED_UP.to_owned()],
            execs: vec![GAP],
            ..Self::default()
        }
    }

    /// Reads a process; what has gone is left empty.
    #[must_use]
    pub fn read(pid: u32) -> Self {
        let mut ancestors = Vec::new();
        let mut room_bytes = ANCESTORS_MAX_BYTES;
        let mut next = Some(pid);
        while let Some(pid) = next.filter(|pid| *pid > 1 && ancestors.len() < ANCESTORS_MAX) {
            let Some(exe) = exe(pid) else { break };
            let Some(left) = room_bytes.checked_sub(exe.len()) else {
                break;
            };
            room_bytes = left;
            ancestors.push(exe);
            next = stat(pid).map(|stat| stat.parent);
        }
        ancestors.reverse();
        Self {
            start_ns: stat(pid).map(|stat| stat.start_ns),
            exe: exe(pid),
            ancestors,
            execs: Vec::new(),
        }
    }
}

struct Stat {
    parent: u32,
    start_ns: i64,
}

fn exe(pid: u32) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/exe"))
        .ok()
        .map(|path| path.to_string_lossy().into_owned())
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads fields 4 (parent) and 22 (start). Source: proc_pid_stat(5). The name may hold blanks and brackets, so fields
/// are counted from the last `)`.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let ticks: i64 = fields.nth(17)?.parse().ok()?;
    Some(Stat {
        parent,
        start_ns: ticks.checked_mul(1_000_000_000 / TICKS_PER_SECOND)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.parent, stat.start_ns), (7, 123_450_000_000));
    }

    #[test]
    fn the_test_itself_is_read() {
        let peer = Traced::read(std::process::id());
        assert_eq!(
            peer.exe.as_deref(),
            std::env::current_exe().unwrap().to_str()
        );
        assert_eq!(peer.ancestors.last(), peer.exe.as_ref());
        assert!(peer.start_ns.is_some());
    }

    #[test]
    fn what_was_not_looked_up_may_descend_from_any() {
        assert_eq!(Traced::not_looked_up().execs, [GAP]);
    }

    #[test]
    fn a_process_that_is_gone_leaves_empty_fields() {
        let peer = Traced::read(u32::MAX);
        assert_eq!(
            (peer.exe, peer.start_ns, peer.ancestors.len()),
            (None, None, 0)
        );
    }
}
