//! The recorder thread: numbers rows, appends their frames, syncs, and answers all who waited.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde_json::json;
use tracing::{error, warn};
use uuid::Uuid;

use super::batch::{Batch, Framed, Stamp};
use super::body::{Body, Facts, RECOVERED, Turn};
use super::cbor;
use super::disk;
use super::error::RecordError;
use super::event::{Category, EventRow, Row, code};
use super::fault::{self, Step};
use super::outage::{Health, Notice, Outages};
use super::queue::{Answer, Job, Queue, Written};
use super::quota::Quotas;
use super::recover::{self, Recovered};
use super::remote::Handover;
use super::seen::Watcher;
use super::settings::{RecordMode, Settings};
use super::ship::{Order, told};
use super::spool::{Segment, Spool};
use super::wal::{Durability, Wal, WalError};
use crate::clock::Clock;
use crate::id::StatementId;

/// How long after a session's end its record is sealed: one seal serves all that end together.
const SESSION_OVER_SEAL: Duration = Duration::from_secs(1);

/// How often a recorder that found no room looks whether there is some.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// How long rows gather that nobody waits for: a write a millisecond instead of one a row.
const GATHER: Duration = Duration::from_millis(1);

/// Row flag: the clock stood before the row that was taken before.
const CLOCK_STEPPED: i32 = 1 << 2;

/// How long those who commit wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// As the mode promises.
    Promise,
    /// Until the spool has their rows: the recorder's own rows wait for nobody else.
    Disk,
}

/// The recorder thread's state.
pub(super) struct Journal {
    spool: Spool,
    folder: PathBuf,
    chain: Arc<str>,
    facts: Arc<Facts>,
    clock: Clock,
    spool_max_bytes: u64,
    seal_interval: Duration,
    orders: Sender<Order>,
    used_bytes: Arc<AtomicU64>,
    wal: Wal,
    durability: Durability,
    number: u64,
    wal_rows: i64,
    next_seq: i64,
    last_ts_us: i64,
    id_seed: u128,
    seal_at_ns: Option<i64>,
    heartbeat: Duration,
    heartbeat_at_ns: i64,
    // Intents without an end, as they were framed.
    open: BTreeMap<StatementId, Vec<u8>>,
    outages: Outages,
    quotas: Arc<Quotas>,
    remote: Option<Handover>,
    watchers: Vec<Watcher>,
    failed: Option<RecordError>,
}

impl Journal {
    /// Begins a chain in the spool, durably, with its genesis.
    pub(super) fn begin(
        spool: Spool,
        (chain, genesis): (Arc<str>, &[u8]),
        settings: &Settings,
        (facts, health, quotas): (Arc<Facts>, Arc<Health>, Arc<Quotas>),
        orders: Sender<Order>,
        clock: Clock,
    ) -> Result<Self, RecordError> {
        let segment = Segment {
            folder: spool.begin_chain(&chain)?,
            chain: chain.to_string(),
            number: 0,
        };
        let path = segment.genesis();
        disk::replace(&path, genesis).map_err(disk::failed("write", &path))?;
        let wal = Wal::of_segment(&segment, &facts, 0, std::iter::empty())?;
        spool.remember_chain(&chain)?;
        Ok(Self {
            used_bytes: spool.used_bytes(),
            spool,
            folder: segment.folder,
            chain,
            facts,
            clock,
            spool_max_bytes: settings.spool_max_bytes,
            seal_interval: settings.seal_interval,
            orders,
            wal,
            durability: match settings.mode {
                RecordMode::StrictLocal | RecordMode::StrictRemote => Durability::Synced,
                RecordMode::BestEffort => Durability::Written,
            },
            number: 0,
            wal_rows: 0,
            next_seq: 0,
            last_ts_us: i64::MIN,
            id_seed: Uuid::new_v4().as_u128(),
            seal_at_ns: None,
            heartbeat: settings.heartbeat,
            heartbeat_at_ns: clock.mono_ns().saturating_add(nanos(settings.heartbeat)),
            open: BTreeMap::new(),
            outages: Outages::new(settings.mode, health),
            quotas,
            remote: None,
            watchers: Vec::new(),
            failed: None,
        })
    }

    /// Says where rows go whose callers wait for the store too, and who is told of all that are written.
    pub(super) fn telling(mut self, remote: Option<Handover>, watchers: Vec<Watcher>) -> Self {
        (self.remote, self.watchers) = (remote, watchers);
        self
    }

    /// Names the chain.
    pub(super) fn chain(&self) -> Arc<str> {
        Arc::clone(&self.chain)
    }

    /// Writes the recorder's own rows, which no limit holds back.
    pub(super) fn write_now(&mut self, rows: Vec<Body>) -> Result<(), RecordError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (sender, mut answer) = tokio::sync::oneshot::channel();
        self.write(vec![(rows, Some(sender))], u64::MAX, Until::Disk);
        answer
            .try_recv()
            .unwrap_or(Err(RecordError::Closed))
            .map(drop)
    }

    /// Puts what earlier chains left unsealed into this chain, ends what was cut off, and removes where it was.
    ///
    /// The rows are durable here before they are gone there; a recovery that breaks off in between finds both, and takes
    /// each row once.
    pub(super) fn take_over(&mut self, recovered: &Recovered) -> Result<(), RecordError> {
        let mut seen = HashSet::new();
        for segment in &recovered.unsealed {
            let rows = recover::rows_again(segment, &self.folder, &self.chain, &mut seen)?;
            self.write_now(rows)?;
            fault::at(Step::RecoverBetweenFiles);
        }
        let abandoned: Result<Vec<_>, _> = recovered
            .open
            .iter()
            .map(|intent| Body::abandoned(intent.clone(), RECOVERED))
            .collect();
        self.write_now(abandoned?)?;
        // A file that came in after the end of its statement was seen leaves an intent here that is none.
        self.open.clear();
        fault::at(Step::RecoverBeforeSync);
        let path = self.wal.path().to_owned();
        self.wal.sync().map_err(disk::failed("sync", &path))?;
        fault::at(Step::RecoverBeforeRemove);
        for segment in &recovered.unsealed {
            recover::remove(segment)?;
            fault::at(Step::RecoverBetweenRemoves);
        }
        let waiting_bytes = self.spool.remove_orphans(&self.chain)?;
        Spool::count(&self.used_bytes, waiting_bytes, 0);
        Ok(())
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue) {
        let pause = match self.durability {
            Durability::Synced => Duration::ZERO,
            Durability::Written => GATHER,
        };
        while let Some(jobs) = queue.take(self.wait(), pause) {
            let idle = jobs.is_empty();
            self.work(jobs);
            if idle && self.retries() {
                self.write(Vec::new(), self.spool_max_bytes, Until::Promise);
            }
            if self.failed.is_none()
                && self.seal_at_ns.is_some_and(|at| at <= self.clock.mono_ns())
                && let Err(error) = self.rotate()
            {
                self.seal_at_ns = Some(self.clock.mono_ns() + nanos(FULL_RETRY));
                warn!(error = told(&error), "put off sealing");
            }
            if self.failed.is_none()
                && self.heartbeat_at_ns <= self.clock.mono_ns()
                && let Err(error) = self.begin_next()
            {
                self.beat_within(FULL_RETRY);
                warn!(error = told(&error), "put off a heartbeat");
            }
        }
    }

    fn wait(&self) -> Option<Duration> {
        let retry = self.retries().then_some(FULL_RETRY);
        let seal = self.seal_at_ns.filter(|_| self.failed.is_none()).map(|at| {
            let left_ns = at.saturating_sub(self.clock.mono_ns());
            Duration::from_nanos(u64::try_from(left_ns).unwrap_or(0))
        });
        let beat = self.failed.is_none().then(|| {
            let left_ns = self.heartbeat_at_ns.saturating_sub(self.clock.mono_ns());
            Duration::from_nanos(u64::try_from(left_ns).unwrap_or(0))
        });
        [retry, seal, beat].into_iter().flatten().min()
    }

    /// Tells whether rows were refused for a reason that may pass.
    fn retries(&self) -> bool {
        self.outages.is_one() && self.failed.is_none()
    }

    fn work(&mut self, jobs: VecDeque<Job>) {
        let mut commits = Vec::new();
        for job in jobs {
            let (answer, sealed) = match job {
                Job::Commit(rows, answer) => {
                    commits.push((rows, answer));
                    continue;
                }
                Job::Flush(answer) => {
                    self.write(
                        std::mem::take(&mut commits),
                        self.spool_max_bytes,
                        Until::Promise,
                    );
                    // What was refused is in no file, so that all that there is can be in the store and not be all.
                    (
                        answer,
                        self.failed.clone().map_or_else(|| self.rotate(), Err),
                    )
                }
                Job::Close(answer) => {
                    self.write(
                        std::mem::take(&mut commits),
                        self.spool_max_bytes,
                        Until::Promise,
                    );
                    (answer, self.end())
                }
            };
            match sealed {
                Ok(()) => self.order(Order::Flush(answer)),
                // Nobody waits any more where this fails.
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        if !commits.is_empty() {
            self.write(commits, self.spool_max_bytes, Until::Promise);
        }
    }

    /// Writes commits in one piece and answers each; an outage that is over is recorded before them.
    fn write(
        &mut self,
        commits: Vec<(Vec<Body>, Option<Answer<Written>>)>,
        max_bytes: u64,
        until: Until,
    ) {
        let notice = self.outages.notice(&self.facts);
        let chain = self.chain();
        let facts = Arc::clone(&self.facts);
        let mut batch = Batch::new(&chain, &facts.org, self.stamp(), self.next_seq);
        if let Some(notice) = &notice {
            batch.add(std::slice::from_ref(&notice.row), None);
        }
        for (rows, answer) in commits {
            batch.add(&rows, answer);
        }
        let framed = batch.finish();
        if framed.rows == 0 {
            return;
        }
        match self.append(&framed.frames, max_bytes) {
            Ok(()) => self.written(framed, notice, until),
            Err(error) => self.refuse(framed, notice.is_some(), &error),
        }
    }

    fn append(&mut self, frames: &[u8], max_bytes: u64) -> Result<(), RecordError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let held_bytes = self.used_bytes.load(Ordering::Relaxed) + self.wal.len();
        if held_bytes + frames.len() as u64 > max_bytes {
            // Sealing is what can make room.
            self.seal_at_ns = Some(self.clock.mono_ns());
            return Err(RecordError::Full {
                path: self.spool.root().to_owned(),
                cause: format!("it may hold {max_bytes} bytes"),
            });
        }
        if self.wal.is_full_for(frames.len())
            && let Err(error) = self.rotate()
        {
            warn!(error = told(&error), "went on in a full spool file");
        }
        self.wal.append(frames, self.durability).map_err(|error| {
            let path = self.wal.path().to_owned();
            match error {
                WalError::Full(error) => RecordError::Full {
                    path,
                    cause: error.to_string(),
                },
                WalError::Fatal(error) => {
                    let failed = RecordError::Degraded {
                        path,
                        cause: error.to_string(),
                    };
                    error!(error = told(&failed), "the spool failed");
                    self.failed = Some(failed.clone());
                    failed
                }
            }
        })
    }

    fn written(&mut self, framed: Framed, notice: Option<Notice>, until: Until) {
        let place = (self.next_seq, framed.rows);
        self.quotas.writes(self.number, self.wal.len());
        self.next_seq += framed.rows;
        self.wal_rows += framed.rows;
        self.seal_within(self.seal_interval);
        for (turn, payload) in framed.turns {
            match turn {
                Turn::None => {}
                Turn::Begins(statement) => drop(self.open.insert(statement, payload)),
                Turn::Ends(statement) => drop(self.open.remove(&statement)),
                Turn::SessionOver => self.seal_within(SESSION_OVER_SEAL),
            }
        }
        self.outages.over(notice);
        let (now, later) = match (&self.remote, until) {
            (Some(_), Until::Promise) => (Vec::new(), framed.answers),
            (Some(_), Until::Disk) | (None, _) => (framed.answers, Vec::new()),
        };
        for (answer, written) in now {
            drop(answer.send(Ok(written)));
        }
        if let Some(remote) = &self.remote {
            remote.give(framed.frames, place, later);
        }
        Watcher::tell_all(&self.watchers, &framed.seen);
    }

    fn refuse(&mut self, framed: Framed, noticed: bool, error: &RecordError) {
        let rows = framed.rows - i64::from(noticed);
        let now_us = self.clock.now().timestamp_micros();
        self.outages
            .refused(framed.answers.len(), rows, error, now_us);
        for (answer, _) in framed.answers {
            // Nobody waits any more where this fails.
            drop(answer.send(Err(error.clone())));
        }
    }

    fn event(&self, row: EventRow) -> Option<Body> {
        Body::of(Row::from(row), &self.facts)
            .inspect_err(|error| error!(%error, "an event could not be encoded"))
            .ok()
    }

    /// Ends the chain: statements without an end are abandoned, then the chain is closed and sealed.
    fn end(&mut self) -> Result<(), RecordError> {
        let mut rows = Vec::new();
        for payload in self.open.values() {
            match cbor::decode(payload) {
                Ok(intent) => rows.push(Body::abandoned(intent, 0)?),
                Err(error) => error!(%error, "an open intent could not be read"),
            }
        }
        rows.extend(self.event(EventRow {
            event_code: code::CLOSE,
            category: Category::Chain,
            detail: Some(json!({ "abandoned": rows.len() })),
            ..EventRow::default()
        }));
        self.write_now(rows)?;
        self.ship_current();
        // Nothing comes after it: what is due now is not due any more.
        self.wal_rows = 0;
        self.seal_at_ns = None;
        self.heartbeat_at_ns = i64::MAX;
        Ok(())
    }

    /// Begins another file and hands the one so far to the shipper, if there is anything in it.
    fn rotate(&mut self) -> Result<(), RecordError> {
        if self.wal_rows == 0 {
            self.seal_at_ns = None;
            return Ok(());
        }
        self.begin_next()
    }

    /// Begins another file and hands the one so far to the shipper; one without rows is a sign of life.
    fn begin_next(&mut self) -> Result<(), RecordError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let next = self.segment(self.number + 1);
        fault::at(Step::RotateBeforeCreate);
        let open = self.open.values().map(Vec::as_slice);
        let wal = Wal::of_segment(&next, &self.facts, self.next_seq, open)?;
        fault::at(Step::RotateAfterCreate);
        self.ship_current();
        self.wal = wal;
        self.number += 1;
        self.quotas.writes(self.number, self.wal.len());
        self.wal_rows = 0;
        self.seal_at_ns = None;
        Ok(())
    }

    fn ship_current(&mut self) {
        if let Err(error) = self.wal.trim() {
            warn!(%error, "left a spool file longer than its frames");
        }
        Spool::count(&self.used_bytes, self.wal.len(), 0);
        self.quotas.writes(self.number, 0);
        let segment = self.segment(self.number);
        self.order(Order::Ship(segment));
        self.beat_within(self.heartbeat);
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            error!("the shipping thread is gone; the record stays in the spool");
        }
    }

    fn segment(&self, number: u64) -> Segment {
        Segment {
            folder: self.folder.clone(),
            chain: self.chain.to_string(),
            number,
        }
    }

    fn beat_within(&mut self, wait: Duration) {
        self.heartbeat_at_ns = self.clock.mono_ns().saturating_add(nanos(wait));
    }

    fn seal_within(&mut self, wait: Duration) {
        let at = self.clock.mono_ns().saturating_add(nanos(wait));
        self.seal_at_ns = Some(self.seal_at_ns.map_or(at, |sooner| sooner.min(at)));
    }

    fn stamp(&mut self) -> Stamp {
        let ts_us = self.clock.now().timestamp_micros();
        let flags = if ts_us < self.last_ts_us {
            CLOCK_STEPPED
        } else {
            0
        };
        self.last_ts_us = ts_us;
        Stamp {
            id_seed: self.id_seed,
            ts_us,
            mono_ns: self.clock.mono_ns(),
            flags,
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
