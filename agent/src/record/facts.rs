//! What the rows of one table say that those of others must agree with.

use std::collections::HashMap;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Int32Array, ListArray,
    RecordBatch, StringArray,
};
use arrow::datatypes::{Int32Type, Int64Type};
use uuid::Uuid;

use super::digest::commitment;
use super::schema::Table;

/// Row flag: a secret was taken out of the row.
const REDACTED: i32 = 8;

/// What of an object's rows is compared with others.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) statements: Vec<StatementFact>,
    pub(crate) texts: Vec<TextFact>,
    pub(crate) results: Vec<ResultFact>,
    /// Documents under `evidence/` that rows name by their SHA-256, each with the row's place.
    pub(crate) documents: Vec<(u64, [u8; 32])>,
    /// How far the host's clock was ahead, in milliseconds, as rows say, each with the row's place.
    pub(crate) clocks: Vec<(u64, i64)>,
    /// Sessions of which there are rows, each with the place of one.
    pub(crate) sessions: HashMap<u128, u64>,
}

/// What a row of `statements` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatementFact {
    pub(crate) seq: u64,
    pub(crate) statement: u128,
    pub(crate) is_final: bool,
    /// Whether it was sent.
    pub(crate) is_forwarded: bool,
    pub(crate) decision: String,
    pub(crate) has_approval: bool,
    pub(crate) sql_commit: Option<[u8; 32]>,
    /// Rules that masked a column.
    pub(crate) mask_rules: Vec<String>,
    pub(crate) bundle: [u8; 32],
    /// Whether it succeeded and said how many rows it gave, without the digests of what was delivered.
    pub(crate) lacks_digests: bool,
}

/// What a row of `statement_texts` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextFact {
    pub(crate) seq: u64,
    pub(crate) statement: u128,
    /// What its salt and SQL commit to; none where that cannot be told any more.
    pub(crate) commitment: Option<[u8; 32]>,
}

/// What a row of `results` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultFact {
    pub(crate) seq: u64,
    /// Where rows are stored, and their SHA-256; `Err` where only one of the two is told.
    pub(crate) stored: Result<Option<(String, [u8; 32])>, String>,
}

impl Facts {
    /// Takes what a batch says; `seqs` are its rows' places.
    pub(super) fn take(&mut self, table: &Table, batch: &RecordBatch, seqs: &[u64]) {
        self.take_sessions(batch, seqs);
        let rows = seqs.iter().copied().enumerate();
        match table.name {
            "statements" => {
                let of = Statements::of(batch);
                self.statements
                    .extend(rows.map(|(row, seq)| of.fact(row, seq)));
            }
            "statement_texts" => {
                let of = Texts::of(batch);
                self.texts.extend(rows.map(|(row, seq)| of.fact(row, seq)));
            }
            "results" => {
                let of = Results::of(batch);
                self.results
                    .extend(rows.map(|(row, seq)| of.fact(row, seq)));
            }
            "sessions" | "logins" => {
                let named = bytes(batch, "idp_keys_sha256");
                let named = rows
                    .clone()
                    .filter_map(|(row, seq)| Some((seq, hash(named, row)?)));
                self.documents.extend(named);
                let ahead = batch
                    .column_by_name("clock_ahead_ms")
                    .and_then(|column| column.as_primitive_opt::<Int64Type>());
                let ahead = rows.filter_map(|(row, seq)| {
                    let ahead = ahead.filter(|column| column.is_valid(row))?;
                    Some((seq, ahead.value(row)))
                });
                self.clocks.extend(ahead);
            }
            _ => {}
        }
    }

    /// Takes the sessions that rows are of; most rows are of the one before.
    fn take_sessions(&mut self, batch: &RecordBatch, seqs: &[u64]) {
        let ids = texted(batch, "session_id");
        let mut last = None;
        for (row, seq) in seqs.iter().enumerate() {
            let session = text(ids, row);
            if session == last {
                continue;
            }
            last = session;
            // Rows of no session have the nil id.
            match id(ids, row) {
                0 => {}
                session => {
                    self.sessions.entry(session).or_insert(*seq);
                }
            }
        }
    }

    /// Adds those of another object.
    pub(crate) fn extend(&mut self, other: Self) {
        self.statements.extend(other.statements);
        self.texts.extend(other.texts);
        self.results.extend(other.results);
        self.documents.extend(other.documents);
        self.clocks.extend(other.clocks);
        self.sessions.extend(other.sessions);
    }
}

/// Columns of `statements`, found by name once a batch: to look for them row by row takes longer than their leaves.
struct Statements<'a> {
    id: Texted<'a>,
    is_final: Option<&'a BooleanArray>,
    forwarded_at: Option<&'a ArrayRef>,
    decision: Texted<'a>,
    approval_id: Option<&'a ArrayRef>,
    sql_commit: Bytes<'a>,
    masked_columns: Option<&'a ListArray>,
    bundle: Bytes<'a>,
    status: Texted<'a>,
    rows_returned: Option<&'a ArrayRef>,
    upstream_mac: Option<&'a ArrayRef>,
    delivered_mac: Option<&'a ArrayRef>,
}

impl<'a> Statements<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let column = |name| batch.column_by_name(name);
        Self {
            id: texted(batch, "statement_id"),
            is_final: column("is_final").and_then(|column| column.as_boolean_opt()),
            forwarded_at: column("forwarded_at"),
            decision: texted(batch, "decision"),
            approval_id: column("approval_id"),
            sql_commit: bytes(batch, "sql_commit"),
            masked_columns: column("masked_columns").and_then(|column| column.as_list_opt()),
            bundle: bytes(batch, "policy_bundle_sha256"),
            status: texted(batch, "status"),
            rows_returned: column("rows_returned"),
            upstream_mac: column("upstream_mac"),
            delivered_mac: column("delivered_mac"),
        }
    }

    fn fact(&self, row: usize, seq: u64) -> StatementFact {
        let has = |column: Option<&ArrayRef>| column.is_some_and(|column| column.is_valid(row));
        let is_final = self
            .is_final
            .is_some_and(|column| column.is_valid(row) && column.value(row));
        StatementFact {
            seq,
            statement: id(self.id, row),
            is_final,
            is_forwarded: has(self.forwarded_at),
            decision: text(self.decision, row).unwrap_or_default().to_owned(),
            has_approval: has(self.approval_id),
            sql_commit: hash(self.sql_commit, row),
            mask_rules: self.mask_rules(row),
            bundle: hash(self.bundle, row).unwrap_or_default(),
            lacks_digests: is_final
                && text(self.status, row) == Some("success")
                && has(self.rows_returned)
                && !(has(self.upstream_mac) && has(self.delivered_mac)),
        }
    }

    fn mask_rules(&self, row: usize) -> Vec<String> {
        let Some(list) = self.masked_columns.filter(|list| list.is_valid(row)) else {
            return Vec::new();
        };
        let masks = list.value(row);
        let masks = masks.as_struct_opt();
        let rules = masks.and_then(|masks| masks.column_by_name("rule_id"));
        let rules = rules.and_then(|rules| rules.as_string_opt::<i32>());
        let rules = rules.map(|rules| rules.iter().flatten().map(str::to_owned).collect());
        rules.unwrap_or_default()
    }
}

/// Columns of `statement_texts`.
struct Texts<'a> {
    id: Texted<'a>,
    flags: Option<&'a Int32Array>,
    salt: Bytes<'a>,
    sql_text: Texted<'a>,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let flags = batch.column_by_name("integrity_flags");
        Self {
            id: texted(batch, "statement_id"),
            flags: flags.and_then(|column| column.as_primitive_opt::<Int32Type>()),
            salt: bytes(batch, "salt"),
            sql_text: texted(batch, "sql_text"),
        }
    }

    fn fact(&self, row: usize, seq: u64) -> TextFact {
        let is_redacted = self
            .flags
            .is_none_or(|flags| flags.value(row) & REDACTED != 0);
        let salt: Option<[u8; 16]> = value(self.salt, row).and_then(|salt| salt.try_into().ok());
        TextFact {
            seq,
            statement: id(self.id, row),
            commitment: match (salt, text(self.sql_text, row)) {
                (Some(salt), Some(text)) if !is_redacted => Some(commitment(&salt, text)),
                _ => None,
            },
        }
    }
}

/// Columns of `results`.
struct Results<'a> {
    object_key: Texted<'a>,
    object_sha256: Bytes<'a>,
}

impl<'a> Results<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        Self {
            object_key: texted(batch, "object_key"),
            object_sha256: bytes(batch, "object_sha256"),
        }
    }

    fn fact(&self, row: usize, seq: u64) -> ResultFact {
        let stored = match (text(self.object_key, row), hash(self.object_sha256, row)) {
            (Some(key), Some(sha256)) => Ok(Some((key.to_owned(), sha256))),
            (None, None) => Ok(None),
            (Some(key), None) => Err(format!("`{key}` without its SHA-256")),
            (None, Some(_)) => Err("a SHA-256 without its object".to_owned()),
        };
        ResultFact { seq, stored }
    }
}

/// A column of texts; none where the batch lacks it.
type Texted<'a> = Option<&'a StringArray>;

/// A column of digests or salts.
type Bytes<'a> = Option<&'a FixedSizeBinaryArray>;

fn texted<'a>(batch: &'a RecordBatch, name: &str) -> Texted<'a> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

fn bytes<'a>(batch: &'a RecordBatch, name: &str) -> Bytes<'a> {
    batch.column_by_name(name)?.as_fixed_size_binary_opt()
}

fn text<'a>(column: Texted<'a>, row: usize) -> Option<&'a str> {
    column
        .filter(|column| column.is_valid(row))
        .map(|column| column.value(row))
}

fn value<'a>(column: Bytes<'a>, row: usize) -> Option<&'a [u8]> {
    column
        .filter(|column| column.is_valid(row))
        .map(|column| column.value(row))
}

fn hash(column: Bytes<'_>, row: usize) -> Option<[u8; 32]> {
    value(column, row)?.try_into().ok()
}

/// Gives the statement's id; 0 where it is none of ours.
fn id(column: Texted<'_>, row: usize) -> u128 {
    let id = text(column, row).unwrap_or_default();
    Uuid::try_parse(id).map_or(0, |id| id.as_u128())
}
