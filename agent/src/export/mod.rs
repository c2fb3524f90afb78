//! Events are told on as they are recorded: to collectors of OpenTelemetry, and to any program that takes webhooks.
//!
//! The record is what counts, and nothing waits for this: the recorder's thread leaves an event in each place's queue, a
//! thread of its own sends them. A place gets an event at least once, under the id that it has in the record, as long as
//! its queue holds; what it does not get is counted and told as event EX001. Events of a chain that was not closed are
//! sent again by the next daemon.

mod otlp;
mod place;
mod webhook;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::clock::Clock;
use crate::config::{Export, ExportTo};
use crate::record::event::code;
use crate::record::{Recorder, Seen, SeenEvent, StoreSecret, Watcher};
use crate::upstream::{CredentialError, secret_of};
use crate::web;
use crate::web::sending::WAITS;
use place::Place;

/// Most events that wait for one place.
const QUEUE_MAX: usize = 8192;

/// How often the end looks whether all is sent.
const FINISH_POLL: Duration = Duration::from_millis(20);

/// Says who exports, to those who get events.
#[derive(Clone, Debug)]
pub struct About {
    /// The organisation that is recorded for.
    pub org: String,
    /// The host.
    pub host_id: String,
}

/// What became of a place's events since the proxy began.
#[derive(Debug, Default)]
pub struct Counts {
    /// The place took them.
    pub sent: AtomicU64,
    /// It did not, and will not get them.
    pub dropped: AtomicU64,
    /// Tries that failed.
    pub failures: AtomicU64,
    /// They wait.
    pub waiting: AtomicU64,
    /// Those of the dropped that no event tells of yet.
    untold: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64, events: usize) {
        counter.fetch_add(events as u64, Ordering::Relaxed);
    }

    fn drop_events(&self, events: usize) {
        Self::add(&self.dropped, events);
        Self::add(&self.untold, events);
    }
}

/// What is sent, to whom, and by what it is opened.
pub(super) struct Addressed {
    export: Export,
    /// Secrets of the headers, or the one that signs.
    secrets: Vec<StoreSecret>,
    web: web::Client,
    about: About,
}

/// What waits for one place.
struct Queue {
    export: Export,
    events: Sender<Arc<SeenEvent>>,
    counts: Arc<Counts>,
}

/// A place whose sender does not run yet.
struct Waiting {
    to: Addressed,
    events: Receiver<Arc<SeenEvent>>,
    counts: Arc<Counts>,
}

/// By what places are served, once the recorder runs.
struct Serving {
    handle: Handle,
    recorder: Recorder,
    clock: Clock,
}

/// All places.
pub struct Exports {
    queues: RwLock<Vec<Queue>>,
    /// Those that were made before anything could be sent.
    waiting: Mutex<Vec<Waiting>>,
    serving: OnceLock<Serving>,
    about: About,
}

/// Places that could take the place of those that are told.
pub struct Prepared(Vec<(Queue, Option<Waiting>)>);

impl Exports {
    /// Makes the places; what comes before [`Exports::begin`] waits.
    ///
    /// # Errors
    /// The source of a secret cannot be used.
    pub fn new(
        exports: &[Export],
        web: &web::Client,
        about: About,
    ) -> Result<Arc<Self>, CredentialError> {
        let places = Arc::new(Self {
            queues: RwLock::default(),
            waiting: Mutex::default(),
            serving: OnceLock::new(),
            about,
        });
        let prepared = places.prepare(exports, web)?;
        places.replace(prepared);
        Ok(places)
    }

    /// Gives what is to be told of each row that is written.
    #[must_use]
    pub fn watcher(self: &Arc<Self>) -> Watcher {
        let places = Arc::clone(self);
        Watcher::new(move |seen| {
            if let Seen::Event(event) = seen {
                places.take(event);
            }
        })
    }

    /// Starts the one thread that sends.
    ///
    /// # Errors
    /// The system gives no runtime or no thread.
    pub fn begin(&self, recorder: &Recorder, clock: Clock) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let serving = Serving {
            handle: runtime.handle().clone(),
            recorder: recorder.clone(),
            clock,
        };
        // It holds nothing that outlives the process.
        drop(
            thread::Builder::new()
                .name("export".to_owned())
                .spawn(move || runtime.block_on(std::future::pending::<()>()))?,
        );
        if self.serving.set(serving).is_err() {
            tracing::debug!("places were served already");
        }
        self.serve();
        Ok(())
    }

    /// Makes the places of a config; those that it has as it had them go on.
    ///
    /// # Errors
    /// The source of a secret cannot be used.
    pub fn prepare(
        &self,
        exports: &[Export],
        web: &web::Client,
    ) -> Result<Prepared, CredentialError> {
        let prepared = exports.iter().map(|export| {
            let kept = self.queues.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = kept.iter().find(|queue| queue.export == *export) {
                return Ok((kept.again(), None));
            }
            drop(kept);
            let secrets = export.secrets().into_iter().map(|at| secret_of(at, web));
            let (sender, events) = channel(QUEUE_MAX);
            let counts = Arc::<Counts>::default();
            let queue = Queue {
                export: export.clone(),
                events: sender,
                counts: Arc::clone(&counts),
            };
            let to = Addressed {
                export: export.clone(),
                secrets: secrets.collect::<Result<_, _>>()?,
                web: web.clone(),
                about: self.about.clone(),
            };
            Ok((queue, Some(Waiting { to, events, counts })))
        });
        prepared.collect::<Result<_, _>>().map(Prepared)
    }

    /// Tells these places from here on; those that are left out still get what waits for them.
    pub fn replace(&self, prepared: Prepared) {
        let (queues, waiting): (Vec<_>, Vec<_>) = prepared.0.into_iter().unzip();
        self.waiting().extend(waiting.into_iter().flatten());
        *self.queues.write().unwrap_or_else(PoisonError::into_inner) = queues;
        self.serve();
    }

    /// Gives each place's name and kind, and what became of its events.
    #[must_use]
    pub fn counts(&self) -> Vec<(String, &'static str, Arc<Counts>)> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let told = queues.iter().map(|queue| {
            let kind = kind(&queue.export);
            (queue.export.name.clone(), kind, Arc::clone(&queue.counts))
        });
        told.collect()
    }

    /// Waits until what waits is sent, for at most so long.
    pub fn finish(&self, within: Duration) {
        let polls = within.as_millis() / FINISH_POLL.as_millis();
        for _ in 0..polls {
            let waits = |(_, _, counts): &(String, &str, Arc<Counts>)| {
                counts.waiting.load(Ordering::Relaxed) > 0
            };
            if !self.counts().iter().any(waits) {
                return;
            }
            thread::sleep(FINISH_POLL);
        }
        tracing::warn!("events were not exported in time; the record has them");
    }

    fn take(&self, event: &SeenEvent) {
        let event = Arc::new(event.clone());
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.iter().for_each(|queue| queue.take(&event));
    }

    /// Serves places that are not served yet, once that can be.
    fn serve(&self) {
        let Some(serving) = self.serving.get() else {
            return;
        };
        for one in self.waiting().drain(..) {
            let (recorder, clock) = (serving.recorder.clone(), serving.clock);
            let place = Place::new(one.to, (recorder, clock), &WAITS, one.counts);
            drop(serving.handle.spawn(place.run(one.events)));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn again(&self) -> Self {
        Self {
            export: self.export.clone(),
            events: self.events.clone(),
            counts: Arc::clone(&self.counts),
        }
    }

    fn take(&self, event: &Arc<SeenEvent>) {
        let export = &self.export;
        // That a place takes nothing is not told to that place.
        let is_own = event.code == code::EXPORT_DROPPED && names(event, &export.name);
        if is_own || !export.takes(&event.code, event.severity) {
            return;
        }
        Counts::add(&self.counts.waiting, 1);
        if self.events.try_send(Arc::clone(event)).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.drop_events(1);
        }
    }
}

/// Tells whether an event is about a place.
fn names(event: &SeenEvent, place: &str) -> bool {
    let detail = event.detail.as_deref().unwrap_or_default();
    let detail: serde_json::Value = serde_json::from_str(detail).unwrap_or_default();
    detail.get("export").and_then(serde_json::Value::as_str) == Some(place)
}

/// Gives the word by which the config calls the kind of a place.
fn kind(export: &Export) -> &'static str {
    match &export.to {
        ExportTo::Otlp { .. } => "otlp",
        ExportTo::Webhook { .. } => "webhook",
    }
}

#[cfg(test)]
mod tests;
