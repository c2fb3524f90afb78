//! Has a witness sign how far the chain has come: what was cut off at the end is found by what the witness knows.
//!
//! The record does not wait for it: while the witness is away the chain goes on, and the next signature covers it all.

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tracing::{debug, info, warn};

use super::chain::note::Note;
use super::chain::tree::{Hash, Tree, consistency_from};
use super::chain::witness::{AddError, Submission, add_checkpoint};
use super::digest::{hex, sha256};
use super::disk;
use super::error::RecordError;
use super::settings::Witness;

/// What a witness still has to sign.
pub(super) struct Witnessing {
    witness: Witness,
    runtime: Runtime,
    known: Tree,
    // Leaves that the witness does not know of.
    since: Vec<Hash>,
    newest: Option<Newest>,
    is_away: bool,
}

/// The checkpoint of the manifest that was signed last.
struct Newest {
    folder: String,
    n: u64,
    note: String,
}

impl Witnessing {
    /// Begins with a chain of which the witness knows nothing.
    pub(super) fn new(witness: Witness) -> Result<Self, RecordError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(disk::failed("start", "witness".as_ref()))?;
        Ok(Self {
            witness,
            runtime,
            known: Tree::default(),
            since: Vec::new(),
            newest: None,
            is_away: false,
        })
    }

    /// Takes what a manifest signs: the leaves that it adds, and its checkpoint. `folder` is the chain's in the store.
    pub(super) fn take(&mut self, folder: &str, n: u64, leaves: &[Hash], note: &str) {
        self.since.extend_from_slice(leaves);
        self.newest = Some(Newest {
            folder: folder.to_owned(),
            n,
            note: note.to_owned(),
        });
    }

    /// Asks for a signature of what came since the last, and gives the signed checkpoint's key and bytes.
    pub(super) fn ask(&mut self) -> Option<(String, Bytes)> {
        let newest = self.newest.as_ref()?;
        let lines = match self.submit(&newest.note) {
            // It signed once and the answer was lost: what it knows is a beginning of what is here.
            Err(AddError::Known { size }) if self.advance(size) => {
                let note = self.newest.as_ref().map(|newest| newest.note.clone())?;
                self.submit(&note)
            }
            answered => answered,
        };
        match lines {
            Ok(lines) => {
                if std::mem::take(&mut self.is_away) {
                    info!(url = self.witness.url, "the witness signs again");
                }
                let newest = self.newest.take()?;
                self.known.extend(self.since.drain(..));
                let mut note = Note::parse(&newest.note).ok()?;
                note.add(&lines).ok()?;
                let bytes = Bytes::from(note.to_string());
                let hash: String = hex(&sha256(&bytes)).chars().take(16).collect();
                let key = format!("{}/c-{:08}-{hash}.note", newest.folder, newest.n);
                Some((key, bytes))
            }
            Err(error) => {
                let url = &self.witness.url;
                if std::mem::replace(&mut self.is_away, true) {
                    debug!(url, %error, "the witness did not sign");
                } else {
                    warn!(url, %error, "the witness did not sign; the record goes on without");
                }
                None
            }
        }
    }

    fn submit(&self, note: &str) -> Result<String, AddError> {
        let submission = Submission {
            old_size: self.known.size(),
            proof: consistency_from(&self.known, &self.since),
            note: note.to_owned(),
        };
        let Witness { url, web } = &self.witness;
        self.runtime.block_on(add_checkpoint(web, url, &submission))
    }

    /// Goes on from a size that the witness says it knows; false where that is not one of this chain since.
    fn advance(&mut self, size: u64) -> bool {
        let more = size.checked_sub(self.known.size());
        let more = more.and_then(|more| usize::try_from(more).ok());
        let Some(more) = more.filter(|more| (1..=self.since.len()).contains(more)) else {
            return false;
        };
        self.known.extend(self.since.drain(..more));
        true
    }
}
