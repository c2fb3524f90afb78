//! The shipping thread: seals segments, puts their objects into the store, and lets the spool go.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::chain::ChainWriter;
use super::chain::keys::SigningKey;
use super::disk;
use super::encryption::Keys;
use super::error::RecordError;
use super::evidence::Evidence;
use super::fault::{self, Step};
use super::outage::{Health, Progress};
use super::queue::Answer;
use super::quota::Quotas;
use super::remote::KeyInStore;
use super::seal::{self, Sealing};
use super::settings::Settings;
use super::spool::{Segment, Spool};
use super::store::{Store, StoreAt};
use super::witnessing::Witnessing;
use crate::clock::Clock;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What the shipping thread is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Ship a segment, after those before it.
    Ship(Segment),
    /// Answer when all segments so far are shipped, or when the store has refused one.
    Flush(Answer<()>),
}

/// Ships segments in the order in which they come.
///
/// INVARIANT: a segment leaves the spool only after all before it, so that a recovery which finds an intent also finds
/// the end that a later chain wrote for it.
pub(super) struct Shipper {
    at: StoreAt,
    keys: Arc<Keys>,
    key_store: Option<StoreAt>,
    store: Option<Store>,
    used_bytes: Arc<AtomicU64>,
    writer: ChainWriter,
    evidence: Arc<Evidence>,
    clock: Clock,
    health: Arc<Health>,
    quotas: Arc<Quotas>,
    witnessing: Option<Witnessing>,
    key_in_store: Option<Arc<KeyInStore>>,
    /// Keys that manifests name which the store does not have yet.
    keys_to_come: VecDeque<(u64, Arc<SigningKey>)>,
    unsealed: VecDeque<Segment>,
    backlog: VecDeque<Segment>,
    waiting: Vec<Answer<()>>,
    retry: Option<Duration>,
}

impl Shipper {
    /// Makes a shipper for a store, which need not be reachable yet.
    pub(super) fn new(
        settings: &Settings,
        keys: Arc<Keys>,
        used_bytes: Arc<AtomicU64>,
        writer: ChainWriter,
        evidence: Arc<Evidence>,
        clock: Clock,
        (health, quotas): (Arc<Health>, Arc<Quotas>),
    ) -> Self {
        Self {
            at: settings.store.clone(),
            keys,
            key_store: settings.key_store.clone(),
            store: None,
            used_bytes,
            writer,
            evidence,
            clock,
            health,
            quotas,
            witnessing: None,
            key_in_store: None,
            keys_to_come: VecDeque::new(),
            unsealed: VecDeque::new(),
            backlog: VecDeque::new(),
            waiting: Vec::new(),
            retry: None,
        }
    }

    /// Works until nobody can give orders any more; what is left then stays in the spool for the next start.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match self.retry {
                Some(wait) => orders.recv_timeout(wait),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let (timed_out, over) = match order {
                Ok(order) => {
                    self.take(order);
                    (false, false)
                }
                Err(RecvTimeoutError::Timeout) => (true, false),
                Err(RecvTimeoutError::Disconnected) => (false, true),
            };
            while let Ok(order) = orders.try_recv() {
                self.take(order);
            }
            self.work(timed_out);
            if over {
                return;
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Ship(segment) => self.unsealed.push_back(segment),
            Order::Flush(answer) => self.waiting.push(answer),
        }
    }

    fn work(&mut self, timed_out: bool) {
        let mut outcome = self.seal_all();
        while let Some(segment) = self.backlog.front().cloned() {
            let shipped = self.ship(&segment);
            if shipped.is_err() {
                outcome = shipped;
                break;
            }
            self.backlog.pop_front();
        }
        if outcome.is_ok()
            && let Some(witnessing) = &mut self.witnessing
        {
            witnessing.stored();
        }
        match &outcome {
            Ok(()) => {
                if self.retry.take().is_some() {
                    info!(store = %self.at, "store took the record again");
                }
            }
            Err(error) => self.put_off(error, timed_out),
        }
        for answer in self.waiting.drain(..) {
            // Nobody waits any more: the caller was dropped.
            drop(answer.send(outcome.clone()));
        }
    }

    fn put_off(&mut self, error: &RecordError, timed_out: bool) {
        self.store = None;
        Progress::count(&self.health.progress.store_failures);
        let segments = self.backlog.len() + self.unsealed.len();
        if self.retry.is_none() || timed_out {
            warn!(
                error = told(error),
                segments, "kept the record in the spool"
            );
        } else {
            debug!(
                error = told(error),
                segments, "kept the record in the spool"
            );
        }
        let next = self.retry.map_or(
            FIRST_RETRY,
            |retry| if timed_out { retry * 2 } else { retry },
        );
        self.retry = Some(next.min(LAST_RETRY));
    }

    /// Says who signs how far the chain has come.
    pub(super) fn witnessed_by(mut self, witnessing: Option<Witnessing>) -> Self {
        self.witnessing = witnessing;
        self
    }

    /// Says who is told which of the chain's keys the store names.
    pub(super) fn telling(mut self, key: Option<Arc<KeyInStore>>) -> Self {
        self.key_in_store = key;
        self
    }

    /// Tells which key of the chain signs, once the store has the manifest that names it.
    fn tell_key(&mut self, segment: &Segment) {
        if segment.chain != self.writer.chain() {
            return;
        }
        while let Some((n, key)) = self.keys_to_come.pop_front() {
            if n > segment.number {
                return self.keys_to_come.push_front((n, key));
            }
            if let Some(told) = &self.key_in_store {
                told.set(key);
            }
        }
    }

    /// Seals and signs whatever is not yet, also while the store cannot be reached.
    fn seal_all(&mut self) -> Result<(), RecordError> {
        while let Some(segment) = self.unsealed.front().cloned() {
            seal::seal(
                &segment,
                &mut Sealing {
                    writer: &mut self.writer,
                    keys: &self.keys,
                    evidence: &self.evidence,
                    witnessing: self.witnessing.as_mut(),
                    used_bytes: &self.used_bytes,
                    clock: self.clock,
                },
            )?;
            if self.key_in_store.is_some() {
                let named = (segment.number, self.writer.signing_key());
                self.keys_to_come.push_back(named);
            }
            let manifests = self.writer.next_n();
            self.health.manifests.store(manifests, Ordering::Relaxed);
            let sealed_us = self.clock.now().timestamp_micros();
            let progress = &self.health.progress;
            progress.sealed_us.store(sealed_us, Ordering::Relaxed);
            self.unsealed.pop_front();
            self.backlog.push_back(segment);
        }
        Ok(())
    }

    fn ship(&mut self, segment: &Segment) -> Result<(), RecordError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::create(&self.at)?,
        };
        ship_keys(&self.keys, self.key_store.as_ref(), &store)?;
        for (file, key) in seal::objects(segment)? {
            let bytes = fs::read(&file).map_err(disk::failed("read", &file))?;
            fault::at(Step::ShipBeforePut);
            fault::put(|| store.put(&key, bytes))?;
            fault::at(Step::ShipAfterPut);
            Progress::count(&self.health.progress.objects);
            debug!(key, "stored");
        }
        self.store = Some(store);
        self.tell_key(segment);
        fault::at(Step::ShipBeforeRemove);
        let freed_bytes = seal::remove(segment)?;
        Spool::count(&self.used_bytes, 0, freed_bytes);
        self.quotas.released(segment);
        let stored_us = self.clock.now().timestamp_micros();
        let progress = &self.health.progress;
        progress.stored_us.store(stored_us, Ordering::Relaxed);
        Ok(())
    }
}

/// Puts the keys that wait, before what they encrypt.
pub(super) fn ship_keys(
    keys: &Keys,
    key_store: Option<&StoreAt>,
    store: &Store,
) -> Result<(), RecordError> {
    match key_store {
        None => keys.ship(|key, bytes| store.put(key, bytes)),
        Some(at) => {
            let store = Store::create(at)?;
            keys.ship(|key, bytes| store.put(key, bytes))
        }
    }
}

/// Gives an error with its causes in one line.
pub(super) fn told(error: &RecordError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
