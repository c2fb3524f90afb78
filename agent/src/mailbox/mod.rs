//! The mailbox: how hosts that ask and people who answer find each other, which share a store and nothing else.
//!
//! A request has a folder below the day on which it was asked. The host puts `request.json`, signed by its chain's key for
//! approvals, and that chain's genesis, signed by the installation's, so that whoever pins the installation believes the
//! request by what lies beside it. People put `decision-<SHA-256>.json`; any number of them, each good or not by itself. The
//! host puts one `outcome.json`. What anybody else writes there can neither approve nor refuse anything.

mod asked;
mod days;
mod documents;
mod error;
mod history;
mod inbox;
mod keyring;
mod listing;
mod look;
mod news;
mod rows;
mod watch;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

pub use documents::DECISION_MAX_BYTES;
pub use error::MailboxError;
pub use inbox::{Asked, Inbox, Item};
pub use news::{Herald, News};

use crate::approval::{
    Approval, Difference, Earlier, Grant, Likeness, Meaning, Outcome, Request, Rules, State,
};
use crate::clock::Clock;
use crate::config::Recipient;
use crate::id::StatementId;
use crate::identity::Keys;
use crate::record::chain::envelope;
use crate::record::encryption::seal_to;
use crate::record::{Recorder, Row, Store, StoreAt, hex};
use asked::Asking;
use documents::{Folder, REQUEST_MAX_BYTES};
use history::History;
use rows::Rows;
use watch::{Order, Watch};

/// Which keys of the approvers' issuer are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Those that are held, if they are not old.
    Held,
    /// Those that it has by this time, since one is missing.
    Looked,
}

/// Gives the keys of the approvers' issuer; blocks, and is called outside of any runtime.
pub type KeysOf = Box<dyn Fn(Freshness) -> Result<Keys, String> + Send>;

/// What a host's mailbox is made from.
pub struct Settings {
    /// The store.
    pub store: StoreAt,
    /// Who may say yes to what.
    pub rules: Arc<Rules>,
    /// Who can read requests; where there is nobody, they are not encrypted.
    pub recipients: Vec<Recipient>,
    /// The keys of the approvers' issuer.
    pub keys: KeysOf,
    /// Slack's signing secret, where a chat's word is taken.
    pub slack: Option<Zeroizing<Vec<u8>>>,
    /// Who is told beside the store.
    pub herald: Herald,
}

/// How a request ended.
#[derive(Debug)]
pub enum Ended {
    /// Enough people said yes.
    Approved(Approval),
    /// Somebody who may said no.
    Denied(Told),
    /// Its time was over.
    Expired(Told),
    /// Whoever asked wants it no more.
    Withdrawn,
    /// Nobody could be asked, or no answer taken.
    Failed(MailboxError),
}

/// Who ended a request, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who, each as `issuer:subject`.
    pub by: Vec<String>,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A host's mailbox; clones lead to the same.
#[derive(Clone)]
pub struct Mailbox(Arc<Shared>);

struct Shared {
    store: Arc<Store>,
    recorder: Recorder,
    rules: Arc<Rules>,
    recipients: Vec<Recipient>,
    clock: Clock,
    orders: Sender<Order>,
    herald: Herald,
    history: Arc<History>,
    /// What people said yes to for a while; gone with the process.
    grants: Mutex<BTreeMap<Likeness, Grant>>,
}

impl Mailbox {
    /// Opens the mailbox of a store, and starts the one thread that looks at it.
    ///
    /// # Errors
    /// The store cannot be opened, or no thread started.
    pub fn open(
        settings: Settings,
        recorder: Recorder,
        clock: Clock,
    ) -> Result<Self, MailboxError> {
        let Settings {
            store: at,
            rules,
            recipients,
            keys,
            slack,
            herald,
        } = settings;
        let store = Arc::new(Store::create(&at)?);
        let (orders, taken) = mpsc::channel();
        let watch = Watch {
            is_local: at.local().is_some(),
            store: Arc::clone(&store),
            recorder: recorder.clone(),
            rules: Arc::clone(&rules),
            slack,
            herald: herald.clone(),
            clock,
        };
        watch.start(keys, taken)?;
        let whose = (
            recorder.org().to_owned(),
            recorder.approvals_key().installation,
        );
        let history = History::begin(Arc::clone(&store), whose, clock.now());
        Ok(Self(Arc::new(Shared {
            store,
            recorder,
            rules,
            recipients,
            clock,
            orders,
            herald,
            history,
            grants: Mutex::default(),
        })))
    }

    /// Gives who may say yes to what.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.0.rules
    }

    /// Names the organisation for which this host asks.
    #[must_use]
    pub fn org(&self) -> &str {
        self.0.recorder.org()
    }

    /// Names the chain that signs requests of this host.
    #[must_use]
    pub fn chain(&self) -> &str {
        self.0.recorder.chain()
    }

    /// Tells how people decided about statements like one before, the latest first, and why that may not be all.
    pub async fn earlier(&self, meaning: &Meaning) -> (Vec<Earlier>, Option<String>) {
        self.0.history.of(meaning).await
    }

    /// Asks people, and waits for what they say. A request of an earlier chain of this host is waited for again.
    ///
    /// Where the future is dropped, the request waits on for whoever asks again.
    pub async fn ask(&self, request: Request, withdrawn: impl Future<Output = ()>) -> Ended {
        match self.wait(request, withdrawn).await {
            Ok(ended) => ended,
            Err(error) => Ended::Failed(error),
        }
    }

    async fn wait(
        &self,
        request: Request,
        withdrawn: impl Future<Output = ()>,
    ) -> Result<Ended, MailboxError> {
        let shared = &self.0;
        let request = Arc::new(request);
        let digest = request.digest()?;
        if let Some(approval) = shared.granted(&request) {
            let rows = shared.rows(&request, digest);
            let mut all = rows.requested()?;
            all.extend(rows.approved(&approval, shared.clock.now()));
            let _receipt = shared.recorder.commit(all).await?;
            return Ok(Ended::Approved(approval));
        }
        if request.chain == shared.recorder.chain() {
            let rows = shared.rows(&request, digest).requested()?;
            let _receipt = shared.recorder.commit(rows).await?;
        }
        let putting = Arc::clone(shared);
        let asked = Arc::clone(&request);
        let put = spawn_blocking(move || putting.put(&asked)).await;
        put.unwrap_or(Err(MailboxError::Closed))?;
        if request.chain == shared.recorder.chain() {
            shared.herald.tell(News::asked(&request, digest));
        }
        let (ended, mut end) = oneshot::channel();
        let id = request.id;
        let remembered = Arc::clone(&request);
        let order = Order::Ask(Box::new(Asking::new(request, digest, ended)));
        shared
            .orders
            .send(order)
            .map_err(|_| MailboxError::Closed)?;
        let forget = Forget(&shared.orders, id);
        let ended = tokio::select! {
            biased;
            ended = &mut end => ended,
            () = withdrawn => {
                let order = Order::Withdraw(forget.1);
                shared.orders.send(order).map_err(|_| MailboxError::Closed)?;
                end.await
            }
        };
        let ended = ended.unwrap_or(Ended::Failed(MailboxError::Closed));
        shared.remember(&remembered, &ended);
        Ok(ended)
    }

    /// Says that a statement runs by an approval, before it does: an approval is used once.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub async fn used(&self, approval: &Approval, by: StatementId) -> Result<(), MailboxError> {
        let shared = &self.0;
        let request = approval.request();
        let rows = shared.rows(request, request.digest()?);
        let row = rows.used(approval, by, shared.clock.now());
        let _receipt = shared.recorder.commit(vec![row]).await?;
        if let Some(grant) = Grant::of(approval, shared.clock.now()) {
            shared.grants().insert(grant.likeness(), grant);
        }
        self.tell(approval, State::Approved, None);
        Ok(())
    }

    /// Says that what was approved means something else by now.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub async fn void(
        &self,
        approval: &Approval,
        difference: &Difference,
    ) -> Result<(), MailboxError> {
        let shared = &self.0;
        let request = approval.request();
        let digest = request.digest()?;
        let rows = shared.rows(request, digest);
        let what = match difference {
            Difference::Meaning { what, .. } => what,
            Difference::Late { .. } => "the time",
        };
        let now = shared.clock.now();
        let rows: Vec<Row> = rows.void(approval, what, now);
        let _receipt = shared.recorder.commit(rows).await?;
        if approval.granted_by().is_none() {
            shared.herald.tell(News {
                reason: Some(difference.to_string()),
                ..News::of_approval(approval, digest, State::Void, now)
            });
        }
        self.tell(approval, State::Void, Some(difference.to_string()));
        Ok(())
    }

    /// Tells people what came of their yes; the record has it already.
    fn tell(&self, approval: &Approval, state: State, reason: Option<String>) {
        if approval.granted_by().is_some() {
            // Nobody was asked.
            return;
        }
        let shared = Arc::clone(&self.0);
        let request = Arc::clone(approval.request());
        let decisions: Vec<String> = approval
            .counted()
            .iter()
            .map(|one| one.sha256.clone())
            .collect();
        let by = approval.by();
        let history = &shared.history;
        history.note(&request, state, by.clone(), shared.clock.now());
        drop(spawn_blocking(move || {
            let now = shared.clock.now();
            let told = outcome(&request, state, (decisions, by), reason, now).and_then(|outcome| {
                put_outcome(&shared.store, &shared.recorder, &request, &outcome)
            });
            if let Err(error) = told {
                tracing::warn!(approval = %request.id, %error, "outcome of an approval could not be put");
            }
        }));
    }
}

impl Shared {
    /// Remembers an end that no statement's run tells.
    fn remember(&self, request: &Request, ended: &Ended) {
        let (state, told) = match ended {
            Ended::Denied(told) => (State::Denied, Some(told)),
            Ended::Expired(told) => (State::Expired, Some(told)),
            Ended::Withdrawn => (State::Withdrawn, None),
            Ended::Approved(_) | Ended::Failed(_) => return,
        };
        let by = told.map(|told| told.by.clone()).unwrap_or_default();
        let at = told.map_or_else(|| self.clock.now(), |told| told.at);
        self.history.note(request, state, by, at);
    }

    /// Approves a request by what people said yes to for a while.
    fn granted(&self, request: &Arc<Request>) -> Option<Approval> {
        let now = self.clock.now();
        let mut grants = self.grants();
        grants.retain(|_, grant| !grant.is_over(now));
        if grants.is_empty() {
            return None;
        }
        grants
            .get(&request.likeness()?)?
            .approves(&self.rules, request, now)
    }

    fn grants(&self) -> MutexGuard<'_, BTreeMap<Likeness, Grant>> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows<'s>(&'s self, request: &'s Request, digest: [u8; 32]) -> Rows<'s> {
        Rows {
            recorder: &self.recorder,
            request,
            digest,
        }
    }

    /// Puts a request and what it is believed by. Blocks.
    fn put(&self, request: &Request) -> Result<(), MailboxError> {
        let folder = Folder::of(request);
        let key = folder.request();
        if request.chain != self.recorder.chain() {
            // An earlier process of this host put and recorded it; the key that signed it went with that process.
            return match self.store.get_at_most(&key, REQUEST_MAX_BYTES)? {
                Some(_) => Ok(()),
                None => Err(MailboxError::Form {
                    expected: "the request of an earlier process",
                    found: format!("none of 1 to {REQUEST_MAX_BYTES} bytes"),
                }),
            };
        }
        let signer = self.recorder.approvals_key();
        self.store
            .put(&folder.genesis(&request.chain), signer.genesis.clone())?;
        let mut bytes = envelope::seal(request, signer.key.pair())?;
        if !self.recipients.is_empty() {
            bytes = seal_to(&self.recipients, &key, &bytes)?;
        }
        Ok(self.store.put(&key, bytes)?)
    }
}

/// Has the thread forget a request that nobody waits for.
struct Forget<'a>(&'a Sender<Order>, crate::id::ApprovalId);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        // The thread is gone when the proxy ends.
        drop(self.0.send(Order::Forget(self.1)));
    }
}

fn outcome(
    request: &Request,
    state: State,
    (decisions, by): (Vec<String>, Vec<String>),
    reason: Option<String>,
    at: DateTime<Utc>,
) -> Result<Outcome, MailboxError> {
    Ok(Outcome {
        format_version: crate::approval::FORMAT_VERSION,
        request: request.id,
        digest: hex(&request.digest()?),
        state,
        decisions,
        by,
        reason,
        at,
    })
}

/// Puts the one outcome of a request. Blocks.
fn put_outcome(
    store: &Store,
    recorder: &Recorder,
    request: &Request,
    outcome: &Outcome,
) -> Result<(), MailboxError> {
    let folder = Folder::of(request);
    let signer = recorder.approvals_key();
    if request.chain != recorder.chain() {
        store.put(&folder.genesis(recorder.chain()), signer.genesis.clone())?;
    }
    let bytes = envelope::seal(outcome, signer.key.pair())?;
    // What others put there first may be of any length, and is not read.
    if !store.put_new(&folder.outcome(), bytes.into())? {
        tracing::warn!(approval = %request.id, "an outcome is there already, and was left as it is");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
