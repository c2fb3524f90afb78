//! One request that waits, as the thread that looks for answers keeps it.
//!
//! Whoever may write beside a request chooses how many objects lie there and what they are: all that is kept of them has a
//! limit here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::Ended;
use super::documents::Folder;
use crate::approval::{Given, Request, Word};
use crate::record::hex;

/// Most events that one request causes, so that rubbish beside it drowns no record.
const EVENTS_MAX: usize = 20;

/// A request that waits.
pub(super) struct Asking {
    pub(super) request: Arc<Request>,
    pub(super) digest: [u8; 32],
    pub(super) digest_text: String,
    pub(super) folder: Folder,
    /// Decisions that were read, or are not worth it, by the SHA-256 of their bytes.
    pub(super) seen: BTreeSet<[u8; 32]>,
    /// Keys of geneses that were read.
    pub(super) geneses: BTreeSet<String>,
    /// When an object that could not be read is read again, by its key.
    pub(super) again_ns: BTreeMap<String, i64>,
    /// Decisions whose proofs cannot be checked yet.
    pub(super) unchecked: Vec<Unchecked>,
    /// Decisions that were checked and may count, by the SHA-256 of their bytes.
    pub(super) heard: BTreeMap<String, Heard>,
    /// Decisions whose rows are written.
    pub(super) recorded: BTreeSet<String>,
    /// What was told of already.
    told: BTreeSet<String>,
    /// Why the last look gave nothing, if it did not.
    pub(super) unread: Option<String>,
    ended: Option<oneshot::Sender<Ended>>,
}

/// A decision that can be read.
pub(super) struct Found {
    pub(super) given: Given,
    pub(super) text: String,
    /// When the host saw it first, or the store had it if that is later.
    pub(super) seen_at: DateTime<Utc>,
}

/// A decision whose proof cannot be checked yet.
pub(super) struct Unchecked {
    pub(super) found: Found,
    /// Since when, by the clock that never goes back.
    pub(super) since_ns: i64,
}

/// A decision whose proof was checked.
pub(super) struct Heard {
    pub(super) word: Word,
    pub(super) seen_at: DateTime<Utc>,
    /// Its text, until its rows are written.
    pub(super) text: String,
}

impl Asking {
    pub(super) fn new(
        request: Arc<Request>,
        digest: [u8; 32],
        ended: oneshot::Sender<Ended>,
    ) -> Self {
        Self {
            folder: Folder::of(&request),
            request,
            digest,
            digest_text: hex(&digest),
            seen: BTreeSet::new(),
            geneses: BTreeSet::new(),
            again_ns: BTreeMap::new(),
            unchecked: Vec::new(),
            heard: BTreeMap::new(),
            recorded: BTreeSet::new(),
            told: BTreeSet::new(),
            unread: None,
            ended: Some(ended),
        }
    }

    /// Tells whether something is to be told: once, and not too much of it.
    pub(super) fn tells(&mut self, what: &str) -> bool {
        self.told.len() < EVENTS_MAX && self.told.insert(what.to_owned())
    }

    /// Gives whoever waits the end.
    pub(super) fn end(&mut self, ended: Ended) {
        if let Some(waiting) = self.ended.take() {
            // Nobody waits any more where the statement's session is over.
            drop(waiting.send(ended));
        }
    }

    /// Tells whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_none()
    }
}
