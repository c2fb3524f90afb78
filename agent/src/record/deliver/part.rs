//! The part of a result that its reply itself holds: as a row of `results`, where some of it is masked.

use crate::id::{SessionId, StatementId};
use crate::mask::Outcome;
use crate::record::{Recorder, ResultRow};
use crate::snowflake::answer::Body;

/// Place of a reply's own rows in the result, before those of its chunks.
const OWN_ROWS: i32 = -1;

/// Digests of an answer as it came and as it is delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Macs {
    /// As it came, if it did.
    pub(super) upstream: Option<[u8; 32]>,
    /// As it is delivered.
    pub(super) delivered: [u8; 32],
}

impl Macs {
    /// Digests an answer; what was not changed is not digested twice.
    pub(super) fn of(recorder: &Recorder, body: &Body, outcome: &Outcome) -> Self {
        let delivered = recorder.mac(body.text());
        let upstream = outcome.upstream_body.as_ref().map(|upstream| {
            if upstream == body.text() {
                delivered
            } else {
                recorder.mac(upstream)
            }
        });
        Self {
            upstream,
            delivered,
        }
    }
}

/// Tells of the rows that a reply itself holds; none where nothing of them is masked.
pub(super) fn row(
    session: SessionId,
    statement: Option<StatementId>,
    body: &Body,
    outcome: &Outcome,
    macs: impl FnOnce() -> Macs,
) -> Option<ResultRow> {
    let is_masked = outcome.columns.iter().any(|column| column.masked);
    let is_delivered = outcome.succeeded && !outcome.in_progress && outcome.withheld.is_none();
    if !is_masked || !is_delivered {
        return None;
    }
    let Macs {
        upstream,
        delivered,
    } = macs();
    let bytes = |text: &[u8]| i64::try_from(text.len()).ok();
    Some(ResultRow {
        session_id: Some(session),
        statement_id: statement,
        chunk_index: outcome
            .partition
            .map_or(OWN_ROWS, |number| i32::try_from(number).unwrap_or(i32::MAX)),
        rows: i64::try_from(outcome.rows_here).ok(),
        bytes_plain: bytes(body.text()),
        upstream_mac: upstream,
        delivered_mac: Some(delivered),
        masked_cells: i64::try_from(outcome.masked_cells).ok(),
        stored: Some("none".to_owned()),
        is_complete: true,
        ..ResultRow::default()
    })
}
