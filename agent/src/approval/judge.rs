//! How a request stands: which decisions count, and whether they are enough.
//!
//! Neither their order nor who wrote them into the mailbox counts, so that one bad writer can neither approve nor keep others
//! from deciding.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::approved::Approval;
use super::decision::{Answer, Decision, Said};
use super::needs::OF_NOBODY_KNOWN;
use super::proof::{ProofError, Proved};
use super::request::{FORMAT_VERSION, Grade, Need, Request};
use super::rules::{Group, Rules};
use super::word::{REASON_MAX_CHARACTERS, Word};

/// A decision as it lies in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What it says.
    pub decision: Decision,
}

/// A decision that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Yes or no.
    pub answer: Answer,
    /// Who decided, as `issuer:subject`.
    pub person: String,
    /// In the name of which groups.
    pub groups: BTreeSet<String>,
    /// How well that is proved.
    pub grade: Grade,
    /// In which context the person logged in.
    pub acr: Option<String>,
    /// By which methods.
    pub amr: BTreeSet<String>,
    /// When it was said.
    pub at: DateTime<Utc>,
    /// Why, in the person's own words.
    pub reason: Option<String>,
    /// For how long statements of the same shape may run too.
    pub grant_s: Option<u64>,
    /// By which face.
    pub face: String,
    /// SHA-256 of the issuer's keys that proved it.
    pub keys_sha256: Option<[u8; 32]>,
}

/// A decision that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCounted {
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Who made it, if that is proved.
    pub person: Option<String>,
    /// Why it does not count.
    pub why: Uncounted,
}

/// Why a decision does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncounted {
    /// It is of a later form.
    #[error("expected a decision of format {FORMAT_VERSION}, found {0}")]
    Version(u32),
    /// It is about something else.
    #[error("expected a decision about this request as it was asked, found one about another")]
    Other,
    /// A text of it is too long.
    #[error("expected a reason of at most {REASON_MAX_CHARACTERS} characters, found a longer one")]
    Reason,
    /// Nobody is known to have made it.
    #[error("{0}")]
    Proof(#[from] ProofError),
    /// It was made before the request, or after its time, or lies in the future.
    #[error("expected a decision between {from} and {until}, found one of {at}")]
    Time {
        /// The request's time.
        from: DateTime<Utc>,
        /// Its end, or the time of the look if that is earlier.
        until: DateTime<Utc>,
        /// When it was made.
        at: DateTime<Utc>,
    },
    /// Whoever asks does not say yes.
    #[error("`{0}` stands behind the request, and nobody approves their own")]
    Own(String),
    /// The person may not decide this.
    #[error("`{person}` is in none of the groups that were asked: {groups}")]
    NoMember {
        /// The person.
        person: String,
        /// The groups.
        groups: String,
    },
    /// It is proved by less than is asked for.
    #[error("expected a decision proved as `{expected}`, found `{found}`")]
    Grade {
        /// Least grade.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The person logged in otherwise than is asked for.
    #[error("expected a login with {expected}, found {found}")]
    Login {
        /// What the group asks for.
        expected: String,
        /// What the token tells.
        found: String,
    },
    /// It was made outside of the group's hours.
    #[error("group `{0}` says yes in its working hours alone")]
    Hours(String),
    /// A person who may approve alone must say why.
    #[error("expected a reason from whoever approves alone, found none")]
    NoReason,
    /// The same person has decided already.
    #[error("`{0}` has decided already, and counts once")]
    Again(String),
}

/// How a request stands.
#[derive(Debug)]
pub enum Standing {
    /// More people must say yes: so many of each group.
    Waiting(BTreeMap<String, u32>),
    /// Enough said yes.
    Approved(Approval),
    /// Somebody who may said no.
    Denied(Denial),
}

/// Who said no, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The decision.
    pub decision: Counted,
}

/// How a request stands, and what came of each decision.
#[derive(Debug)]
pub struct Judged {
    /// How it stands.
    pub standing: Standing,
    /// Decisions that count, in the order of their digests.
    pub counted: Vec<Counted>,
    /// Decisions that do not.
    pub not_counted: Vec<NotCounted>,
}

/// Judges a request by what was said to it.
#[must_use]
pub fn judge<'w>(
    rules: &Rules,
    request: &Arc<Request>,
    words: impl Iterator<Item = &'w Word>,
    now: DateTime<Utc>,
) -> Judged {
    let own = rules.behind(&request.requester);
    let scale = Scale {
        rules,
        request,
        own,
        now,
    };
    let mut not_counted = Vec::new();
    let mut by_person: BTreeMap<(String, Answer), Vec<Counted>> = BTreeMap::new();
    for word in words {
        let proved = word.proved.clone();
        let person = proved.as_ref().ok().map(|proved| proved.person.clone());
        match proved.and_then(|proved| scale.count(word, proved)) {
            Ok(counted) => {
                let key = (counted.person.clone(), counted.answer);
                by_person.entry(key).or_default().push(counted);
            }
            Err(why) => not_counted.push(NotCounted {
                sha256: word.sha256.clone(),
                person,
                why,
            }),
        }
    }
    let mut counted = Vec::new();
    for (_, mut decisions) in by_person {
        // Of one person's several the same one counts, in whichever order they are read: that for most groups.
        decisions.sort_by_key(|one| (Reverse(one.groups.len()), one.sha256.clone()));
        let mut decisions = decisions.into_iter();
        counted.extend(decisions.next());
        not_counted.extend(decisions.map(|one| NotCounted {
            sha256: one.sha256,
            why: Uncounted::Again(one.person.clone()),
            person: Some(one.person),
        }));
    }
    counted.sort_by(|one, other| one.sha256.cmp(&other.sha256));
    not_counted.sort_by(|one, other| one.sha256.cmp(&other.sha256));
    Judged {
        standing: scale.standing(&counted),
        counted,
        not_counted,
    }
}

/// What decisions are weighed by.
struct Scale<'a> {
    rules: &'a Rules,
    request: &'a Arc<Request>,
    own: BTreeSet<String>,
    now: DateTime<Utc>,
}

impl NotCounted {
    /// Tells whether it can never count; else it may at a time that comes.
    #[must_use]
    pub fn is_for_good(&self, now: DateTime<Utc>) -> bool {
        match &self.why {
            Uncounted::Time { at, .. } => *at <= now,
            // Of one person's several another may count where more of them are known.
            Uncounted::Again(_) => false,
            Uncounted::Version(_)
            | Uncounted::Other
            | Uncounted::Reason
            | Uncounted::Proof(_)
            | Uncounted::Own(_)
            | Uncounted::NoMember { .. }
            | Uncounted::Grade { .. }
            | Uncounted::Login { .. }
            | Uncounted::Hours(_)
            | Uncounted::NoReason => true,
        }
    }
}

impl Scale<'_> {
    /// Takes a decision if it counts.
    fn count(&self, word: &Word, proved: Proved) -> Result<Counted, Uncounted> {
        let said = &word.said;
        self.check_time(proved.at)?;
        // Whoever had logged in before there was anything to decide did not log in for this.
        if let Some(logged_in_at) = proved.logged_in_at {
            self.check_time(logged_in_at)?;
        }
        let is_own = self.own.contains(&proved.person);
        if is_own && said.answer == Answer::Approve {
            return Err(Uncounted::Own(proved.person));
        }
        let mut why = None;
        let mut groups = BTreeSet::new();
        for (name, group) in self.asked(&proved) {
            match allows(self.needed(name), (name, group), said, &proved) {
                Ok(()) => drop(groups.insert(name.to_owned())),
                Err(error) => why = why.or(Some(error)),
            }
        }
        if groups.is_empty() {
            let asked: Vec<&str> = self.request.needs.iter().map(|need| &*need.group).collect();
            return Err(why.unwrap_or_else(|| Uncounted::NoMember {
                person: proved.person.clone(),
                groups: asked.join(", "),
            }));
        }
        Ok(Counted {
            sha256: word.sha256.clone(),
            answer: said.answer,
            person: proved.person,
            groups,
            grade: proved.grade,
            acr: proved.acr,
            amr: proved.amr,
            at: proved.at,
            reason: said.reason.clone(),
            grant_s: said.grant_s,
            face: said.face.clone(),
            keys_sha256: proved.keys_sha256,
        })
    }

    fn check_time(&self, at: DateTime<Utc>) -> Result<(), Uncounted> {
        let leeway = TimeDelta::from_std(self.rules.issuer.leeway).unwrap_or_default();
        let from = self.request.requested_at;
        let until = self.request.expires_at.min(self.now + leeway);
        if at < from - leeway || at >= self.request.expires_at || at > until {
            return Err(Uncounted::Time { from, until, at });
        }
        Ok(())
    }

    /// Lists the groups in whose name a person may decide: those that are asked, and those that may always.
    fn asked<'s>(&'s self, proved: &'s Proved) -> impl Iterator<Item = (&'s str, &'s Group)> {
        self.rules.groups.iter().filter_map(|(name, group)| {
            let is_asked = group.break_glass || self.needed(name).is_some();
            let is_member =
                group.members.contains(&proved.person) || !group.groups.is_disjoint(&proved.groups);
            (is_asked && is_member).then_some((name.as_str(), group))
        })
    }

    fn needed(&self, group: &str) -> Option<&Need> {
        self.request.needs.iter().find(|need| need.group == group)
    }

    fn standing(&self, counted: &[Counted]) -> Standing {
        if let Some(denied) = counted.iter().find(|one| one.answer == Answer::Deny) {
            return Standing::Denied(Denial {
                decision: denied.clone(),
            });
        }
        let glass: Vec<Counted> = counted
            .iter()
            .filter(|one| self.breaks_glass(one))
            .take(self.glass_breakers())
            .cloned()
            .collect();
        let missing: BTreeMap<String, u32> = self
            .request
            .needs
            .iter()
            .filter_map(|need| {
                let wanted = self.wanted(need);
                let said = counted
                    .iter()
                    .filter(|one| one.groups.contains(&need.group));
                let said = u32::try_from(said.count()).unwrap_or(u32::MAX);
                (said < wanted).then(|| (need.group.clone(), wanted - said))
            })
            .collect();
        // A request that needs nobody is none of ours.
        let is_met = missing.is_empty() && !self.request.needs.is_empty();
        if is_met {
            self.approved(counted.to_vec(), false)
        } else if glass.len() == self.glass_breakers() {
            self.approved(glass, true)
        } else {
            Standing::Waiting(missing)
        }
    }

    /// Tells how many may break the glass: one, unless nobody can tell whether that one asks.
    fn glass_breakers(&self) -> usize {
        match self.rules.doubt(&self.request.requester) {
            Some(_) => OF_NOBODY_KNOWN as usize,
            None => 1,
        }
    }

    fn breaks_glass(&self, counted: &Counted) -> bool {
        let groups = counted.groups.iter();
        let mut groups = groups.filter_map(|name| self.rules.groups.get(name));
        groups.any(|group| group.break_glass)
    }

    /// Tells how many of a group must say yes: as the request says, and never fewer than the rules say by this time.
    fn wanted(&self, need: &Need) -> u32 {
        let ruled = self.rules.groups.get(&need.group);
        // Nobody is in a group that is gone.
        ruled
            .map_or(u32::MAX, |group| group.approvers.max(need.approvers))
            .max(1)
    }

    fn approved(&self, counted: Vec<Counted>, is_break_glass: bool) -> Standing {
        let longest = |one: &Counted| {
            let groups = one
                .groups
                .iter()
                .filter_map(|name| self.rules.groups.get(name));
            let most = groups
                .map(|group| group.grant_max.map(|most| most.as_secs()))
                .min();
            Some(one.grant_s?.min(most.flatten()?))
        };
        // For as long as the most careful of them says.
        let grants: Option<Vec<u64>> = counted.iter().map(longest).collect();
        let grant_s = grants.and_then(|grants| grants.into_iter().min());
        let grant_s = grant_s.filter(|seconds| *seconds > 0 && !is_break_glass);
        let request = Arc::clone(self.request);
        Standing::Approved(Approval::new(request, counted, is_break_glass, grant_s))
    }
}

/// Tells whether a member's word counts in a group's name. A no counts at any hour.
fn allows(
    need: Option<&Need>,
    (name, group): (&str, &Group),
    said: &Said,
    proved: &Proved,
) -> Result<(), Uncounted> {
    let grade = need.map_or(group.proof, |need| need.proof.max(group.proof));
    if proved.grade < grade {
        return Err(Uncounted::Grade {
            expected: grade.as_str(),
            found: proved.grade.as_str(),
        });
    }
    let is_context = match &proved.acr {
        _ if group.acr.is_empty() => true,
        Some(acr) => group.acr.contains(acr),
        None => false,
    };
    if !is_context || !group.amr.is_subset(&proved.amr) {
        let listed =
            |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(", ");
        let acr = proved.acr.as_deref().unwrap_or("none");
        return Err(Uncounted::Login {
            expected: format!(
                "acr one of [{}], amr all of [{}]",
                listed(&group.acr),
                listed(&group.amr)
            ),
            found: format!("acr {acr}, amr [{}]", listed(&proved.amr)),
        });
    }
    if said.answer == Answer::Deny {
        return Ok(());
    }
    if let Some(hours) = &group.hours
        && !hours.include(proved.at)
    {
        return Err(Uncounted::Hours(name.to_owned()));
    }
    let has_reason = said
        .reason
        .as_deref()
        .is_some_and(|text| !text.trim().is_empty());
    if group.break_glass && !has_reason {
        return Err(Uncounted::NoReason);
    }
    Ok(())
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
