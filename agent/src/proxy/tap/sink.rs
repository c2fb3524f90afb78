//! Where what is read of a session's model calls goes: into the session's provenance, and into the record.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pace::Pace;
use super::standing::Place;
use super::unkept::Unkept;
use crate::clock::Clock;
use crate::config::PromptCapture;
use crate::id::SessionId;
use crate::prompt::exchange::Told;
use crate::prompt::linking::evidence::Launched;
use crate::prompt::provenance::{Capture, Provenance, Ready};
use crate::prompt::wire::Memory;
use crate::prompt::{History, Trace};
use crate::proxy::core::Shared;
use crate::proxy::sessions::Session;
use crate::record::{Recorder, Row, provenance_rows};

/// Takes what is read of a session's model calls.
pub(in crate::proxy) struct Sink {
    session: SessionId,
    provenance: Arc<Mutex<Provenance>>,
    history: Arc<Mutex<History>>,
    recorder: Recorder,
    pace: Arc<Pace>,
    unkept: Arc<Mutex<Unkept>>,
    memory: Memory,
    clock: Clock,
    _place: Place,
}

impl Sink {
    /// Gives a session's, if its calls are read and this one may be as well.
    pub(super) fn of(shared: &Shared, session: &Session) -> Option<Self> {
        Some(Self {
            session: session.id(),
            provenance: Arc::clone(provenance(shared, session)?),
            history: Arc::clone(session.models().history(session.id())),
            recorder: shared.stages.recorder.clone(),
            pace: Arc::clone(session.models().pace()),
            unkept: Arc::clone(session.models().unkept()),
            memory: session.models().memory(&shared.tap.memory).clone(),
            clock: shared.tap.clock,
            _place: session.models().take_place()?,
        })
    }

    /// Looks at the session's conversations, which its readers share.
    ///
    /// They are apart from what statements are judged by: a request of megabytes is read meanwhile.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        // Whoever panicked while it read a call leaves that one call unread.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the trace that the process with this exec was started in.
    pub(super) fn started_in(&self, owner: u64, trace: Trace) {
        self.provenance().started_in(owner, trace);
    }

    fn provenance(&self) -> MutexGuard<'_, Provenance> {
        self.provenance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was told of a connection whose process has done this exec last; gives the rows that say so.
    ///
    /// What takes time is done before the session's state is taken hold of.
    pub(super) fn take(&self, told: Vec<Told>, owner: Option<u64>) -> Vec<Row> {
        let mac = |bytes: &[u8]| self.recorder.mac(bytes);
        let ready = told.into_iter().map(|told| Ready::of(told, &mac));
        let facts = ready.flat_map(|ready| self.provenance().take(ready, owner));
        provenance_rows(self.session, facts.collect())
    }

    /// Lets other sessions be read, after time was spent on this one.
    pub(super) async fn rest(&self, now_ns: i64, took_ns: i64) {
        match self.pace.spent(now_ns, took_ns) {
            Duration::ZERO => tokio::task::yield_now().await,
            rest => tokio::time::sleep(rest).await,
        }
    }

    /// Records rows; the model's call waits for none of it.
    ///
    /// What no statement needs is left out where the session, or all of them, have recorded too much, and counted: model calls
    /// cost their caller nothing, and the room is for statements.
    pub(super) async fn record(&self, rows: Vec<Row>) {
        let rows = self.within_room(rows);
        let count = rows.len();
        if count > 0
            && let Err(error) = self.recorder.commit(rows).await
        {
            tracing::error!(session = %self.session, count, %error, "model calls could not be recorded");
        }
    }
}

impl Sink {
    /// Gives what of some rows may be recorded, with what tells of the rest.
    fn within_room(&self, mut rows: Vec<Row>) -> Vec<Row> {
        if rows.is_empty() {
            return rows;
        }
        let room = self.recorder.ask_beside(self.session);
        let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(cause) = &room {
            rows = unkept.leave_out(rows, cause, self.clock.now());
        }
        let told = unkept.due(self.session, self.clock.mono_ns());
        rows.extend(told.map(Row::from));
        rows
    }

    /// Gives what reading the session's connections may hold.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// Gives where a session's statements come from, if its calls of models are read.
pub(in crate::proxy) fn provenance<'s>(
    shared: &Shared,
    session: &'s Session,
) -> Option<&'s Arc<Mutex<Provenance>>> {
    let told = session.facts().models.as_ref()?;
    let begin = || {
        let capture = match shared.current().models.capture(told) {
            PromptCapture::None => Capture::None,
            PromptCapture::LinkOnly => Capture::LinkOnly,
            PromptCapture::All => Capture::All,
        };
        let launched = Launched::new(session.facts().prompts.iter().copied());
        Provenance::new(capture).of_launcher(launched)
    };
    Some(session.models().provenance(begin))
}
