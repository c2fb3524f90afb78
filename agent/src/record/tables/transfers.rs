//! Table `transfers`: one row a file that was moved to or from a stage.

use crate::id::{SessionId, StatementId};
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Bool, Hash, I64, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 8,
    name: "transfers",
    tier: Tier::Metadata,
    doc: "One file on its way to or from a stage; a file that is moved twice has two.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 9] = [
    Column::new(16, "statement_id", Text, "PUT or GET that named it.").required().bloom(),
    Column::new(17, "direction", Text, "`put`: to the stage; `get`: from it.").required().dictionary(),
    Column::new(18, "file", Text, "Its name in the stage, behind the path that the statement names.").required(),
    Column::new(19, "storage_host", Text, "Storage host that holds the stage.").required().dictionary(),
    Column::new(20, "is_encrypted", Bool, "Whether the proxy encrypts or decrypts it as a driver would.").required(),
    Column::new(21, "bytes_plain", I64, "Plain bytes: of a file that was put whole what was announced, of one from a stage what was delivered."),
    Column::new(22, "bytes_stored", I64, "Bytes that storage took or gave."),
    Column::new(23, "sha256", Hash, "SHA-256 of the plain bytes; null if the file was not moved whole."),
    Column::new(24, "completed", Bool, "Whether it was moved whole; if not, the client was told of a failure.").required(),
];

/// One row of `transfers`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct TransferRow {
    pub session_id: Option<SessionId>,
    pub statement_id: Option<StatementId>,
    pub direction: Option<String>,
    pub file: Option<String>,
    pub storage_host: Option<String>,
    pub is_encrypted: bool,
    pub bytes_plain: Option<i64>,
    pub bytes_stored: Option<i64>,
    pub sha256: Option<[u8; 32]>,
    pub completed: bool,
}

impl TransferRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 9] {
        [
            ("statement_id", self.statement_id.into()),
            ("direction", self.direction.into()),
            ("file", self.file.into()),
            ("storage_host", self.storage_host.into()),
            ("is_encrypted", self.is_encrypted.into()),
            ("bytes_plain", self.bytes_plain.into()),
            ("bytes_stored", self.bytes_stored.into()),
            ("sha256", self.sha256.into()),
            ("completed", self.completed.into()),
        ]
    }
}
