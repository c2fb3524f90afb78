//! One judgement of where a statement comes from, as table `links` holds it.

use ring::digest::{Context, SHA256};

use super::evidence::{Evidence, PromptOrigin};
use super::grade::Grade;
use crate::id::StatementId;

/// Version of the rules by which links are found, in `matcher_version`.
pub const MATCHER_VERSION: &str = "1";

/// How a link was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// T0 to T3.
    Bytes,
    Text,
    Tree,
    Overlap,
    /// T4.
    Echo,
    /// The statement came while a use was open.
    Time,
    /// A text of a use that was over, or that hands its task on.
    Earlier,
    /// A file that an earlier use wrote.
    File,
    /// The process alone, or what the agent says of itself.
    Lineage,
    Claim,
    /// Not at all.
    None,
}

impl Method {
    /// Gives the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Text => "text",
            Self::Tree => "tree",
            Self::Overlap => "overlap",
            Self::Echo => "echo",
            Self::Time => "time",
            Self::Earlier => "earlier",
            Self::File => "file",
            Self::Lineage => "lineage",
            Self::Claim => "claim",
            Self::None => "none",
        }
    }
}

/// One link. It is never changed: what is known later makes another that supersedes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Names the link: the statement's id and how many there were before.
    pub link_id: String,
    /// The statement.
    pub statement_id: StatementId,
    /// The use of a tool that carried it, where one is named.
    pub tool_call_id: Option<String>,
    /// The prompt that led to it, where all uses that come into question have one.
    pub prompt_key: Option<String>,
    /// The model call that asked for the use.
    pub llm_call_id: Option<String>,
    /// How sure it is.
    pub grade: Grade,
    /// The same from 0 to 1.
    pub confidence: f64,
    /// What speaks for it.
    pub evidence: Evidence,
    /// How it was found.
    pub method: Method,
    /// Uses of tools that came into question.
    pub candidates: usize,
    /// Share of the statement's words that stood in the use's arguments.
    pub text_overlap: Option<f64>,
    /// The link that it takes the place of.
    pub supersedes: Option<String>,
    /// Whether uses were open that hold SQL, and the statement is none of it: `link.mismatch`.
    pub is_mismatch: bool,
    /// Who wrote the prompt, as far as it is known. No grade says so.
    pub prompt_origin: PromptOrigin,
}

/// Names a prompt: SHA-256 over the agent's session, the turn and the text, in hexadecimal.
///
/// The session's length stands before it, so that no letter of it can pass for one of the text.
#[must_use]
pub fn prompt_key(agent_session: &str, turn_index: u32, text: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(
        &u64::try_from(agent_session.len())
            .unwrap_or(u64::MAX)
            .to_be_bytes(),
    );
    context.update(agent_session.as_bytes());
    context.update(&turn_index.to_be_bytes());
    context.update(text.as_bytes());
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_differ_by_session_turn_and_text() {
        let keys = [
            prompt_key("ab", 1, "c"),
            prompt_key("a", 1, "bc"),
            prompt_key("ab", 2, "c"),
            prompt_key("ab", 1, "d"),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(key.len(), 64);
            assert!(!keys[index + 1..].contains(key));
        }
        assert_eq!(prompt_key("ab", 1, "c"), keys[0]);
    }
}
