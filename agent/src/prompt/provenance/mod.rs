//! Where the statements of one session come from: takes what its model calls tell and the statements as they arrive, and gives
//! what is to be recorded of both. Pure: no clock, no I/O.
//!
//! Words of people and arguments of tools are kept in memory, and given out only once a statement is linked to them, unless the
//! config wants all of them, or none.

mod fact;
mod kept;
mod ready;
mod tasks;

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};

use super::exchange::At;
use super::linking::evidence::{Launched, PromptOrigin};
use super::linking::{Arrived, Delivered, Link, Matching, Returned};
use super::telemetry::{Heard, Outcome, Report};
use super::{Ids, Trace};
use crate::id::StatementId;

pub use fact::{ArgsFact, Fact, Given, PromptFact, ResultSeen, UseFact, last_links};
pub use ready::Ready;

use kept::{Leaving, Turns, Use, Uses};
use ready::{Kind, ReadyUse};
use tasks::Tasks;

/// Most agents of a session whose traces are remembered.
const AGENTS_MAX: usize = 256;

/// Most links that wait to be recorded once more.
const LOST_MAX: usize = 1024;

/// Most answers that wait for their statements, which were let go on before they could be linked.
const EARLY_MAX: usize = 16;

/// What may leave memory of the words that are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// None.
    None,
    /// Those to which a statement is linked.
    LinkOnly,
    /// All.
    All,
}

/// A session's model calls and statements.
pub struct Provenance {
    capture: Capture,
    matching: Matching,
    turns: Turns,
    uses: Uses,
    /// By their execs, the traces that agents were started in.
    inherited: BTreeMap<u64, String>,
    launched: Launched,
    heard: Heard,
    tasks: Tasks,
    /// Links that could not be recorded.
    lost: VecDeque<Box<Link>>,
    /// Answers of statements that are not linked yet.
    early: VecDeque<(StatementId, Delivered)>,
}

impl Provenance {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(capture: Capture) -> Self {
        Self {
            capture,
            matching: Matching::default(),
            turns: Turns::default(),
            uses: Uses::default(),
            inherited: BTreeMap::new(),
            launched: Launched::default(),
            heard: Heard::default(),
            tasks: Tasks::default(),
            lost: VecDeque::new(),
            early: VecDeque::new(),
        }
    }

    /// Knows the prompts that the session's launcher handed over before its command began.
    #[must_use]
    pub fn of_launcher(self, launched: Launched) -> Self {
        Self { launched, ..self }
    }

    /// Says what may leave memory from here on. Words that were seen while none might stay there.
    pub fn keep(&mut self, capture: Capture) {
        self.capture = capture;
    }

    /// Takes back what was given out and could not be recorded: words leave with the next link to them, links with what is
    /// recorded next.
    pub fn take_back(&mut self, given: Vec<Given>) {
        for one in given {
            match one {
                Given::Prompt(key) => self.turns.take_back(&key),
                Given::Args(call, id) => self.uses.take_back(&call, &id),
                Given::Link(link) => self.lost.push_back(link),
            }
        }
        while self.lost.len() > LOST_MAX {
            self.lost.pop_front();
        }
    }

    /// Notes the trace that an agent's process was started in, by its last exec. All that its parent started is of that trace
    /// too, so it is evidence of nothing where the kernel does not say that the agent started it.
    pub fn started_in(&mut self, owner: u64, trace: Trace) {
        self.inherited.insert(owner, trace.trace_id);
        if self.inherited.len() > AGENTS_MAX {
            self.inherited.pop_first();
        }
    }

    /// Takes what a connection tells; `owner` is the exec of the process that has the connection, as the kernel numbers it.
    pub fn take(&mut self, ready: Ready, owner: Option<u64>) -> Vec<Fact> {
        let mut facts = self.found_again();
        match ready.0 {
            Kind::Asked {
                ids,
                prompts,
                results,
                at,
            } => {
                self.said(prompts, &ids, owner, &mut facts);
                self.results_seen(results, owner, at, &mut facts);
            }
            Kind::Use(ready) => self.asks_for(*ready, owner, &mut facts),
            Kind::Over(call) => {
                // It may have asked for more than was seen.
                if call.is_answer_lost() {
                    self.missed(
                        call.completed
                            .or(call.first_byte)
                            .unwrap_or(call.started)
                            .time,
                    );
                }
                facts.push(Fact::Call(call));
            }
            Kind::Lost(at) => self.missed(at.time),
        }
        facts
    }

    /// Notes that the session's models may have asked for uses of tools, up to a time, of which nothing was read: before this
    /// proxy began, or on a connection that was not read.
    pub fn missed(&mut self, at: DateTime<Utc>) {
        self.matching.missed(at);
    }

    /// Takes a statement; gives its first link, and what is to be recorded of it.
    pub fn arrived(&mut self, statement: Arrived) -> (Link, Vec<Fact>) {
        let link = self.matching.arrived(statement);
        let mut facts = self.found_again();
        self.link(link.clone(), &mut facts);
        (link, facts)
    }

    /// Takes a statement that was not waited for; gives what is to be recorded of it.
    pub fn arrived_late(&mut self, statement: Arrived) -> Vec<Fact> {
        let id = statement.id;
        let link = self.matching.arrived_late(statement);
        let early = self.early.iter().position(|(of, _)| *of == id);
        if let Some((_, delivered)) = early.and_then(|place| self.early.remove(place)) {
            self.matching.delivered(id, &delivered);
        }
        let mut facts = Vec::new();
        self.link(link, &mut facts);
        facts
    }

    /// Takes what a process tells of uses of tools by telemetry; `sender` is the exec of that process, as the kernel numbers
    /// it, 0 where it is not known. Gives what became of each word, and what is to be recorded.
    pub fn heard(&mut self, reports: Vec<Report>, sender: u64) -> (Vec<Outcome>, Vec<Fact>) {
        let told = reports.into_iter();
        let outcomes: Vec<Outcome> = told.map(|one| self.heard.told(one, sender)).collect();
        let mut facts = Vec::new();
        for outcome in &outcomes {
            if let Outcome::Counts(told) = outcome {
                for link in self.matching.told(told.clone()) {
                    self.link(link, &mut facts);
                }
            }
        }
        (outcomes, facts)
    }

    /// Gives what a person said, without secrets, if it may leave memory; with the task that a model made of it, if one did.
    #[must_use]
    pub fn words(&self, prompt_key: &str) -> Option<String> {
        let text = self.turns.words(prompt_key)?;
        let root = self.turns.root(prompt_key);
        let words = match root.and_then(|root| self.turns.words(root)) {
            Some(said) => format!("{said}\n(handed on to a sub-agent by a model: {text})"),
            None if root.is_some() => format!("(handed on to a sub-agent by a model: {text})"),
            None => text.to_owned(),
        };
        (self.capture != Capture::None).then_some(words)
    }

    /// Takes what was delivered for a statement, to know it again in the result of a tool; also before the statement is linked.
    pub fn delivered(&mut self, statement: StatementId, delivered: &Delivered) {
        if self.matching.delivered(statement, delivered) {
            return;
        }
        self.early.push_back((statement, delivered.clone()));
        if self.early.len() > EARLY_MAX {
            self.early.pop_front();
        }
    }

    fn said(
        &mut self,
        prompts: Vec<(String, PromptFact)>,
        ids: &Ids,
        owner: Option<u64>,
        facts: &mut Vec<Fact>,
    ) {
        for (said, mut prompt) in prompts {
            self.matching.said(&said);
            if let Some(root) = self.tasks.root(owner, ids, &prompt.text) {
                prompt.origin = PromptOrigin::Model;
                prompt.root = Some(root);
            } else if let Some(attestation) = self.launched.attests(&prompt.key, &said) {
                prompt.origin = PromptOrigin::Attested;
                for link in self.matching.attested(attestation) {
                    self.link(link, facts);
                }
            }
            let is_all = self.capture == Capture::All;
            // Another process of the session may have said it before.
            if self.turns.keep(prompt.clone(), self.leaving()) && is_all {
                facts.push(Fact::Prompt(Box::new(prompt)));
            }
        }
    }

    fn results_seen(
        &mut self,
        results: Vec<(ResultSeen, Returned)>,
        owner: Option<u64>,
        at: At,
        facts: &mut Vec<Fact>,
    ) {
        let mut all = Vec::new();
        for (seen, result) in results {
            let uses = self.uses.result(&result.tool_call_id, owner, seen);
            facts.extend(uses.into_iter().map(|fact| Fact::Use(Box::new(fact))));
            all.push(result);
        }
        for link in self.matching.results_seen(&all, owner, at.time) {
            self.link(link, facts);
        }
    }

    fn asks_for(&mut self, ready: ReadyUse, owner: Option<u64>, facts: &mut Vec<Fact>) {
        let ReadyUse {
            mut opened,
            prepared,
            mut fact,
            args,
            ids,
            task,
        } = ready;
        if let (Some(key), Some(texts)) = (&opened.prompt_key, task) {
            let root = self.turns.root(key).unwrap_or(key).to_owned();
            self.tasks.keep(owner, ids, texts, root);
        }
        let prompt = opened.prompt_key.as_ref();
        let prompt = prompt.and_then(|key| self.turns.text(key));
        opened.prompt = prompt.unwrap_or_default().to_owned();
        opened.owner = owner;
        let inherited = owner.and_then(|owner| self.inherited.get(&owner));
        opened.is_trace_inherited =
            opened.trace_id.is_some() && opened.trace_id.as_ref() == inherited;
        let at = fact.emitted.time;
        let mut links = Vec::new();
        if let Some(prepared) = prepared {
            let (held, changed) = self.matching.put(&opened, prepared, at);
            fact.contains_sql = Some(held.contains_sql);
            fact.fingerprints = held.sql_fingerprints;
            links = changed;
            for told in self.heard.asked(&opened.id, owner, &opened.arguments) {
                links.extend(self.matching.told(told));
            }
        }
        facts.push(Fact::Use(Box::new(fact.clone())));
        if self.capture == Capture::All {
            facts.push(Fact::Args(Box::new(args.clone())));
        }
        let leaving = self.leaving();
        let args = (leaving != Leaving::Never).then_some(args);
        self.uses.keep(Use {
            fact,
            owner,
            args,
            leaving,
        });
        for link in links {
            self.link(link, facts);
        }
    }

    /// Gives the links that could not be recorded, with what they name.
    fn found_again(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for link in std::mem::take(&mut self.lost) {
            self.link(*link, &mut facts);
        }
        facts
    }

    /// Tells whether words that are seen now leave memory.
    fn leaving(&self) -> Leaving {
        match self.capture {
            Capture::None => Leaving::Never,
            Capture::LinkOnly => Leaving::Linked,
            Capture::All => Leaving::Given,
        }
    }

    /// Records a link, with what it names if that was not given out yet.
    fn link(&mut self, link: Link, facts: &mut Vec<Fact>) {
        if self.capture != Capture::None {
            let key = link.prompt_key.as_deref();
            let root = key.and_then(|key| self.turns.root(key)).map(str::to_owned);
            // A task without what a person had said would tell little.
            for key in key.into_iter().chain(root.as_deref()) {
                let prompt = self.turns.give(key);
                facts.extend(prompt.map(|prompt| Fact::Prompt(Box::new(prompt))));
            }
            let named = link.llm_call_id.as_ref().zip(link.tool_call_id.as_ref());
            let args = named.and_then(|(call, id)| self.uses.give(call, id));
            facts.extend(args.map(|args| Fact::Args(Box::new(args))));
        }
        facts.push(Fact::Link(Box::new(link)));
    }
}

#[cfg(test)]
pub(crate) mod tests;
