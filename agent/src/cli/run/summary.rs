//! What a session did, in two lines for the person who started it.

use std::env;
use std::io::{self, IsTerminal};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::link::Told;
use crate::control::request::Opened;
use crate::replay::{counted, terminal};

/// Most processes that are named; the rest is counted.
const NAMED_MAX: usize = 8;

/// The store that `icecore replay` reads unless it is told another.
const DEFAULT_STORE: &str = "file:///var/lib/icecore/store";

/// What is known when a session has ended.
#[derive(Debug)]
pub(super) struct Summary<'s> {
    pub(super) opened: &'s Opened,
    pub(super) told: &'s Told,
    /// Whether the caller may not read the store, which is root's alone.
    pub(super) is_roots_store: bool,
}

/// Tells whether a store is a folder of this host that the caller may not look into.
pub(super) fn is_roots(store: &str) -> bool {
    let Some(folder) = store.strip_prefix("file://") else {
        return false;
    };
    let may = Access::READ_OK | Access::EXEC_OK;
    accessat(CWD, folder, may, AtFlags::empty()) == Err(Errno::ACCESS)
}

impl Summary<'_> {
    /// Prints the lines on standard error.
    pub(super) fn print(&self) {
        let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
        // Bold (ECMA-48, SGR 1 and 0).
        let (on, off) = if colours {
            ("\u{1b}[1m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        for line in self.lines() {
            eprintln!("{on}icecore:{off} {line}");
        }
    }

    /// Says what the session did, where its record is, and what else is to be known.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.deeds(), self.record()];
        if let Told::Closed { leftovers, .. } = self.told
            && !leftovers.is_empty()
        {
            let mut line = format!("killed what was left running: {}", leftovers.len());
            for (index, one) in leftovers.iter().take(NAMED_MAX).enumerate() {
                let border = if index == 0 { " (" } else { ", " };
                // A process chooses its own name, escape sequences for terminals included.
                let name = terminal(&one.comm);
                line.push_str(&format!("{border}{name} {}", one.pid));
            }
            line.push_str(if leftovers.len() > NAMED_MAX {
                ", ...)"
            } else {
                ")"
            });
            lines.push(line);
        }
        lines
    }

    fn deeds(&self) -> String {
        let mut line = match self.told {
            Told::Closed {
                summary: Some(summary),
                ..
            } => {
                let counts = format!(
                    "{}: {} allowed, {} refused, {} failed",
                    counted(summary.statements, "statement"),
                    summary.allowed,
                    summary.refused,
                    summary.failed
                );
                match summary.resumed {
                    true => format!(
                        "{counts}, since Icecore's proxy was replaced in the session; the record has all"
                    ),
                    false => counts,
                }
            }
            Told::Closed { summary: None, .. } => "what was done cannot be told".to_owned(),
            Told::Lost(reason) => {
                format!("the session was lost: {}", terminal(reason))
            }
        };
        if self.opened.mode == "observe" {
            line.push_str(
                "; observe mode: nothing was refused, the record says what would have been",
            );
        } else {
            line.push_str(&format!("; {}", terminal(&self.opened.mode)));
        }
        if self.opened.record_mode == "best_effort" {
            line.push_str("; best_effort record: some of it may be lost");
        }
        if self.opened.same_uid {
            line.push_str("; same uid: the command could read or mint its job's tokens");
        }
        if let Some(reason) = &self.opened.advisory {
            line.push_str(&format!("; advisory: {}", terminal(reason)));
        }
        line
    }

    fn record(&self) -> String {
        let Opened { session, store, .. } = self.opened;
        let store = if store == DEFAULT_STORE {
            String::new()
        } else {
            format!(" --store {}", terminal(store))
        };
        let sudo = if self.is_roots_store { "sudo " } else { "" };
        match self.told {
            Told::Closed {
                problem: Some(problem),
                ..
            } => format!(
                "record of session {session} is not complete: {}",
                terminal(problem)
            ),
            Told::Closed {
                summary: Some(summary),
                ..
            } if !summary.recorded => {
                format!("record has gaps: {sudo}icecore replay {session}{store}")
            }
            Told::Closed { .. } | Told::Lost(_) => {
                format!("record: {sudo}icecore replay {session}{store}")
            }
        }
    }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
