//! What a commit begins, asked before and settled after it: whether there is room, and what was refused.

use tracing::warn;

use super::super::body::Body;
use super::super::error::RecordError;
use super::super::event::{EventRow, Phase, Row};
use super::super::queue::{Job, Written};
use super::super::quota;
use super::super::settings::RecordMode;
use super::unacknowledged::otherwise;
use super::{Recorder, Shared};
use crate::id::SessionId;

/// What a commit is about, until it is written or refused.
#[derive(Default)]
pub(super) struct Asked {
    /// The session that begins something with it.
    begins: Option<SessionId>,
    /// What it tells of the session's refusals.
    told: Option<EventRow>,
    /// What is recorded instead if the store does not acknowledge it.
    otherwise: Vec<Row>,
}

impl Recorder {
    /// Asks whether what rows begin may begin, and adds what is still to be told of their session.
    pub(super) fn ask(&self, mut rows: Vec<Row>) -> Result<(Vec<Row>, Asked), RecordError> {
        let Shared {
            quotas,
            clock,
            mode,
            health,
            ..
        } = &*self.shared;
        let begins = quota::begins(&rows);
        if let Some(session) = begins
            && let Err(error) = health
                .acknowledges()
                .and_then(|()| quotas.ask(session, *mode))
        {
            quotas.refused(session, &error, clock.now());
            // What is refused to all for want of room is told when there is some.
            if matches!(error, RecordError::Share { .. })
                && let Some(row) = quotas.untold(session, *mode)
            {
                let told = Some(row.clone());
                let written = self.submit(vec![Row::from(row)]).map(|_| None);
                let asked = Asked {
                    told,
                    ..Asked::default()
                };
                self.settle(asked, &written);
            }
            return match mode {
                RecordMode::StrictLocal | RecordMode::StrictRemote => Err(error),
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
        let otherwise = match mode {
            RecordMode::StrictRemote => otherwise(&rows),
            RecordMode::StrictLocal | RecordMode::BestEffort => Vec::new(),
        };
        let asked = Asked {
            begins,
            told,
            otherwise,
        };
        Ok((rows, asked))
    }

    /// Says whether rows of a session may be recorded that no statement waits for, such as those of its model calls.
    ///
    /// # Errors
    /// The rest of the room is for statements.
    pub fn ask_beside(&self, session: SessionId) -> Result<(), RecordError> {
        self.shared.quotas.ask_beside(session)
    }

    /// Counts what could not be recorded as refused.
    pub(super) fn settle(&self, asked: Asked, written: &Result<Option<Written>, RecordError>) {
        let Err(error) = written else { return };
        let Shared {
            quotas,
            clock,
            facts,
            queue,
            ..
        } = &*self.shared;
        if let Some(session) = asked.begins {
            quotas.refused(session, error, clock.now());
        }
        // What is not acknowledged is on this disk all the same.
        let is_recorded = matches!(error, RecordError::Unacknowledged { .. });
        if let Some(row) = asked.told.as_ref().filter(|_| !is_recorded) {
            quotas.not_told(row);
        }
        if is_recorded && !asked.otherwise.is_empty() {
            let bodies = asked.otherwise.into_iter();
            let bodies: Result<Vec<Body>, _> = bodies.map(|row| Body::of(row, facts)).collect();
            let told = bodies.and_then(|bodies| queue.push(Job::Commit(bodies, None)));
            if let Err(error) = told {
                warn!(%error, "what became of a statement could not be recorded");
            }
        }
    }
}

fn is_close(row: &Row) -> bool {
    matches!(row, Row::Session(row) if row.phase == Phase::Close)
}
