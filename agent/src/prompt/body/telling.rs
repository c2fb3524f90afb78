//! What an answer's parts add up to: tool calls as they become whole, and the answer's own facts.

use std::collections::BTreeSet;

use super::call::{Answer, Runs, ToolCall};
use super::ids::id;
use super::json::Members;
use super::kept::{Kept, MESSAGE_MAX_BYTES, front};
use super::status::{ArgsStatus, Notes, ParseStatus, Unreadable};

/// Most tool calls of one answer that are given.
pub const CALLS_MAX: usize = 1024;

/// Longest name of a tool that is kept, in bytes; providers take 64 (docs.anthropic.com, "Define tools"), MCP 128.
const NAME_MAX_BYTES: usize = 256;

/// Longest word of a provider that is kept, in bytes.
const WORD_MAX_BYTES: usize = 128;

/// What is known of an answer, and tool calls that nobody took yet.
#[derive(Default)]
pub(super) struct Telling {
    pub(super) answer: Answer,
    calls: Vec<ToolCall>,
    ids: BTreeSet<String>,
    /// Bytes of arguments that are kept, of all calls.
    kept_bytes: usize,
    /// Whether the answer told its own end.
    pub(super) ended: bool,
}

/// A tool call whose arguments are being told.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) mcp_server: Option<String>,
    pub(super) runs: Runs,
    pub(super) form: Form,
    /// A part of it could not be read.
    broken: bool,
    args: Kept,
}

/// What a tool takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
}

impl Open {
    /// Begins a call of the agent's, whose arguments are JSON.
    pub(super) fn new(id: Option<&str>, name: &str) -> Self {
        let server = name
            .strip_prefix("mcp__")
            .and_then(|rest| rest.split_once("__"));
        Self {
            id: id.and_then(self::id),
            name: front(name, NAME_MAX_BYTES).to_owned(),
            mcp_server: server.map(|(server, _)| front(server, NAME_MAX_BYTES).to_owned()),
            runs: Runs::Agent,
            form: Form::Json,
            broken: false,
            args: Kept::new(MESSAGE_MAX_BYTES),
        }
    }

    /// Says that the provider runs it, perhaps at an MCP server.
    pub(super) fn elsewhere(mut self, server: Option<&str>) -> Self {
        self.runs = Runs::Provider;
        self.mcp_server = server.map(|server| front(server, NAME_MAX_BYTES).to_owned());
        self
    }

    /// Says that it takes text.
    pub(super) fn taking_text(mut self) -> Self {
        self.form = Form::Text;
        self
    }

    /// Tells whether no argument was told yet.
    pub(super) fn is_empty(&self) -> bool {
        self.args.bytes().is_empty()
    }

    /// Tells whether its arguments so far are a front of `whole`, or all of it.
    pub(super) fn agrees(&self, whole: &[u8]) -> bool {
        self.args.is_cut() || self.is_empty() || self.args.bytes() == whole
    }

    /// Says that a part of its arguments could not be read.
    pub(super) fn breaks(&mut self) {
        self.broken = true;
    }
}

impl Telling {
    /// Adds to a call's arguments.
    pub(super) fn add(&mut self, open: &mut Open, args: &[u8]) {
        open.args
            .bound(MESSAGE_MAX_BYTES.saturating_sub(self.kept_bytes));
        self.kept_bytes += open.args.push(args);
    }

    /// Forgets a call's arguments.
    pub(super) fn forget(&mut self, open: &mut Open) {
        self.kept_bytes -= open.args.bytes().len();
        open.args = Kept::new(MESSAGE_MAX_BYTES);
    }

    /// Gives a call that was told to its end.
    pub(super) fn give(&mut self, open: Open) {
        self.hand(open, true);
    }

    /// Gives a call that the answer's end cut short.
    pub(super) fn give_unfinished(&mut self, open: Open) {
        self.hand(open, false);
    }

    fn hand(&mut self, open: Open, whole: bool) {
        if self.answer.tool_calls as usize >= CALLS_MAX {
            Notes::count(&mut self.answer.notes.dropped);
            self.answer.status.worsen(ParseStatus::Cut);
            return;
        }
        self.answer.tool_calls += 1;
        if let Some(id) = &open.id
            && !self.ids.insert(id.clone())
        {
            Notes::count(&mut self.answer.notes.duplicate_ids);
        }
        let cut = open.args.is_cut();
        let (args, args_bytes, args_sha256) = open.args.finish();
        let args_status = if !whole {
            ArgsStatus::Unfinished
        } else if cut {
            ArgsStatus::TooLong
        } else if open.broken {
            ArgsStatus::Invalid
        } else {
            match open.form {
                Form::Json => ArgsStatus::of_json(&args),
                Form::Text => ArgsStatus::Text,
            }
        };
        if cut {
            self.answer.status.worsen(ParseStatus::Cut);
        }
        self.calls.push(ToolCall {
            id: open.id,
            name: open.name,
            mcp_server: open.mcp_server,
            runs: open.runs,
            args,
            args_bytes,
            args_sha256,
            args_status,
        });
    }

    /// Tells whether a call of this id was given.
    pub(super) fn gave(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.ids.contains(id))
    }

    /// Takes the calls that became whole.
    pub(super) fn take(&mut self) -> Vec<ToolCall> {
        std::mem::take(&mut self.calls)
    }

    /// Notes the answer's id; the first counts.
    pub(super) fn response_id(&mut self, members: &Members<'_>, name: &str) {
        let found = members.text(name).and_then(|text| id(&text));
        self.answer.response_id = self.answer.response_id.take().or(found);
    }

    /// Notes the model; the last counts, for providers name it more exactly later.
    pub(super) fn model(&mut self, members: &Members<'_>, name: &str) {
        let found = members.text(name).and_then(|text| word(&text));
        self.answer.model = found.or(self.answer.model.take());
    }

    /// Notes why the model stopped; the last counts.
    pub(super) fn stop_reason(&mut self, reason: Option<&str>) {
        if let Some(word) = reason.and_then(word) {
            self.answer.stop_reason = Some(word);
        }
    }

    /// Notes an error by the provider's word, `error` where there is none.
    pub(super) fn error(&mut self, kind: Option<&str>) {
        let found = kind.and_then(word).unwrap_or_else(|| "error".to_owned());
        self.answer.error = self.answer.error.take().or(Some(found));
    }

    /// Notes something without meaning here.
    pub(super) fn unknown(&mut self) {
        Notes::count(&mut self.answer.notes.unknown);
    }

    /// Notes a part that does not follow from those before.
    pub(super) fn out_of_order(&mut self) {
        Notes::count(&mut self.answer.notes.out_of_order);
    }

    /// Notes a part that could not be read.
    pub(super) fn unreadable(&mut self) {
        Notes::count(&mut self.answer.notes.unreadable);
    }

    /// Notes parts that were too long to be kept.
    pub(super) fn dropped(&mut self, parts: u32) {
        if parts > 0 {
            let dropped = &mut self.answer.notes.dropped;
            *dropped = dropped.saturating_add(parts);
            self.answer.status.worsen(ParseStatus::Cut);
        }
    }

    /// Notes that nothing behind can be read.
    pub(super) fn gives_up(&mut self, why: Unreadable) {
        self.answer.status.worsen(ParseStatus::Unreadable(why));
    }

    /// Reads a part; one that cannot be read is noted.
    pub(super) fn members<'a>(&mut self, text: &'a str) -> Option<Members<'a>> {
        let read = Members::read(text).ok();
        if read.is_none() {
            self.unreadable();
        }
        read
    }
}

/// Keeps a provider's word: short, no control characters.
pub(super) fn word(text: &str) -> Option<String> {
    let kept = front(text.trim(), WORD_MAX_BYTES);
    (!kept.is_empty() && !kept.contains(char::is_control)).then(|| kept.to_owned())
}
