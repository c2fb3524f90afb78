//! One request that waits, as the thread that looks for answers keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Ended;
use super::documents::Folder;
use crate::approval::{Given, Request};

/// Most events that one request causes, so that rubbish beside it drowns no record.
const EVENTS_MAX: usize = 20;

/// A request that waits.
pub(super) struct Asking {
    pub(super) request: Arc<Request>,
    pub(super) digest: [u8; 32],
    pub(super) folder: Folder,
    /// Keys that were read, or are not worth it.
    pub(super) seen: BTreeSet<String>,
    /// Decisions that can be read, with their texts, by the SHA-256 of their bytes.
    pub(super) given: BTreeMap<String, (Given, String)>,
    /// Decisions whose rows are written.
    pub(super) recorded: BTreeSet<String>,
    /// What was told of already.
    told: BTreeSet<String>,
    /// Why the last look gave nothing, if it did not.
    pub(super) unread: Option<String>,
    ended: Option<oneshot::Sender<Ended>>,
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
            seen: BTreeSet::new(),
            given: BTreeMap::new(),
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
