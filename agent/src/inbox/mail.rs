//! The mailbox as an approver's machine sees it.
//!
//! Its calls block, and are made outside of any runtime.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{Days, NaiveDate};

use super::item::{Item, Unbelieved};
use crate::approval::Decision;
use crate::clock::Clock;
use crate::id::ApprovalId;
use crate::mailbox::{self, Asked, Inbox, MailboxError};
use crate::record::encryption::{Identity, IdentityError};
use crate::record::{RecordError, StoreAt};
use crate::verify::Trust;

/// How many days back requests are looked for: none waits for more than seven.
const DAYS: Days = Days::new(8);

/// Why the mailbox gives or takes nothing.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The store's URL is none, or the store is not there.
    #[error("{0}")]
    Store(#[from] RecordError),
    /// The reader's key cannot be used.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The mailbox did not do what was asked.
    #[error("{0}")]
    Mailbox(#[from] MailboxError),
    /// The request is not there, not believed, or over.
    #[error("expected a believed request `{0}` that waits, found none")]
    Unknown(ApprovalId),
}

impl MailError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Mailbox(error) => error.hint(),
            Self::Identity(_) | Self::Unknown(_) => None,
        }
    }
}

/// A store's mailbox, and whom to believe.
pub struct Mail {
    inbox: Inbox,
    /// Its URL, as it was given.
    store: String,
    /// What has ended, by its folder: it is read once.
    ended: Mutex<BTreeMap<String, Item>>,
    clock: Clock,
}

impl Mail {
    /// Opens the mailbox of a store; `identity` is the file of a reader's key, where requests are encrypted.
    ///
    /// # Errors
    /// The store cannot be opened, or the key not read.
    pub fn open(
        store: &str,
        trust: Trust,
        identity: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, MailError> {
        let identities = identity.map(Identity::read_file).transpose()?;
        let at = StoreAt::read(store)?;
        Ok(Self {
            inbox: Inbox::open(&at, trust, identities.unwrap_or_default())?,
            store: store.to_owned(),
            ended: Mutex::default(),
            clock,
        })
    }

    /// Gives the URL of the store.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Tells whether the store has neither a request nor a record, as far as it shows: then it may be none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_bare(&self) -> Result<bool, MailError> {
        Ok(self.inbox.is_bare()?)
    }

    fn from(&self) -> NaiveDate {
        let today = self.clock.now().date_naive();
        today.checked_sub_days(DAYS).unwrap_or(today)
    }

    fn ended(&self) -> MutexGuard<'_, BTreeMap<String, Item>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the requests of the last days, the latest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self) -> Result<Vec<Item>, MailError> {
        let known = self.ended().clone();
        let listed = self
            .inbox
            .list_but(self.from(), |folder| known.contains_key(folder))?;
        let mut items: Vec<Item> = known.into_values().collect();
        for one in listed {
            let folder = match &one {
                mailbox::Item::Believed(asked) if asked.outcome.is_some() => {
                    Some(asked.folder().to_owned())
                }
                mailbox::Item::Believed(_) | mailbox::Item::Odd { .. } => None,
            };
            let item = item(one);
            if let Some(folder) = folder {
                self.ended().insert(folder, item.clone());
            }
            items.push(item);
        }
        items.sort_by_key(|item| Reverse(item.believed().map(|request| request.requested_at)));
        Ok(items)
    }

    /// Finds a request that is believed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(&self, id: ApprovalId) -> Result<Option<Item>, MailError> {
        let mut items = self.list()?.into_iter();
        Ok(items.find(|item| item.id() == Some(id)))
    }

    /// Puts what somebody said beside its request.
    ///
    /// # Errors
    /// The request is not there or over, or the store takes nothing.
    pub fn put(&self, decision: &Decision) -> Result<(), MailError> {
        let id = decision.said.request;
        let asked = self.asked(id)?.ok_or(MailError::Unknown(id))?;
        self.inbox.decide(&asked, decision)?;
        Ok(())
    }

    fn asked(&self, id: ApprovalId) -> Result<Option<Asked>, MailError> {
        let ended = self.ended().clone();
        let is_ended = |folder: &str| ended.contains_key(folder);
        let listed = self.inbox.list_but(self.from(), is_ended)?;
        let mut believed = listed.into_iter().filter_map(|item| match item {
            mailbox::Item::Believed(asked) => Some(*asked),
            mailbox::Item::Odd { .. } => None,
        });
        Ok(believed.find(|asked| asked.request.id == id))
    }
}

fn item(item: mailbox::Item) -> Item {
    match item {
        mailbox::Item::Believed(asked) => believed(*asked),
        mailbox::Item::Odd { folder, why } => Item {
            request: Err(Unbelieved { place: folder, why }),
            signed_by: String::new(),
            decisions: Vec::new(),
            outcome: None,
        },
    }
}

fn believed(asked: Asked) -> Item {
    let decisions = asked.decisions.into_iter().map(|(_, decision)| decision);
    Item {
        request: Ok(asked.request),
        signed_by: asked.installation,
        decisions: decisions.collect(),
        outcome: asked.outcome,
    }
}
