//! A caller's row, checked and encoded up to its place in the chain. Pure.

use super::cbor::{self, CborError, Tail};
use super::digest::random_salt;
use super::entry::Entry;
use super::error::RecordError;
use super::event::{Phase, Row, no_session};
use super::schema::{COMMON_COLUMNS, Column, FORMAT_VERSION, Table, Type};
use super::scrub::Scrub;
use super::seen::Seen;
use super::tables::{
    approval_texts, approvals, events, links, llm_calls, logins, prompts, results, sessions,
    statement_texts, statements, tool_call_args, tool_calls, transfers,
};
use super::value::Value;
use crate::id::{SessionId, StatementId};

/// Row flag: the row was written by a recovery.
pub(super) const RECOVERED: i32 = 1;

/// Row flag: secrets were taken out of its texts.
pub(super) const REDACTED: i32 = 1 << 3;

/// What a recorder knows about itself and fills in where a session's row does not say.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) org: String,
    pub(super) host_id: String,
    pub(super) boot_id: Option<String>,
    pub(super) proxy_version: String,
    pub(super) policy_bundle_sha256: [u8; 32],
    pub(super) recording_mode: &'static str,
    /// Takes secrets out of rows; none where the config wants them as they are.
    pub(super) scrub: Option<Scrub>,
}

/// What a row means for what is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    None,
    /// A statement's intent: its end will follow.
    Begins(StatementId),
    /// A statement's end.
    Ends(StatementId),
    /// A session is over: readers wait for its record.
    SessionOver,
}

/// A row that only lacks its place in the chain.
#[derive(Clone, Debug)]
pub(super) struct Body {
    table: &'static Table,
    session: SessionId,
    flags: i32,
    tail: Tail,
    turn: Turn,
    kept: Option<(uuid::Uuid, i64)>,
    seen: Option<Seen>,
}

/// A row's place in its chain, and when it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) record_id: uuid::Uuid,
    pub(super) chain: &'a str,
    pub(super) org: &'a str,
    pub(super) seq: i64,
    pub(super) ts_us: i64,
    pub(super) mono_ns: i64,
    pub(super) flags: i32,
}

impl Body {
    /// Checks and encodes a caller's row.
    pub(super) fn of(row: Row, facts: &Facts) -> Result<Self, RecordError> {
        let seen = Seen::of(&row);
        let body = Self::of_row(row, facts)?;
        Ok(Self { seen, ..body })
    }

    fn of_row(row: Row, facts: &Facts) -> Result<Self, RecordError> {
        match row {
            Row::Session(mut row) => {
                row.host_id.get_or_insert_with(|| facts.host_id.clone());
                row.boot_id = row.boot_id.take().or_else(|| facts.boot_id.clone());
                row.proxy_version
                    .get_or_insert_with(|| facts.proxy_version.clone());
                row.policy_bundle_sha256
                    .get_or_insert(facts.policy_bundle_sha256);
                row.recording_mode
                    .get_or_insert_with(|| facts.recording_mode.to_owned());
                let turn = match row.phase {
                    Phase::Open => Turn::None,
                    Phase::Close => Turn::SessionOver,
                };
                Self::checked(facts, &sessions::TABLE, row.session_id, row.fields(), turn)
            }
            Row::Login(row) => Self::checked(
                facts,
                &logins::TABLE,
                row.session_id,
                row.fields(),
                Turn::None,
            ),
            Row::Statement(row) => {
                let turn = match (row.statement_id, row.is_final) {
                    (Some(id), false) => Turn::Begins(id),
                    (Some(id), true) => Turn::Ends(id),
                    (None, _) => Turn::None,
                };
                Self::checked(
                    facts,
                    &statements::TABLE,
                    row.session_id,
                    row.fields(),
                    turn,
                )
            }
            Row::StatementText(mut row) => {
                // Without a salt the row's leaf would be a digest of its text alone.
                if row.salt.is_none() {
                    row.salt = Some(random_salt()?);
                }
                Self::checked(
                    facts,
                    &statement_texts::TABLE,
                    row.session_id,
                    row.fields(),
                    Turn::None,
                )
            }
            Row::Result(row) => Self::checked(
                facts,
                &results::TABLE,
                row.session_id,
                row.fields(),
                Turn::None,
            ),
            Row::Transfer(row) => Self::checked(
                facts,
                &transfers::TABLE,
                row.session_id,
                row.fields(),
                Turn::None,
            ),
            Row::Approval(row) => Self::checked(
                facts,
                &approvals::TABLE,
                row.session_id,
                row.fields(),
                Turn::None,
            ),
            Row::ApprovalText(mut row) => {
                // As of a statement's text.
                if row.salt.is_none() {
                    row.salt = Some(random_salt()?);
                }
                Self::checked(
                    facts,
                    &approval_texts::TABLE,
                    row.session_id,
                    row.fields(),
                    Turn::None,
                )
            }
            Row::LlmCall(row) => Self::checked(
                facts,
                &llm_calls::TABLE,
                row.session_id,
                row.fields(),
                Turn::None,
            ),
            Row::ToolCall(row) => Self::checked(
                facts,
                &tool_calls::TABLE,
                row.session_id,
                row.fields(),
                Turn::None,
            ),
            Row::ToolCallArgs(mut row) => {
                // As of a statement's text.
                if row.salt.is_none() {
                    row.salt = Some(random_salt()?);
                }
                Self::checked(
                    facts,
                    &tool_call_args::TABLE,
                    row.session_id,
                    row.fields(),
                    Turn::None,
                )
            }
            Row::Prompt(mut row) => {
                // As of a statement's text.
                if row.salt.is_none() {
                    row.salt = Some(random_salt()?);
                }
                Self::checked(
                    facts,
                    &prompts::TABLE,
                    row.session_id,
                    row.fields(),
                    Turn::None,
                )
            }
            Row::Link(row) => Self::checked(
                facts,
                &links::TABLE,
                row.session_id,
                row.fields(),
                Turn::None,
            ),
            Row::Event(row) => {
                let session = row.session_id.or_else(|| Some(no_session()));
                Self::checked(facts, &events::TABLE, session, row.fields(), Turn::None)
            }
        }
    }

    /// Encodes the final row of a statement whose end nobody saw, from the row of its intent.
    pub(super) fn abandoned(mut intent: Entry, flags: i32) -> Result<Self, RecordError> {
        let missing = |column| RecordError::Missing {
            table: intent.table.name,
            column,
        };
        let session = intent.text("session_id").and_then(|id| id.parse().ok());
        let session = session.ok_or_else(|| missing("session_id"))?;
        let statement = intent.text("statement_id").and_then(|id| id.parse().ok());
        let statement = statement.ok_or_else(|| missing("statement_id"))?;
        let revision = intent.int("revision").unwrap_or(0) + 1;
        let kept = intent.int("integrity_flags").unwrap_or_default() & i64::from(REDACTED);
        let flags = if kept == 0 { flags } else { flags | REDACTED };
        intent.set("is_final", true);
        intent.set("revision", revision);
        intent.set("status", "abandoned");
        let own = intent.values().iter().skip(COMMON_COLUMNS).cloned();
        Ok(Self {
            table: intent.table,
            session,
            flags,
            tail: Tail::encode(intent.table, own).map_err(encoding(intent.table))?,
            turn: Turn::Ends(statement),
            kept: None,
            seen: None,
        })
    }

    /// Encodes a row once more, which keeps its id, its time and what it says, for another chain.
    pub(super) fn again(entry: Entry) -> Result<Self, RecordError> {
        let missing = |column| RecordError::Missing {
            table: entry.table.name,
            column,
        };
        let session = entry.text("session_id").and_then(|id| id.parse().ok());
        let record_id = entry.text("record_id").and_then(|id| id.parse().ok());
        let statement = entry.text("statement_id").and_then(|id| id.parse().ok());
        let is_statement = entry.table.name == statements::TABLE.name;
        let turn = match statement.filter(|_| is_statement) {
            Some(id) if entry.is("is_final") => Turn::Ends(id),
            Some(id) => Turn::Begins(id),
            None => Turn::None,
        };
        let flags = entry.int("integrity_flags").unwrap_or(0) | i64::from(RECOVERED);
        let own = entry.values().iter().skip(COMMON_COLUMNS).cloned();
        Ok(Self {
            table: entry.table,
            session: session.ok_or_else(|| missing("session_id"))?,
            flags: i32::try_from(flags).unwrap_or(RECOVERED),
            tail: Tail::encode(entry.table, own).map_err(encoding(entry.table))?,
            turn,
            kept: Some((
                record_id.ok_or_else(|| missing("record_id"))?,
                entry.int("ts").ok_or_else(|| missing("ts"))?,
            )),
            seen: None,
        })
    }

    fn checked<const N: usize>(
        facts: &Facts,
        table: &'static Table,
        session: Option<SessionId>,
        mut fields: [(&'static str, Value); N],
        turn: Turn,
    ) -> Result<Self, RecordError> {
        let missing = |column| RecordError::Missing {
            table: table.name,
            column,
        };
        let session = session.ok_or_else(|| missing("session_id"))?;
        let lacks =
            |(column, (_, value)): &(&Column, &(_, Value))| column.required && value.is_null();
        if let Some((column, _)) = table.own.iter().zip(&fields).find(lacks) {
            return Err(missing(column.name));
        }
        let encoded = |fields: &[(&'static str, Value); N]| {
            Tail::encode(table, fields.iter().map(|(_, value)| value)).map_err(encoding(table))
        };
        let mut tail = encoded(&fields)?;
        let mut flags = 0;
        if let Some(scrub) = &facts.scrub
            && Scrub::may_find(tail.bytes())
        {
            for (column, (_, value)) in table.own.iter().zip(&mut fields) {
                if !column.verbatim && scrub.clean(session, column, value) {
                    flags = REDACTED;
                }
            }
            if flags == REDACTED {
                // By the salt of a commitment to the whole text, what was taken out of it could be found by trying.
                for (column, (_, value)) in table.own.iter().zip(&mut fields) {
                    if column.kind == Type::Salt {
                        *value = random_salt()?.into();
                    }
                }
                tail = encoded(&fields)?;
            }
        }
        Ok(Self {
            table,
            session,
            flags,
            tail,
            turn,
            kept: None,
            seen: None,
        })
    }

    /// Tells how many bytes of the queue the row takes.
    pub(super) fn len(&self) -> usize {
        self.tail.len() + size_of::<Self>()
    }

    /// Tells what the row means for what is still open.
    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// Gives what watchers are told of the row once it is written.
    pub(super) fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    /// Tells whether it is an event, which watchers are told as it was written.
    pub(super) fn is_event(&self) -> bool {
        self.table.id == events::TABLE.id
    }

    /// Gives the row's bytes at its place.
    pub(super) fn encode(&self, place: Place<'_>) -> Result<Vec<u8>, RecordError> {
        let (record_id, ts_us) = self.kept.unwrap_or((place.record_id, place.ts_us));
        let common: [Value; COMMON_COLUMNS] = [
            FORMAT_VERSION.into(),
            record_id.to_string().into(),
            place.chain.into(),
            place.seq.into(),
            ts_us.into(),
            place.mono_ns.into(),
            place.org.into(),
            self.session.into(),
            (self.flags | place.flags).into(),
        ];
        cbor::encode(self.table, common, &self.tail).map_err(encoding(self.table))
    }

    /// Says that the row is longer than a frame may be.
    pub(super) fn too_long(&self) -> RecordError {
        RecordError::Encoding {
            table: self.table.name,
            cause: "longer than a frame may be".to_owned(),
        }
    }
}

fn encoding(table: &'static Table) -> impl FnOnce(CborError) -> RecordError {
    move |error| RecordError::Encoding {
        table: table.name,
        cause: error.to_string(),
    }
}
