//! One session's statements and uses of tools, joined as they come: a link at once, and another where more is known later.
//! No clock and no I/O: who calls says when it was.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use super::echo::{Delivered, Echoes, Text};
use super::evidence::{Attestation, Corroboration, Evidence, PromptOrigin, Says};
use super::grade::Grade;
use super::judge::{Arrived, Judged, Known, judge};
use super::link::{Link, MATCHER_VERSION};
use super::open::{Call, Calls, Held, Opened, Prepared};
use crate::id::StatementId;

/// Most statements that are remembered to be judged again, most attested prompts, and most words of agents about their uses,
/// of which as many are remembered.
const RECENT_MAX: usize = 512;
const ATTESTED_MAX: usize = 4096;
const TOLD_MAX: usize = 1024;

/// Most bytes of the statements that are remembered. The latest is remembered however long it is.
const RECENT_MAX_BYTES: usize = 8 << 20;

/// Most bytes of texts that statements are compared with when they are judged again, the latest first: each with all that the
/// session's uses hold. What is beyond stays as it was judged.
const AGAIN_MAX_BYTES: usize = 128 << 20;

/// Most statements, the latest ones, whose answers are looked for in a result, and most bytes of all that is kept of answers.
const ANSWERS_MAX: usize = 64;
const ANSWERS_MAX_BYTES: usize = 1 << 20;

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
    /// What answers said and models were told.
    echoes: Echoes,
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
        let prepared = Prepared::of(&call.name, &call.arguments);
        self.put(call, prepared, at)
    }

    /// Takes a use whose arguments were looked at before.
    pub fn put(
        &mut self,
        call: &Opened,
        prepared: Prepared,
        at: DateTime<Utc>,
    ) -> (Held, Vec<Link>) {
        let held = self.calls.put(call, prepared, at);
        (held, self.reconsider(|recent| recent.statement.at >= at))
    }

    /// Notes that uses may have been asked for, up to a time, of which nothing is known: none is the only one then.
    pub fn missed(&mut self, at: DateTime<Utc>) {
        self.calls.missed(at);
    }

    /// Takes the results that a request of a process carries, by its exec; gives links that supersede others.
    pub fn results_seen(
        &mut self,
        results: &[Returned],
        owner: Option<u64>,
        at: DateTime<Utc>,
    ) -> Vec<Link> {
        let mut changed = BTreeSet::new();
        let texts: Vec<Text> = results.iter().map(|one| Text::of(&one.text)).collect();
        for (place, (result, text)) in results.iter().zip(&texts).enumerate() {
            let others = texts
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place);
            let others: Vec<&Text> = others.map(|(_, text)| text).collect();
            for (call, statement) in self.echoes_in((result, owner), (text, &others), at) {
                changed.insert(statement);
                self.echoed.insert((call, statement));
            }
        }
        let mut is_closed = false;
        for result in results {
            let is_first =
                |call: &Call| call.is_of(&result.tool_call_id, owner) && call.is_open(at);
            // Every later request repeats it.
            if self.calls.all().any(is_first) {
                self.echoes.hear(&result.text);
            }
            is_closed |= self.calls.result_seen(&result.tool_call_id, owner, at);
        }
        if !is_closed && changed.is_empty() {
            return Vec::new();
        }
        // A statement that came after a result, and was judged before the result was read, was open for nothing.
        self.reconsider(|recent| {
            changed.contains(&recent.statement.id) || (is_closed && recent.statement.at >= at)
        })
    }

    /// Takes a statement, and gives its first link.
    pub fn arrived(&mut self, statement: Arrived) -> Link {
        self.judged(statement, None)
    }

    /// Takes a statement that was let go on before it could be judged; gives the link that supersedes [`Link::late`].
    pub fn arrived_late(&mut self, statement: Arrived) -> Link {
        let late = Link::late(statement.id);
        self.judged(statement, Some(late.link_id))
    }

    fn judged(&mut self, statement: Arrived, supersedes: Option<String>) -> Link {
        let before = usize::from(supersedes.is_some());
        let link = self.link(&statement, supersedes, before);
        self.recent.push_back(Recent {
            statement,
            delivered: Delivered::default(),
            link: link.clone(),
            count: before + 1,
        });
        self.forget();
        link
    }

    /// Forgets the oldest statements, as far as there are too many or too long ones.
    fn forget(&mut self) {
        let sizes = self.recent.iter().map(|one| one.statement.sql.bytes());
        let mut bytes: usize = sizes.sum();
        while self.recent.len() > RECENT_MAX || (bytes > RECENT_MAX_BYTES && self.recent.len() > 1)
        {
            let Some(old) = self.recent.pop_front() else {
                return;
            };
            bytes = bytes.saturating_sub(old.statement.sql.bytes());
            self.echoed
                .retain(|(_, statement)| *statement != old.statement.id);
        }
    }

    /// Takes what was delivered for a statement, to know it again in a result; tells whether the statement is known.
    pub fn delivered(&mut self, statement: StatementId, delivered: &Delivered) -> bool {
        let recent = self
            .recent
            .iter_mut()
            .find(|recent| recent.statement.id == statement);
        let Some(recent) = recent else { return false };
        let sql = recent.statement.sql.text();
        recent.delivered = self.echoes.take(statement, delivered, sql);
        let mut bytes = 0;
        for recent in self.recent.iter_mut().rev() {
            bytes += recent.delivered.bytes();
            if bytes > ANSWERS_MAX_BYTES {
                recent.delivered = Delivered::default();
            }
        }
        true
    }

    /// Takes what a person said to a model: whoever repeats it needs no answer for it.
    pub fn said(&mut self, text: &str) {
        self.echoes.hear(text);
    }

    /// Finds the statements whose answers came back in a result, each with the use that it is of.
    fn echoes_in(
        &mut self,
        (result, owner): (&Returned, Option<u64>),
        (text, others): (&Text, &[&Text]),
        at: DateTime<Utc>,
    ) -> Vec<(String, StatementId)> {
        let mut found = Vec::new();
        let calls = self.calls.all();
        let is_meant = |call: &&Call| call.is_of(&result.tool_call_id, owner) && call.is_open(at);
        for call in calls.filter(is_meant) {
            // One that is linked by its text gains nothing.
            let during = self.recent.iter().rev().filter(|recent| {
                recent.link.grade < Grade::Strong
                    && !recent.delivered.is_empty()
                    && call.is_open(recent.statement.at)
            });
            for recent in during.take(ANSWERS_MAX) {
                let of = (recent.statement.id, &recent.delivered);
                if self.echoes.is_echo(of, text, others, &call.told) {
                    found.push((call.id.clone(), recent.statement.id));
                }
            }
        }
        found
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
        // An agent may say the same as often as it likes: that is judged once.
        if self.attested.contains(&attestation) {
            return Vec::new();
        }
        let key = attestation.prompt_key().to_owned();
        self.attested.push_back(attestation);
        if self.attested.len() > ATTESTED_MAX {
            self.attested.pop_front();
        }
        self.reconsider(|recent| recent.link.prompt_key.as_ref() == Some(&key))
    }

    /// Judges statements again; gives the links that say another thing than the last ones.
    fn reconsider(&mut self, is_meant: impl Fn(&Recent) -> bool) -> Vec<Link> {
        let is_told = |link: &Link| link.evidence.has(Evidence::TELEMETRY);
        let mut again = Vec::new();
        let mut left = AGAIN_MAX_BYTES;
        for (at, recent) in self
            .recent
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, recent)| is_meant(recent))
        {
            let cost = self.calls.bytes() + recent.statement.sql.bytes();
            let Some(less) = left.checked_sub(cost) else {
                break;
            };
            left = less;
            let last = &recent.link;
            let link = self.link(&recent.statement, Some(last.link_id.clone()), recent.count);
            let is_echoed = |link: &Link| link.evidence.has(Evidence::ECHO);
            let is_other = link.grade != last.grade
                || (is_echoed(&link) && !is_echoed(last))
                || link.tool_call_id != last.tool_call_id
                || link.llm_call_id != last.llm_call_id
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
        again.reverse();
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

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
