//! What a connection tells, made ready to be taken: texts parsed, secrets taken out, MACs made.
//!
//! All that takes time is done here, without the session's state: a statement that is judged meanwhile waits for none of it.

use super::fact::{self, ArgsFact, PromptFact, ResultSeen, UseFact};
use super::tasks::texts;
use crate::prompt::exchange::{Asked, At, Call, Told, Tool};
use crate::prompt::linking::echo::RESULT_MAX_BYTES;
use crate::prompt::linking::evidence::PromptOrigin;
use crate::prompt::linking::open::is_handed_on;
use crate::prompt::linking::{Opened, Prepared, Returned};
use crate::prompt::{Ids, Runs};

/// Most bytes of a request's results, the latest ones, in which answers of statements are looked for: that is done while the
/// session's state is held. An agent sends the results of one step.
const ECHOES_MAX_BYTES: usize = 512 << 10;

/// Something that a connection tells, ready to be taken.
pub struct Ready(pub(super) Kind);

/// What it is.
pub(super) enum Kind {
    /// A request is whole.
    Asked {
        ids: Box<Ids>,
        /// What people said: as it came, to compare by, and as it is kept.
        prompts: Vec<(String, PromptFact)>,
        results: Vec<(ResultSeen, Returned)>,
        at: At,
    },
    /// A model asks for the use of a tool.
    Use(Box<ReadyUse>),
    /// A call is over.
    Over(Box<Call>),
    /// Of what follows calls may go by unread.
    Lost(At),
}

/// A use of a tool.
pub(super) struct ReadyUse {
    /// The use, without its prompt's text and without the process that asked.
    pub(super) opened: Opened,
    /// What its arguments hold; none of a use that the provider runs: it reaches nothing from here.
    pub(super) prepared: Option<Prepared>,
    /// Its row, without what its arguments turned out to hold.
    pub(super) fact: UseFact,
    pub(super) args: ArgsFact,
    /// The conversation that asked.
    pub(super) ids: Ids,
    /// The texts of a task that is handed on to another agent.
    pub(super) task: Option<Vec<String>>,
}

impl Ready {
    /// Makes something ready; `mac` makes the MAC of a content, under the record's digest key.
    ///
    /// SQL is parsed: call it on a thread with [`STACK_BYTES`](crate::statement::STACK_BYTES).
    pub fn of(told: Told, mac: &dyn Fn(&[u8]) -> [u8; 32]) -> Self {
        Self(match told {
            Told::Asked(asked) => of_request(*asked, mac),
            Told::Tool(tool) => Kind::Use(Box::new(of_use(*tool, mac))),
            Told::Over(call) => Kind::Over(call),
            Told::Lost(lost) => Kind::Lost(lost.at),
        })
    }
}

fn of_request(asked: Asked, mac: &dyn Fn(&[u8]) -> [u8; 32]) -> Kind {
    let Asked {
        call,
        provider,
        request,
        at,
    } = asked;
    let ids = request.ids;
    let turns = request.turns.into_iter();
    let mut left_bytes = ECHOES_MAX_BYTES;
    let results = request.results.into_iter().rev().filter_map(|result| {
        let seen = ResultSeen {
            at,
            mac: mac(result.text.as_bytes()),
            is_error: result.is_error,
        };
        let rest = left_bytes.checked_sub(result.text.len().min(RESULT_MAX_BYTES));
        left_bytes = rest.unwrap_or(0);
        let returned = Returned {
            tool_call_id: result.call_id?,
            // Of one for which there is no room is known that it came.
            text: rest.map(|_| result.text).unwrap_or_default(),
        };
        Some((seen, returned))
    });
    let mut results: Vec<_> = results.collect();
    results.reverse();
    Kind::Asked {
        prompts: turns
            .map(|turn| {
                let said = turn.text.clone();
                let claimed = PromptOrigin::Claimed;
                (said, PromptFact::new(turn, &ids, provider, &call, claimed))
            })
            .collect(),
        results,
        ids: Box::new(ids),
        at,
    }
}

fn of_use(tool: Tool, mac: &dyn Fn(&[u8]) -> [u8; 32]) -> ReadyUse {
    let id = tool.id();
    let Tool {
        call,
        tool,
        prompt,
        ids,
        at,
        ..
    } = tool;
    let prepared = match tool.runs {
        Runs::Agent => Some(Prepared::of(&tool.name, &tool.args)),
        Runs::Provider => None,
    };
    let fact = UseFact {
        id: id.clone(),
        call: call.clone(),
        name: tool.name.clone(),
        mcp_server: tool.mcp_server,
        args_mac: mac(&tool.args),
        args_bytes: tool.args_bytes,
        emitted: at,
        contains_sql: None,
        fingerprints: Vec::new(),
        result: None,
    };
    let task = is_handed_on(&tool.name).then(|| texts(&tool.args));
    ReadyUse {
        task: task.flatten(),
        args: ArgsFact::new(&call, &id, &tool.args),
        opened: Opened {
            id,
            llm_call_id: call,
            prompt_key: prompt.map(|turn| fact::hex(&turn.key)),
            prompt: String::new(),
            name: tool.name,
            arguments: tool.args,
            owner: None,
            emitted_ns: Some(at.boot_ns),
            is_trace_inherited: false,
            trace_id: ids.trace.as_ref().map(|trace| trace.trace_id.clone()),
            agent_session: ids.session.clone(),
        },
        ids,
        prepared,
        fact,
    }
}
