//! What is to be recorded: the rows of the record's tables of models, without the record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

use crate::prompt::exchange::{At, Call};
use crate::prompt::linking::Link;
use crate::prompt::linking::evidence::PromptOrigin;
use crate::prompt::secrets::{clean, clean_json};
use crate::prompt::{Ids, Turn};

/// Something to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A model was called.
    Call(Box<Call>),
    /// A tool is to be used, or its result was seen.
    Use(Box<UseFact>),
    /// The arguments of a use.
    Args(Box<ArgsFact>),
    /// What a person said.
    Prompt(Box<PromptFact>),
    /// Where a statement comes from.
    Link(Box<Link>),
}

/// Something that was given out and must not be lost where it could not be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// What a person said, by its key.
    Prompt(String),
    /// The arguments of a use, by its call's id and its own.
    Args(String, String),
    /// A link: without it an older one would hold.
    Link(Box<Link>),
}

impl Fact {
    /// Gives what of it must not be lost.
    #[must_use]
    pub fn given(&self) -> Option<Given> {
        match self {
            Self::Prompt(prompt) => Some(Given::Prompt(prompt.key.clone())),
            Self::Args(args) => Some(Given::Args(args.call.clone(), args.id.clone())),
            Self::Link(link) => Some(Given::Link(link.clone())),
            Self::Call(_) | Self::Use(_) => None,
        }
    }
}

/// Leaves out links which are superseded by another one of the same facts: the last takes the place of what the first of them
/// would have superseded.
#[must_use]
pub fn last_links(facts: Vec<Fact>) -> Vec<Fact> {
    let mut before: BTreeMap<String, Option<String>> = BTreeMap::new();
    let names = facts.iter().filter_map(|fact| match fact {
        Fact::Link(link) => link.supersedes.clone(),
        Fact::Call(_) | Fact::Use(_) | Fact::Args(_) | Fact::Prompt(_) => None,
    });
    let superseded: BTreeSet<String> = names.collect();
    let mut kept = Vec::with_capacity(facts.len());
    for fact in facts {
        let Fact::Link(mut link) = fact else {
            kept.push(fact);
            continue;
        };
        let earlier = link.supersedes.as_ref().and_then(|id| before.remove(id));
        if let Some(earlier) = earlier {
            link.supersedes = earlier;
        }
        if superseded.contains(&link.link_id) {
            before.insert(link.link_id, link.supersedes);
        } else {
            kept.push(Fact::Link(link));
        }
    }
    kept
}

/// A use of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct UseFact {
    /// Names it.
    pub id: String,
    /// The model call that asks for it.
    pub call: String,
    /// The tool.
    pub name: String,
    /// The MCP server that offers it.
    pub mcp_server: Option<String>,
    /// MAC of the arguments, as far as they are kept.
    pub args_mac: [u8; 32],
    /// Bytes of the arguments, all of them.
    pub args_bytes: u64,
    /// When the model had asked for it in full.
    pub emitted: At,
    /// Whether the arguments hold SQL; none of a use that is not looked at.
    pub contains_sql: Option<bool>,
    /// Fingerprints of that SQL.
    pub fingerprints: Vec<i64>,
    /// Its result, once a request carried it.
    pub result: Option<ResultSeen>,
}

/// The result of a use, as a request carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultSeen {
    /// When it was seen.
    pub at: At,
    /// MAC of its text, as far as it is kept.
    pub mac: [u8; 32],
    /// Whether the agent calls it an error.
    pub is_error: Option<bool>,
}

/// The arguments of a use, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgsFact {
    /// The model call that asks for the use.
    pub call: String,
    /// The use.
    pub id: String,
    /// A JSON text: the arguments, or a text that holds them where they are no JSON.
    pub args: String,
}

impl ArgsFact {
    /// Takes the arguments as the model gave them.
    pub(super) fn new(call: &str, id: &str, args: &[u8]) -> Self {
        Self {
            call: call.to_owned(),
            id: id.to_owned(),
            args: clean_json(&String::from_utf8_lossy(args)).text,
        }
    }
}

/// What a person said, as the agent claims, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFact {
    /// Names it, in hexadecimal.
    pub key: String,
    /// The agent's session.
    pub agent_session: Option<String>,
    /// Place in the conversation.
    pub turn_index: u32,
    /// The agent's own id of the turn.
    pub turn_id: Option<String>,
    /// Whose model was asked.
    pub provider: &'static str,
    /// What was said.
    pub text: String,
    /// SHA-256 of that text.
    pub text_sha256: [u8; 32],
    /// Bytes of the words, all of them, secrets too.
    pub text_bytes: u64,
    /// Secrets that were taken out, by kind.
    pub redactions: Vec<(String, u32)>,
    /// The call that carried it first.
    pub first_call: String,
    /// Who says that a person wrote it, or that a model did.
    pub origin: PromptOrigin,
    /// The key of the person's turn that it comes from, where a model wrote it for a sub-agent.
    pub root: Option<String>,
}

impl PromptFact {
    /// Takes a turn.
    pub(super) fn new(
        turn: Turn,
        ids: &Ids,
        provider: &'static str,
        call: &str,
        origin: PromptOrigin,
    ) -> Self {
        let cleaned = clean(&turn.text);
        let mut text_sha256 = [0; 32];
        text_sha256.copy_from_slice(digest(&SHA256, cleaned.text.as_bytes()).as_ref());
        Self {
            key: hex(&turn.name.key),
            agent_session: ids.session.clone(),
            turn_index: turn.name.index,
            turn_id: ids.turn.clone(),
            provider,
            text: cleaned.text,
            text_sha256,
            text_bytes: turn.text_bytes,
            redactions: cleaned.redactions.into_iter().collect(),
            first_call: call.to_owned(),
            origin,
            root: None,
        }
    }
}

/// Writes a digest in hexadecimal.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a text does not fail.
            let _written = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod last_links_tests {
    use super::*;
    use crate::id::StatementId;

    #[test]
    fn of_links_that_supersede_one_another_the_last_stays() {
        let (one, other) = (StatementId::new(), StatementId::new());
        let link = |id: StatementId, count: u32| {
            let before = count.checked_sub(1);
            Fact::Link(Box::new(Link {
                link_id: format!("{id}.{count}"),
                supersedes: before.map(|before| format!("{id}.{before}")),
                ..Link::late(id)
            }))
        };
        let facts = vec![link(one, 3), link(other, 0), link(one, 4), link(one, 5)];
        let told = last_links(facts).into_iter().filter_map(|fact| {
            let Fact::Link(link) = fact else { return None };
            Some((link.link_id, link.supersedes))
        });
        let told: Vec<(String, Option<String>)> = told.collect();
        let last = (format!("{one}.5"), Some(format!("{one}.2")));
        assert_eq!(told, [(format!("{other}.0"), None), last]);
    }
}
