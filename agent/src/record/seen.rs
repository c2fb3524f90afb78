//! What others are told of rows once they are written: enough to count them, and events whole. Pure.
//!
//! It is told by the recorder's thread, after the sync: what is counted or told on is what the record holds, and no core
//! pays for it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::body::RECOVERED;
use super::entry::Entry;
use super::event::{Decision, Enforcement, Phase, Row, StatementRow, Status};

/// One row that was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A session opened or closed.
    Session {
        /// Which of the two.
        phase: Phase,
        /// Whether its user could become root.
        enforcement: Option<Enforcement>,
    },
    /// A login opened or closed.
    Login(Phase),
    /// A statement is over.
    Statement(Box<SeenStatement>),
    /// A chunk or partition of a result was delivered, or broke off.
    Chunk {
        /// Whether it was delivered whole.
        is_whole: bool,
        /// Plain bytes that were delivered.
        bytes: u64,
        /// Cells that were masked.
        cells: u64,
    },
    /// Cells in the rows of a reply were masked.
    Cells(u64),
    /// A file was moved, or broke off.
    Transfer {
        /// `put` or `get`.
        is_put: bool,
        /// Whether it was moved whole.
        is_whole: bool,
        /// Its plain bytes.
        bytes: u64,
    },
    /// A request for approval came to a state.
    Approval(&'static str),
    /// Something else happened.
    Event(Box<SeenEvent>),
}

/// A statement that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenStatement {
    /// What policy decided.
    pub decision: Option<Decision>,
    /// Its kind, by a word of ours.
    pub kind: String,
    /// What became of it.
    pub status: Status,
    /// Microseconds that reading and deciding took.
    pub decision_us: u64,
    /// From when it was sent until it was over.
    pub upstream: Option<TimeDelta>,
    /// From when it was sent until Snowflake began to answer.
    pub first_byte: Option<TimeDelta>,
    /// Microseconds that it spent here.
    pub overhead_us: Option<u64>,
    /// Microseconds that it waited for the record.
    pub durability_us: Option<u64>,
    /// Milliseconds that it waited for people.
    pub approval_ms: Option<u64>,
    /// Rows of its result.
    pub rows: u64,
    /// Bytes of its reply.
    pub bytes: u64,
    /// How many of its columns rules mask.
    pub masked_columns: u64,
}

/// An event as the record has it, without what was taken out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenEvent {
    /// Names it: a receiver that gets it twice knows by this.
    pub record_id: String,
    /// When, in microseconds since 1970.
    pub ts_us: i64,
    /// Its chain.
    pub chain: String,
    /// Its place there.
    pub seq: i64,
    /// The session that it is about; the nil UUID where it is about the host.
    pub session_id: String,
    /// Its code.
    pub code: String,
    /// OCSF severity, from 1 to 5.
    pub severity: i64,
    /// What it is about.
    pub category: String,
    /// Its facts, as JSON.
    pub detail: Option<String>,
    /// The statement that it happened to.
    pub statement_id: Option<String>,
    /// The process that caused it.
    pub pid: Option<i64>,
    /// The host that was to be reached.
    pub dst_host: Option<String>,
    /// Whether an earlier recorder wrote it, and this one took it over.
    pub is_recovered: bool,
}

/// Is told of each row that is written; it must not block.
#[derive(Clone)]
pub struct Watcher(Arc<dyn Fn(&Seen) + Send + Sync>);

impl Watcher {
    /// Takes what is done with each row.
    pub fn new(told: impl Fn(&Seen) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    /// Tells each of each row, in their order.
    pub(super) fn tell_all(watchers: &[Self], seen: &[Seen]) {
        for watcher in watchers {
            seen.iter().for_each(|one| (watcher.0)(one));
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

impl Seen {
    /// Says what a row is to those who watch; none where it is nothing to them, and of events, which are read once they
    /// are written.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let count = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
        match row {
            // A session that an earlier proxy opened is none that was opened.
            Row::Session(row) => (row.resumed != Some(true) || row.phase == Phase::Close)
                .then_some(Self::Session {
                    phase: row.phase,
                    enforcement: row.enforcement,
                }),
            Row::Login(row) => Some(Self::Login(row.phase)),
            Row::Statement(row) => row
                .is_final
                .then(|| Self::Statement(Box::new(SeenStatement::of(row)))),
            // The rows of a reply are counted with their statement, but for their cells.
            Row::Result(row) if row.chunk_index < 0 => match count(row.masked_cells) {
                0 => None,
                cells => Some(Self::Cells(cells)),
            },
            Row::Result(row) => Some(Self::Chunk {
                is_whole: row.completed,
                bytes: count(row.bytes_plain),
                cells: count(row.masked_cells),
            }),
            Row::Transfer(row) => Some(Self::Transfer {
                is_put: row.direction.as_deref() == Some("put"),
                is_whole: row.completed,
                bytes: count(row.bytes_plain),
            }),
            Row::Approval(row) => Some(Self::Approval(row.state)),
            Row::StatementText(_)
            | Row::ApprovalText(_)
            | Row::LlmCall(_)
            | Row::ToolCall(_)
            | Row::ToolCallArgs(_)
            | Row::Prompt(_)
            | Row::Link(_)
            | Row::Event(_) => None,
        }
    }

    /// Reads an event as it was written.
    pub(super) fn event(entry: &Entry) -> Self {
        let text = |name| entry.text(name).map(str::to_owned);
        let word = |name| text(name).unwrap_or_default();
        let flags = entry.int("integrity_flags").unwrap_or(0);
        Self::Event(Box::new(SeenEvent {
            record_id: word("record_id"),
            ts_us: entry.int("ts").unwrap_or(0),
            chain: word("chain_id"),
            seq: entry.int("seq").unwrap_or(0),
            session_id: word("session_id"),
            code: word("event_code"),
            severity: entry.int("severity").unwrap_or(0),
            category: word("category"),
            detail: text("detail"),
            statement_id: text("statement_id"),
            pid: entry.int("pid"),
            dst_host: text("dst_host"),
            is_recovered: flags & i64::from(RECOVERED) != 0,
        }))
    }
}

impl SeenStatement {
    fn of(row: &StatementRow) -> Self {
        let since_sent = |at: Option<DateTime<Utc>>| Some(at? - row.forwarded_at?);
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        Self {
            decision: row.decision,
            kind: row.sql_kind.clone().unwrap_or_default(),
            status: row.status,
            decision_us: u64::try_from(row.decision_us).unwrap_or(0),
            upstream: since_sent(row.completed_at),
            first_byte: since_sent(row.first_byte_at),
            overhead_us: number(row.proxy_overhead_us),
            durability_us: number(row.durability_wait_us),
            approval_ms: number(row.approval_wait_ms),
            rows: number(row.rows_returned).unwrap_or(0),
            bytes: number(row.bytes_returned).unwrap_or(0),
            masked_columns: row.masked_columns.len() as u64,
        }
    }
}
