//! Where what is read of a session's model calls goes: into the session's provenance, and into the record.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::models::{Models, repository};
use super::pace::Pace;
use super::reading::ModelConnection;
use super::standing::Place;
use super::unkept::{Counted, Unkept};
use super::unread::{self, Why};
use crate::clock::Clock;
use crate::config::PromptCapture;
use crate::execution::{Behind, InForce, Lent, SharedProvenance};
use crate::prompt::exchange::Told;
use crate::prompt::linking::evidence::Launched;
use crate::prompt::provenance::{Capture, Fact, Provenance, Ready, last_links};
use crate::prompt::wire::Memory;
use crate::prompt::{History, Trace};
use crate::proxy::core::Shared;
use crate::proxy::sessions::Session;
use crate::record::{EventRow, Recorder, Row, provenance_rows};

/// Takes what is read of a session's model calls.
pub(in crate::proxy) struct Sink {
    session: Arc<Session>,
    in_force: InForce,
    provenance: Arc<SharedProvenance>,
    history: Arc<Mutex<History>>,
    recorder: Recorder,
    /// Its place among the connections that are read; none where there is no room.
    place: Option<Place>,
    pace: Arc<Pace>,
    unkept: Arc<Mutex<Unkept>>,
    memory: Memory,
    stopping: watch::Receiver<bool>,
    clock: Clock,
}

impl Sink {
    /// Gives a session's, if its calls are read.
    pub(super) fn of(shared: &Shared, session: &Arc<Session>) -> Option<Self> {
        Some(Self {
            session: Arc::clone(session),
            in_force: in_force(shared, session),
            provenance: Arc::clone(provenance(shared, session)?),
            history: Arc::clone(session.models().history(session.id())),
            recorder: shared.stages.recorder.clone(),
            place: session.models().take_place(),
            pace: Arc::clone(session.models().pace()),
            unkept: Arc::clone(session.models().unkept()),
            memory: session.models().memory(&shared.tap.memory).clone(),
            stopping: shared.tap.stopping.subscribe(),
            clock: shared.tap.clock,
        })
    }

    /// Tells whether the connection may be read.
    pub(super) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Records that a connection is not read, or not to its end.
    pub(super) async fn tell_unread(
        &self,
        connection: &ModelConnection,
        (why, clock): (Why, Clock),
    ) {
        self.missed(clock.now());
        unread::tell(&self.recorder, connection, &self.session, (why, clock)).await;
    }

    /// Looks at the session's conversations, which its readers share.
    ///
    /// They are apart from what statements are judged by: a request of megabytes is read meanwhile.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        // Whoever panicked while it read a call leaves that one call unread.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that copies of a connection were lost, up to a time, and what a model asked for by them.
    pub(super) fn missed(&self, at: DateTime<Utc>) {
        self.provenance.missed(at);
    }

    /// Notes the trace that the process with this exec was started in.
    pub(super) fn started_in(&self, owner: u64, trace: Trace) {
        self.provenance().started_in(owner, trace);
    }

    fn provenance(&self) -> MutexGuard<'_, Provenance> {
        self.provenance.lock()
    }

    /// Takes what was told of a connection whose process has done this exec last; gives what is to be recorded of it.
    ///
    /// What takes time is done before the session's state is taken hold of.
    pub(super) fn take(&self, told: Vec<Told>, owner: Option<u64>) -> Vec<Fact> {
        let mac = |bytes: &[u8]| self.recorder.mac(bytes);
        let ready = told.into_iter().map(|told| Ready::of(told, &mac));
        let facts = ready.flat_map(|ready| {
            // The config may have changed since the connection began.
            let capture = self.in_force.capture();
            let mut provenance = self.provenance();
            provenance.keep(capture);
            provenance.take(ready, owner)
        });
        facts.collect()
    }

    /// Lets other sessions be read first, as long as too much time was spent on this one.
    pub(super) async fn rest(&self) {
        // Another connection of the session may have been read meanwhile.
        while let Some(rest) = self.is_to_rest() {
            let mut stopping = self.stopping.clone();
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                _stops = stopping.wait_for(|stops| *stops) => return,
            }
        }
    }

    /// Tells how long it is to rest, if it is.
    pub(super) fn is_to_rest(&self) -> Option<Duration> {
        let owed = self.pace.owed(self.clock.mono_ns());
        (!owed.is_zero() && !*self.stopping.borrow()).then_some(owed)
    }

    /// Does work for the session that takes time.
    pub(super) fn spend<T>(&self, work: impl FnOnce() -> T) -> T {
        let began_ns = self.clock.mono_ns();
        let done = work();
        let now_ns = self.clock.mono_ns();
        self.pace.spent(now_ns, now_ns.saturating_sub(began_ns));
        done
    }

    /// Waits until the proxy is to stop.
    pub(super) async fn stops(&self) {
        // Where nobody is left who could say so, that is the stop.
        let mut stopping = self.stopping.clone();
        let _said = stopping.wait_for(|stops| *stops).await;
    }

    /// Records what was taken; the model's call waits for none of it.
    ///
    /// What no statement needs is left out where the session, or all of them, have recorded too much, and counted: model calls
    /// cost their caller nothing, and the room is for statements. Words that are left out go back into the session's memory.
    pub(super) async fn record(&self, facts: Vec<Fact>) {
        let session = self.session.id();
        let (facts, told) = self.within_room(last_links(facts));
        let lent = Lent::new(&self.provenance, &facts);
        let uncounted = Counted::of(&facts, self.clock.now());
        let (told, row) = told.unzip();
        let mut rows = provenance_rows(session, facts);
        rows.extend(row.map(Row::from));
        let count = rows.len();
        if count == 0 {
            return;
        }
        match self.recorder.commit(rows).await {
            Ok(_receipt) => lent.recorded(),
            Err(error) => {
                tracing::error!(%session, count, %error, "model calls could not be recorded");
                let mut unkept = self.unkept();
                told.into_iter().for_each(|told| unkept.take_back(told));
                unkept.add(uncounted.because(&error));
            }
        }
    }

    /// Tells what was not recorded after the session's last row was written: nobody else does.
    pub(super) async fn end(&self) {
        let session = self.session.id();
        let told = self.unkept().after_end(session);
        let Some((counted, row)) = told else { return };
        if let Err(error) = self.recorder.commit(vec![Row::from(row)]).await {
            tracing::error!(%session, %error, "what was not recorded of model calls could not be told");
            self.unkept().take_back(counted);
        }
    }

    /// Gives what of it may be recorded, with the row that tells of the rest.
    fn within_room(&self, facts: Vec<Fact>) -> (Vec<Fact>, Option<(Counted, EventRow)>) {
        if facts.is_empty() {
            return (facts, None);
        }
        let session = self.session.id();
        let room = self.recorder.ask_beside(session);
        let mut unkept = self.unkept();
        let kept = match &room {
            Ok(()) => facts,
            Err(cause) => {
                let (kept, left) = unkept.leave_out(facts, cause, self.clock.now());
                drop(Lent::new(&self.provenance, &left));
                kept
            }
        };
        (kept, unkept.due(session, self.clock.mono_ns()))
    }

    fn unkept(&self) -> MutexGuard<'_, Unkept> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what reading the session's connections may hold.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// Tells what may be kept of a session's words, by the config in force whenever it is asked.
pub(in crate::proxy) fn in_force(shared: &Shared, session: &Arc<Session>) -> InForce {
    let (current, session) = (shared.current.clone(), Arc::clone(session));
    InForce::new(move || capture(&current.now().models, &session))
}

/// Gives what may be kept of a session's words where these model APIs are read.
pub(super) fn capture(models: &Models, session: &Session) -> Capture {
    let principal = session.principal();
    let repository = repository(session.facts(), Some(&principal));
    let told = session.facts().models.as_ref();
    match told.map(|told| models.capture(told, repository)) {
        None | Some(PromptCapture::None) => Capture::None,
        Some(PromptCapture::LinkOnly) => Capture::LinkOnly,
        Some(PromptCapture::All) => Capture::All,
    }
}

/// Notes that a connection of a session to a model API is not read, so that no use of a tool is known to be the only one.
pub(super) fn unread(shared: &Shared, session: &Session) {
    if let Some(provenance) = provenance(shared, session) {
        provenance.missed(shared.tap.clock.now());
    }
}

/// Tells how far the reader of a session's model calls is behind.
pub(in crate::proxy) fn behind(session: &Session) -> Behind {
    let waiting = Arc::clone(session.models().waiting());
    Behind::new(move || waiting.mark())
}

/// Gives where a session's statements come from, if its calls of models are read.
pub(in crate::proxy) fn provenance<'s>(
    shared: &Shared,
    session: &'s Session,
) -> Option<&'s Arc<SharedProvenance>> {
    session.facts().models.as_ref()?;
    let begin = || {
        let capture = capture(&shared.current().models, session);
        let launched = Launched::new(session.facts().prompts.iter().copied());
        let mut provenance = Provenance::new(capture).of_launcher(launched);
        // What its models had asked for by an earlier proxy is not known to this one.
        if session.facts().resumed {
            provenance.missed(shared.tap.clock.now());
        }
        provenance
    };
    Some(session.models().provenance(begin))
}

#[cfg(test)]
impl Sink {
    /// Gives one without a proxy: what may be kept is by the config that stands there.
    pub(super) fn of_test(
        session: &Arc<Session>,
        models: &Arc<Mutex<Models>>,
        recorder: &Recorder,
        tap: &super::Tap,
    ) -> Self {
        let (of, current) = (Arc::clone(session), Arc::clone(models));
        let in_force = InForce::new(move || capture(&current.lock().unwrap(), &of));
        let begin = || Provenance::new(in_force.capture());
        let standing = session.models();
        Self {
            provenance: Arc::clone(standing.provenance(begin)),
            in_force,
            history: Arc::clone(standing.history(session.id())),
            recorder: recorder.clone(),
            place: standing.take_place(),
            pace: Arc::clone(standing.pace()),
            unkept: Arc::clone(standing.unkept()),
            memory: standing.memory(&tap.memory).clone(),
            stopping: tap.stopping.subscribe(),
            clock: tap.clock,
            session: Arc::clone(session),
        }
    }

    /// Takes a statement as one is taken that is judged.
    pub(super) fn arrives(
        &self,
        arrived: crate::prompt::linking::Arrived,
    ) -> (crate::prompt::linking::Link, Vec<Fact>) {
        let mut provenance = self.provenance();
        provenance.keep(self.in_force.capture());
        provenance.arrived(arrived)
    }
}
