//! `icecore enter --watch`: each container whose first process has a variable becomes a session, whichever engine starts it.
//!
//! Engines differ in hooks and sockets; a cgroup and an environment all containers have. One that is made without the variable
//! is no session, and reaches no governed address either: those are guarded on the whole host. What runs in a container is not
//! trusted: neither may it stop the watch for others, nor take their places.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Exit;
use super::engines::{Owner, Pattern, Place, places};
use super::failure::Failure;
use super::looking::{Late, Looked, Sought, Timed, within};
use super::tell::tell;
use crate::connection::redirect::v2_mount;

/// How often new containers are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// After how many looks one that could not be a session is tried again: at first, and when it has failed for long.
const RETRY_LOOKS: u32 = 20;
const RETRY_LOOKS_MAX: u32 = 240;

/// Longest that one process is looked at; one that takes longer is not waited for again until that look has ended.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Longest that the daemon is waited for to make a session. One that takes longer goes on, and is heard of in a later round: who
/// holds the daemon up by one container holds nobody else's up here.
const ENTER_WITHIN: Duration = Duration::from_millis(500);

/// Most sessions of one owner: a container and what it makes below its cgroup, a pod, a user whose cgroups root has watched.
const SESSIONS_MAX: usize = 16;

/// Most processes of one owner that are looked at in a round; those that were not looked at for longest come first.
const LOOKS_MAX: u32 = 16;

/// For so many looks a process may still become its container's first program, such as the runtime's own that starts it; after
/// them it is looked at seldom.
const BEGINS_LOOKS: u32 = 40;

type Outcome = Result<Option<Looked>, Failure>;

/// Makes a session of the processes of a cgroup.
pub(super) type Enter = dyn Fn(Looked, PathBuf) -> Result<(), Failure> + Send + Sync;

/// What a turn came to.
enum Turn {
    /// It is not to be a session.
    Without,
    /// It is one.
    Entered,
    /// It is to be one, and the daemon has not said yet whether it is.
    Asked(Late<Result<(), Failure>>),
}

/// One of which the daemon has not said yet whether it is a session.
struct Asked {
    id: u64,
    pid: u32,
    late: Late<Result<(), Failure>>,
}

/// Why one is no session yet.
#[derive(Debug)]
struct Failed {
    text: String,
    /// How many looks it is left alone, and how many that will be the next time.
    left: u32,
    next: u32,
}

/// What is known of the containers that there are.
struct Watch {
    sought: Sought,
    engines: Vec<Pattern>,
    /// Those that are sessions.
    entered: BTreeMap<u64, Owner>,
    failed: BTreeMap<u64, Failed>,
    /// In which round each was looked at last.
    looked: BTreeMap<u64, u64>,
    /// How often each was found without the variable.
    without: BTreeMap<u64, u32>,
    /// Looks that are not over.
    late: BTreeMap<Owner, Late<Outcome>>,
    /// Those that the daemon was asked for and has not answered.
    asked: BTreeMap<Owner, Asked>,
    round: u64,
}

/// Makes sessions of containers until this process is ended.
pub(super) fn watch(
    sought: Sought,
    engines: Vec<Pattern>,
    enter: &Arc<Enter>,
) -> Result<(), Failure> {
    let mount = v2_mount().ok_or_else(|| {
        Failure::text(
            Exit::Unreachable,
            "expected cgroup v2 to be mounted, found none",
        )
    })?;
    tell(format_args!(
        "icecore: watching for containers with {}",
        sought.variable
    ));
    let mut watch = Watch::new(sought, engines);
    loop {
        watch.round(&mount, enter);
        thread::sleep(LOOK_INTERVAL);
    }
}

impl Watch {
    fn new(sought: Sought, engines: Vec<Pattern>) -> Self {
        Self {
            sought,
            engines,
            entered: BTreeMap::new(),
            failed: BTreeMap::new(),
            looked: BTreeMap::new(),
            without: BTreeMap::new(),
            late: BTreeMap::new(),
            asked: BTreeMap::new(),
            round: 0,
        }
    }

    /// Looks once at what there is.
    fn round(&mut self, mount: &Path, enter: &Arc<Enter>) {
        self.round += 1;
        self.hear();
        let found = places(mount, &self.engines);
        self.entered.retain(|id, _| found.contains_key(id));
        self.failed.retain(|id, _| found.contains_key(id));
        self.looked.retain(|id, _| found.contains_key(id));
        self.without.retain(|id, _| found.contains_key(id));
        self.late.retain(|_, late| !late.is_over());
        let mut due: Vec<(u64, Place)> = found.into_iter().collect();
        due.retain(|(id, _)| self.is_due(*id));
        due.sort_by_key(|(id, _)| self.looked.get(id).copied());
        let mut looks: BTreeMap<Owner, u32> = BTreeMap::new();
        for (id, place) in due {
            // One that hangs holds up its owner's others, and nobody else's.
            if self.late.contains_key(&place.owner) || self.asked.contains_key(&place.owner) {
                continue;
            }
            let count = looks.entry(place.owner.clone()).or_default();
            if *count >= LOOKS_MAX {
                continue;
            }
            self.looked.insert(id, self.round);
            let Some(pid) = first_process(&place.folder) else {
                continue;
            };
            *count += 1;
            match self.one(pid, &place, enter) {
                Ok(Turn::Without) => {
                    let without = self.without.entry(id).or_default();
                    *without = without.saturating_add(1);
                }
                Ok(Turn::Entered) => self.entered(id, place.owner),
                Ok(Turn::Asked(late)) => {
                    self.asked.insert(place.owner, Asked { id, pid, late });
                }
                Err(failure) => self.fail(id, pid, failure.words()),
            }
        }
    }

    /// Hears what the daemon has said since of those that it was asked for.
    fn hear(&mut self) {
        for (owner, asked) in std::mem::take(&mut self.asked) {
            match asked.late.outcome() {
                None => {
                    self.asked.insert(owner, asked);
                }
                Some(Ok(Ok(()))) => self.entered(asked.id, owner),
                Some(Ok(Err(failure))) => self.fail(asked.id, asked.pid, failure.words()),
                Some(Err(error)) => self.fail(asked.id, asked.pid, error.to_string()),
            }
        }
    }

    fn entered(&mut self, id: u64, owner: Owner) {
        self.failed.remove(&id);
        self.entered.insert(id, owner);
    }

    /// Tells whether one is to be looked at, and counts down until it is again.
    fn is_due(&mut self, id: u64) -> bool {
        match self.failed.get_mut(&id) {
            Some(failed) if failed.left > 0 => {
                failed.left -= 1;
                false
            }
            Some(_) | None => {
                let is_seldom = self.without.get(&id) > Some(&BEGINS_LOOKS);
                let is_its_turn = self.round.is_multiple_of(u64::from(RETRY_LOOKS));
                !self.entered.contains_key(&id) && (!is_seldom || is_its_turn)
            }
        }
    }

    /// Makes a session of one if it is to be one; tells whether it is.
    fn one(&mut self, pid: u32, place: &Place, enter: &Arc<Enter>) -> Result<Turn, Failure> {
        let sought = self.sought.clone();
        let no_thread = |error| {
            let text = format!("process {pid} cannot be looked at");
            Failure::new(Exit::Refused, anyhow::Error::from(error).context(text))
        };
        let looked = within(LOOK_WITHIN, move || sought.look(pid)).map_err(no_thread)?;
        let looked = match looked {
            Timed::Done(looked) => looked?,
            Timed::Late(late) => {
                self.late.insert(place.owner.clone(), late);
                let text = format!(
                    "expected its environment, arguments and token within {} s, found no answer: its memory or a file of its \
                     own hangs; it and what is made beside it are looked at again when that has ended",
                    LOOK_WITHIN.as_secs()
                );
                return Err(Failure::text(Exit::Refused, text));
            }
        };
        let Some(looked) = looked else {
            return Ok(Turn::Without);
        };
        let of_owner = self.entered.values().filter(|owner| **owner == place.owner);
        if of_owner.count() >= SESSIONS_MAX {
            let whose = match &place.owner {
                Owner::Made(folder) => format!("in `{}`", folder.display()),
                Owner::User(uid) => format!("of uid {uid}"),
            };
            let text = format!("expected at most {SESSIONS_MAX} sessions {whose}, found another");
            return Err(Failure::text(Exit::Refused, text));
        }
        let (enter, folder) = (Arc::clone(enter), place.folder.clone());
        match within(ENTER_WITHIN, move || enter(looked, folder)).map_err(no_thread)? {
            Timed::Done(entered) => entered.map(|()| Turn::Entered),
            Timed::Late(late) => Ok(Turn::Asked(late)),
        }
    }

    /// Says why one is no session, once, and leaves it alone for a while: each time for longer.
    fn fail(&mut self, id: u64, pid: u32, text: String) {
        let before = self.failed.get(&id);
        if before.is_none_or(|before| before.text != text) {
            tell(format_args!("icecore: process {pid}: {text}"));
        }
        let left = before.map_or(RETRY_LOOKS, |before| before.next);
        let next = left.saturating_mul(2).min(RETRY_LOOKS_MAX);
        self.failed.insert(id, Failed { text, left, next });
    }
}

/// Finds a process that is in a cgroup itself.
fn first_process(cgroup: &Path) -> Option<u32> {
    let procs = fs::read_to_string(cgroup.join("cgroup.procs")).ok()?;
    procs.lines().next()?.parse().ok().filter(|pid| *pid > 1)
}

#[cfg(test)]
#[path = "watching_tests.rs"]
mod tests;
