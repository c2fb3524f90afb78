//! The thread of `strict_remote`: puts frames into the store before those who wait for them are answered.
//!
//! One put is under way at a time, and what comes meanwhile goes into the next: a commit waits for two at most, and the
//! number of puts does not grow with the number of commits. What the store does not take within its time is refused. Its
//! file is tried again byte by byte the same until the store has it, since nobody can know that it has not; nothing begins
//! until then.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

use super::body::Facts;
use super::chain::ChainWriter;
use super::chain::documents::{FORMAT_VERSION, Hex};
use super::chain::frames::{self, Head};
use super::chain::keys::SigningKey;
use super::digest::{hex, sha256};
use super::encryption::Keys;
use super::error::RecordError;
use super::fault::{self, Step};
use super::outage::{Health, degraded};
use super::queue::{Answer, Job, Queue, Written};
use super::schema::Tier;
use super::settings::Settings;
use super::ship::{ship_keys, told};
use super::store::{Store, StoreAt};
use crate::clock::Clock;

/// How long the store has for one put.
const PUT_WITHIN: Duration = Duration::from_secs(5);

/// How often a put is tried while somebody waits for it.
const TRIES: u32 = 3;

/// How long is waited before the second try, and twice as long before each next one.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// How long is waited while nobody does.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(8);

/// Most bytes of frames in one file, unless one commit alone has more.
const FILE_MAX_BYTES: usize = 4 << 20;

/// Most bytes that may wait; rows that nobody waits for are not acknowledged beyond that.
const WAITING_MAX_BYTES: usize = 64 << 20;

/// Rows that are on the disk, with those who wait until the store has them.
#[derive(Debug)]
struct Group {
    frames: Vec<u8>,
    first_seq: u64,
    rows: u64,
    answers: Vec<(Answer<Written>, Written)>,
}

/// Where the recorder thread hands rows over.
#[derive(Debug)]
pub(super) struct Handover {
    store: String,
    groups: Sender<Group>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Handover {
    /// Hands rows over, dense from `first_seq` on.
    pub(super) fn give(
        &self,
        frames: Vec<u8>,
        (first_seq, rows): (i64, i64),
        answers: Vec<(Answer<Written>, Written)>,
    ) {
        let bytes = frames.len();
        let waiting_bytes = self.waiting_bytes.load(Ordering::Relaxed);
        if waiting_bytes.saturating_add(bytes) > WAITING_MAX_BYTES {
            let cause = format!("{waiting_bytes} bytes wait for it, which is the limit");
            return refuse(answers, &self.unacknowledged(cause));
        }
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let group = Group {
            frames,
            first_seq: u64::try_from(first_seq).unwrap_or_default(),
            rows: u64::try_from(rows).unwrap_or_default(),
            answers,
        };
        if let Err(mpsc::SendError(group)) = self.groups.send(group) {
            let cause = "the recorder is closed".to_owned();
            refuse(group.answers, &self.unacknowledged(cause));
        }
    }

    fn unacknowledged(&self, cause: String) -> RecordError {
        let store = self.store.clone();
        RecordError::Unacknowledged { store, cause }
    }
}

/// The key that signs frames: the last one that a manifest in the store names, so that a reader of the store knows it.
#[derive(Debug)]
pub(super) struct KeyInStore(Mutex<Arc<SigningKey>>);

impl KeyInStore {
    fn get(&self) -> Arc<SigningKey> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says that the store names another key.
    pub(super) fn set(&self, key: Arc<SigningKey>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

/// A file of frames that is signed.
struct File {
    key: String,
    bytes: Vec<u8>,
    sha256: Hex,
    seals_by: Option<String>,
    answers: Vec<(Answer<Written>, Written)>,
}

/// What the thread works with.
pub(super) struct Remote {
    at: StoreAt,
    key_at: Option<StoreAt>,
    store: Option<Store>,
    keys: Arc<Keys>,
    /// The key of the data key that the key store has for sure.
    shipped_key: Option<String>,
    chain: Chain,
    /// Its key and bytes, as long as the store may not have it.
    genesis: Option<(String, Vec<u8>)>,
    groups: Receiver<Group>,
    waiting: VecDeque<Group>,
    waiting_bytes: Arc<AtomicUsize>,
    /// A file that the store did not take in time.
    stuck: Option<File>,
    since_us: i64,
    pause: Duration,
    health: Arc<Health>,
    queue: Arc<Queue>,
    facts: Arc<Facts>,
    clock: Clock,
}

/// The chain whose rows are acknowledged.
struct Chain {
    org: String,
    chain: String,
    folder: String,
    next_n: u64,
    prev_sha256: Hex,
    key: Arc<KeyInStore>,
}

impl Remote {
    /// Makes the thread's work, where rows are handed over, and what is told of keys in the store.
    pub(super) fn new(
        settings: &Settings,
        (writer, genesis): (&ChainWriter, Vec<u8>),
        keys: Arc<Keys>,
        (queue, health): (Arc<Queue>, Arc<Health>),
        facts: Arc<Facts>,
        clock: Clock,
    ) -> (Self, Handover, Arc<KeyInStore>) {
        let (sender, groups) = mpsc::channel();
        let waiting_bytes = Arc::<AtomicUsize>::default();
        let key = Arc::new(KeyInStore(Mutex::new(writer.signing_key())));
        let handover = Handover {
            store: settings.store.to_string(),
            groups: sender,
            waiting_bytes: Arc::clone(&waiting_bytes),
        };
        let remote = Self {
            at: settings.store.clone(),
            key_at: settings.key_store.clone(),
            store: None,
            keys,
            shipped_key: None,
            chain: Chain {
                org: settings.org.clone(),
                chain: writer.chain().to_owned(),
                folder: writer.folder(),
                next_n: 0,
                prev_sha256: hex(&sha256(&genesis)),
                key: Arc::clone(&key),
            },
            genesis: Some((writer.genesis_key(), genesis)),
            groups,
            waiting: VecDeque::new(),
            waiting_bytes,
            stuck: None,
            since_us: 0,
            pause: FIRST_RETRY,
            health,
            queue,
            facts,
            clock,
        };
        (remote, handover, key)
    }

    /// Works until nobody can hand rows over any more.
    pub(super) fn run(mut self) {
        loop {
            let group = match self.stuck {
                Some(_) => self.groups.recv_timeout(self.pause),
                None => self
                    .groups
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
            };
            match group {
                Ok(group) => self.take(group),
                Err(RecvTimeoutError::Timeout) => {}
                // What is left is sealed by the close, or put into the next chain.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(group) = self.groups.try_recv() {
                self.take(group);
            }
            self.work();
        }
    }

    fn take(&mut self, group: Group) {
        self.waiting_bytes
            .fetch_sub(group.frames.len(), Ordering::Relaxed);
        self.waiting.push_back(group);
    }

    /// Puts what is stuck, then what waits; the first that fails refuses all.
    fn work(&mut self) {
        if let Some(file) = self.stuck.take() {
            match self.attempt(&file) {
                Ok(()) => self.is_back(file),
                Err(error) => {
                    self.pause = (self.pause * 2).min(LAST_RETRY);
                    return self.fail(file, &error);
                }
            }
        }
        while let Some(mut group) = self.waiting.pop_front() {
            self.gather(&mut group);
            let answers = std::mem::take(&mut group.answers);
            let file = match self.file(group) {
                Ok(file) => File { answers, ..file },
                Err(error) => {
                    refuse(answers, &self.unacknowledged(&error));
                    continue;
                }
            };
            match self.put(&file) {
                Ok(()) => self.accept(file),
                Err(error) => return self.fail(file, &error),
            }
        }
    }

    /// Adds what follows to a group, as long as it fits one file.
    fn gather(&mut self, group: &mut Group) {
        while let Some(next) = self.waiting.pop_front() {
            let follows = group.first_seq + group.rows == next.first_seq;
            if !follows || group.frames.len() + next.frames.len() > FILE_MAX_BYTES {
                return self.waiting.push_front(next);
            }
            group.frames.extend_from_slice(&next.frames);
            group.rows += next.rows;
            group.answers.extend(next.answers);
        }
    }

    /// Seals and signs a group as the chain's next file.
    fn file(&self, group: Group) -> Result<File, RecordError> {
        let unsigned = |cause: &dyn ToString| RecordError::Unsigned {
            cause: cause.to_string(),
        };
        let chain = &self.chain;
        let today = self.clock.now().date_naive();
        let key = self.keys.of_object(Tier::Content, today, &chain.chain)?;
        let head = Head {
            format_version: FORMAT_VERSION,
            org: chain.org.clone(),
            chain: chain.chain.clone(),
            n: chain.next_n,
            prev_sha256: chain.prev_sha256.clone(),
            first_seq: group.first_seq,
            rows: group.rows,
            key_id: key.as_ref().map(|key| key.name().to_string()),
            signed_by: String::new(),
        };
        let body = match &key {
            Some(key) => {
                let sealed = key.seal(&head.about(), group.frames);
                sealed.map_err(|error| unsigned(&error))?
            }
            None => group.frames,
        };
        let seals_by = head.key_id.clone();
        let bytes =
            frames::write(head, &body, &chain.key.get()).map_err(|error| unsigned(&error))?;
        Ok(File {
            key: format!("{}/{}", chain.folder, frames::name(chain.next_n, &bytes)),
            sha256: hex(&sha256(&bytes)),
            bytes,
            seals_by,
            answers: Vec::new(),
        })
    }

    /// Puts a file that somebody waits for, within its time and tries.
    fn put(&mut self, file: &File) -> Result<(), RecordError> {
        let mut pause = TRY_AGAIN;
        for _ in 1..TRIES {
            match self.attempt(file) {
                Ok(()) => return Ok(()),
                Err(_) => thread::sleep(pause),
            }
            pause *= 2;
        }
        self.attempt(file)
    }

    /// Puts a file, and before it what a reader needs to believe and to open it.
    fn attempt(&mut self, file: &File) -> Result<(), RecordError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::create(&self.at)?.within(PUT_WITHIN),
        };
        if let Some((key, bytes)) = &self.genesis {
            fault::put(|| store.put(key, bytes.clone()))?;
            self.genesis = None;
            fault::at(Step::RemoteAfterGenesis);
        }
        if file.seals_by != self.shipped_key {
            ship_keys(&self.keys, self.key_at.as_ref(), &store)?;
            self.shipped_key.clone_from(&file.seals_by);
        }
        fault::at(Step::RemoteBeforePut);
        fault::put(|| store.put(&file.key, file.bytes.clone()))?;
        fault::at(Step::RemoteAfterPut);
        self.store = Some(store);
        Ok(())
    }

    fn accept(&mut self, file: File) {
        self.chain.next_n += 1;
        self.chain.prev_sha256 = file.sha256;
        for (answer, written) in file.answers {
            // Nobody waits any more where this fails.
            drop(answer.send(Ok(written)));
        }
    }

    /// Refuses all who wait, and keeps the file for another try.
    fn fail(&mut self, mut file: File, error: &RecordError) {
        let error = self.unacknowledged(error);
        if self.health.unacknowledged(Some(error.clone())).is_none() {
            warn!(
                error = told(&error),
                "the store does not acknowledge the record: statements are refused"
            );
            self.since_us = self.clock.now().timestamp_micros();
            self.pause = FIRST_RETRY;
        }
        refuse(std::mem::take(&mut file.answers), &error);
        for group in self.waiting.drain(..) {
            refuse(group.answers, &error);
        }
        self.stuck = Some(file);
    }

    fn unacknowledged(&self, error: &RecordError) -> RecordError {
        RecordError::Unacknowledged {
            store: self.at.to_string(),
            cause: if let RecordError::Store { cause, .. } = error {
                cause.clone()
            } else {
                told(error)
            },
        }
    }

    /// Goes on after the store has taken what it had not, and has the outage recorded.
    fn is_back(&mut self, file: File) {
        self.accept(file);
        let Some(error) = self.health.unacknowledged(None) else {
            return;
        };
        info!(store = %self.at, "the store acknowledges the record again");
        if let Some(row) = degraded(&self.facts, self.since_us, &told(&error)) {
            // A recorder that is closed has ended its chain.
            drop(self.queue.push(Job::Commit(vec![row], None)));
        }
    }
}

fn refuse(answers: Vec<(Answer<Written>, Written)>, error: &RecordError) {
    for (answer, _) in answers {
        // Nobody waits any more where this fails.
        drop(answer.send(Err(error.clone())));
    }
}
