//! Where the statements of one session come from: takes what its model calls tell and the statements as they arrive, and gives
//! what is to be recorded of both. Pure: no clock, no I/O.
//!
//! Words of people and arguments of tools are kept in memory, and given out only once a statement is linked to them, unless the
//! config wants all of them, or none.

mod fact;
mod kept;
mod tasks;

use super::exchange::{Asked, Told, Tool};
use super::linking::evidence::PromptOrigin;
use super::linking::open::is_handed_on;
use super::linking::{Arrived, Delivered, Link, Matching, Opened, Returned};
use super::{History, Runs};

pub use fact::{ArgsFact, Fact, PromptFact, ResultSeen, UseFact};

use kept::{Turns, Use, Uses};
use tasks::Tasks;

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
    tasks: Tasks,
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
            tasks: Tasks::default(),
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
            Told::Asked(asked) => self.asked(*asked, owner, &mut facts),
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

    /// Gives what a person said, without secrets, if it may leave memory; with the task that a model made of it, if one did.
    #[must_use]
    pub fn words(&self, prompt_key: &str) -> Option<String> {
        let text = self.turns.text(prompt_key)?;
        let root = self.turns.root(prompt_key);
        let words = match root.and_then(|root| self.turns.text(root)) {
            Some(said) => format!("{said}\n(handed on to a sub-agent by a model: {text})"),
            None if root.is_some() => format!("(handed on to a sub-agent by a model: {text})"),
            None => text.to_owned(),
        };
        (self.capture != Capture::None).then_some(words)
    }

    /// Takes what was delivered for a statement, to know it again in the result of a tool.
    pub fn delivered(&mut self, statement: crate::id::StatementId, delivered: &Delivered) {
        self.matching.delivered(statement, delivered);
    }

    fn asked(&mut self, asked: Asked, owner: Option<u64>, facts: &mut Vec<Fact>) {
        let Asked {
            call,
            provider,
            request,
            at,
        } = asked;
        for turn in request.turns {
            let mut prompt = PromptFact::new(turn, &request.ids, provider, &call);
            if let Some(root) = self.tasks.root(owner, &request.ids, &prompt.text) {
                prompt.origin = PromptOrigin::Model;
                prompt.root = Some(root);
            }
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
        if let Some(key) = prompt_key
            .as_ref()
            .filter(|_| is_handed_on(&tool.tool.name))
        {
            let root = self.turns.root(key).unwrap_or(key).to_owned();
            self.tasks.keep(owner, &tool.ids, &tool.tool.args, root);
        }
        let prompt = prompt_key.as_ref().and_then(|key| self.turns.text(key));
        let opened = Opened {
            id: id.clone(),
            llm_call_id: tool.call.clone(),
            prompt_key,
            prompt: prompt.unwrap_or_default().to_owned(),
            name: tool.tool.name.clone(),
            arguments: tool.tool.args.clone(),
            owner,
            emitted_ns: Some(tool.at.boot_ns),
            trace_id: tool.ids.trace.as_ref().map(|trace| trace.trace_id.clone()),
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
            let key = link.prompt_key.as_deref();
            let root = key.and_then(|key| self.turns.root(key)).map(str::to_owned);
            // A task without what a person had said would tell little.
            for key in key.into_iter().chain(root.as_deref()) {
                let prompt = self.turns.give(key);
                facts.extend(prompt.map(|prompt| Fact::Prompt(Box::new(prompt))));
            }
            let args = link.tool_call_id.as_ref().and_then(|id| self.uses.give(id));
            facts.extend(args.map(|args| Fact::Args(Box::new(args))));
        }
        facts.push(Fact::Link(Box::new(link)));
    }
}

#[cfg(test)]
mod tests;
