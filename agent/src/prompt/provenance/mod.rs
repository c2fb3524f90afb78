//! Where the statements of one session come from: takes what its model calls tell and the statements as they arrive, and gives
//! what is to be recorded of both. Pure: no clock, no I/O.
//!
//! Words of people and arguments of tools are kept in memory, and given out only once a statement is linked to them, unless the
//! config wants all of them, or none.

mod fact;
mod kept;

use std::collections::BTreeMap;

use super::exchange::{Asked, Told, Tool};
use super::linking::{Arrived, Delivered, Link, Matching, Opened, Returned};
use super::{History, Runs, Trace};

pub use fact::{ArgsFact, Fact, PromptFact, ResultSeen, UseFact};

use kept::{Turns, Use, Uses};

/// Most agents of a session whose traces are remembered.
const AGENTS_MAX: usize = 256;

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

/// Makes the MAC of a content, under the record's digest key.
pub type Mac = Box<dyn Fn(&[u8]) -> [u8; 32] + Send>;

/// A session's model calls and statements.
pub struct Provenance {
    capture: Capture,
    mac: Mac,
    history: History,
    matching: Matching,
    turns: Turns,
    uses: Uses,
    /// By their execs, the traces that agents were started in.
    inherited: BTreeMap<u64, String>,
}

impl Provenance {
    /// Knows nothing yet; `session` is Icecore's id of the session.
    #[must_use]
    pub fn new(session: &str, capture: Capture, mac: Mac) -> Self {
        Self {
            capture,
            mac,
            history: History::new(session),
            matching: Matching::default(),
            turns: Turns::default(),
            uses: Uses::default(),
            inherited: BTreeMap::new(),
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

    /// Gives the conversations, which the readers of connections share.
    pub fn history(&mut self) -> &mut History {
        &mut self.history
    }

    /// Takes what a connection tells; `owner` is the exec of the process that has the connection, as the kernel numbers it.
    pub fn take(&mut self, told: Told, owner: Option<u64>) -> Vec<Fact> {
        let mut facts = Vec::new();
        match told {
            Told::Asked(asked) => self.asked(*asked, &mut facts),
            Told::Tool(tool) => self.asks_for(*tool, owner, &mut facts),
            Told::Over(call) => facts.push(Fact::Call(call)),
        }
        facts
    }

    /// Takes a statement; gives its first link, and what is to be recorded of it.
    pub fn arrived(&mut self, statement: Arrived) -> (Link, Vec<Fact>) {
        let link = self.matching.arrived(statement);
        let mut facts = Vec::new();
        self.link(link.clone(), &mut facts);
        (link, facts)
    }

    /// Gives what a person said, without secrets, if it may leave memory.
    #[must_use]
    pub fn words(&self, prompt_key: &str) -> Option<&str> {
        let may_leave = self.capture != Capture::None;
        self.turns.text(prompt_key).filter(|_| may_leave)
    }

    /// Takes what was delivered for a statement, to know it again in the result of a tool.
    pub fn delivered(&mut self, statement: crate::id::StatementId, delivered: &Delivered) {
        self.matching.delivered(statement, delivered);
    }

    fn asked(&mut self, asked: Asked, facts: &mut Vec<Fact>) {
        let Asked {
            call,
            provider,
            request,
            at,
        } = asked;
        for turn in request.turns {
            self.matching.said(&turn.text);
            let prompt = PromptFact::new(turn, &request.ids, provider, &call);
            if self.capture == Capture::All {
                facts.push(Fact::Prompt(Box::new(prompt.clone())));
            }
            self.turns.keep(prompt, self.capture == Capture::All);
        }
        let mut results = Vec::new();
        for result in request.results {
            let Some(id) = result.call_id.clone() else {
                continue;
            };
            let seen = ResultSeen {
                at,
                mac: (self.mac)(result.text.as_bytes()),
                is_error: result.is_error,
            };
            if let Some(fact) = self.uses.result(&id, seen) {
                facts.push(Fact::Use(Box::new(fact)));
            }
            results.push(Returned {
                tool_call_id: id,
                text: result.text,
            });
        }
        for link in self.matching.results_seen(&results, at.time) {
            self.link(link, facts);
        }
    }

    fn asks_for(&mut self, tool: Tool, owner: Option<u64>, facts: &mut Vec<Fact>) {
        let id = tool.id();
        let prompt_key = tool.prompt.as_ref().map(|turn| fact::hex(&turn.key));
        let prompt = prompt_key.as_ref().and_then(|key| self.turns.text(key));
        let trace_id = tool.ids.trace.as_ref().map(|trace| &trace.trace_id);
        let started_in = owner.and_then(|owner| self.inherited.get(&owner));
        let opened = Opened {
            id: id.clone(),
            llm_call_id: tool.call.clone(),
            prompt_key,
            prompt: prompt.unwrap_or_default().to_owned(),
            name: tool.tool.name.clone(),
            arguments: tool.tool.args.clone(),
            owner,
            emitted_ns: Some(tool.at.boot_ns),
            is_trace_inherited: trace_id.is_some() && trace_id == started_in,
            trace_id: trace_id.cloned(),
            agent_session: tool.ids.session.clone(),
        };
        // What the provider runs elsewhere reaches nothing from here.
        let (held, links) = match tool.tool.runs {
            Runs::Agent => {
                let (held, links) = self.matching.opened(&opened, tool.at.time);
                (Some(held), links)
            }
            Runs::Provider => (None, Vec::new()),
        };
        let fact = UseFact {
            id: id.clone(),
            call: tool.call,
            name: tool.tool.name,
            mcp_server: tool.tool.mcp_server,
            args_mac: (self.mac)(&tool.tool.args),
            args_bytes: tool.tool.args_bytes,
            emitted: tool.at,
            contains_sql: held.as_ref().map(|held| held.contains_sql),
            fingerprints: held.map(|held| held.sql_fingerprints).unwrap_or_default(),
            result: None,
        };
        facts.push(Fact::Use(Box::new(fact.clone())));
        let args = ArgsFact::new(&id, &tool.tool.args);
        if self.capture == Capture::All {
            facts.push(Fact::Args(Box::new(args.clone())));
        }
        let args = (self.capture == Capture::LinkOnly).then_some(args);
        self.uses.keep(Use { fact, args });
        for link in links {
            self.link(link, facts);
        }
    }

    /// Records a link, with what it names if that was not given out yet.
    fn link(&mut self, link: Link, facts: &mut Vec<Fact>) {
        if self.capture != Capture::None {
            let prompt = link
                .prompt_key
                .as_ref()
                .and_then(|key| self.turns.give(key));
            facts.extend(prompt.map(|prompt| Fact::Prompt(Box::new(prompt))));
            let args = link.tool_call_id.as_ref().and_then(|id| self.uses.give(id));
            facts.extend(args.map(|args| Fact::Args(Box::new(args))));
        }
        facts.push(Fact::Link(Box::new(link)));
    }
}

#[cfg(test)]
mod tests;
