//! The recorder's handle: rows go in, receipts come out.

mod asked;
mod beginning;
mod unacknowledged;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot::{self, Receiver};
use tracing::warn;
use uuid::Uuid;

use super::body::{Body, Facts};
use super::digest::{DigestKey, Mac};
use super::encryption::Keys;
use super::error::RecordError;
use super::event::{Phase, Row};
use super::evidence::Evidence;
use super::fault::{self, Step};
use super::journal::Journal;
use super::outage::Health;
use super::queue::{Job, Queue, Written};
use super::quota::{self, Quotas};
use super::recover;
use super::remote::Remote;
use super::rows::Keeper;
use super::seal;
use super::seen::Watcher;
use super::settings::{RecordMode, Settings};
use super::ship::{Order, Shipper};
use super::spool::Spool;
use super::standing::Standing;
use super::witnessing::Witnessing;
use crate::clock::Clock;
use beginning::{ApprovalsKey, begin, check, digest_key, facts, first_rows, spawn};

/// Says that rows are recorded as the mode promises; only the recorder makes it.
#[derive(Debug)]
#[must_use = "a dropped receipt is a reply that nothing vouches for"]
pub struct Receipt {
    chain: Arc<str>,
    seq: Option<RangeInclusive<i64>>,
    durability_wait: Duration,
}

impl Receipt {
    /// Names the chain that holds the rows.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Gives the rows' places in the chain; none where the mode did not wait for them.
    #[must_use]
    pub fn seq(&self) -> Option<RangeInclusive<i64>> {
        self.seq.clone()
    }

    /// Tells how long the caller waited.
    #[must_use]
    pub fn durability_wait(&self) -> Duration {
        self.durability_wait
    }
}

/// A handle to the one recorder thread; clones lead to the same.
#[derive(Clone)]
pub struct Recorder {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    chain: Arc<str>,
    last_begun: Option<String>,
    pub(super) mode: RecordMode,
    key: DigestKey,
    facts: Arc<Facts>,
    queue: Arc<Queue>,
    health: Arc<Health>,
    pub(super) quotas: Arc<Quotas>,
    keeper: Keeper,
    evidence: Arc<Evidence>,
    approvals: ApprovalsKey,
    clock: Clock,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Recorder {
    /// Recovers what an earlier process left in the spool, begins a chain and starts the recorder.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, RecordError> {
        Self::open_watched(settings, clock, Vec::new())
    }

    /// Opens like [`Recorder::open`] and has watchers told of each row that is written, those of its own and those that it
    /// takes over among them.
    pub fn open_watched(
        settings: &Settings,
        clock: Clock,
        watchers: Vec<Watcher>,
    ) -> Result<Self, RecordError> {
        check(settings)?;
        let spool = Spool::open(&settings.state_dir)?;
        let facts = Arc::new(facts(settings)?);
        let health = Arc::<Health>::default();
        let (orders, received) = mpsc::channel();
        let recovered = recover::recover(&spool)?;
        fault::at(Step::RecoverAfterScan);
        let last_begun = spool.last_chain().map(|last| last.chain);
        let previous = recover::before(&spool, &recovered);
        let evidence = Arc::new(Evidence::open(spool.root())?);
        let chain: Arc<str> = Uuid::now_v7().to_string().into();
        let (writer, approvals) = begin(settings, &facts, &chain, previous.clone(), clock)?;
        let begun = Witnessing::begin(settings, &spool, &chain, &health)?;
        let (witnessing, asking) = begun.unzip();
        let used_bytes = spool.used_bytes();
        let root = spool.root().to_owned();
        let keys = Arc::new(Keys::open(&root, &settings.org, &settings.recipients));
        let key = digest_key(settings, &keys, &chain)?;
        let quotas = Arc::new(Quotas::new(
            settings.limits,
            (root.clone(), settings.spool_max_bytes),
            Arc::clone(&used_bytes),
            clock,
        ));
        let queue = Arc::<Queue>::default();
        let remote = (settings.mode == RecordMode::StrictRemote).then(|| {
            let threads = (Arc::clone(&queue), Arc::clone(&health));
            let (keys, facts) = (Arc::clone(&keys), Arc::clone(&facts));
            Remote::new(
                settings,
                (&writer, approvals.genesis.clone()),
                keys,
                threads,
                facts,
                clock,
            )
        });
        let (remote, handover, key_in_store) = match remote {
            Some((remote, handover, key)) => (Some(remote), Some(handover), Some(key)),
            None => (None, None, None),
        };
        let mut journal = Journal::begin(
            spool,
            (Arc::clone(&chain), &approvals.genesis),
            settings,
            (Arc::clone(&facts), Arc::clone(&health), Arc::clone(&quotas)),
            orders.clone(),
            clock,
        )?
        .telling(handover, watchers);
        let previous = previous.map(|before| before.chain);
        journal.write_now(first_rows(
            settings,
            &facts,
            previous.as_deref(),
            &recovered,
        )?)?;
        fault::at(Step::RecoverAfterGenesis);
        journal.take_over(&recovered)?;
        for segment in &recovered.sealed {
            Spool::count(&used_bytes, seal::size(segment)?, 0);
            quotas.inherit(segment);
        }
        for segment in recovered.sealed {
            drop(orders.send(Order::Ship(segment)));
        }
        drop(orders);
        let taken = Arc::clone(&queue);
        let folder = (root.as_path(), Arc::clone(&chain));
        let keeper = Keeper::open(
            settings,
            folder,
            (Arc::clone(&used_bytes), Arc::clone(&quotas)),
            Arc::clone(&keys),
        )?;
        let shipper = Shipper::new(
            settings,
            keys,
            used_bytes,
            writer,
            Arc::clone(&evidence),
            clock,
            (Arc::clone(&health), Arc::clone(&quotas)),
        )
        .witnessed_by(witnessing)
        .telling(key_in_store);
        let mut threads = vec![
            spawn("record-ship", move || shipper.run(&received))?,
            spawn("record", move || journal.run(&taken))?,
        ];
        if let Some(asking) = asking {
            threads.push(spawn("record-witness", move || asking.run())?);
        }
        if let Some(remote) = remote {
            threads.push(spawn("record-remote", move || remote.run())?);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                chain,
                last_begun,
                mode: settings.mode,
                key,
                facts,
                queue,
                health,
                quotas,
                keeper,
                evidence,
                approvals,
                clock,
                threads: Mutex::new(threads),
            }),
        })
    }

    /// Names the chain that this recorder writes.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.shared.chain
    }

    /// Names the chain that was begun before it on this host, if one was, also where nothing of it reached the store.
    #[must_use]
    pub fn last_begun(&self) -> Option<&str> {
        self.shared.last_begun.as_deref()
    }

    /// Gives the organisation that is recorded for.
    pub(crate) fn org(&self) -> &str {
        &self.shared.facts.org
    }

    /// Names the host that records.
    pub(crate) fn host_id(&self) -> &str {
        &self.shared.facts.host_id
    }

    /// Gives what the chain's requests for approvals are signed by.
    pub(crate) fn approvals_key(&self) -> &ApprovalsKey {
        &self.shared.approvals
    }

    /// Gives the time by the chain's clock.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }

    /// Records rows in order and without a gap; returns when the mode's promise is kept.
    pub async fn commit(&self, rows: Vec<Row>) -> Result<Receipt, RecordError> {
        let began_ns = self.shared.clock.mono_ns();
        let (rows, asked) = self.ask(rows)?;
        let written = match self.submit(rows) {
            Ok(Some(answer)) => answer.await.unwrap_or(Err(RecordError::Closed)).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        self.settle(asked, &written);
        Ok(self.receipt(began_ns, written?))
    }

    /// Records rows like [`Recorder::commit`]; panics inside a runtime.
    pub fn commit_blocking(&self, rows: Vec<Row>) -> Result<Receipt, RecordError> {
        let began_ns = self.shared.clock.mono_ns();
        let (rows, asked) = self.ask(rows)?;
        let written = match self.submit(rows) {
            Ok(Some(answer)) => answer
                .blocking_recv()
                .unwrap_or(Err(RecordError::Closed))
                .map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        self.settle(asked, &written);
        Ok(self.receipt(began_ns, written?))
    }

    /// Keeps a document that rows refer to by its SHA-256, which it gives; it holds no secret. Blocks.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn keep_evidence(&self, document: &[u8]) -> Result<[u8; 32], RecordError> {
        self.shared.evidence.keep(document)
    }

    /// Gives what keeps rows of results.
    pub(super) fn keeper(&self) -> &Keeper {
        &self.shared.keeper
    }

    /// Gives the HMAC-SHA256 of bytes under the digest key.
    #[must_use]
    pub fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        self.shared.key.mac(bytes)
    }

    /// Begins the HMAC-SHA256 under the digest key of bytes that come in pieces.
    pub(super) fn begin_mac(&self) -> Mac {
        self.shared.key.begin()
    }

    /// Seals what is recorded so far and returns when the store has it, or has refused it once.
    pub async fn flush(&self) -> Result<(), RecordError> {
        let (sender, answer) = oneshot::channel();
        self.shared.queue.push(Job::Flush(sender))?;
        answer.await.unwrap_or(Err(RecordError::Closed))
    }

    /// Seals and stores like [`Recorder::flush`]; panics inside a runtime.
    pub fn flush_blocking(&self) -> Result<(), RecordError> {
        let (sender, answer) = oneshot::channel();
        self.shared.queue.push(Job::Flush(sender))?;
        answer.blocking_recv().unwrap_or(Err(RecordError::Closed))
    }

    /// Ends the chain and returns when the store has all of it, or has refused it once; panics inside a runtime.
    ///
    /// What the store has refused stays in the spool, for the next start.
    pub fn close_blocking(&self) -> Result<(), RecordError> {
        let (sender, answer) = oneshot::channel();
        self.shared.queue.push(Job::Close(sender))?;
        let outcome = answer.blocking_recv().unwrap_or(Err(RecordError::Closed));
        self.shared.join();
        outcome
    }

    /// Tells whether commits are being refused, or lost in `best_effort`.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        let health = &self.shared.health;
        health.refusing.load(Ordering::Acquire) || health.acknowledges().is_err()
    }

    /// Tells how the record stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let Shared {
            chain,
            health,
            quotas,
            ..
        } = &*self.shared;
        Standing {
            chain: chain.to_string(),
            manifests: health.manifests.load(Ordering::Relaxed),
            progress: health.progress.told(),
            spool_max_bytes: quotas.room().1,
            unacked_bytes: quotas.unacked_bytes(),
            oldest_unacked: quotas.oldest_unacked(),
            is_refusing: self.is_degraded(),
        }
    }

    /// Checks and queues rows; gives where to wait, unless the mode does not wait.
    fn submit(
        &self,
        rows: Vec<Row>,
    ) -> Result<Option<Receiver<Result<Written, RecordError>>>, RecordError> {
        let shared = &self.shared;
        if rows.is_empty() {
            return Ok(None);
        }
        let session = rows.first().and_then(quota::session_of);
        for row in &rows {
            if let Row::Session(row) = row
                && let (Phase::Close, Some(session)) = (row.phase, row.session_id)
            {
                shared.keeper.forget(session);
            }
        }
        let bodies: Result<Vec<Body>, _> = rows
            .into_iter()
            .map(|row| Body::of(row, &shared.facts))
            .collect();
        let bodies = bodies?;
        if let Some(session) = session {
            let bytes = bodies.iter().map(Body::len).sum::<usize>() as u64;
            shared.quotas.charge(session, bytes, bodies.len());
        }
        match shared.mode {
            RecordMode::StrictLocal | RecordMode::StrictRemote => {
                let (sender, answer) = oneshot::channel();
                shared.queue.push(Job::Commit(bodies, Some(sender)))?;
                Ok(Some(answer))
            }
            RecordMode::BestEffort => {
                let rows = bodies.len() as u64;
                match shared.queue.push(Job::Commit(bodies, None)) {
                    Err(RecordError::Busy { .. }) => {
                        shared.health.lost_rows.fetch_add(rows, Ordering::Relaxed);
                        Ok(None)
                    }
                    pushed => pushed.map(|()| None),
                }
            }
        }
    }

    fn receipt(&self, began_ns: i64, written: Option<Written>) -> Receipt {
        let waited_ns = self.shared.clock.mono_ns().saturating_sub(began_ns);
        Receipt {
            chain: Arc::clone(&self.shared.chain),
            seq: written.map(|written| written.first_seq..=written.last_seq),
            durability_wait: Duration::from_nanos(u64::try_from(waited_ns).unwrap_or(0)),
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("chain", &self.shared.chain)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Waits for the threads, which end when the queue is closed.
    fn join(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in std::mem::take(&mut *threads) {
            if thread.join().is_err() {
                warn!("a thread of the recorder ended by a panic");
            }
        }
    }
}

/// Without a close the chain stays open, as after a crash; the spool is free for the next recorder.
impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
        self.join();
    }
}
