//! What the tries of a session show: who tried says how each ended, and that counts only beside the word of who denied it, which is
//! the kernel's or the proxy's for that very session. A process of the job's user could make doctor's own say anything.

use super::held::Held;
use super::line::Line;
use super::probe::{Attempt, Denier, Try, says_absent};
use crate::control::{SeenDenial, SessionSeen};

/// What a try shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It was denied, by whom it must be.
    Good(String),
    /// It was let through.
    Bad(String),
    /// It was not tried, or nobody bears out that it was denied.
    Unknown(String),
}

/// What doctor knows beside what was said.
#[derive(Debug)]
pub(super) struct Known<'k> {
    /// What the daemon saw of the session; none if it cannot tell, or tells a part.
    pub(super) seen: Option<&'k SessionSeen>,
    /// How the kernel holds its process.
    pub(super) held: &'k Held,
}

impl Known<'_> {
    /// Judges what must have been denied by the list of what was to be tried.
    pub(super) fn of_try(&self, one: &Try, attempts: &[Attempt]) -> Shown {
        let is_it = |attempt: &&Attempt| attempt.line == one.line && attempt.what == one.what;
        let Some(attempt) = attempts.iter().find(is_it) else {
            return Shown::Unknown("was not tried".to_owned());
        };
        let ended = attempt.ended.clone();
        if !attempt.is_good {
            return Shown::Bad(ended);
        }
        let is_borne_out = match one.denier() {
            Denier::Hooks { .. } if says_absent(&ended) => one.is_absent(),
            Denier::Hooks {
                reasons,
                destination,
                protocol,
            } => self.seen.is_some_and(|seen| {
                let is_it = |denial: &SeenDenial| {
                    reasons.contains(&denial.reason)
                        && denial.protocol == protocol
                        && destination.is_none_or(|at| at == denial.destination)
                };
                seen.denials.iter().any(is_it)
            }),
            // It comes before the kernel looks whether it has such a thing.
            Denier::Filter => !says_absent(&ended) && self.held.is_filtered(),
            Denier::Capabilities => self.held.is_without_capabilities(),
        };
        if is_borne_out {
            return Shown::Good(ended);
        }
        Shown::Unknown(match one.denier() {
            Denier::Hooks { .. } if self.seen.is_none() => {
                format!("{ended}, and the daemon does not tell what was denied to this session")
            }
            Denier::Hooks { .. } => {
                format!(
                    "{ended}, by something else than Icecore's programs: what the kernel denied this session has it not"
                )
            }
            Denier::Filter => format!("{ended}, by something else than the launcher's filter"),
            Denier::Capabilities => format!("{ended}, by something else than missing capabilities"),
        })
    }

    /// Judges the canary: the proxy itself must have had its handshake.
    pub(super) fn of_canary(&self, attempt: &Attempt) -> Shown {
        let ended = attempt.ended.clone();
        if !attempt.is_good {
            return Shown::Bad(ended);
        }
        match self.seen {
            Some(seen) if seen.handshakes > 0 => Shown::Good(ended),
            Some(_) => Shown::Bad(format!(
                "{ended}, and the proxy had no handshake of this session"
            )),
            None => Shown::Unknown(format!(
                "{ended}, and the daemon does not tell what its proxy had"
            )),
        }
    }

    /// Judges whether the process could leave its cgroup.
    pub(super) fn of_cgroups(&self, attempt: &Attempt) -> Shown {
        match self.held.left_for() {
            Some(cgroup) => Shown::Bad(format!("its process was found in `{cgroup}`")),
            None => said(attempt),
        }
    }
}

/// Takes the word of who tried, where nobody else has one.
pub(super) fn said(attempt: &Attempt) -> Shown {
    let ended = attempt.ended.clone();
    match (attempt.is_good, attempt.is_cut) {
        (false, _) => Shown::Bad(ended),
        (true, true) => Shown::Unknown(format!(
            "{ended}, and the look was ended before all was seen"
        )),
        (true, false) => Shown::Good(ended),
    }
}

/// Makes a line of what was tried for it.
pub(super) fn line(name: &'static str, good: &str, fix: &str, shown: &[(String, Shown)]) -> Line {
    let told = |pick: fn(&Shown) -> Option<&str>| -> Vec<String> {
        let picked = shown
            .iter()
            .filter_map(|(what, one)| Some((what, pick(one)?)));
        picked
            .map(|(what, ended)| format!("{what}: {ended}"))
            .collect()
    };
    let bad = told(|one| match one {
        Shown::Bad(ended) => Some(ended),
        Shown::Good(_) | Shown::Unknown(_) => None,
    });
    let unknown = told(|one| match one {
        Shown::Unknown(why) => Some(why),
        Shown::Good(_) | Shown::Bad(_) => None,
    });
    if !bad.is_empty() {
        return Line::failed(name, bad.join("; "), fix);
    }
    if !unknown.is_empty() {
        let of = format!("{} of {} tries", unknown.len(), shown.len());
        return Line::not_checked(name, format!("{of} prove nothing: {}", unknown.join("; ")));
    }
    match shown {
        [] => Line::not_checked(name, "there was nothing to try it with"),
        [(what, Shown::Good(ended) | Shown::Bad(ended) | Shown::Unknown(ended))] => {
            Line::ok(name, format!("{good} ({what}: {ended})"))
        }
        all => Line::ok(name, format!("{good} ({} tries)", all.len())),
    }
}

#[cfg(test)]
#[path = "judged_tests.rs"]
mod tests;
