//! Table `results`: one row a delivery of a result's chunk.

use chrono::{DateTime, Utc};

use crate::id::{SessionId, StatementId};
use crate::record::event::Detected;
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Bool, Hash, I32, I64, List, Struct, Text, Time};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 6,
    name: "results",
    tier: Tier::Metadata,
    doc: "One delivery of a part of a result: of each chunk, and of the reply's own rows where some are masked or stored; what is asked twice has two.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static DETECTED: [Column; 2] = [
    Column::new(0, "detector", Text, "Detector, as policies name it; `minted` where no policy asked."),
    Column::new(1, "finds", I64, "What it found and was hidden: several in one cell are several."),
];

#[rustfmt::skip]
static COLUMNS: [Column; 16] = [
    Column::new(16, "statement_id", Text, "Statement whose result it is.").required().bloom(),
    Column::new(17, "chunk_index", I32, "Place in the result: -1 for the rows of the reply itself, then chunks, or partitions of the SQL API, from 0.").required(),
    Column::new(18, "source_host", Text, "Storage host that it came from.").dictionary(),
    Column::new(19, "encoding", Text, "How it came: `gzip` or `plain`.").dictionary(),
    Column::new(20, "rows", I64, "Rows that it holds, as Snowflake tells; null if it was not delivered whole."),
    Column::new(21, "bytes_compressed", I64, "Bytes that came from storage."),
    Column::new(22, "bytes_plain", I64, "Plain bytes that were delivered."),
    Column::new(23, "upstream_mac", Hash, "HMAC-SHA256 of the plain bytes as they came.").required(),
    Column::new(24, "delivered_mac", Hash, "HMAC-SHA256 of the plain bytes as they were delivered.").required(),
    Column::new(25, "masked_cells", I64, "Cells that were masked."),
    Column::new(26, "stored", Text, "How much of it is stored: `none`, `sample` or `full`.").required().dictionary(),
    Column::new(27, "object_key", Text, "Where it is stored."),
    Column::new(28, "completed", Bool, "Whether it was delivered whole; if not, the client was told of a broken transfer.").required(),
    Column::new(29, "object_sha256", Hash, "SHA-256 of what is stored there."),
    Column::new(30, "detected", List(&Struct(&DETECTED)), "What detectors found in the cells that were masked."),
    Column::new(31, "first_released_at", Time, "When the first of it left; null for the rows of a reply, which leave with the reply."),
];

/// One row of `results`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct ResultRow {
    pub session_id: Option<SessionId>,
    pub statement_id: Option<StatementId>,
    pub chunk_index: i32,
    pub source_host: Option<String>,
    pub encoding: Option<String>,
    pub rows: Option<i64>,
    pub bytes_compressed: Option<i64>,
    pub bytes_plain: Option<i64>,
    pub upstream_mac: Option<[u8; 32]>,
    pub delivered_mac: Option<[u8; 32]>,
    pub masked_cells: Option<i64>,
    pub stored: Option<String>,
    pub object_key: Option<String>,
    pub completed: bool,
    pub object_sha256: Option<[u8; 32]>,
    pub detected: Vec<Detected>,
    pub first_released_at: Option<DateTime<Utc>>,
}

impl ResultRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 16] {
        [
            ("statement_id", self.statement_id.into()),
            ("chunk_index", self.chunk_index.into()),
            ("source_host", self.source_host.into()),
            ("encoding", self.encoding.into()),
            ("rows", self.rows.into()),
            ("bytes_compressed", self.bytes_compressed.into()),
            ("bytes_plain", self.bytes_plain.into()),
            ("upstream_mac", self.upstream_mac.into()),
            ("delivered_mac", self.delivered_mac.into()),
            ("masked_cells", self.masked_cells.into()),
            ("stored", self.stored.into()),
            ("object_key", self.object_key.into()),
            ("completed", self.completed.into()),
            ("object_sha256", self.object_sha256.into()),
            ("detected", self.detected.into()),
            ("first_released_at", self.first_released_at.into()),
        ]
    }
}
