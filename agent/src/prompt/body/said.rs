//! What one message of a history says, as far as it is kept.

use ring::digest::{Context, SHA256};

use super::call::{LeftOut, ToolResult};
use super::ids::id;
use super::kept::{front, sha256_of};
use super::status::Notes;
use super::words;

/// Most bytes of a tool's result that are kept; agents cut what tools give far below that (Claude Code: 30,000 letters).
pub const RESULT_MAX_BYTES: usize = 1 << 20;

/// Longest name of a tool that is kept, in bytes.
const NAME_MAX_BYTES: usize = 256;

/// A message, read.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Words of a person, without what agents put around them.
    pub(super) words: String,
    /// Results of tools.
    pub(super) results: Vec<ToolResult>,
    /// What is not kept.
    pub(super) left_out: LeftOut,
    /// What was odd.
    pub(super) notes: Notes,
}

impl Said {
    /// Says nothing: it could not be read.
    pub(super) fn unreadable() -> Self {
        let notes = Notes {
            unreadable: 1,
            ..Notes::default()
        };
        Self {
            notes,
            ..Self::default()
        }
    }

    /// Adds a block of a person's turn.
    pub(super) fn block(&mut self, text: &str) {
        let (own, reminders) = words::own(text);
        self.left_out.reminders = self.left_out.reminders.saturating_add(reminders);
        if !own.is_empty() {
            if !self.words.is_empty() {
                self.words.push('\n');
            }
            self.words.push_str(&own);
        }
    }

    /// Adds what a tool gave.
    pub(super) fn result(
        &mut self,
        call_id: Option<&str>,
        tool: Option<&str>,
        text: &str,
        is_error: Option<bool>,
    ) {
        self.results.push(ToolResult {
            call_id: call_id.and_then(id),
            tool: tool.map(|tool| front(tool, NAME_MAX_BYTES).to_owned()),
            text: front(text, RESULT_MAX_BYTES).to_owned(),
            text_bytes: text.len() as u64,
            text_sha256: sha256_of(text.as_bytes()),
            is_error,
        });
    }

    /// Counts a block without meaning here.
    pub(super) fn unknown(&mut self) {
        Notes::count(&mut self.notes.unknown);
    }
}

impl LeftOut {
    /// Adds another's counts.
    pub(super) fn add(&mut self, other: Self) {
        self.thinking = self.thinking.saturating_add(other.thinking);
        self.images = self.images.saturating_add(other.images);
        self.documents = self.documents.saturating_add(other.documents);
        self.reminders = self.reminders.saturating_add(other.reminders);
    }
}

impl Notes {
    /// Adds another's counts.
    pub(super) fn add(&mut self, other: Self) {
        self.duplicate_ids = self.duplicate_ids.saturating_add(other.duplicate_ids);
        self.out_of_order = self.out_of_order.saturating_add(other.out_of_order);
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.unreadable = self.unreadable.saturating_add(other.unreadable);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.duplicate_keys = self.duplicate_keys.saturating_add(other.duplicate_keys);
        self.contradictions = self.contradictions.saturating_add(other.contradictions);
    }
}

/// Joins texts by line ends.
pub(super) fn joined<'t>(texts: impl Iterator<Item = std::borrow::Cow<'t, str>>) -> String {
    let mut out = String::new();
    for (number, text) in texts.enumerate() {
        if number > 0 {
            out.push('\n');
        }
        out.push_str(&text);
    }
    out
}

/// The hash of a system prompt that comes in parts.
#[derive(Default)]
pub(super) struct System(Option<Context>);

impl System {
    /// Adds the hash of a part.
    pub(super) fn part(&mut self, digest: super::call::Sha256) {
        self.0
            .get_or_insert_with(|| Context::new(&SHA256))
            .update(&digest);
    }

    /// Gives the hash; `None` if there is no part.
    pub(super) fn finish(self) -> Option<super::call::Sha256> {
        self.0.map(super::kept::sha256)
    }
}
