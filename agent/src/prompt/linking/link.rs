//! One judgement of where a statement comes from, as table `links` holds it.

use super::evidence::{Evidence, PromptOrigin};
use super::grade::Grade;
use crate::id::StatementId;

/// Version of the rules by which links are found, in `matcher_version`.
pub const MATCHER_VERSION: &str = "4";

/// How a link was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// T0: the same bytes.
    Bytes,
    /// T1: the same words.
    Text,
    /// T2: the same tree.
    Tree,
    /// T3: much in common.
    Overlap,
    /// A text that the use holds and is not known to run.
    Held,
    /// T4.
    Echo,
    /// The statement came while a use was open.
    Time,
    /// A text of a use that was over, or that hands its task on.
    Earlier,
    /// A file that an earlier use wrote.
    File,
    /// The process alone.
    Lineage,
    /// What its process descends from was forgotten, in a session of a model's agent.
    Forgotten,
    /// What the agent says of itself.
    Claim,
    /// Not yet: the session's state was not free in time. Another link supersedes it.
    Late,
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
            Self::Held => "held",
            Self::Echo => "echo",
            Self::Time => "time",
            Self::Earlier => "earlier",
            Self::File => "file",
            Self::Lineage => "lineage",
            Self::Forgotten => "forgotten",
            Self::Claim => "claim",
            Self::Late => "late",
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

impl Link {
    /// Says of a statement that it was judged before anything could be known of it.
    ///
    /// No other use is spoken for, and none is spoken against: [`Matching::arrived_late`](super::Matching::arrived_late) gives
    /// the link that supersedes it.
    #[must_use]
    pub fn late(statement_id: StatementId) -> Self {
        Self {
            link_id: format!("{statement_id}.0"),
            statement_id,
            tool_call_id: None,
            prompt_key: None,
            llm_call_id: None,
            grade: Grade::Unknown,
            confidence: Grade::Unknown.confidence(0),
            evidence: Evidence::default(),
            method: Method::Late,
            candidates: 0,
            text_overlap: None,
            supersedes: None,
            is_mismatch: false,
            prompt_origin: PromptOrigin::Claimed,
        }
    }
}
