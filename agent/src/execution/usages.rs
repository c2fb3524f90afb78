//! What sessions and principals of this host have used, for policies that read it.
//!
//! A session's use is that of one `icecore run`; a principal's is that of all sessions of this host since midnight UTC.
//! Both outlive the proxy (`usage_file`). Statements of one session, and of one principal, are judged by them and counted
//! one after the other, so that of many at once no more are let go than a budget has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::usage_file::File;
use crate::id::SessionId;
use crate::identity::Principal;
use crate::mask::Ended;
use crate::policy::{Decision, LinkGrade, Usage, Used};

/// Most principals whose use of one day is told apart; what another uses counts as more than any budget has.
const PRINCIPALS_MAX: usize = 4_096;

/// Seconds of a day; Unix time has no others.
const DAY_S: i64 = 86_400;

/// Places of those who wait for each other: two names have the same by chance, and lose no more than time by it.
const TURNS: usize = 64;

/// What nobody has used yet.
static NONE: Used = Used::NONE;

/// What there is no room to count.
static MANY: Used = Used::MANY;

/// What everybody has used.
#[derive(Debug)]
pub struct Usages {
    held: Mutex<Held>,
    /// The turns to judge a statement, taken in this order.
    session_turns: Turns,
    principal_turns: Turns,
    /// Held while files are written: one writes at a time.
    saving: Mutex<()>,
}

#[derive(Debug)]
struct Held {
    sessions: BTreeMap<SessionId, Used>,
    /// Sessions that an earlier proxy served, of which it left nothing that can be read.
    lost: BTreeSet<SessionId>,
    sessions_file: File,
    day: Day,
    day_file: File,
}

/// What principals have used since a midnight, by their names.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    /// Whole days since 1970, UTC.
    day: i64,
    principals: HashMap<String, Used>,
}

impl Day {
    /// Begins the day of a time.
    fn of(now: DateTime<Utc>) -> Self {
        Self {
            day: now.timestamp().div_euclid(DAY_S),
            principals: HashMap::new(),
        }
    }
}

impl Usages {
    /// Reads what an earlier proxy left: of sessions in `run_dir`, which ends with the host's run as they do, of the day in
    /// `state_dir`.
    #[must_use]
    pub fn open(run_dir: &Path, state_dir: &Path, now: DateTime<Utc>) -> Self {
        let path = run_dir.join("used.json");
        let (sessions_file, sessions) = File::open(path, "begin another `icecore run`");
        let path = state_dir.join("used-today.json");
        let (day_file, mut day) = File::open(path, "wait until midnight UTC");
        if day_file.fault().is_some() {
            day = Day::of(now);
        }
        let mut held = Held {
            sessions,
            lost: BTreeSet::new(),
            sessions_file,
            day,
            day_file,
        };
        held.turn(now);
        Self {
            held: Mutex::new(held),
            session_turns: Turns::default(),
            principal_turns: Turns::default(),
            saving: Mutex::new(()),
        }
    }

    /// Begins to count a session.
    pub fn begin(&self, session: SessionId) {
        let mut held = self.held();
        held.sessions.entry(session).or_default();
        held.sessions_file.touch();
    }

    /// Goes on with a session that an earlier proxy served; one that it had not written down yet has used nothing.
    pub fn resume(&self, session: SessionId) {
        let mut held = self.held();
        if held.sessions_file.fault().is_some() {
            held.lost.insert(session);
            return;
        }
        drop(held);
        self.begin(session);
    }

    /// Lets go of a session that is over.
    pub fn forget(&self, session: SessionId) {
        let mut held = self.held();
        held.sessions.remove(&session);
        held.lost.remove(&session);
        held.sessions_file.touch();
    }

    /// Gives what counts a principal's use in a session.
    #[must_use]
    pub fn meter(self: &Arc<Self>, session: SessionId, principal: &Principal) -> Meter {
        self.meter_of(session, &principal.identity().name())
    }

    /// As `meter`, for a principal whose name an earlier proxy kept.
    pub(super) fn meter_of(self: &Arc<Self>, session: SessionId, principal: &str) -> Meter {
        Meter {
            usages: Arc::clone(self),
            session,
            principal: Arc::from(principal),
        }
    }

    /// Writes down what has changed since the last time; waits for the disk.
    pub fn save(&self, now: DateTime<Utc>) {
        let _turn = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.held();
        held.turn(now);
        let Held {
            sessions,
            lost,
            sessions_file,
            day,
            day_file,
        } = &mut *held;
        if sessions_file.mend() {
            let begun = std::mem::take(lost).into_iter();
            sessions.extend(begun.map(|session| (session, Used::NONE)));
        }
        day_file.mend();
        let drafts = [sessions_file.draft(sessions), day_file.draft(day)];
        drop(held);
        for draft in drafts.into_iter().flatten() {
            if let Err(error) = draft.write() {
                tracing::error!(%error, "what was used could not be written down; a restart would go on with what was before");
                let mut held = self.held();
                held.sessions_file.touch();
                held.day_file.touch();
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Begins a day at its midnight. A clock that is put back begins none.
    fn turn(&mut self, now: DateTime<Utc>) {
        let day = Day::of(now);
        if day.day > self.day.day {
            self.day = day;
            self.day_file.begin_anew();
        }
    }

    /// Gives what a session has used.
    fn of_session(&self, session: SessionId) -> Result<&Used, &str> {
        let fault = || self.sessions_file.fault().unwrap_or("its session is over");
        self.sessions.get(&session).ok_or_else(fault)
    }

    /// Gives what a principal has used today.
    fn of_principal(&self, principal: &str) -> Result<&Used, &str> {
        match (self.day_file.fault(), self.day.principals.get(principal)) {
            (Some(fault), _) => Err(fault),
            (None, Some(used)) => Ok(used),
            (None, None) if self.day.principals.len() >= PRINCIPALS_MAX => Ok(&MANY),
            (None, None) => Ok(&NONE),
        }
    }

    /// Changes what a session and a principal have used.
    fn change(&mut self, meter: &Meter, change: impl Fn(&mut Used)) {
        if let Some(used) = self.sessions.get_mut(&meter.session) {
            change(used);
            self.sessions_file.touch();
        }
        if let Some(used) = self.day.principals.get_mut(&*meter.principal) {
            change(used);
        } else if self.day.principals.len() < PRINCIPALS_MAX {
            change(
                self.day
                    .principals
                    .entry(meter.principal.to_string())
                    .or_default(),
            );
        }
        self.day_file.touch();
    }
}

/// Lets one after the other go on: those of one name, and perhaps some of another.
#[derive(Debug)]
struct Turns {
    places: [tokio::sync::Mutex<()>; TURNS],
    /// Gives a name its place, which nobody can choose a name for.
    places_by: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            places: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            places_by: RandomState::new(),
        }
    }
}

impl Turns {
    /// Waits for the turn of a name.
    async fn of(&self, name: &impl Hash) -> tokio::sync::MutexGuard<'_, ()> {
        let [first, ..] = &self.places;
        let place = self.places_by.hash_one(name) % TURNS as u64;
        let place = usize::try_from(place).ok();
        let place = place.and_then(|place| self.places.get(place));
        place.unwrap_or(first).lock().await
    }
}

/// Counts one principal's use in one session.
#[derive(Clone, Debug)]
pub struct Meter {
    usages: Arc<Usages>,
    session: SessionId,
    principal: Arc<str>,
}

impl Meter {
    /// Names the principal.
    pub(super) fn principal(&self) -> &str {
        &self.principal
    }

    /// Has a statement judged by what was used before it, and counts it before the next of its session or principal is
    /// judged. Whoever judges long holds up nobody else.
    pub async fn judge(
        &self,
        now: DateTime<Utc>,
        decide: impl FnOnce(&Usage<'_>) -> Decision,
    ) -> Decision {
        let _session = self.usages.session_turns.of(&self.session).await;
        let _principal = self.usages.principal_turns.of(&self.principal).await;
        let (session, today) = self.used(now);
        let decision = decide(&Usage {
            now,
            session: session.as_ref().map_err(String::as_str),
            today: today.as_ref().map_err(String::as_str),
            found: None,
            link: LinkGrade::UNKNOWN,
            discharged: None,
        });
        self.count(now, &decision);
        decision
    }

    /// Gives what the session and the principal have used, each or why nobody knows.
    fn used(&self, now: DateTime<Utc>) -> (Result<Used, String>, Result<Used, String>) {
        let mut held = self.usages.held();
        held.turn(now);
        let session = held.of_session(self.session).cloned();
        let today = held.of_principal(&self.principal).cloned();
        (session.map_err(str::to_owned), today.map_err(str::to_owned))
    }

    /// Counts a statement that was judged by policies which do not read what was used.
    pub fn count(&self, now: DateTime<Utc>, decision: &Decision) {
        let mut held = self.usages.held();
        held.turn(now);
        held.count(self, decision);
    }

    /// Counts how a statement ended that was let go.
    pub fn ended(&self, now: DateTime<Utc>, ended: Ended) {
        self.change(now, |used| match ended {
            Ended::Succeeded => used.succeeded(),
            Ended::Failed | Ended::Refused => used.failed(),
        });
    }

    /// Counts what was delivered of a result.
    pub fn delivered(&self, now: DateTime<Utc>, rows: u64, bytes: u64) {
        self.change(now, |used| used.delivered(rows, bytes));
    }

    fn change(&self, now: DateTime<Utc>, change: impl Fn(&mut Used)) {
        let mut held = self.usages.held();
        held.turn(now);
        held.change(self, change);
    }
}

impl Held {
    fn count(&mut self, meter: &Meter, decision: &Decision) {
        match decision {
            Decision::Allow(permit) => self.change(meter, |used| used.let_go(permit.taken())),
            Decision::Forbid(_) => self.change(meter, Used::failed),
            // It counts once it is let go, or refused after all.
            Decision::Hold(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "usages_tests.rs"]
mod tests;
