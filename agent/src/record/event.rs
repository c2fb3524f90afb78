//! What one row of a record says, in the words of those who write it. Pure.

use crate::id::SessionId;

pub use super::tables::approval_texts::ApprovalTextRow;
pub use super::tables::approvals::ApprovalRow;
pub use super::tables::events::EventRow;
pub use super::tables::links::LinkRow;
pub use super::tables::llm_calls::LlmCallRow;
pub use super::tables::logins::LoginRow;
pub use super::tables::prompts::PromptRow;
pub use super::tables::results::ResultRow;
pub use super::tables::sessions::SessionRow;
pub use super::tables::statement_texts::StatementTextRow;
pub use super::tables::statements::StatementRow;
pub use super::tables::tool_call_args::ToolCallArgsRow;
pub use super::tables::tool_calls::ToolCallRow;
pub use super::tables::transfers::TransferRow;
use super::value::Value;
pub use super::words::{Category, Decision, Enforcement, Mode, Phase, Severity, Status};

/// One row on its way into the record; the recorder adds the common columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A session opened or closed.
    Session(Box<SessionRow>),
    /// A login opened or closed.
    Login(Box<LoginRow>),
    /// A statement's intent or its end.
    Statement(Box<StatementRow>),
    /// What a statement said.
    StatementText(Box<StatementTextRow>),
    /// A chunk of a result was delivered, or broke off.
    Result(Box<ResultRow>),
    /// A file was moved to or from a stage, or broke off.
    Transfer(Box<TransferRow>),
    /// A request for a person's yes, or what came of it.
    Approval(Box<ApprovalRow>),
    /// What approvers were shown, or what one said.
    ApprovalText(Box<ApprovalTextRow>),
    /// A model was called.
    LlmCall(Box<LlmCallRow>),
    /// A model asked for the use of a tool, or its result was seen.
    ToolCall(Box<ToolCallRow>),
    /// The arguments of a use of a tool.
    ToolCallArgs(Box<ToolCallArgsRow>),
    /// What a person told an agent.
    Prompt(Box<PromptRow>),
    /// Where a statement comes from, as far as it is known.
    Link(Box<LinkRow>),
    /// Something else that happened.
    Event(Box<EventRow>),
}

impl From<SessionRow> for Row {
    fn from(row: SessionRow) -> Self {
        Self::Session(Box::new(row))
    }
}

impl From<LoginRow> for Row {
    fn from(row: LoginRow) -> Self {
        Self::Login(Box::new(row))
    }
}

impl From<StatementRow> for Row {
    fn from(row: StatementRow) -> Self {
        Self::Statement(Box::new(row))
    }
}

impl From<StatementTextRow> for Row {
    fn from(row: StatementTextRow) -> Self {
        Self::StatementText(Box::new(row))
    }
}

impl From<TransferRow> for Row {
    fn from(row: TransferRow) -> Self {
        Self::Transfer(Box::new(row))
    }
}

impl From<ResultRow> for Row {
    fn from(row: ResultRow) -> Self {
        Self::Result(Box::new(row))
    }
}

impl From<ApprovalRow> for Row {
    fn from(row: ApprovalRow) -> Self {
        Self::Approval(Box::new(row))
    }
}

impl From<ApprovalTextRow> for Row {
    fn from(row: ApprovalTextRow) -> Self {
        Self::ApprovalText(Box::new(row))
    }
}

impl From<LlmCallRow> for Row {
    fn from(row: LlmCallRow) -> Self {
        Self::LlmCall(Box::new(row))
    }
}

impl From<ToolCallRow> for Row {
    fn from(row: ToolCallRow) -> Self {
        Self::ToolCall(Box::new(row))
    }
}

impl From<ToolCallArgsRow> for Row {
    fn from(row: ToolCallArgsRow) -> Self {
        Self::ToolCallArgs(Box::new(row))
    }
}

impl From<PromptRow> for Row {
    fn from(row: PromptRow) -> Self {
        Self::Prompt(Box::new(row))
    }
}

impl From<LinkRow> for Row {
    fn from(row: LinkRow) -> Self {
        Self::Link(Box::new(row))
    }
}

impl From<EventRow> for Row {
    fn from(row: EventRow) -> Self {
        Self::Event(Box::new(row))
    }
}

/// The session id of rows that are about the host: the nil UUID (RFC 9562 section 5.9).
#[must_use]
pub fn no_session() -> SessionId {
    SessionId::from_bytes([0; 16])
}

/// Codes of events; a code is never given another meaning.
pub mod code {
    /// A chain began; the detail names the chain before it and the build.
    pub const GENESIS: &str = "CH001";
    /// A chain was closed in order.
    pub const CLOSE: &str = "CH003";
    /// An earlier chain that was not closed was recovered.
    pub const RECOVERY: &str = "CH004";
    /// The recorder refused commits for a while.
    pub const DEGRADED: &str = "RC001";
    /// A statement was refused because it could not be recorded.
    pub const UNRECORDABLE: &str = "RC002";
    /// A connection that would have gone around the proxy was refused.
    pub const BYPASS_ATTEMPT: &str = "NT001";
    /// The kernel denied a connection, a datagram or a bind; the detail says why.
    pub const CONNECT_DENIED: &str = "NT003";
    /// The kernel refused a socket of a kind that cannot be governed.
    pub const SOCKET_REFUSED: &str = "NT004";
    /// The kernel denied a connection in a network namespace in which the proxy does not listen.
    pub const UNKNOWN_NETNS: &str = "NT005";
    /// A client of a model API does not trust Icecore's CA, so that its call was not read; the detail says what follows.
    pub const MODEL_UNTRUSTED: &str = "NT006";
    /// A model API could not be reached, or its certificate is not trusted, so that a call was not read.
    pub const MODEL_UNREACHED: &str = "NT007";
    /// A connection to a model API was not read, or not to its end: too many at once, copies dropped, a fault.
    pub const MODEL_PART_UNREAD: &str = "NT008";
    /// A session's calls to model APIs are read: which, and what is kept.
    pub const MODELS_READ: &str = "PT001";
    /// A session's calls to model APIs are not read, since its processes were not found to trust the CA for them.
    pub const MODELS_UNREAD: &str = "PT002";
    /// Telemetry of a session could not be read; the first of it.
    pub const TELEMETRY_UNREADABLE: &str = "PT003";
    /// The kernel programs were found gone; the sessions that ran were ended.
    pub const TAMPERED: &str = "EN001";
    /// The proxy showed no heartbeat for a while; sessions' connects were refused.
    pub const HEARTBEAT_LOST: &str = "EN002";
    /// Events of the kernel's were lost or over their rate, or redirected connections lost their destination.
    pub const KERNEL_LOST: &str = "EN003";
    /// Everything was detached: from then to this chain nothing was governed.
    pub const DETACHED: &str = "DT001";
    /// Policies were loaded.
    pub const POLICY_LOADED: &str = "PL001";
    /// Policies were to be loaded, are not good, and were not taken.
    pub const POLICY_REFUSED: &str = "PL002";
    /// A decision on a request for approval does not count.
    pub const DECISION_REFUSED: &str = "AP001";
    /// One person said yes alone, for an emergency.
    pub const GLASS_BROKEN: &str = "AP002";
    /// Beside a request for approval lies what is none of its documents.
    pub const MAILBOX_RUBBISH: &str = "AP003";
    /// What was approved means something else by now.
    pub const APPROVAL_VOID: &str = "AP004";
    /// Somebody could not be told of a request for approval.
    pub const NOTICE_UNSENT: &str = "AP005";
    /// A place of an export did not get events.
    pub const EXPORT_DROPPED: &str = "EX001";
    /// A changed config was taken.
    pub const CONFIG_TAKEN: &str = "CF001";
    /// A changed config was to be taken, and was not.
    pub const CONFIG_REFUSED: &str = "CF002";
    /// Rows were lost in `best_effort`.
    pub const GAP: &str = "GP001";
}

/// One object that a statement touches.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the struct's columns say what each field means"
)]
pub struct Object {
    pub catalog: Option<String>,
    pub schema: Option<String>,
    pub name: Option<String>,
    pub kind: Option<String>,
    pub access: Option<String>,
    pub columns: Vec<String>,
    pub resolved: bool,
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Struct(vec![
            object.catalog.into(),
            object.schema.into(),
            object.name.into(),
            object.kind.into(),
            object.access.into(),
            object.columns.into(),
            object.resolved.into(),
        ])
    }
}

/// One column that was masked.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the struct's columns say what each field means"
)]
pub struct MaskedColumn {
    pub name: String,
    pub method: String,
    pub rule_id: String,
}

impl From<MaskedColumn> for Value {
    fn from(column: MaskedColumn) -> Self {
        Self::Struct(vec![
            column.name.into(),
            column.method.into(),
            column.rule_id.into(),
        ])
    }
}

/// How often a detector found something.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the struct's columns say what each field means"
)]
pub struct Detected {
    pub detector: String,
    pub finds: i64,
}

impl From<Detected> for Value {
    fn from(detected: Detected) -> Self {
        Self::Struct(vec![detected.detector.into(), detected.finds.into()])
    }
}

/// One column of a result.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the struct's columns say what each field means"
)]
pub struct ResultColumn {
    pub name: String,
    pub kind: String,
    pub nullable: Option<bool>,
    pub masked: bool,
}

impl From<ResultColumn> for Value {
    fn from(column: ResultColumn) -> Self {
        Self::Struct(vec![
            column.name.into(),
            column.kind.into(),
            column.nullable.into(),
            column.masked.into(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use crate::record::schema::{TABLES, Table};
    use crate::record::tables::{
        approval_texts, approvals, events, logins, results, sessions, statement_texts, statements,
        transfers,
    };

    use super::*;

    #[track_caller]
    fn check<const N: usize>(table: &Table, fields: [(&'static str, Value); N]) {
        let own: Vec<_> = table.own.iter().map(|column| column.name).collect();
        assert_eq!(fields.map(|(name, _)| name).to_vec(), own, "{}", table.name);
    }

    #[test]
    fn each_row_fills_its_table_in_order() {
        check(&sessions::TABLE, SessionRow::default().fields());
        check(&logins::TABLE, LoginRow::default().fields());
        check(&statements::TABLE, StatementRow::default().fields());
        check(
            &statement_texts::TABLE,
            StatementTextRow::default().fields(),
        );
        check(&results::TABLE, ResultRow::default().fields());
        check(&transfers::TABLE, TransferRow::default().fields());
        check(&approvals::TABLE, ApprovalRow::default().fields());
        check(&approval_texts::TABLE, ApprovalTextRow::default().fields());
        check(&events::TABLE, EventRow::default().fields());
        let filled = 9;
        let kept_for_later = [
            "prompts",
            "llm_calls",
            "tool_calls",
            "tool_call_args",
            "links",
        ];
        assert_eq!(TABLES.len(), filled + kept_for_later.len());
    }
}
