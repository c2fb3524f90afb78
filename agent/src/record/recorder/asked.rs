//! What a commit begins, asked before and settled after it: whether there is room, and what was refused.

use super::super::error::RecordError;
use super::super::event::{EventRow, Phase, Row};
use super::super::queue::Written;
use super::super::quota;
use super::super::settings::RecordMode;
use super::{Recorder, Shared};
use crate::id::SessionId;

/// What a commit is about, until it is written or refused.
#[derive(Default)]
pub(super) struct Asked {
    /// The session that begins something with it.
    begins: Option<SessionId>,
    /// What it tells of the session's refusals.
    told: Option<EventRow>,
}

impl Recorder {
    /// Asks whether what rows begin may begin, and adds what is still to be told of their session.
    pub(super) fn ask(&self, mut rows: Vec<Row>) -> Result<(Vec<Row>, Asked), RecordError> {
        let Shared {
            quotas,
            clock,
            mode,
            ..
        } = &*self.shared;
        let begins = quota::begins(&rows);
        if let Some(session) = begins
            && let Err(error) = quotas.ask(session, *mode)
        {
            quotas.refused(session, &error, clock.now());
            // What is refused to all for want of room is told when there is some.
            if matches!(error, RecordError::Share { .. })
                && let Some(row) = quotas.untold(session, *mode)
            {
                let told = Some(row.clone());
                let written = self.submit(vec![Row::from(row)]).map(|_| None);
                self.settle(Asked { begins: None, told }, &written);
            }
            return match mode {
                RecordMode::StrictLocal => Err(error),
                RecordMode::BestEffort => Ok((Vec::new(), Asked::default())),
            };
        }
        let session = rows.first().and_then(quota::session_of);
        let told = session.and_then(|session| match rows.iter().any(is_close) {
            true => quotas.finish(session, *mode),
            false => quotas.untold(session, *mode),
        });
        if let Some(row) = &told {
            rows.insert(0, Row::from(row.clone()));
        }
        Ok((rows, Asked { begins, told }))
    }

    /// Counts what could not be recorded as refused.
    pub(super) fn settle(&self, asked: Asked, written: &Result<Option<Written>, RecordError>) {
        let Err(error) = written else { return };
        let Shared { quotas, clock, .. } = &*self.shared;
        if let Some(session) = asked.begins {
            quotas.refused(session, error, clock.now());
        }
        if let Some(row) = &asked.told {
            quotas.not_told(row);
        }
    }
}

fn is_close(row: &Row) -> bool {
    matches!(row, Row::Session(row) if row.phase == Phase::Close)
}
