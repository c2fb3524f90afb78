//! Ids that a client gives with a request: of its session, its agents, its turn, its trace. All are claims.

use super::json::Members;

/// Longest id that is kept, in bytes; the longest known, Gemini's `user_prompt_id`, is a UUID, eight `#` and a number.
const ID_MAX_BYTES: usize = 256;

/// Headers that name the session, those of agents that were seen first.
const SESSION: [&str; 7] = [
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-session-id",
    "x-gemini-session-id",
    "conversation-id",
    "conversation_id",
];

/// Headers that name the agent, or its thread.
const AGENT: [&str; 3] = ["x-claude-code-agent-id", "thread-id", "thread_id"];

/// Headers that name the agent that started it.
const PARENT: [&str; 3] = [
    "x-claude-code-parent-agent-id",
    "x-codex-parent-thread-id",
    "x-parent-session-id",
];

/// A request's line and headers, as far as they say whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The target: a path, perhaps with a query.
    pub target: &'a str,
    /// Headers by name, whose letters may be cased in any way.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Ids that a client gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The agent's session: `agent_session_id`.
    pub session: Option<String>,
    /// The agent within it, or its thread: `agent_id_hdr`.
    pub agent: Option<String>,
    /// The agent that started it: `parent_agent_id_hdr`.
    pub parent_agent: Option<String>,
    /// The turn: `turn_id`.
    pub turn: Option<String>,
    /// The turn of a person's that a sub-agent's turn comes from.
    pub root_turn: Option<String>,
    /// The client's id of the request: `client_request_id`.
    pub client_request: Option<String>,
    /// The trace.
    pub trace: Option<Trace>,
    /// Whether two places named one thing differently; the first place counts, headers first.
    pub disagree: bool,
}

/// A W3C trace context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace: 32 hexadecimal digits.
    pub trace_id: String,
    /// The span that made the request: 16 hexadecimal digits.
    pub span_id: String,
}

impl Trace {
    /// Reads a `traceparent`.
    ///
    /// Source: W3C Trace Context, 3.2.2: version, trace id, parent id and flags, lower-case hexadecimal, ids not all zero.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let [version, trace, span, flags] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let hex = |part: &str, digits: usize| {
            part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let named =
            |part: &str, digits: usize| hex(part, digits) && part.bytes().any(|b| b != b'0');
        let whole = hex(version, 2)
            && version != "ff"
            && (version != "00" || parts.next().is_none())
            && hex(flags, 2);
        (whole && named(trace, 32) && named(span, 16)).then(|| Self {
            trace_id: trace.to_owned(),
            span_id: span.to_owned(),
        })
    }
}

impl Ids {
    /// Takes the ids out of headers.
    ///
    /// Sources: anthropics/claude-code CHANGELOG 2.1.86 and 2.1.139; openai/codex `codex-rs/core/src/turn_metadata.rs`; seen on
    /// the wire of Claude Code 2.1.197, Codex 0.169.0 and opencode 1.18.33.
    pub(super) fn of_headers(headers: &[(&str, &str)]) -> Self {
        let mut ids = Self::default();
        let mut each = |names: &[&str], take: fn(&mut Self, &str)| {
            for name in names {
                let found = headers
                    .iter()
                    .filter(|(given, _)| given.eq_ignore_ascii_case(name));
                found.for_each(|(_, value)| take(&mut ids, value));
            }
        };
        each(&SESSION, Self::session);
        each(&AGENT, Self::agent);
        each(&PARENT, Self::parent_agent);
        each(&["turn-id"], Self::turn);
        each(&["x-client-request-id"], Self::client_request);
        each(&["x-codex-turn-metadata"], Self::codex);
        each(&["traceparent"], Self::trace);
        ids
    }

    /// Takes the ids out of an Anthropic body's `metadata.user_id`: a JSON object, formerly `user_.._account_.._session_..`.
    pub(super) fn anthropic_user(&mut self, user_id: &str) {
        if user_id.starts_with('{') {
            let Ok(user) = Members::read(user_id) else {
                return;
            };
            if let Some(session) = user.text("session_id") {
                self.session(&session);
            }
        } else if let Some((_, session)) = user_id.rsplit_once("_session_") {
            self.session(session);
        }
    }

    /// Takes the ids out of a Responses body's `client_metadata`; over WebSocket it carries the headers of a request too.
    pub(super) fn client_metadata(&mut self, given: &Members<'_>) {
        self.codex_members(given);
        if let Some(thread) = given.text("x-codex-parent-thread-id") {
            self.parent_agent(&thread);
        }
        if let Some(text) = given.text("x-codex-turn-metadata") {
            self.codex(&text);
        }
        if let Some(text) = given.text("ws_request_header_traceparent") {
            self.trace(&text);
        }
    }

    /// Takes ids out of a Gemini body: `user_prompt_id` of Code Assist, `session_id` of the request within.
    pub(super) fn gemini(&mut self, body: &Members<'_>) {
        if let Some(turn) = body.text("user_prompt_id") {
            self.turn(&turn);
            // The session and the prompt's number (google-gemini/gemini-cli, `useGeminiStream.ts`).
            if let Some((session, _)) = turn.split_once("########") {
                self.session(session);
            }
        }
        if let Some(session) = body.text("session_id") {
            self.session(&session);
        }
    }

    fn codex(&mut self, metadata: &str) {
        if let Ok(members) = Members::read(metadata) {
            self.codex_members(&members);
        }
    }

    fn codex_members(&mut self, members: &Members<'_>) {
        if let Some(value) = members.text("session_id") {
            self.session(&value);
        }
        if let Some(value) = members.text("thread_id") {
            self.agent(&value);
        }
        if let Some(value) = members.text("parent_thread_id") {
            self.parent_agent(&value);
        }
        if let Some(value) = members.text("turn_id") {
            self.turn(&value);
        }
        if let Some(value) = members.text("root_turn_id") {
            self.root_turn(&value);
        }
    }

    fn session(&mut self, value: &str) {
        keep(&mut self.session, value, &mut self.disagree);
    }

    fn agent(&mut self, value: &str) {
        keep(&mut self.agent, value, &mut self.disagree);
    }

    fn parent_agent(&mut self, value: &str) {
        keep(&mut self.parent_agent, value, &mut self.disagree);
    }

    fn turn(&mut self, value: &str) {
        keep(&mut self.turn, value, &mut self.disagree);
    }

    fn root_turn(&mut self, value: &str) {
        keep(&mut self.root_turn, value, &mut self.disagree);
    }

    fn client_request(&mut self, value: &str) {
        keep(&mut self.client_request, value, &mut self.disagree);
    }

    fn trace(&mut self, value: &str) {
        let Some(read) = Trace::read(value) else {
            return;
        };
        match &self.trace {
            Some(held) => self.disagree |= *held != read,
            None => self.trace = Some(read),
        }
    }
}

/// Keeps the first id that is told; notes another. What is no id is not kept.
fn keep(slot: &mut Option<String>, value: &str, disagree: &mut bool) {
    let Some(value) = id(value) else { return };
    match slot {
        Some(held) => *disagree |= *held != value,
        None => *slot = Some(value),
    }
}

/// Gives a text as an id: short, visible ASCII.
pub(super) fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= ID_MAX_BYTES;
    (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
