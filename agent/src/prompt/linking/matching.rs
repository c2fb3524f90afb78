//! One session's statements and uses of tools, joined as they come: a link at once, and another where more is known later.
//! No clock and no I/O: who calls says when it was.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use super::echo::{Delivered, RESULT_MAX_BYTES, distinctive, is_echo};
use super::evidence::{Attestation, Corroboration, Evidence, PromptOrigin, Says};
use super::judge::{Arrived, Judged, Known, judge};
use super::link::{Link, MATCHER_VERSION};
use super::open::{Calls, Held, Opened, truncate};
use crate::id::StatementId;

/// Most statements that are remembered to be judged again, most attested prompts, and most words of agents about their uses,
/// of which as many are remembered.
const RECENT_MAX: usize = 512;
const ATTESTED_MAX: usize = 4096;
const TOLD_MAX: usize = 1024;

/// A result of a use of a tool, as a later request to a model carries it.
#[derive(Clone, Debug, Default)]
pub struct Returned {
    /// The use's id.
    pub tool_call_id: String,
    /// What the agent says it gave.
    pub text: String,
}

/// A session's statements and uses.
#[derive(Debug, Default)]
pub struct Matching {
    calls: Calls,
    recent: VecDeque<Recent>,
    /// Prompts that the session's launcher had handed over.
    attested: VecDeque<Attestation>,
    /// What the processes that called models say of their uses.
    told: VecDeque<Corroboration>,
    /// Which statement's answer came back in which use's result.
    echoed: BTreeSet<(String, StatementId)>,
}

/// A statement that was judged.
#[derive(Debug)]
struct Recent {
    statement: Arrived,
    delivered: Delivered,
    link: Link,
    count: usize,
}

impl Matching {
    /// Takes a use of a tool from the time at which the model had asked for it in full; gives what it holds, and links that
    /// supersede those of statements that came before the answer had been read.
    pub fn opened(&mut self, call: &Opened, at: DateTime<Utc>) -> (Held, Vec<Link>) {
        let held = self.calls.opened(call, at);
        (held, self.reconsider(|recent| recent.statement.at >= at))
    }

    /// Takes the results that a request carries; gives links that supersede others.
    pub fn results_seen(&mut self, results: &[Returned], at: DateTime<Utc>) -> Vec<Link> {
        let mut changed = BTreeSet::new();
        for result in results {
            let mut text = result.text.clone();
            truncate(&mut text, RESULT_MAX_BYTES);
            let calls = self
                .calls
                .all()
                .filter(|call| call.id == result.tool_call_id && call.is_open(at));
            for call in calls {
                let during = self
                    .recent
                    .iter()
                    .filter(|recent| call.is_open(recent.statement.at));
                let echoed = during.filter(|recent| is_echo(&recent.delivered, &text, &call.told));
                for recent in echoed {
                    changed.insert(recent.statement.id);
                    self.echoed.insert((call.id.clone(), recent.statement.id));
                }
            }
            self.calls.result_seen(&result.tool_call_id, at);
        }
        // A statement that came after a result, and was judged before the result was read, was open for nothing.
        self.reconsider(|recent| {
            changed.contains(&recent.statement.id) || recent.statement.at >= at
        })
    }

    /// Takes a statement, and gives its first link.
    pub fn arrived(&mut self, statement: Arrived) -> Link {
        let link = self.link(&statement, None, 0);
        self.recent.push_back(Recent {
            statement,
            delivered: Delivered::default(),
            link: link.clone(),
            count: 1,
        });
        if self.recent.len() > RECENT_MAX
            && let Some(old) = self.recent.pop_front()
        {
            self.echoed
                .retain(|(_, statement)| *statement != old.statement.id);
        }
        link
    }

    /// Takes what was delivered for a statement, to know it again in a result.
    pub fn delivered(&mut self, statement: StatementId, delivered: &Delivered) {
        let recent = self
            .recent
            .iter_mut()
            .find(|recent| recent.statement.id == statement);
        if let Some(recent) = recent {
            recent.delivered = distinctive(delivered, recent.statement.sql.text());
        }
    }

    /// Takes what the process that called a model says of a use; gives links that supersede others.
    pub fn told(&mut self, told: Corroboration) -> Vec<Link> {
        if self.told.contains(&told) {
            return Vec::new();
        }
        let is_of_it = |recent: &Recent| {
            let id = recent.link.tool_call_id.as_deref();
            id.is_some_and(|id| told.is_named(id))
        };
        self.told.push_back(told.clone());
        if self.told.len() > TOLD_MAX {
            self.told.pop_front();
        }
        self.reconsider(is_of_it)
    }

    /// Takes the word of the session's launcher; gives links that supersede others.
    pub fn attested(&mut self, attestation: Attestation) -> Vec<Link> {
        self.attested.push_back(attestation);
        if self.attested.len() > ATTESTED_MAX {
            self.attested.pop_front();
        }
        self.reconsider(|_| true)
    }

    /// Judges statements again; gives the links that say another thing than the last ones.
    fn reconsider(&mut self, is_meant: impl Fn(&Recent) -> bool) -> Vec<Link> {
        let is_told = |link: &Link| link.evidence.has(Evidence::TELEMETRY);
        let mut again = Vec::new();
        for (at, recent) in self
            .recent
            .iter()
            .enumerate()
            .filter(|(_, recent)| is_meant(recent))
        {
            let last = &recent.link;
            let link = self.link(&recent.statement, Some(last.link_id.clone()), recent.count);
            let is_other = link.grade != last.grade
                || link.tool_call_id != last.tool_call_id
                || link.is_mismatch != last.is_mismatch
                || link.prompt_origin != last.prompt_origin
                || is_told(&link) && !is_told(last);
            // A use that was forgotten meanwhile unsays nothing.
            let was_there = last
                .tool_call_id
                .as_ref()
                .is_none_or(|id| self.calls.all().any(|call| call.id == *id));
            if is_other && was_there {
                again.push((at, link));
            }
        }
        for (at, link) in &again {
            if let Some(recent) = self.recent.get_mut(*at) {
                recent.link = link.clone();
                recent.count += 1;
            }
        }
        again.into_iter().map(|(_, link)| link).collect()
    }

    fn link(&self, statement: &Arrived, supersedes: Option<String>, count: usize) -> Link {
        let known = Known {
            told: &|call| {
                let about = self.told.iter();
                let about = about.filter(|told| told.is_about(&call.id, call.owner));
                // What was said once is not taken back.
                let mut says = about.map(Corroboration::says);
                let first = says.next()?;
                Some(if says.any(|one| one == Says::Other) {
                    Says::Other
                } else {
                    first
                })
            },
            is_echoed: &|id, statement| self.echoed.contains(&(id.to_owned(), statement)),
        };
        let Judged {
            call,
            prompt_key,
            grade,
            evidence,
            method,
            candidates,
            overlap,
            is_mismatch,
        } = judge(statement, &self.calls, &known);
        let is_attested = |key: &String| {
            let mut attested = self.attested.iter();
            attested.any(|one| one.prompt_key() == key)
        };
        Link {
            link_id: format!("{}.{count}", statement.id),
            statement_id: statement.id,
            tool_call_id: call.map(|call| call.id.clone()),
            llm_call_id: call.map(|call| call.llm_call_id.clone()),
            grade,
            confidence: grade.confidence(candidates),
            evidence,
            method,
            candidates,
            text_overlap: overlap,
            supersedes,
            is_mismatch,
            prompt_origin: if prompt_key.as_ref().is_some_and(is_attested) {
                PromptOrigin::Attested
            } else {
                PromptOrigin::Claimed
            },
            prompt_key,
        }
    }

    /// Gives the version of the rules, for `matcher_version`.
    #[must_use]
    pub fn version() -> &'static str {
        MATCHER_VERSION
    }
}
