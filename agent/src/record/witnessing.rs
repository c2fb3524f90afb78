//! Has a witness sign how far the chain has come: what was cut off at the end is found by what the witness knows.
//!
//! The record does not wait for it: a thread of its own asks, about what the store has. While the witness is away the chain
//! goes on, and the next signature covers it all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tracing::{debug, info, warn};

use super::chain::note::{Note, NoteError};
use super::chain::range::Range;
use super::chain::tree::{Hash, Tree};
use super::chain::witness::{AddError, Submission, add_checkpoint};
use super::digest::{hex, sha256};
use super::disk;
use super::error::RecordError;
use super::outage::{Health, Progress};
use super::settings::{Settings, Witness};
use super::spool::Spool;
use super::store::{Store, StoreAt};
use super::witnessed::{Witnessed, WitnessedNote};

/// How long after a failure the witness, or the store, is asked again.
const RETRY: Duration = Duration::from_secs(10);

/// What is signed and sealed, told to the thread that asks the witness once the store has it.
#[derive(Debug)]
pub(super) struct Witnessing {
    tree: Tree,
    sealed: Option<Reached>,
    stored: Sender<Reached>,
}

/// How far the chain has come since the witness was told of it last.
#[derive(Debug)]
struct Reached {
    /// The checkpoint of the manifest that was signed last, and its number.
    n: u64,
    note: String,
    tree: Tree,
    since: Range,
}

impl Witnessing {
    /// Begins with a chain of no rows, where the settings name a witness; gives what its thread does.
    pub(super) fn begin(
        settings: &Settings,
        spool: &Spool,
        chain: &Arc<str>,
        health: &Arc<Health>,
    ) -> Result<Option<(Self, Asking)>, RecordError> {
        let Some(witness) = settings.witness.clone() else {
            return Ok(None);
        };
        let (stored, received) = mpsc::channel();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(disk::failed("start", "witness".as_ref()))?;
        let asking = Asking {
            witness,
            runtime,
            stored: received,
            chain: Arc::clone(chain),
            at: settings.store.clone(),
            store: None,
            witnessed: Witnessed::open(spool.root(), &settings.org)?,
            known: Tree::default(),
            newest: None,
            asked: None,
            health: Arc::clone(health),
            is_paused: false,
        };
        let witnessing = Self {
            tree: Tree::default(),
            sealed: None,
            stored,
        };
        Ok(Some((witnessing, asking)))
    }

    /// Takes what a manifest signs: the leaves that it adds, and its checkpoint.
    pub(super) fn take(&mut self, n: u64, leaves: &[Hash], note: &str) {
        let mut since = Range::after(self.tree.size());
        since.extend(leaves);
        self.tree.extend(leaves.iter().copied());
        let reached = Reached {
            n,
            note: note.to_owned(),
            tree: self.tree.clone(),
            since,
        };
        add(&mut self.sealed, reached);
    }

    /// Says that the store has all that was taken.
    pub(super) fn stored(&mut self) {
        if let Some(reached) = self.sealed.take()
            && self.stored.send(reached).is_err()
        {
            warn!("the thread that asks the witness is gone");
        }
    }
}

fn add(so_far: &mut Option<Reached>, mut next: Reached) {
    if let Some(mut before) = so_far.take() {
        before.since.append(&next.since);
        next.since = before.since;
    }
    *so_far = Some(next);
}

/// Why nothing more is signed for the moment.
#[derive(Debug, thiserror::Error)]
enum Pause {
    #[error(transparent)]
    Witness(#[from] AddError),
    #[error("the witness did not answer with signatures")]
    Note(#[from] NoteError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Asks the witness, and stores what it signed.
pub(super) struct Asking {
    witness: Witness,
    runtime: Runtime,
    stored: Receiver<Reached>,
    chain: Arc<str>,
    at: StoreAt,
    store: Option<Store>,
    witnessed: Witnessed,
    known: Tree,
    newest: Option<Reached>,
    // What was sent and not yet answered. Nothing else is sent before: the witness knows `known` or this, whatever became
    // of the answer.
    asked: Option<Asked>,
    health: Arc<Health>,
    is_paused: bool,
}

struct Asked {
    n: u64,
    tree: Tree,
    submission: Submission,
}

impl Asking {
    /// Works until nobody can tell of more, and tries once more then; what is signed and not stored stays in the spool.
    pub(super) fn run(mut self) {
        // What an earlier process left.
        self.work();
        loop {
            let reached = if self.is_paused {
                self.stored.recv_timeout(RETRY)
            } else {
                self.stored
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected)
            };
            let is_over = match reached {
                Ok(reached) => {
                    add(&mut self.newest, reached);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            while let Ok(reached) = self.stored.try_recv() {
                add(&mut self.newest, reached);
            }
            self.work();
            if is_over {
                return;
            }
        }
    }

    fn work(&mut self) {
        let outcome = self.sign_all();
        let was_paused = std::mem::replace(&mut self.is_paused, outcome.is_err());
        if outcome.is_err() {
            Progress::count(&self.health.progress.witness_failures);
        }
        let url = &self.witness.url;
        match outcome {
            Ok(()) if was_paused => info!(url, "the witness signs again"),
            Ok(()) => {}
            Err(error) if was_paused => debug!(url, %error, "the witness did not sign"),
            Err(error) => {
                warn!(url, %error, "the witness did not sign; the record goes on without");
            }
        }
    }

    /// Has all signed that is not yet, and stores each signature before the next is asked for.
    fn sign_all(&mut self) -> Result<(), Pause> {
        self.store_all()?;
        while let Some(mut asked) = self.next() {
            let answered = self.submit(&asked.submission);
            let size = asked.tree.size();
            match answered {
                Ok(lines) => {
                    let note = self.signed(&asked, &lines);
                    // Sent again where it could not be kept.
                    self.asked = Some(asked);
                    self.witnessed.keep(&note?)?;
                    if let Some(asked) = self.asked.take() {
                        let signed = &self.health.progress.witnessed;
                        signed.store(asked.n + 1, Ordering::Relaxed);
                        self.known = asked.tree;
                    }
                    self.store_all()?;
                }
                // It signed, and the answer was lost: it signs the same again.
                Err(AddError::Known { size: known })
                    if known == size && asked.submission.old_size != size =>
                {
                    asked.submission.old_size = size;
                    asked.submission.proof.clear();
                    self.asked = Some(asked);
                }
                Err(error) => {
                    self.asked = Some(asked);
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Asked> {
        if let Some(asked) = self.asked.take() {
            return Some(asked);
        }
        let Reached {
            n,
            note,
            tree,
            since,
        } = self.newest.take()?;
        Some(Asked {
            n,
            submission: Submission {
                old_size: self.known.size(),
                proof: since.consistency(&self.known),
                note,
            },
            tree,
        })
    }

    fn submit(&self, submission: &Submission) -> Result<String, AddError> {
        let Witness { url, web } = &self.witness;
        self.runtime.block_on(add_checkpoint(web, url, submission))
    }

    fn signed(&self, asked: &Asked, lines: &str) -> Result<WitnessedNote, Pause> {
        let mut note = Note::parse(&asked.submission.note)?;
        note.add(lines)?;
        let bytes = note.to_string().into_bytes();
        let hash: String = hex(&sha256(&bytes)).chars().take(16).collect();
        Ok(WitnessedNote {
            chain: self.chain.to_string(),
            name: format!("c-{:08}-{hash}.note", asked.n),
            bytes,
        })
    }

    fn store_all(&mut self) -> Result<(), RecordError> {
        for note in self.witnessed.waiting()? {
            let store = match self.store.take() {
                Some(store) => store,
                None => Store::create(&self.at)?,
            };
            store.put(&self.witnessed.key(&note), note.bytes.clone())?;
            self.store = Some(store);
            self.witnessed.stored(&note)?;
        }
        Ok(())
    }
}
