//! What the rows of one table say that those of others must agree with.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
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
        let rows = Rows { batch };
        match table.name {
            "statements" => {
                let facts = (seqs.iter().enumerate()).map(|(row, seq)| rows.statement(row, *seq));
                self.statements.extend(facts);
            }
            "statement_texts" => {
                let facts = (seqs.iter().enumerate()).map(|(row, seq)| rows.text_fact(row, *seq));
                self.texts.extend(facts);
            }
            "results" => {
                let facts = (seqs.iter().enumerate()).map(|(row, seq)| rows.result(row, *seq));
                self.results.extend(facts);
            }
            "sessions" | "logins" => {
                let named = |row: usize| rows.hash("idp_keys_sha256", row);
                let named = (seqs.iter().enumerate())
                    .filter_map(|(row, seq)| named(row).map(|sha256| (*seq, sha256)));
                self.documents.extend(named);
                let ahead = (seqs.iter().enumerate())
                    .filter_map(|(row, seq)| Some((*seq, rows.int("clock_ahead_ms", row)?)));
                self.clocks.extend(ahead);
            }
            _ => {}
        }
    }

    /// Adds those of another object.
    pub(crate) fn extend(&mut self, other: Self) {
        self.statements.extend(other.statements);
        self.texts.extend(other.texts);
        self.results.extend(other.results);
        self.documents.extend(other.documents);
        self.clocks.extend(other.clocks);
    }
}

struct Rows<'a> {
    batch: &'a RecordBatch,
}

impl Rows<'_> {
    fn statement(&self, row: usize, seq: u64) -> StatementFact {
        let is = |name| self.has(name, row);
        let is_success = self.text("status", row) == Some("success");
        let is_final = self.bool("is_final", row);
        StatementFact {
            seq,
            statement: self.id(row),
            is_final,
            is_forwarded: is("forwarded_at"),
            decision: self.text("decision", row).unwrap_or_default().to_owned(),
            has_approval: is("approval_id"),
            sql_commit: self.hash("sql_commit", row),
            mask_rules: self.mask_rules(row),
            bundle: self.hash("policy_bundle_sha256", row).unwrap_or_default(),
            lacks_digests: is_final
                && is_success
                && is("rows_returned")
                && !(is("upstream_mac") && is("delivered_mac")),
        }
    }

    fn text_fact(&self, row: usize, seq: u64) -> TextFact {
        let flags = self.column("integrity_flags");
        let flags = flags.and_then(|column| column.as_primitive_opt::<Int32Type>());
        let is_redacted = flags.is_none_or(|flags| flags.value(row) & REDACTED != 0);
        let salt = self.bytes("salt", row);
        let salt = salt.and_then(|salt| <[u8; 16]>::try_from(salt).ok());
        let text = self.text("sql_text", row);
        TextFact {
            seq,
            statement: self.id(row),
            commitment: match (salt, text) {
                (Some(salt), Some(text)) if !is_redacted => Some(commitment(&salt, text)),
                _ => None,
            },
        }
    }

    fn result(&self, row: usize, seq: u64) -> ResultFact {
        let key = self.text("object_key", row);
        let stored = match (key, self.hash("object_sha256", row)) {
            (Some(key), Some(sha256)) => Ok(Some((key.to_owned(), sha256))),
            (None, None) => Ok(None),
            (Some(key), None) => Err(format!("`{key}` without its SHA-256")),
            (None, Some(_)) => Err("a SHA-256 without its object".to_owned()),
        };
        ResultFact { seq, stored }
    }

    fn mask_rules(&self, row: usize) -> Vec<String> {
        let column = self
            .column("masked_columns")
            .filter(|column| column.is_valid(row));
        let Some(list) = column.and_then(|column| column.as_list_opt::<i32>()) else {
            return Vec::new();
        };
        let masks = list.value(row);
        let masks = masks.as_struct_opt();
        let rules = masks.and_then(|masks| masks.column_by_name("rule_id"));
        let rules = rules.and_then(|rules| rules.as_string_opt::<i32>());
        let rules = rules.map(|rules| rules.iter().flatten().map(str::to_owned).collect());
        rules.unwrap_or_default()
    }

    fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.batch.column_by_name(name)
    }

    fn has(&self, name: &str, row: usize) -> bool {
        self.column(name).is_some_and(|column| column.is_valid(row))
    }

    fn text(&self, name: &str, row: usize) -> Option<&str> {
        let column = self.column(name)?.as_string_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    fn bool(&self, name: &str, row: usize) -> bool {
        let column = self.column(name).and_then(|column| column.as_boolean_opt());
        column.is_some_and(|column| column.is_valid(row) && column.value(row))
    }

    fn int(&self, name: &str, row: usize) -> Option<i64> {
        let column = self.column(name)?.as_primitive_opt::<Int64Type>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    fn bytes(&self, name: &str, row: usize) -> Option<&[u8]> {
        let column = self.column(name)?.as_fixed_size_binary_opt()?;
        column.is_valid(row).then(|| column.value(row))
    }

    fn hash(&self, name: &str, row: usize) -> Option<[u8; 32]> {
        self.bytes(name, row)?.try_into().ok()
    }

    /// Gives the statement's id; 0 where it is none of ours.
    fn id(&self, row: usize) -> u128 {
        let id = self.text("statement_id", row).unwrap_or_default();
        Uuid::try_parse(id).map_or(0, |id| id.as_u128())
    }
}
