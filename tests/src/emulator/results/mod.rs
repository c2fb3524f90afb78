//! The rows of a statement, and the forms in which Snowflake answers them: Arrow or JSON, inline or in chunks.

mod cells;
mod chunks;
mod format;
mod planted;
mod table;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub(super) use cells::Booleans;
pub use chunks::HOST as CHUNK_HOST;
pub(super) use chunks::{Chunks, Key, serve};
pub(super) use format::{Format, preferred};
pub(super) use planted::Pieces;
pub use planted::Planted;
pub(super) use table::Table;

use super::Gate;

/// What a statement left when it worked.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The members of an answer's `data`, rows and their description apart.
    pub(super) data: Map<String, Value>,
    /// The rows.
    pub(super) table: Arc<Table>,
    /// The form of the rows over v1.
    pub(super) format: Format,
    /// What the chunks of this result are encrypted with.
    pub(super) key: Key,
}

impl Outcome {
    /// Gives the `data` of a v1 answer: all rows inline, or a third of them and the rest as chunks.
    ///
    /// The chunks' addresses are signed anew with each answer, as Snowflake does for a driver that asks again.
    pub(super) fn answer(&self, gate: &Gate, query_id: &str) -> Result<Map<String, Value>, String> {
        let mut data = self.data.clone();
        if data.contains_key("command") {
            // PUT and GET answer with what the driver needs to move files, and no rows.
            return Ok(data);
        }
        let total = self.table.len();
        let tuning = gate.tuning();
        if let Some(parameters) = data.get_mut("parameters").and_then(Value::as_array_mut) {
            parameters.push(json!({"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": tuning.stage_binds_from}));
        }
        let chunk_rows = usize::try_from(tuning.chunk_rows).unwrap_or(usize::MAX);
        let mut cuts = self.table.cuts(chunk_rows).into_iter();
        let (_, inline) = cuts.next().unwrap_or_default();
        data.insert("rowtype".into(), self.table.rowtype.clone());
        data.insert("total".into(), json!(total));
        data.insert("returned".into(), json!(total));
        data.insert("queryResultFormat".into(), json!(self.format.name()));
        let (key, rows) = match self.format {
            Format::Arrow => ("rowsetBase64", self.table.base64(0, inline)?),
            Format::Json => ("rowset", self.table.json(0, inline, Booleans::Digits)?),
        };
        data.insert(key.into(), rows);
        if inline < total {
            let mut chunks = Vec::new();
            for (start, rows) in cuts {
                let offered = gate.chunks.offer(gate, query_id, self, start, rows)?;
                chunks.push(offered);
            }
            data.insert("chunks".into(), json!(chunks));
            data.insert("chunkHeaders".into(), self.key.headers());
            data.insert("qrmk".into(), json!(self.key.key));
        }
        Ok(data)
    }
}
