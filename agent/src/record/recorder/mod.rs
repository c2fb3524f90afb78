//! The recorder's handle: rows go in, receipts come out.

mod asked;

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::oneshot::{self, Receiver};
use tracing::warn;
use uuid::Uuid;

use super::body::{Body, Facts};
use super::chain::documents::Before;
use super::chain::keys::SigningKey;
use super::chain::{About, Beginning, ChainWriter};
use super::digest::{DigestKey, Mac, hex};
use super::disk;
use super::encryption::{Keys, Purpose};
use super::error::RecordError;
use super::event::{Category, EventRow, Phase, Row, Severity, code};
use super::evidence::Evidence;
use super::fault::{self, Step};
use super::journal::Journal;
use super::outage::Health;
use super::queue::{Job, Queue, Written};
use super::quota::{self, Quotas};
use super::recover::{self, Recovered};
use super::rows::Keeper;
use super::scrub::Scrub;
use super::seal;
use super::settings::{RecordMode, Settings};
use super::ship::{Order, Shipper};
use super::spool::Spool;
use super::standing::Standing;
use super::witnessing::Witnessing;
use crate::clock::Clock;

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
    shared: Arc<Shared>,
}

struct Shared {
    chain: Arc<str>,
    mode: RecordMode,
    key: DigestKey,
    facts: Arc<Facts>,
    queue: Arc<Queue>,
    health: Arc<Health>,
    quotas: Arc<Quotas>,
    keeper: Keeper,
    evidence: Arc<Evidence>,
    clock: Clock,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Recorder {
    /// Recovers what an earlier process left in the spool, begins a chain and starts the recorder.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, RecordError> {
        check(settings)?;
        let spool = Spool::open(&settings.state_dir)?;
        let facts = Arc::new(facts(settings)?);
        let health = Arc::<Health>::default();
        let (orders, received) = mpsc::channel();
        let recovered = recover::recover(&spool)?;
        fault::at(Step::RecoverAfterScan);
        let previous = recover::before(&spool, &recovered);
        let evidence = Arc::new(Evidence::open(spool.root())?);
        let chain: Arc<str> = Uuid::now_v7().to_string().into();
        let (writer, genesis) = begin(settings, &facts, &chain, previous.clone(), clock)?;
        let (witnessing, asking) = Witnessing::begin(settings, &spool, &chain)?.unzip();
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
        let mut journal = Journal::begin(
            spool,
            (Arc::clone(&chain), &genesis),
            settings,
            (Arc::clone(&facts), Arc::clone(&health), Arc::clone(&quotas)),
            orders.clone(),
            clock,
        )?;
        let previous = previous.as_ref().map(|before| before.chain.as_str());
        journal.write_now(first_rows(settings, &facts, previous, &recovered)?)?;
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
        let queue = Arc::<Queue>::default();
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
        .witnessed_by(witnessing);
        let mut threads = vec![
            spawn("record-ship", move || shipper.run(&received))?,
            spawn("record", move || journal.run(&taken))?,
        ];
        if let Some(asking) = asking {
            threads.push(spawn("record-witness", move || asking.run())?);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                chain,
                mode: settings.mode,
                key,
                facts,
                queue,
                health,
                quotas,
                keeper,
                evidence,
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
        self.shared.health.refusing.load(Ordering::Acquire)
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
            RecordMode::StrictLocal => {
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

fn check(settings: &Settings) -> Result<(), RecordError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let org = &settings.org;
    if org.is_empty() || org.starts_with('.') || !org.bytes().all(plain) {
        return Err(RecordError::Setting {
            setting: "org",
            expected: "letters, digits, `-`, `_` and `.`",
            found: org.clone(),
        });
    }
    Ok(())
}

/// Makes the chain's digest key: wrapped for the readers, or where there are none kept in a file for a verifier here.
fn digest_key(settings: &Settings, keys: &Keys, chain: &str) -> Result<DigestKey, RecordError> {
    match keys.of(chain, Purpose::Digest)? {
        Some(key) => Ok(DigestKey::of(key.bytes())),
        None => DigestKey::load(&settings.state_dir.join("keys").join(chain)),
    }
}

fn facts(settings: &Settings) -> Result<Facts, RecordError> {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    Ok(Facts {
        org: settings.org.clone(),
        host_id: settings.host_id.clone(),
        boot_id: boot_id.ok().map(|id| id.trim().to_owned()),
        proxy_version: settings.proxy_version.clone(),
        policy_bundle_sha256: settings.policy_bundle_sha256,
        recording_mode: settings.mode.as_str(),
        scrub: settings.scan_secrets.then(Scrub::random).transpose()?,
    })
}

/// Begins a chain, and gives its genesis.
fn begin(
    settings: &Settings,
    facts: &Facts,
    chain: &str,
    previous: Option<Before>,
    clock: Clock,
) -> Result<(ChainWriter, Vec<u8>), RecordError> {
    let about = About {
        org: settings.org.clone(),
        chain: chain.to_owned(),
        writer_build: facts.proxy_version.clone(),
        policy_bundle_sha256: hex(&settings.policy_bundle_sha256),
    };
    let beginning = Beginning {
        created_at: clock.now(),
        host_id: facts.host_id.clone(),
        boot_id: facts.boot_id.clone(),
        previous,
        recording_mode: facts.recording_mode.to_owned(),
        config_sha256: hex(&settings.config_sha256),
        build: settings.build.clone(),
    };
    let installation = SigningKey::of_installation(&settings.state_dir)?;
    ChainWriter::begin(about, beginning, installation)
}

/// Gives what a chain begins with: its genesis, and what was recovered.
fn first_rows(
    settings: &Settings,
    facts: &Facts,
    previous: Option<&str>,
    recovered: &Recovered,
) -> Result<Vec<Body>, RecordError> {
    let genesis = EventRow {
        event_code: code::GENESIS,
        category: Category::Chain,
        detail: Some(json!({
            "previous_chain": previous,
            "host_id": facts.host_id,
            "boot_id": facts.boot_id,
            "proxy_version": facts.proxy_version,
            "recording_mode": facts.recording_mode,
            "config_sha256": hex(&settings.config_sha256),
            "policy_bundle_sha256": hex(&settings.policy_bundle_sha256),
            "build": settings.build,
        })),
        ..EventRow::default()
    };
    let mut rows = vec![Body::of(Row::from(genesis), facts)?];
    for end in &recovered.unclosed {
        let recovery = EventRow {
            event_code: code::RECOVERY,
            category: Category::Chain,
            severity: Severity::Medium,
            detail: Some(json!({
                "chain": end.chain,
                "last_seq": end.last_seq,
                "torn_bytes": end.torn_bytes,
            })),
            ..EventRow::default()
        };
        rows.push(Body::of(Row::from(recovery), facts)?);
    }
    Ok(rows)
}

fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, RecordError> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(disk::failed("start", name.as_ref()))
}
