//! The one thread that looks for answers to all requests of a host that wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::asked::{Asking, Found, Heard, Unchecked};
use super::documents::day;
use super::keyring::Keyring;
use super::listing;
use super::look::{self, Looking};
use super::news::{Herald, News};
use super::rows::Rows;
use super::{Ended, KeysOf, MailboxError, Told, outcome, put_outcome};
use crate::approval::{
    Counted, Judged, Lacks, ProvedBy, Rules, Standing, State, Uncounted, Word, judge,
};
use crate::clock::Clock;
use crate::id::ApprovalId;
use crate::identity::Keys;
use crate::record::{RecordError, Recorder, Row, Store};

/// Time between two looks at a cloud's store.
const PACE: Duration = Duration::from_secs(2);

/// Time between two looks at a folder of this host.
const LOCAL_PACE: Duration = Duration::from_millis(250);

/// Most decisions that one look reads, for all requests together.
const READS_MAX: usize = 256;

/// How long a key that the issuer does not name may still come, where nothing else waits for the room.
const KEY_WITHIN: Duration = Duration::from_secs(120);

/// What the thread keeps from look to look, beside requests.
struct Sight {
    keyring: Keyring,
    /// Folders of days that cannot be listed as a whole, which was told.
    odd_days: BTreeSet<String>,
}

/// What the thread is told.
pub(super) enum Order {
    /// Look for answers to a request.
    Ask(Box<Asking>),
    /// Whoever asked wants it no more.
    Withdraw(ApprovalId),
    /// Nobody waits for it in this process any more.
    Forget(ApprovalId),
}

/// What the thread looks with.
pub(super) struct Watch {
    pub(super) is_local: bool,
    pub(super) store: Arc<Store>,
    pub(super) recorder: Recorder,
    pub(super) rules: Arc<Rules>,
    pub(super) slack: Option<Zeroizing<Vec<u8>>>,
    pub(super) herald: Herald,
    pub(super) clock: Clock,
}

impl Watch {
    /// Starts the thread, which ends with the last sender of orders.
    pub(super) fn start(self, keys: KeysOf, orders: Receiver<Order>) -> Result<(), MailboxError> {
        let run = move || self.run(keys, &orders);
        let started = thread::Builder::new()
            .name("approvals".to_owned())
            .spawn(run);
        let started = started.map_err(|error| MailboxError::Form {
            expected: "a thread of the system",
            found: error.to_string(),
        })?;
        // It holds nothing that outlives the process.
        drop(started);
        Ok(())
    }

    fn run(&self, keys: KeysOf, orders: &Receiver<Order>) {
        let pace = if self.is_local { LOCAL_PACE } else { PACE };
        let mut waiting: BTreeMap<ApprovalId, Asking> = BTreeMap::new();
        let mut sight = Sight {
            keyring: Keyring::new(keys),
            odd_days: BTreeSet::new(),
        };
        let mut look_ns = 0;
        loop {
            // Nobody waits: the thread sleeps until somebody asks.
            let order = match waiting.is_empty() {
                true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => {
                    let left_ns = look_ns - self.clock.mono_ns();
                    orders.recv_timeout(Duration::from_nanos(u64::try_from(left_ns).unwrap_or(0)))
                }
            };
            match order {
                Ok(order) => {
                    if waiting.is_empty() {
                        look_ns = self.clock.mono_ns() + nanos(pace);
                    }
                    self.take(&mut waiting, order);
                    // Many orders do not keep it from looking.
                    if self.clock.mono_ns() < look_ns {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look(&mut waiting, &mut sight);
            waiting.retain(|_, asking| !asking.is_over());
            look_ns = self.clock.mono_ns() + nanos(pace);
        }
    }

    fn take(&self, waiting: &mut BTreeMap<ApprovalId, Asking>, order: Order) {
        match order {
            Order::Ask(asking) => drop(waiting.insert(asking.request.id, *asking)),
            Order::Forget(id) => drop(waiting.remove(&id)),
            Order::Withdraw(id) => {
                if let Some(mut asking) = waiting.remove(&id) {
                    let told = Told {
                        by: Vec::new(),
                        reason: None,
                        at: self.clock.now(),
                    };
                    self.end(&mut asking, State::Withdrawn, &told, Vec::new());
                }
            }
        }
    }

    /// Looks at the folder of each day that has a request which waits: one listing a day, however many wait.
    fn look(&self, waiting: &mut BTreeMap<ApprovalId, Asking>, sight: &mut Sight) {
        sight.keyring.begin();
        let mut days: BTreeMap<String, Vec<ApprovalId>> = BTreeMap::new();
        for (id, asking) in waiting.iter() {
            let request = &asking.request;
            let folder = day(&request.org, request.requested_at);
            days.entry(folder).or_default().push(*id);
        }
        let looking = Looking {
            store: &self.store,
            installation: &self.recorder.approvals_key().installation,
            share: (READS_MAX / waiting.len().max(1)).max(1),
            now: self.clock.now(),
            now_ns: self.clock.mono_ns(),
        };
        for (folder, ids) in days {
            let listed = listing::day(&self.store, &folder, &ids, waiting);
            if let Some(odd) = listed.odd
                && sight.odd_days.insert(folder)
                && let Some(asking) = ids.first().and_then(|id| waiting.get(id))
            {
                tracing::warn!(
                    odd,
                    "folder of a day's requests cannot be listed as a whole"
                );
                let row = self.rows(asking).rubbish(&odd);
                self.tell(vec![row]);
            }
            for (id, lying) in listed.beside {
                if let Some(asking) = waiting.get_mut(&id) {
                    let found = lying.map(|lying| looking.read(asking, &lying));
                    self.consider(asking, found, &mut sight.keyring);
                }
            }
        }
    }

    /// Goes on with a request by what a look found.
    fn consider(
        &self,
        asking: &mut Asking,
        found: Result<look::News, RecordError>,
        keyring: &mut Keyring,
    ) {
        let now = self.clock.now();
        match found {
            Ok(news) => {
                asking.unread = None;
                for what in news.rubbish {
                    self.tell_rubbish(asking, &what);
                }
                if let Some(outcome) = news.outcome {
                    // Another process of this installation ended it: what it approved may have run.
                    return asking.end(Ended::Failed(MailboxError::Ended(outcome.state)));
                }
                self.hear(asking, news.found, keyring);
                if let Err(error) = self.decide(asking, now) {
                    return asking.end(Ended::Failed(error));
                }
            }
            Err(error) => {
                if let RecordError::OddKey { cause, .. } = &error {
                    self.tell_rubbish(asking, cause);
                } else if asking.unread.is_none() {
                    tracing::warn!(approval = %asking.request.id, %error, "mailbox could not be read");
                }
                asking.unread = Some(error.to_string());
            }
        }
        if !asking.is_over() && now >= asking.request.expires_at {
            self.expire(asking, now);
        }
    }

    /// Checks the proofs of decisions that are new, each once.
    fn hear(&self, asking: &mut Asking, found: Vec<Found>, keyring: &mut Keyring) {
        let now_ns = self.clock.mono_ns();
        let since = |found| Unchecked {
            found,
            since_ns: now_ns,
        };
        asking.unchecked.extend(found.into_iter().map(since));
        if asking.unchecked.is_empty() {
            return;
        }
        let lacks_key = self.check(asking, keyring.held(), |_| false);
        if lacks_key {
            let keys = keyring.ask(now_ns).cloned();
            let is_crowded = asking.unchecked.len() >= look::UNCHECKED_MAX;
            let patience_ns = if is_crowded { 0 } else { nanos(KEY_WITHIN) };
            let is_nobodys =
                |since_ns: i64| keyring.asked_since(since_ns.saturating_add(patience_ns));
            self.check(asking, keys.as_ref(), is_nobodys);
        }
    }

    /// Checks proofs by some keys; a key that is none of the issuer's makes a decision nobody's. Tells whether one is missing.
    fn check(
        &self,
        asking: &mut Asking,
        keys: Option<&Keys>,
        is_nobodys: impl Fn(i64) -> bool,
    ) -> bool {
        let by = ProvedBy {
            keys,
            slack: self.slack.as_ref().map(|secret| secret.as_slice()),
        };
        let mut lacks_key = false;
        for one in std::mem::take(&mut asking.unchecked) {
            let Found {
                given,
                text,
                seen_at,
            } = &one.found;
            let of = (&*asking.request, asking.digest_text.as_str());
            let word = Word::of(&self.rules, by, of, given, *seen_at);
            let waits = match word.lacks() {
                Lacks::Nothing => false,
                Lacks::Any => true,
                Lacks::Key => !is_nobodys(one.since_ns),
            };
            if waits {
                lacks_key |= word.lacks() == Lacks::Key;
                asking.unchecked.push(one);
                continue;
            }
            let heard = Heard {
                word,
                seen_at: *seen_at,
                text: text.clone(),
            };
            asking.heard.insert(given.sha256.clone(), heard);
        }
        lacks_key
    }

    fn tell_rubbish(&self, asking: &mut Asking, what: &str) {
        if asking.tells(what) {
            tracing::warn!(approval = %asking.request.id, what, "rubbish beside a request");
            let row = self.rows(asking).rubbish(what);
            self.tell(vec![row]);
        }
    }

    fn expire(&self, asking: &mut Asking, now: DateTime<Utc>) {
        match asking.unread.take() {
            Some(cause) => {
                let row = self.rows(asking).ended("failed", Vec::new(), now);
                self.tell(vec![row]);
                self.herald.tell(News {
                    state: State::Expired,
                    reason: Some("the host could not read the mailbox until then".to_owned()),
                    at: now,
                    ..News::asked(&asking.request, asking.digest)
                });
                asking.end(Ended::Failed(MailboxError::Unread(cause)));
            }
            None => {
                let told = Told {
                    by: Vec::new(),
                    reason: None,
                    at: now,
                };
                self.end(asking, State::Expired, &told, Vec::new());
            }
        }
    }

    /// Judges a request by the decisions that are known.
    fn decide(&self, asking: &mut Asking, now: DateTime<Utc>) -> Result<(), MailboxError> {
        if asking.heard.is_empty() {
            return Ok(());
        }
        let words = asking.heard.values().map(|heard| &heard.word);
        let judged = judge(&self.rules, &asking.request, words, now);
        let known = asking.recorded.len();
        self.record(asking, &judged, now)?;
        match judged.standing {
            Standing::Waiting(_) if asking.recorded.len() > known => {
                self.herald.tell(News {
                    by: judged.counted,
                    at: now,
                    ..News::asked(&asking.request, asking.digest)
                });
            }
            Standing::Waiting(_) => {}
            Standing::Denied(denial) => {
                let decision = denial.decision;
                let told = Told {
                    by: vec![decision.person.clone()],
                    reason: decision.reason.clone(),
                    at: now,
                };
                self.end(asking, State::Denied, &told, vec![decision]);
            }
            // Nothing can run by it any more.
            Standing::Approved(_) if now >= asking.request.expires_at => {}
            Standing::Approved(approval) => {
                let rows = self.rows(asking).approved(&approval, now);
                let _receipt = self.recorder.commit_blocking(rows)?;
                let digest = asking.digest;
                let news = News::of_approval(&approval, digest, State::Approved, now);
                self.herald.tell(news);
                asking.end(Ended::Approved(approval));
            }
        }
        Ok(())
    }

    /// Writes rows of decisions that are new, and lets go of those that never count.
    fn record(
        &self,
        asking: &mut Asking,
        judged: &Judged,
        now: DateTime<Utc>,
    ) -> Result<(), MailboxError> {
        for counted in &judged.counted {
            if asking.recorded.contains(&counted.sha256) {
                continue;
            }
            let Some(heard) = asking.heard.get_mut(&counted.sha256) else {
                continue;
            };
            let (seen_at, text) = (heard.seen_at, std::mem::take(&mut heard.text));
            let rows = self.rows(asking).decision(counted, seen_at, &text);
            let _receipt = self.recorder.commit_blocking(rows)?;
            asking.recorded.insert(counted.sha256.clone());
        }
        for refused in &judged.not_counted {
            let is_for_good = refused.is_for_good(now);
            let is_late = matches!(refused.why, Uncounted::Time { .. }) && !is_for_good;
            if !is_late && asking.tells(&refused.sha256) {
                let row = self.rows(asking).not_counted(refused);
                self.tell(vec![row]);
            }
            if is_for_good {
                asking.heard.remove(&refused.sha256);
            }
        }
        Ok(())
    }

    /// Ends a request: the record first, then people, then whoever waits.
    fn end(&self, asking: &mut Asking, state: State, told: &Told, decisions: Vec<Counted>) {
        let row = self
            .rows(asking)
            .ended(state.as_str(), told.by.clone(), told.at);
        if let Err(error) = self.recorder.commit_blocking(vec![row]) {
            return asking.end(Ended::Failed(error.into()));
        }
        let named = decisions.iter().map(|one| one.sha256.clone()).collect();
        let by = (named, told.by.clone());
        let put =
            outcome(&asking.request, state, by, told.reason.clone(), told.at).and_then(|outcome| {
                put_outcome(&self.store, &self.recorder, &asking.request, &outcome)
            });
        if let Err(error) = put {
            tracing::warn!(approval = %asking.request.id, %error, "outcome of an approval could not be put");
        }
        let told = told.clone();
        self.herald.tell(News {
            state,
            by: decisions,
            reason: told.reason.clone(),
            at: told.at,
            ..News::asked(&asking.request, asking.digest)
        });
        asking.end(match state {
            State::Denied => Ended::Denied(told),
            State::Withdrawn => Ended::Withdrawn,
            State::Expired => Ended::Expired(told),
            State::Requested | State::Approved | State::Void => {
                Ended::Failed(MailboxError::Ended(state))
            }
        });
    }

    fn rows<'a>(&'a self, asking: &'a Asking) -> Rows<'a> {
        Rows {
            recorder: &self.recorder,
            request: &asking.request,
            digest: asking.digest,
        }
    }

    /// Records what no decision rests on.
    fn tell(&self, rows: Vec<Row>) {
        if let Err(error) = self.recorder.commit_blocking(rows) {
            tracing::error!(%error, "events could not be recorded");
        }
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
