//! The tables of a record: from one definition come the frames, the Parquet files and the documented columns. Pure.

use super::tables::{
    approval_texts, approvals, events, links, llm_calls, logins, prompts, results, sessions,
    statement_texts, statements, tool_call_args, tool_calls, transfers,
};

/// Says by which definition a row was written; a row carries it in its frame and in its column `schema_version`.
///
/// It goes up when a column gets another meaning, type or encoding. One more column or table leaves it as it is: readers
/// tell of what they do not know and read the rest. docs/analysts.md has who reads what.
pub const FORMAT_VERSION: i32 = 1;

/// The tables in the order in which they are shown.
pub static TABLES: [&Table; 14] = [
    &sessions::TABLE,
    &logins::TABLE,
    &statements::TABLE,
    &statement_texts::TABLE,
    &results::TABLE,
    &transfers::TABLE,
    &approvals::TABLE,
    &approval_texts::TABLE,
    &prompts::TABLE,
    &llm_calls::TABLE,
    &tool_calls::TABLE,
    &tool_call_args::TABLE,
    &links::TABLE,
    &events::TABLE,
];

/// One table: its columns are [`COMMON`] followed by its own.
#[derive(Debug, PartialEq)]
pub struct Table {
    /// Names the table in a frame; never reused.
    pub id: u16,
    /// The table's name, and its folder's in the store.
    pub name: &'static str,
    /// How sensitive its content is; also the folder above the table.
    pub tier: Tier,
    /// What one row of it is.
    pub doc: &'static str,
    /// The columns that only this table has, by ascending id.
    pub own: &'static [Column],
    /// The column whose UTC day is the row's partition; `ts` where there is none.
    pub day_of: Option<&'static str>,
}

impl Table {
    /// Lists all columns in the order in which files hold them.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        COMMON.iter().chain(self.own)
    }

    /// Finds a column's place by its name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns().position(|column| column.name == name)
    }

    /// Finds a table by the id that frames carry.
    #[must_use]
    pub fn by_id(id: u16) -> Option<&'static Self> {
        TABLES.into_iter().find(|table| table.id == id)
    }

    /// Finds a table by its name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        TABLES.into_iter().find(|table| table.name == name)
    }
}

/// How sensitive a table's content is: each tier has its own prefix, key and retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Metadata: no literal, no content.
    Metadata,
    /// Content: SQL text, binds, error text.
    Content,
    /// Results: rows as they were delivered. Each file has its result's own columns; see [`RESULT_ROWS`].
    Rows,
    /// Prompts and arguments of tools: what people said to agents.
    Prompts,
}

impl Tier {
    /// Names the tier's folder.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "t0",
            Self::Content => "t1",
            Self::Rows => "t2",
            Self::Prompts => "t3",
        }
    }
}

/// Tells whether a folder is a tier's.
#[must_use]
pub fn is_tier(folder: &str) -> bool {
    TIERS.iter().any(|tier| tier.as_str() == folder)
}

/// The tiers.
pub const TIERS: [Tier; 4] = [Tier::Metadata, Tier::Content, Tier::Rows, Tier::Prompts];

/// One column, or one field of a struct.
#[derive(Debug, PartialEq)]
pub struct Column {
    /// The key under which frames hold the value; never reused within a table.
    pub id: u16,
    /// The column's name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Type,
    /// Whether each row has a value.
    pub required: bool,
    /// Whether values are expected to come again within a file: few distinct ones, or what a statement's rows share.
    pub dictionary: bool,
    /// Whether compacted files carry a bloom filter for it.
    pub bloom: bool,
    /// Whether secrets stay in it: a proof is none without what is signed of it.
    pub verbatim: bool,
    /// What it says.
    pub doc: &'static str,
}

impl Column {
    /// Makes a column that may be null.
    #[must_use]
    pub const fn new(id: u16, name: &'static str, kind: Type, doc: &'static str) -> Self {
        Self {
            id,
            name,
            kind,
            required: false,
            dictionary: false,
            bloom: false,
            verbatim: false,
            doc,
        }
    }

    /// Says that each row has a value.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Says that values are expected to come again within a file.
    #[must_use]
    pub const fn dictionary(mut self) -> Self {
        self.dictionary = true;
        self
    }

    /// Says that compacted files carry a bloom filter for it.
    #[must_use]
    pub const fn bloom(mut self) -> Self {
        self.bloom = true;
        self
    }

    /// Says that secrets are not taken out of it.
    #[must_use]
    pub const fn verbatim(mut self) -> Self {
        self.verbatim = true;
        self
    }
}

/// What the values of a column are.
#[derive(Debug, PartialEq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number of 32 bits.
    I32,
    /// A whole number of 64 bits.
    I64,
    /// A floating-point number of 64 bits.
    F64,
    /// UTF-8 text.
    Text,
    /// UTF-8 text that is one JSON document.
    Json,
    /// A digest or MAC of 32 bytes.
    Hash,
    /// A salt of 16 bytes.
    Salt,
    /// A point in time, UTC, in microseconds since 1970.
    Time,
    /// Values of one type, in order.
    List(&'static Type),
    /// Named values.
    Struct(&'static [Column]),
}

/// The column that a frame carries in its head instead of among its fields.
pub const SCHEMA_VERSION_ID: u16 = 0;

/// How many columns [`COMMON`] has.
pub const COMMON_COLUMNS: usize = 9;

/// The columns that each table begins with; the recorder fills all but `session_id`. Ids 9 to 15 are kept for more.
#[rustfmt::skip]
pub static COMMON: [Column; COMMON_COLUMNS] = [
    Column::new(SCHEMA_VERSION_ID, "schema_version", Type::I32, "Definition by which the row was written.").required().dictionary(),
    Column::new(1, "record_id", Type::Text, "Names the row; a UUID version 7.").required(),
    Column::new(2, "chain_id", Type::Text, "Chain that the row belongs to: one run of one recorder.").required().dictionary(),
    Column::new(3, "seq", Type::I64, "Place in the chain, dense over all tables.").required(),
    Column::new(4, "ts", Type::Time, "When the recorder took the row.").required(),
    Column::new(5, "mono_ns", Type::I64, "Nanoseconds since the recorder's process began; never goes back within a chain.").required(),
    Column::new(6, "org_id", Type::Text, "Organisation that the host records for.").required().dictionary(),
    Column::new(7, "session_id", Type::Text, "Session that the row is about; the nil UUID where it is about the host.").required().dictionary().bloom(),
    Column::new(8, "integrity_flags", Type::I32, "Bit 0 recovered after a crash, 1 truncated field, 2 clock stepped back, 3 redacted.").required(),
];

/// The folder of tier `t2`: its files are no table, since each has the columns of its own result.
pub const RESULT_ROWS: &str = "result_rows";

/// The columns that each file of rows has after those of its result.
#[rustfmt::skip]
pub static ROW_COLUMNS: [Column; 3] = [
    Column::new(0, "_statement_id", Type::Text, "Statement whose result it is.").required(),
    Column::new(1, "_chunk", Type::I32, "Part of the result: `chunk_index` of `results`.").required(),
    Column::new(2, "_row", Type::I64, "Place of the row in that part, from 0.").required(),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_ascend_and_names_are_unique() {
        for table in TABLES {
            let columns: Vec<_> = table.columns().collect();
            assert!(
                columns.windows(2).all(|pair| pair[0].id < pair[1].id),
                "{}",
                table.name
            );
            let names: BTreeSet<_> = columns.iter().map(|column| column.name).collect();
            assert_eq!(names.len(), columns.len(), "{}", table.name);
            assert!(
                table.own.iter().all(|column| column.id >= 16),
                "{}",
                table.name
            );
            assert!(table.day_of.is_none_or(|day| table.position(day).is_some()));
        }
    }

    #[test]
    fn tables_are_found_by_id_and_name() {
        for table in TABLES {
            assert_eq!(Table::by_id(table.id), Some(table));
            assert_eq!(Table::by_name(table.name), Some(table));
        }
    }

    #[test]
    fn each_column_is_documented() {
        for table in TABLES {
            for column in table.columns() {
                assert!(column.doc.ends_with('.'), "{}.{}", table.name, column.name);
            }
        }
    }
}
