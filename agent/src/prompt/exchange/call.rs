//! What is told of a connection: a request, a tool that a model asks for, a call that is over.

use chrono::{DateTime, Utc};

use crate::prompt::{Answer, Api, Ids, Request, ToolCall, TurnName};

/// When something was carried, by both clocks that its evidence is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The time.
    pub time: DateTime<Utc>,
    /// Nanoseconds since the host started (`CLOCK_BOOTTIME`), by which the kernel numbers execs.
    pub boot_ns: u64,
}

/// What is told of a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A request is whole.
    Asked(Box<Asked>),
    /// A model asks for the use of a tool.
    Tool(Box<Tool>),
    /// A call is over.
    Over(Box<Call>),
    /// Of what follows on the connection calls may go by unread; told once.
    Lost(Box<Lost>),
}

/// What is read no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Why.
    pub why: String,
    /// When it was found out.
    pub at: At,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Names its call.
    pub call: String,
    /// Whose model is asked.
    pub provider: &'static str,
    /// What it says.
    pub request: Request,
    /// When it was whole.
    pub at: At,
}

/// A use of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Names the call that asks for it.
    pub call: String,
    /// Which one of that call's, from 0: names it where the provider gives no id.
    pub number: u32,
    /// What is asked for.
    pub tool: ToolCall,
    /// Last turn of a person's before it.
    pub prompt: Option<TurnName>,
    /// The request's ids.
    pub ids: Ids,
    /// When it was whole.
    pub at: At,
}

impl Tool {
    /// Gives the provider's id of it, or one made of the call's and its place.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.tool.id {
            Some(id) => id.clone(),
            None => format!("{}/{}", self.call, self.number),
        }
    }
}

/// A call of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Names it.
    pub id: String,
    /// The API.
    pub api: Api,
    /// Whose model was called.
    pub provider: &'static str,
    /// The host that was called.
    pub host: String,
    /// The model that was asked for.
    pub model: Option<String>,
    /// What the client gave for ids.
    pub ids: Ids,
    /// Last turn of a person's in its request.
    pub prompt: Option<TurnName>,
    /// Fingerprints of the credentials that it carried.
    pub credentials: Vec<[u8; 32]>,
    /// When its request began.
    pub started: At,
    /// When its answer began.
    pub first_byte: Option<At>,
    /// When its answer was over; none if it broke off.
    pub completed: Option<At>,
    /// HTTP status of the answer.
    pub http_status: Option<u16>,
    /// The provider's id of the exchange, in a header.
    pub request_id: Option<String>,
    /// What was answered.
    pub answer: Option<Answer>,
    /// The process that made it, with its start in nanoseconds since boot; the caller knows it.
    pub process: Option<(u32, Option<i64>)>,
    /// How far the request and the answer could be read, in the record's words.
    pub status: String,
}

impl Call {
    /// Tells whether uses of tools may stand in its answer that were not read. Of one that broke off there is no more than came.
    #[must_use]
    pub fn is_answer_lost(&self) -> bool {
        let behind = self.status.split_once("; answer ");
        let answered = behind.map(|(_, answered)| answered);
        let answered = answered.or(self.status.strip_prefix("answer "));
        let is_failure = self.http_status.is_some_and(|status| status >= 400);
        let lost = ["lost", "cut", "unreadable"];
        !is_failure && answered.is_some_and(|how| lost.iter().any(|one| how.starts_with(one)))
    }
}
