//! A part of a result as its row of `results` tells it: what is masked, what is stored, digests.

use crate::id::{SessionId, StatementId};
use crate::mask::{Finds, Outcome};
use crate::record::event::Detected;
use crate::record::rows::StoredRows;
use crate::record::settings::ResultRows;
use crate::record::{RecordError, Recorder, ResultRow};
use crate::snowflake::answer::Body;

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

/// What is stored of a part of a result, as its row tells it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) word: &'static str,
    pub(super) rows: Option<StoredRows>,
}

impl Stored {
    /// Tells what of a statement's part is stored.
    pub(super) fn of(
        recorder: &Recorder,
        statement: StatementId,
        rows: Option<StoredRows>,
    ) -> Self {
        let kept = recorder.keeper().of(statement).filter(|_| rows.is_some());
        let wanted = kept.map_or(ResultRows::None, |kept| kept.wanted());
        Self {
            word: wanted.word(),
            rows,
        }
    }

    /// Writes it into the part's row.
    pub(super) fn tell(&self, row: ResultRow) -> ResultRow {
        let rows = self.rows.as_ref();
        ResultRow {
            stored: Some(self.word.to_owned()),
            object_key: rows.map(|rows| rows.key.to_string()),
            object_sha256: rows.map(|rows| rows.sha256),
            ..row
        }
    }

    /// Leaves the rows to those who ship them, unless it is certain that the record does not tell of them.
    pub(super) fn settle(self, outcome: Result<(), &RecordError>) {
        let is_told = match outcome {
            Ok(()) | Err(RecordError::Degraded { .. } | RecordError::Unacknowledged { .. }) => true,
            Err(_) => false,
        };
        if let Some(rows) = self.rows.filter(|_| is_told) {
            rows.keep();
        }
    }
}

/// Lists what detectors found, as a row has it.
pub(super) fn detected(finds: &Finds) -> Vec<Detected> {
    let told = finds.iter().map(|(detector, finds)| Detected {
        detector: detector.name().to_owned(),
        finds: i64::try_from(*finds).unwrap_or(i64::MAX),
    });
    told.collect()
}

/// Tells of the rows that a reply itself holds; none where nothing of them is masked or stored.
pub(super) fn row(
    session: SessionId,
    statement: StatementId,
    body: &Body,
    outcome: &Outcome,
    stored: &Stored,
    macs: impl FnOnce() -> Macs,
) -> Option<ResultRow> {
    let is_masked = outcome.columns.iter().any(|column| column.masked);
    let is_told = is_masked || stored.rows.is_some();
    if !is_told || !outcome.is_delivered() {
        return None;
    }
    let Macs {
        upstream,
        delivered,
    } = macs();
    Some(stored.tell(ResultRow {
        session_id: Some(session),
        statement_id: Some(statement),
        chunk_index: outcome.place,
        rows: i64::try_from(outcome.rows_here).ok(),
        bytes_plain: i64::try_from(body.text().len()).ok(),
        upstream_mac: upstream,
        delivered_mac: Some(delivered),
        masked_cells: i64::try_from(outcome.masked_cells).ok(),
        detected: detected(&outcome.found),
        completed: true,
        ..ResultRow::default()
    }))
}
