//! Table `statement_texts`: what a statement said, kept apart so that it can be erased apart.

use crate::id::{SessionId, StatementId};
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Json, Salt, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 4,
    name: "statement_texts",
    tier: Tier::Content,
    doc: "Content of one statement; written with its intent, and once more where an error text follows.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 6] = [
    Column::new(16, "statement_id", Text, "Statement that the content belongs to.").required().bloom(),
    Column::new(17, "sql_text", Text, "SQL exactly as the client sent it.").required(),
    Column::new(18, "salt", Salt, "Salt of the statement's `sql_commit`; another one where secrets were taken out."),
    Column::new(19, "binds", Json, "Bind values as sent."),
    Column::new(20, "error_text", Text, "Snowflake's error message."),
    Column::new(21, "rewritten_sql", Text, "SQL that was sent instead, if it was rewritten."),
];

/// One row of `statement_texts`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct StatementTextRow {
    pub session_id: Option<SessionId>,
    pub statement_id: Option<StatementId>,
    pub sql_text: Option<String>,
    pub salt: Option<[u8; 16]>,
    pub binds: Option<serde_json::Value>,
    pub error_text: Option<String>,
    pub rewritten_sql: Option<String>,
}

impl StatementTextRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 6] {
        [
            ("statement_id", self.statement_id.into()),
            ("sql_text", self.sql_text.into()),
            ("salt", self.salt.into()),
            ("binds", self.binds.into()),
            ("error_text", self.error_text.into()),
            ("rewritten_sql", self.rewritten_sql.into()),
        ]
    }
}
