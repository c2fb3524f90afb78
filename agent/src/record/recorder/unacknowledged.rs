//! What the record says of statements whose rows are on this disk and were not acknowledged by the store in time.

use super::super::event::{Category, EventRow, Row, Severity, StatementRow};
use super::super::words::Status;

/// Code of the event that an answer was withheld.
const WITHHELD: &str = "RS002";

/// Gives what is to be recorded if rows are not acknowledged: an intent that was refused ends, and an answer that is on
/// record did not leave.
pub(super) fn otherwise(rows: &[Row]) -> Vec<Row> {
    let otherwise = rows.iter().filter_map(|row| match row {
        Row::Statement(row) if row.is_final => Some(Row::from(withheld(row))),
        Row::Statement(row) if row.revision == 0 => Some(Row::from(StatementRow {
            is_final: true,
            revision: 1,
            status: Status::Abandoned,
            ..StatementRow::clone(row)
        })),
        Row::Statement(_)
        | Row::Login(_)
        | Row::Session(_)
        | Row::StatementText(_)
        | Row::Result(_)
        | Row::Transfer(_)
        | Row::Approval(_)
        | Row::ApprovalText(_)
        | Row::LlmCall(_)
        | Row::ToolCall(_)
        | Row::ToolCallArgs(_)
        | Row::Prompt(_)
        | Row::Link(_)
        | Row::Event(_) => None,
    });
    otherwise.collect()
}

fn withheld(row: &StatementRow) -> EventRow {
    let reason = "the store did not acknowledge the record of it in time";
    EventRow {
        session_id: row.session_id,
        event_code: WITHHELD,
        severity: Severity::High,
        category: Category::Record,
        statement_id: row.statement_id,
        detail: Some(serde_json::json!({ "reason": reason })),
        ..EventRow::default()
    }
}
